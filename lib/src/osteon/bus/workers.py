"""Threads that work records. They are daemons: a decoder that never returns can't keep a process from ending."""

import queue
import threading
from collections.abc import Callable

__all__ = ["Workers"]


class Workers:
    """`n_threads` threads; the caller bounds what it submits."""

    def __init__(self, n_threads: int, name: str) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._finished = threading.Event()
        self._n_threads = n_threads
        for number in range(n_threads):
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True).start()

    def submit(self, task: Callable[[], None]) -> None:
        """Run `task`, which must not raise, when a thread is free."""
        self._tasks.put(task)

    def wait(self, timeout_s: float) -> None:
        """Return when a task has finished since the last call, or after `timeout_s`."""
        self._finished.wait(timeout_s)
        self._finished.clear()

    def close(self) -> None:
        """End the threads once they are free."""
        for _ in range(self._n_threads):
            self._tasks.put(None)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
            self._finished.set()
