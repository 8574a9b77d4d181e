"""Whatever ends or shakes a process, no value of an image gets onto standard error."""

import json
import subprocess
import sys

import pytest

PLANTED = "ZQXPLANTED"
BEGIN = """
import asyncio, gc, logging, os, sys, threading, warnings
from osteon.runtime import Settings
from osteon.runtime.service import run
name = "".join(("ZQX", "PLANTED"))  # a traceback would quote a literal
"""
FAULTS = {
    "an exception at the top": "raise ValueError(name)",
    "one with a cause": "raise RuntimeError(name) from ValueError(name)",
    "a group": "raise ExceptionGroup(name, [ValueError(name)])",
    "a key": "{}[name]",
    "a thread": "t = threading.Thread(target=lambda: {}[name], name=name); t.start(); t.join()",
    "a destructor": "type('X', (), {'__del__': lambda self: {}[name]})(); gc.collect()",
    "a warning": "warnings.simplefilter('always'); warnings.warn(name)",
    "a task that nobody waits for": """
async def fail(): raise ValueError(name)
async def forget():
    task = asyncio.ensure_future(fail()); await asyncio.sleep(0); await asyncio.sleep(0)
asyncio.run(forget()); gc.collect()""",
    "a log that can't be written": """
logging.getLogger().handlers[0].stream = open('/dev/full', 'w')
try: {}[name]
except KeyError: logging.getLogger('osteon.x').exception('failed')
logging.getLogger().handlers[0].stream = sys.stderr
logging.getLogger('osteon.x').warning('went on')""",
    "a library's log": "logging.getLogger('uvicorn.error').error('got %s', name, extra={'value': name})",
    "a library's exception": """
try: {}[name]
except KeyError: logging.getLogger('some.package').exception('failed\\n' + name)""",
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_without_the_values_it_met(fault: str) -> None:
    body = "\n".join(f"    {line}" for line in fault.strip().splitlines())
    program = f"{BEGIN}\ndef main(*_):\n{body}\nrun('test', Settings, main)"

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)

    assert PLANTED not in ended.stdout + ended.stderr
    assert [json.loads(line)["level"] for line in ended.stderr.splitlines()] != []


def test_a_process_that_crashes_writes_no_memory_to_a_file() -> None:
    program = (
        f"{BEGIN}\nimport resource\nrun('test', Settings, lambda *_: print(resource.getrlimit(resource.RLIMIT_CORE)))"
    )

    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert told.stdout == "(0, 0)\n"
