"""A subprocess that works inputs one by one, limited in memory: it may die of one, and its parent sees of which.

    python -m tests.fuzz.worker SEED FOLDER < numbers

For each number that it reads it says on standard output that it begins, and then what came of it, as JSON.
"""

import json
import os
import resource
import sys
import time
import traceback
from pathlib import Path

from tests.fuzz.ledger import FOUND
from tests.fuzz.mutate import mutated
from tests.fuzz.path import Path_

LIMIT_S = 10.0  # of one input
LIMIT_BYTES = 4 * 2**30  # half of what a stage gives its subprocess
STATUS = Path("/proc/self/status")


def main(seed: int) -> None:
    """Work what standard input asks for."""
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # decoders print
    path = Path_()
    path.outcome(mutated(seed, 1).content, 0)  # what is loaded on first use counts for nobody
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer.write(json.dumps({"ready": True}) + "\n")
    for line in sys.stdin:
        number = int(line)
        made = mutated(seed, number)
        Path("/proc/self/clear_refs").write_text("5")  # the peak of memory is that of this input alone
        began = time.process_time()  # of the processor: others may use the machine too
        answer.write(json.dumps({"begins": number}) + "\n")
        told = _worked(path, made.content, number)
        seconds = round(time.process_time() - began, 3)
        if seconds > LIMIT_S:
            told["outcome"] = f"{FOUND}took over {LIMIT_S:.0f} s"
        told |= {"number": number, "made": made.made, "seconds": seconds, "mb": _peak_mb()}
        answer.write(json.dumps(told) + "\n")


def _worked(path: Path_, content: bytes, number: int) -> dict[str, object]:
    try:
        return {"outcome": path.outcome(content, number)}
    except MemoryError:
        return {"outcome": f"{FOUND}out of memory", "trace": traceback.format_exc()}
    except BaseException as error:  # noqa: BLE001 - a panic in Rust is none of Python's errors
        return {"outcome": f"{FOUND}{type(error).__name__}", "trace": traceback.format_exc()}


def _peak_mb() -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


if __name__ == "__main__":
    main(int(sys.argv[1]))
