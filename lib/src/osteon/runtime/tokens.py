"""Bearer tokens (RFC 6750): who may ask a service of ours over HTTP, and by which name."""

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from osteon.errors import Fatal
from osteon.runtime import audit, logs, metrics
from osteon.runtime.audit import Caller

__all__ = ["RequireToken", "Tokens", "caller_of", "read_tokens"]

CALLER = "osteon.caller"
"""Where the ASGI scope holds the name of whoever asks."""

LEAST_LENGTH = 32  # of the 43 characters that 32 random bytes have in base 64; a guessable one is no lock
LINE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)[:=\s]\s*(?P<token>[A-Za-z0-9._~+/-]+=*)")
LOGGER = logs.logger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Tokens:
    """Names by token. Only hashes are kept; its text tells names alone."""

    def __init__(self, token_of: Mapping[str, str]) -> None:
        self._names = {sha256(token.encode()).digest(): name for name, token in token_of.items()}

    def name_of(self, authorization: list[str]) -> str | None:
        """Whose token the Authorization headers of a request hold; None if it is nobody's.

        Takes the same time for each wrong one.
        """
        scheme, _, token = (authorization[0] if len(authorization) == 1 else "").partition(" ")
        given = sha256(token.strip().encode()).digest()
        found = [name for known, name in self._names.items() if hmac.compare_digest(known, given)]
        return found[0] if found and scheme.lower() == "bearer" else None

    def __repr__(self) -> str:
        return f"Tokens of {', '.join(sorted(self._names.values()))}"


def read_tokens(text: str, file: Path | None) -> Tokens | None:
    """The tokens of a setting and of a file, one `name:token` a line or between commas; None where there are none.

    Raises Fatal that names the line and never a token.
    """
    sources = [("OSTEON_TOKENS", text.replace(",", "\n"))]
    if file is not None:
        try:
            sources.append((str(file), file.read_text()))
        except (OSError, UnicodeDecodeError) as error:
            raise Fatal(f"tokens can't be read from {file}: {type(error).__name__}") from None
    token_of: dict[str, str] = {}
    for source, lines in sources:
        for number, line in enumerate(lines.splitlines(), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                name, token = _read(line.strip(), f"{source}, line {number}")
                if name in token_of:
                    raise Fatal(f"{source}, line {number}: {name} has a token already; give each caller another name")
                if token in token_of.values():
                    raise Fatal(
                        f"{source}, line {number}: {name} has another caller's token; audits could not tell them"
                    )
                token_of[name] = token
    if file is not None and not token_of:
        raise Fatal(f"{file} holds no token: write name:token on a line, made by openssl rand -hex 32")
    return Tokens(token_of) if token_of else None


def _read(line: str, where: str) -> tuple[str, str]:
    found = LINE.fullmatch(line)
    if found is None:
        raise Fatal(f"{where}: write name:token, the token made by openssl rand -hex 32")
    if len(found["token"]) < LEAST_LENGTH:
        raise Fatal(f"{where}: a token has at least {LEAST_LENGTH} characters; make one by openssl rand -hex 32")
    return found["name"], found["token"]


def caller_of(scope: Scope) -> Caller:
    """Who asks, as far as the door knows: by token, else unknown at an address."""
    return Caller(scope.get(CALLER, "unknown"), (scope["client"] or [""])[0])


class RequireToken:
    """An ASGI application that lets only those with a token through to another one.

    A missing token and a wrong one get the same answer. `open_paths` are answered to everybody.
    """

    def __init__(
        self, application: Application, tokens: Tokens, site: str, door: str, open_paths: tuple[str, ...] = ()
    ) -> None:
        self._application = application
        self._tokens = tokens
        self._site = site
        self._door = door
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"] in self._open_paths):
            await self._application(scope, receive, send)
            return
        authorization = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
        caller = self._tokens.name_of(authorization)
        if caller is not None:
            scope[CALLER] = caller
            await self._application(scope, receive, send)
            return
        metrics.CALLERS_REFUSED.labels(self._door).inc()
        peer = caller_of(scope)
        LOGGER.warning("caller without a valid token", extra={"door": self._door, "peer": peer.address})
        audit.sign_in_refused(self._site, peer, self._door)
        await self._refuse(scope, send)

    async def _refuse(self, scope: Scope, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        body = b'{"error": "a token is needed: Authorization: Bearer ..."}'
        headers = [
            (b"www-authenticate", b'Bearer realm="osteon"'),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": body})
