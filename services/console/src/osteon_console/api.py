"""The console's questions over HTTP, as JSON. It reads; nothing here makes an outcome.

Where there are tokens, each question but the last needs one.

GET /api/images?state=&site=&limit=&offset=   receptions, the newest first
GET /api/images/{image_id}                    one image and its path, step by step
GET /api/stages                               what waits for each stage, and its brake
GET /api/summary                              counts by state
GET /healthz                                  200 while the topics are being read, else 503
"""

import socket
import threading
import time
from collections.abc import Callable

import uvicorn
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from osteon.errors import Fatal
from osteon.runtime import audit
from osteon.runtime.health import Health
from osteon.runtime.lock import Lock
from osteon.runtime.tokens import RequireToken, caller_of
from osteon_console import query

__all__ = ["api", "listen", "serve"]

MOST_ROWS = 1000  # an answer of about a megabyte; more come by paging


def api(
    engine: Engine,
    deadline_s: float,
    health: Health,
    is_current: Callable[[], bool],
    clock: Callable[[], float] = time.time,
    site: str = "",
) -> Starlette:
    """The application. An image without an outcome `deadline_s` after its reception is overdue.

    `is_current` tells whether the table has caught up with the topics; the summary passes it on. Who looks at images
    is told to audit, as of `site`.
    """

    def late_before_us() -> int:
        return int((clock() - deadline_s) * 1e6)

    def seen(request: Request) -> None:
        audit.queried(site, caller_of(request.scope), f"{request.url.path}?{request.url.query}")

    def images(request: Request) -> Response:
        state = _one_of(request, "state", query.STATES)
        limit, offset = _number(request, "limit", 100, MOST_ROWS), _number(request, "offset", 0, 2**31)
        of_site = request.query_params.get("site", "")
        with engine.connect() as connection:
            found = query.images(connection, late_before_us(), state=state, site=of_site, limit=limit, offset=offset)
        seen(request)
        return JSONResponse(found)

    def image(request: Request) -> Response:
        with engine.connect() as connection:
            found = query.image(connection, late_before_us(), request.path_params["image_id"])
        if found is None:
            raise HTTPException(404, "no image of this id was received here, or several begin so")
        seen(request)
        return JSONResponse(found)

    def stages(_: Request) -> Response:
        with engine.connect() as connection:
            return JSONResponse({"stages": query.stages(connection)})

    def summary(_: Request) -> Response:
        is_complete = is_current()  # asked first: what is counted after it holds at least what it speaks of
        with engine.connect() as connection:
            return JSONResponse(query.summary(connection, late_before_us()) | {"is_current": is_complete})

    def healthz(_: Request) -> Response:
        wrong = health.unready if health.is_alive else ["track"]
        return JSONResponse({"ready": not wrong, "not_ready": wrong}, status_code=503 if wrong else 200)

    routes = [
        Route("/api/images", images),
        Route("/api/images/{image_id}", image),
        Route("/api/stages", stages),
        Route("/api/summary", summary),
        Route("/healthz", healthz),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _refused})


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, status_code=error.status_code)


def _one_of(request: Request, name: str, allowed: tuple[str, ...]) -> str:
    value = request.query_params.get(name, "")
    if value and value not in allowed:
        raise HTTPException(400, f"{name} must be one of {', '.join(allowed)}")
    return value


def _number(request: Request, name: str, default: int, most: int) -> int:
    value = request.query_params.get(name, str(default))
    if not (value.isascii() and value.isdigit()) or int(value) > most:
        raise HTTPException(400, f"{name} must be a whole number from 0 to {most}")
    return int(value)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises Fatal where it can't be opened."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        why = f"{host}:{port} can't be opened: {error.strerror}"
        raise Fatal(f"{why}; set OSTEON_HOST and OSTEON_PORT") from None


def serve(application: Starlette, listening: socket.socket, lock: Lock, site: str, stop: threading.Event) -> None:
    """Answer whom `lock` lets in on `listening` until `stop` is set; questions under way are answered first.

    Call it in a thread of its own: in the main thread uvicorn would take over the signals. When it ends for
    another cause, it sets `stop`, so that no process goes on that can't be asked.
    """
    locked = RequireToken(application, lock.tokens, site, "console", ("/healthz",)) if lock.tokens else application
    config = uvicorn.Config(
        locked,
        ssl_context_factory=(lambda *_: tls) if (tls := lock.tls) else None,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    server = uvicorn.Server(config)

    def end() -> None:
        stop.wait()
        server.should_exit = True

    threading.Thread(target=end, name="api-end", daemon=True).start()
    try:
        server.run(sockets=[listening])
    finally:
        stop.set()
