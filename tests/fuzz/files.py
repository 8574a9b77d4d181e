"""Mutated files through the path, in worker processes that may die or hang: their parent counts both."""

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.fuzz.ledger import FOUND, Ledger
from tests.fuzz.mutate import mutated

__all__ = ["run_files"]

HUNG_S = 300.0  # on the clock, for one input on a busy machine; what it may use of the processor is in `worker.py`
START_S = 300.0
N_WORKERS = 2


def run_files(ledger: Ledger, seed: int, numbers: Iterable[int], *, until: float, tick: Callable[[], None]) -> None:
    """Work `numbers`, until the monotonic time `until` at most; `tick` is called after each."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in numbers:
        waiting.put(number)
    lock = threading.Lock()

    def add(told: dict[str, Any]) -> None:
        found = told["outcome"].startswith(FOUND)
        with lock:
            ledger.add(told, mutated(seed, told["number"]).content if found else b"")
            tick()

    with ThreadPoolExecutor(N_WORKERS) as pool:
        attended = [pool.submit(_attend, seed, waiting, until, add) for _ in range(N_WORKERS)]
    for each in attended:
        each.result()  # a worker that can't start ends the run


def _attend(seed: int, waiting: "queue.SimpleQueue[int]", until: float, add: Callable[[dict[str, Any]], None]) -> None:
    """Keep one worker busy; one that died or was ended is followed by another."""
    while time.monotonic() < until and not waiting.empty():
        with _Worker(seed) as worker:
            while time.monotonic() < until:
                try:
                    number = waiting.get_nowait()
                except queue.Empty:
                    return
                told = worker.work(number)
                add(told)
                if worker.is_gone:
                    break


class _Worker:
    def __init__(self, seed: int) -> None:
        command = [sys.executable, "-m", "tests.fuzz.worker", str(seed)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._errors: list[str] = []
        self.is_gone = False
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._listen, daemon=True).start()
        if self._next(START_S) is None:
            raise RuntimeError(f"a worker did not start: {''.join(self._errors)}")

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def work(self, number: int) -> dict[str, Any]:
        """What came of an input; that its worker died or hung, if it did."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        begins = self._next(START_S)
        told = self._next(HUNG_S) if begins else None
        if told is not None:
            return told
        self.is_gone = True
        is_hung = self._process.poll() is None and not self._lines_ended
        self._process.kill()
        status = self._process.wait()
        name = signal.Signals(-status).name if status < 0 else f"exit code {status}"
        outcome = "hangs" if is_hung else f"kills-worker by {name}"
        return {"number": number, "outcome": FOUND + outcome, "trace": "".join(self._errors[-50:])}

    def _next(self, timeout_s: float) -> dict[str, Any] | None:
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            return None
        told: dict[str, Any] | None = json.loads(line) if line else None
        return told

    _lines_ended = False

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines_ended = True
        self._lines.put("")

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._errors.append(line)
            del self._errors[:-200]
