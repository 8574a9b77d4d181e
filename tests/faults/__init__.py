"""Evidence that the path of an X-ray loses and doubles nothing, whatever dies when: `make faults`.

radiographs.py   what is sent: small radiographs, some of them blank
schedule.py      a seeded schedule: which part is killed, halted, doubled or switched at which moment
strike.py        does it to a running stack, and notes how long each part took to be ready again
operate.py       switches the release meanwhile, and rolls it back
senders.py       several senders at once, by three doors, that repeat what was not acknowledged and log all of it
account.py       each acknowledged image against the outcomes on the bus
run.py           one run: all of these together
outage.py        a server is away for minutes, as a command of its own; count.py: what each part held meanwhile
report.py        what is printed and written
clocks.py        the clocks of parts jump (clock.c is preloaded into them)
traps/           makes a real service die at a chosen step, for the tests
__main__.py      the run as a command
"""
