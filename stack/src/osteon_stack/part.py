"""A part of the stack: a program, what must be ready before it, and how one knows that it is ready."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from osteon.errors import Fatal

__all__ = [
    "MARKER", "PART", "Part", "answers", "ask_to_end", "inherited_environment", "kill", "spawn", "stop", "tail",
    "wait_ready",
]  # fmt: skip

MARKER = "STACK_STATE_FOLDER"
"""Environment variable of every process of a stack; it holds the stack's absolute state folder.

By it each process is found again, also after a crash. (Not `OSTEON_…`: services refuse unknown settings.)
"""

PART = "STACK_PART"
"""Environment variable that holds the name of the part which a process belongs to."""

LOG_BYTES = 50 * 1024 * 1024
"""A log that is larger when its part starts is put aside, and the one before it is forgotten."""

POLL_S = 0.1


@dataclass(frozen=True)
class Part:
    """One program of the stack, not yet started.

    `after` names the parts that must be ready first. `prepare` makes the files it needs and is called before
    each start; it may be called again. `leaves` are files outside its folder that it forgets to remove. A task
    runs to its end: it is ready once it has ended with exit code 0.
    """

    name: str
    command: tuple[str, ...]
    is_ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    after: tuple[str, ...] = ()
    prepare: Callable[[], None] = lambda: None
    leaves: tuple[Path, ...] = ()
    is_task: bool = False
    ready_within_s: float = 120.0
    stop_within_s: float = 15.0


def spawn(part: Part, folder: Path) -> subprocess.Popen[bytes]:
    """Prepare and start `part`; its output goes to `folder/logs/<name>.log`.

    It dies when the thread that called this dies, so call it from a main thread.
    """
    part.prepare()
    log = folder / "logs" / f"{part.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".old"))
    home = folder / part.name
    home.mkdir(exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            part.command,
            cwd=home,
            env={**inherited_environment(), **part.environment, MARKER: str(folder), PART: part.name},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in a terminal reaches the caller alone, who stops parts in order
            preexec_fn=_die_with(os.getpid()),
        )


def inherited_environment() -> dict[str, str]:
    """What a part sees of the caller's environment: no setting of Osteon's, since each part gets its own."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("OSTEON_")}


PR_SET_PDEATHSIG = 1  # from linux/prctl.h
_LIBC = ctypes.CDLL(None)


def _die_with(parent: int) -> Callable[[], None]:
    def ask() -> None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return ask


def wait_ready(part: Part, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Block until `part` is ready. Raises Fatal with the end of its log if it ends before, or is late."""
    deadline = time.monotonic() + part.ready_within_s
    while time.monotonic() < deadline:
        code = process.poll()
        if code is not None:
            if part.is_task and code == 0:
                return
            raise Fatal(f"{part.name} ended with exit code {code}:\n{tail(folder, part.name)}")
        if not part.is_task and part.is_ready():
            return
        time.sleep(POLL_S)
    raise Fatal(f"{part.name} was not ready within {part.ready_within_s:.0f} s:\n{tail(folder, part.name)}")


def stop(part: Part, process: subprocess.Popen[bytes]) -> None:
    """End a process by SIGTERM, and by SIGKILL if it is still there after the part's `stop_within_s`."""
    ask_to_end(process)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(part.stop_within_s)
    kill(part, process)


def ask_to_end(process: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM, and not wait."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)  # a halted process would not see the next
        process.terminate()


def kill(part: Part, process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started by SIGKILL (they share a process group), and remove what it left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for path in part.leaves:
        path.unlink(missing_ok=True)


def tail(folder: Path, name: str, n_lines: int = 30) -> str:
    """The last lines that a part logged."""
    log = folder / "logs" / f"{name}.log"
    if not log.exists():
        return "(it logged nothing)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 400 * n_lines))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-n_lines:])


def answers(url: str, timeout_s: float = 2.0) -> bool:
    """Whether an HTTP GET of `url` succeeds."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:  # noqa: S310 our own address
            return bool(answer.status < 400)
    except (urllib.error.URLError, OSError):
        return False
