"""Switch the release and roll it back, as a person does while images stream."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from osteon.release import Card
from osteon_stack.stack import Stack

__all__ = ["Operator"]

MODELS = Path(__file__).parents[2] / "models"


class Operator:
    """Gives one command after the other, and repeats one that failed. `another` is a folder that does not exist yet."""

    def __init__(self, stack: Stack, another: Path) -> None:
        self._stack = stack
        self._switch = ("make", "--harmonizer", str(MODELS / "nyul"), "--classifier", str(another), "--use")
        self._process: subprocess.Popen[bytes] | None = None
        self._command: tuple[str, ...] = ()
        self.has_switched = False
        shutil.copytree(MODELS / "cnn", another)  # the same classifier as a second version
        card = Card.from_json((another / "card.json").read_text())
        (another / "card.json").write_text(replace(card, version=card.version + 1).to_json())

    @property
    def is_free(self) -> bool:
        """Whether no command is running."""
        return self._process is None

    def begin(self, deed: str) -> Callable[[], bool]:
        """Start a command; what is returned tells whether it succeeded, and starts it again where it failed."""
        self._command = self._switch if deed == "switch" else ("rollback",)
        self._process = self._start()
        return self._is_done

    def end(self) -> None:
        """Give up what still runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def _is_done(self) -> bool:
        assert self._process is not None
        status = self._process.poll()
        if status == 0:
            self._process, self.has_switched = None, True
        elif status is not None:
            self._process = self._start()
        return status == 0

    def _start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {"OSTEON_STACK_FOLDER": str(self._stack.folder)}
        command = [str(Path(sys.executable).with_name("osteon")), "release", *self._command]
        with (self._stack.folder / "logs" / "operator.log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)
