"""Work one record in a subprocess with limits, because a process died while it worked that record alone.

The subprocess gets the record on standard input and answers on standard output, one JSON object a line: first that
it begins, then what came of it. If it dies in between, the record kills who works it.
"""

import base64
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

from osteon.bus.outcome import Context
from osteon.bus.record import Outgoing
from osteon.contracts.reasons import REASONS
from osteon.contracts.topics import Topic
from osteon.errors import Fatal, Passing, Poison, SetAside

__all__ = ["Killed", "Limits", "apart", "work_apart", "work_one"]

Killed = Callable[[Any, SetAside], Sequence[Any]]

KILLS_WORKER = "kills-worker"
GIB = 1024**3
PR_SET_PDEATHSIG = 1  # linux/prctl.h
TRIES = 2  # a subprocess may be killed for what others do; twice is no chance


@dataclass(frozen=True)
class Limits:
    """What a subprocess may use: address space, processor time, time on the clock."""

    memory_bytes: int = 8 * GIB
    cpu_s: int = 300
    wall_s: float = 600.0


def apart(
    command: Sequence[str], limits: Limits, killed: Killed | None = None
) -> Callable[[Any, Context], Sequence[Any]]:
    """Work that `work_apart` does; what kills the subprocess too leads to what `killed` makes of it."""

    def work(message: Any, context: Context) -> Sequence[Any]:
        try:
            return work_apart(command, message, context, limits)
        except SetAside as refusal:
            if refusal.reason != KILLS_WORKER or killed is None:
                raise
            return killed(message, refusal)

    return work


def work_apart(command: Sequence[str], message: Message, context: Context, limits: Limits) -> list[Outgoing]:
    """What work makes of `message` when `command` runs it.

    Raises what work raised (an unexpected error as one of the same name, without its text); SetAside `kills-worker`
    if the subprocess died each time (Poison where the message is about no image); Fatal if the command never began.
    """
    request = json.dumps(
        {
            "message": message.DESCRIPTOR.full_name,
            "value": _text(message.SerializeToString()),
            "traceparent": context.traceparent,
            "memory_bytes": limits.memory_bytes,
            "cpu_s": limits.cpu_s,
        }
    )
    for _ in range(TRIES):
        answers, status = _run(command, request, context.stop, limits.wall_s)
        if "begun" not in answers:
            raise Fatal(f"`{' '.join(command)}` ended with {status} before it began to work: try it by hand")
        if "outputs" in answers:
            return [_outgoing(one) for one in answers["outputs"]]
        if "error" in answers:
            raise _error(answers)
        if context.stop.is_set():
            raise Passing("stage", "the stage stopped meanwhile")
    explanation = f"{REASONS[KILLS_WORKER]} The last one died by {status}."
    if "image_id" in message.DESCRIPTOR.fields_by_name:
        raise SetAside(KILLS_WORKER, explanation)
    raise Poison(KILLS_WORKER, explanation)


def _run(command: Sequence[str], request: str, stop: threading.Event, wall_s: float) -> tuple[dict[str, Any], str]:
    """All answers in one, and how the subprocess ended."""
    deadline = time.monotonic() + wall_s
    with subprocess.Popen(list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        lines: list[bytes] = []
        reader = threading.Thread(target=_converse, args=(child, request.encode(), lines), daemon=True)
        reader.start()
        while reader.is_alive() and time.monotonic() < deadline and not stop.is_set():
            reader.join(0.1)
        is_late = reader.is_alive()
        child.kill()
        reader.join()
        status = child.wait()
    answers: dict[str, Any] = {}
    for line in lines:
        try:
            answers |= json.loads(line)
        except ValueError:
            break  # it died in the middle of a line
    return answers, "its time limit" if is_late else _status(status)


def _converse(child: "subprocess.Popen[bytes]", request: bytes, lines: list[bytes]) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(request)
        child.stdin.close()
    except BrokenPipeError:
        pass  # it died at its start; that it never began says so
    lines.extend(child.stdout)
    child.wait()


def _status(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _error(answers: dict[str, Any]) -> Exception:
    kind, reason, text = answers["error"], answers["reason"], answers["explanation"]
    if kind == "SetAside":
        return SetAside(reason, text)
    if kind == "Poison":
        return Poison(reason, text)
    if kind == "Passing":
        return Passing(reason, text)
    if kind == "Fatal":
        return Fatal(text)
    unexpected: Exception = type(kind, (RuntimeError,), {})()
    return unexpected  # its name becomes the reason; its text stayed behind


def work_one(work: Callable[[Any, Context], Sequence[Outgoing]]) -> None:
    """The subprocess: one record from standard input, its outcome to standard output."""
    # Libraries print; what they print must not be taken for the answer.
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    request = json.load(sys.stdin)
    _limit(request["memory_bytes"], request["cpu_s"])
    message = _message(request["message"], request["value"])
    _say(answer, {"begun": True})
    context = Context(request["traceparent"], threading.Event())
    try:
        outputs = [_spelled(one) for one in work(message, context)]
    except SetAside as error:
        _say(answer, _spelled_error("SetAside", error.reason, str(error)))
    except Poison as error:
        _say(answer, _spelled_error("Poison", error.reason, str(error)))
    except Passing as error:
        _say(answer, _spelled_error("Passing", error.dependency, str(error)))
    except Fatal as error:
        _say(answer, _spelled_error("Fatal", "", str(error)))
    except MemoryError:
        os.kill(os.getpid(), signal.SIGKILL)  # past its limit: the same as if the kernel had seen it first
    except Exception as error:  # noqa: BLE001 - the top of a process; the parent counts it as an attempt
        _say(answer, _spelled_error(type(error).__name__, "", ""))
    else:
        _say(answer, {"outputs": outputs})


def _limit(memory_bytes: int, cpu_s: int) -> None:
    """Tighten what this process may use, and make it the first to go when memory is short, or its parent dies."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Path("/proc/self/oom_score_adj").write_text("1000")
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _say(answer: Any, words: dict[str, Any]) -> None:
    answer.write(json.dumps(words) + "\n")
    answer.flush()


def _spelled_error(kind: str, reason: str, explanation: str) -> dict[str, Any]:
    return {"error": kind, "reason": reason, "explanation": explanation}


def _spelled(one: Outgoing) -> dict[str, Any]:
    topic = one.topic
    return {
        "topic": [topic.name, topic.message.DESCRIPTOR.full_name, topic.key, topic.partitions, topic.retention_ms],
        "value": _text(one.message.SerializeToString()),
        "key": one.key,
        "removes": one.removes,
    }


def _outgoing(spelled: dict[str, Any]) -> Outgoing:
    name, message, key, partitions, retention_ms = spelled["topic"]
    topic = Topic(name, _class(message), key, partitions, retention_ms)
    return Outgoing(topic, _message(message, spelled["value"]), spelled["key"], spelled["removes"])


def _message(name: str, text: str) -> Message:
    return _class(name).FromString(base64.b64decode(text))


def _class(name: str) -> type[Message]:
    return message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
