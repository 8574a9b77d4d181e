/* The time of day of one part of a stack, moved by as many seconds as a file says; the monotonic clock stays right.
 *
 * Preloaded (LD_PRELOAD) into all processes of a stack; each maps the file $FAULTS_CLOCKS/$STACK_PART, a signed 64 bit
 * number, so that a test may let the clock of a running part jump. Who has no such file keeps the machine's time.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t none = 0;
static const volatile int64_t *shift_s = &none;

__attribute__((constructor)) static void map_file(void) {
    const char *folder = getenv("FAULTS_CLOCKS"), *part = getenv("STACK_PART");
    char path[4096];
    if (!folder || !part || snprintf(path, sizeof path, "%s/%s", folder, part) >= (int)sizeof path) return;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof *shift_s, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) shift_s = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = (int)syscall(SYS_clock_gettime, clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += *shift_s;
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    int failed = (int)syscall(SYS_gettimeofday, at, zone);
    if (!failed) at->tv_sec += *shift_s;
    return failed;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
