"""Receive by STOW-RS (PS3.18 section 10.5): one request, many instances, an answer for each."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import Message

import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from osteon.contracts import DOOR_STOW
from osteon.errors import OsteonError, SetAside
from osteon.runtime.audit import Caller
from osteon.runtime.tokens import RequireToken, caller_of
from osteon_ingest.guard_connection import guarded_protocol
from osteon_ingest.locks import stow_lock
from osteon_ingest.multipart import Malformed, Part, Splitter
from osteon_ingest.peek import Header, peek
from osteon_ingest.receive import Mismatch, Threshold, receive, turn_away
from osteon_ingest.settings import IngestSettings

__all__ = ["serve_stow", "stow_app"]

MAX_INSTANCES = 10_000  # in one request; the answer lists each
RETRY_AFTER_S = "30"

NOT_SAFE = "not safe now: keep it and send it again"

# Failure reasons of PS3.18 table I.2-2 and of C-STORE; of those from A700 to A7FF all mean "out of resources".
STORED = 0
OUT_OF_RESOURCES = 0xA700
TOO_LARGE = 0xA7FF
DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000

# Tags of the answer, as DICOM JSON writes them
ERROR_COMMENT = "00000902"
SOP_CLASS = "00081150"
SOP_INSTANCE = "00081155"
RETRIEVE_URL = "00081190"
FAILURE_REASON = "00081197"
FAILED_SOPS = "00081198"
REFERENCED_SOPS = "00081199"
OTHER_FAILURES = "0008119A"


@dataclass(frozen=True)
class Instance:
    """What became of one instance; `failure` is `STORED` or why not, and no `header` that it could not be named."""

    header: Header | None
    failure: int = 0
    comment: str = ""


class Refused(OsteonError):
    """A request that is answered with `status` without a look at more instances."""

    def __init__(self, status: int, explanation: str) -> None:
        super().__init__(explanation)
        self.status = status


def serve_stow(settings: IngestSettings, threshold: Threshold, listening: socket.socket, stop: threading.Event) -> None:
    """Answer requests on `listening` until `stop`, then let open ones end, for `drain_s` seconds at most."""
    lock = stow_lock(settings)
    application = stow_app(settings, threshold)
    config = uvicorn.Config(
        RequireToken(application, lock.tokens, settings.site, "stow") if lock.tokens else application,
        ssl_context_factory=(lambda *_: tls) if (tls := lock.tls) else None,
        http=guarded_protocol(settings.stow_silence_timeout_s),
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=int(settings.drain_s),
    )
    server = uvicorn.Server(config)
    # In a thread of its own, uvicorn leaves the signals alone.
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="stow")
    serving.start()
    while serving.is_alive() and not stop.wait(0.2):
        """Until told to stop, or the server ended by itself."""
    server.should_exit = True
    serving.join()


def stow_app(settings: IngestSettings, threshold: Threshold) -> Starlette:
    """The web application: POST /dicomweb/studies and /dicomweb/studies/{study}."""
    places = asyncio.Semaphore(settings.stow_requests)

    async def store(request: Request) -> Response:
        if places.locked():
            return _answer(503, [], "too many requests at a time")
        async with places:
            return await _store(settings, threshold, request)

    paths = ("/dicomweb/studies", "/dicomweb/studies/{study}")
    return Starlette(routes=[Route(path, store, methods=["POST"]) for path in paths])


async def _store(settings: IngestSettings, threshold: Threshold, request: Request) -> Response:
    instances: list[Instance] = []
    is_away = False  # one wait for a store or bus that is away is enough for a request
    study = request.path_params.get("study", "")
    try:
        splitter = Splitter(_boundary(request), settings.max_object_bytes)
        async for piece in _pieces(settings, request):
            for part in splitter.feed(piece):
                step = _refuse_unseen if is_away else _take
                instances.append(await anyio.to_thread.run_sync(step, threshold, study, caller_of(request.scope), part))
                is_away = instances[-1].failure == OUT_OF_RESOURCES
                if len(instances) > MAX_INSTANCES:
                    raise Refused(413, f"more than {MAX_INSTANCES} instances in one request")
        if not splitter.is_complete:
            raise Refused(400, "the body ends before its last boundary")
        if not instances:
            raise Refused(400, "the body holds no instance")
    except Malformed as malformed:
        return _answer(400, instances, str(malformed))
    except Refused as refused:
        return _answer(refused.status, instances, str(refused))
    except ClientDisconnect:
        return _answer(400, instances, "the sender went away")  # for the log of a proxy; nobody reads it
    return _answer(_status(instances), instances)


def _boundary(request: Request) -> str:
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    if header.get_content_type() != "multipart/related":
        raise Refused(415, 'send multipart/related; type="application/dicom"')
    if str(header.get_param("type", "application/dicom")).lower() != "application/dicom":
        raise Refused(415, "of the media types of PS3.18, application/dicom is taken in")
    boundary = header.get_param("boundary")
    if not isinstance(boundary, str):
        raise Refused(400, "the content type names no boundary")
    return boundary


async def _pieces(settings: IngestSettings, request: Request) -> AsyncIterator[bytes]:
    too_large = Refused(413, f"the request has more than {settings.stow_max_request_bytes} bytes")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > settings.stow_max_request_bytes:
        raise too_large
    size_bytes = 0
    stream = aiter(request.stream())
    while True:
        try:
            piece = await asyncio.wait_for(anext(stream), settings.stow_silence_timeout_s)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Refused(408, "the sender fell silent") from None
        size_bytes += len(piece)
        if size_bytes > settings.stow_max_request_bytes:
            raise too_large
        yield piece


def _take(threshold: Threshold, study: str, sender: Caller, part: Part) -> Instance:
    if part.is_too_large:
        turn_away(threshold, DOOR_STOW, sender, "too-large")
        return Instance(_name(part), TOO_LARGE, f"too-large: more than {threshold.max_object_bytes} bytes")
    if part.content_type not in ("", "application/dicom"):
        turn_away(threshold, DOOR_STOW, sender, "not-dicom")
        return Instance(None, CANNOT_UNDERSTAND, "not-dicom: the part is not application/dicom")
    try:
        return Instance(receive(threshold, DOOR_STOW, part.body, Header("", "", study), sender=sender))
    except SetAside as refusal:
        return Instance(_name(part), CANNOT_UNDERSTAND, f"{refusal.reason}: {refusal}")
    except Mismatch as mismatch:
        return Instance(_name(part), DOES_NOT_MATCH, f"mismatch: {mismatch}")
    except OsteonError:
        return Instance(_name(part), OUT_OF_RESOURCES, NOT_SAFE)


def _refuse_unseen(_threshold: Threshold, _study: str, _sender: Caller, part: Part) -> Instance:
    return Instance(_name(part), OUT_OF_RESOURCES, NOT_SAFE)


def _name(part: Part) -> Header | None:
    try:
        return peek(part.body)
    except SetAside:
        return None


def _status(instances: list[Instance]) -> int:
    """PS3.18 table 10.5.3-1."""
    failures = {instance.failure for instance in instances}
    if failures == {STORED}:
        return 200
    if STORED in failures:
        return 202
    if OUT_OF_RESOURCES in failures:
        return 503
    return 413 if failures == {TOO_LARGE} else 409


def _answer(status: int, instances: list[Instance], explanation: str = "") -> Response:
    """The Store Instances Response Module (PS3.3 C.17.11, PS3.18 annex I), as JSON."""
    stored = [_item(instance) for instance in instances if instance.failure == STORED]
    failed = [_item(instance) for instance in instances if instance.failure != STORED and instance.header]
    nameless = [_item(instance) for instance in instances if not instance.header]
    module: dict[str, object] = {RETRIEVE_URL: {"vr": "UR"}}
    for tag, items in ((REFERENCED_SOPS, stored), (FAILED_SOPS, failed), (OTHER_FAILURES, nameless)):
        if items:
            module[tag] = {"vr": "SQ", "Value": items}
    if explanation:
        module[ERROR_COMMENT] = {"vr": "LO", "Value": [explanation]}
    headers = {"Retry-After": RETRY_AFTER_S} if status == 503 else {}
    return Response(json.dumps(module), status, headers, media_type="application/dicom+json")


def _item(instance: Instance) -> dict[str, object]:
    item: dict[str, object] = {}
    if instance.header:
        item[SOP_CLASS] = {"vr": "UI", "Value": [instance.header.sop_class_uid]}
        item[SOP_INSTANCE] = {"vr": "UI", "Value": [instance.header.sop_instance_uid]}
    if instance.failure != STORED:
        item[FAILURE_REASON] = {"vr": "US", "Value": [instance.failure]}
        item[ERROR_COMMENT] = {"vr": "LO", "Value": [instance.comment]}
    return item
