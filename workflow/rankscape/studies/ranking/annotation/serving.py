"""Serving the page to one user of this machine: port, secret address, host check, size limit, headers."""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rankscape.foundation.errors import InputError, OrderError

HOSTS = ("127.0.0.1", "localhost")
"""Names under which the page may be asked for; any other is a page elsewhere that points its name here."""
MOST_BODY_BYTES = 1 << 20
"""Longest body taken: an arrangement of a thousand cards is a tenth of it."""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Guard:
    """Lets requests pass that ask this host, by the secret address, with a body of bounded size."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on without the secret part of its path."""
        if scope["type"] != "http":
            return
        sender = _with_headers(send)
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, sender)
            return
        body = await _whole_body(receive)
        if body is None:
            await PlainTextResponse("The body is too large.", 413)(scope, receive, sender)
            return
        await self.app({**scope, "path": _inner(scope["path"])[1]}, _replay(body, receive), sender)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if headers.get("host", "").rpartition(":")[0] not in HOSTS and headers.get("host") not in HOSTS:
            return PlainTextResponse("This page answers at 127.0.0.1 and localhost only.", 421)
        if not secrets.compare_digest(_inner(scope["path"])[0].encode(), self.token.encode()):
            return PlainTextResponse("Not found: use the address that rankscape ranking annotate printed.", 404)
        if not _inner(scope["path"])[1]:
            return RedirectResponse(f"/{self.token}/")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BODY_BYTES:
            return PlainTextResponse("The body is too large.", 413)
        if scope["method"] in ("PUT", "POST") and headers.get("content-type") != "application/json":
            return PlainTextResponse("Only application/json is taken.", 415)
        return None


def _inner(path: str) -> tuple[str, str]:
    """Split a path into its first part, the secret, and the rest."""
    first, slash, rest = path.removeprefix("/").partition("/")
    return first, slash + rest


async def _whole_body(receive: Receive) -> bytes | None:
    """Read a body; None if it grows too large."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MOST_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _with_headers(send: Send) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sender


HOST = "127.0.0.1"
_TOKEN = r"[A-Za-z0-9_-]{20,64}"


@contextlib.contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """Take a port of 127.0.0.1; 0 takes any free one.

    Raises:
        InputError: If the port is in use, or not for users.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        # A server that was killed leaves connections behind, which must not keep its successor waiting.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((HOST, port))
            taken.listen()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise InputError(
                    f"Port {port} of {HOST} is in use by another program: end that, or choose another with --port."
                ) from None
            if error.errno == errno.EACCES:
                raise InputError(
                    f"Port {port} of {HOST} is not for users: choose one above 1023 with --port."
                ) from None
            raise
        yield taken


@contextlib.contextmanager
def secret_of(annotator: str, folder: Path) -> Iterator[str]:
    """Hold an annotator's secret address while the page is served.

    The secret is kept in a hidden file that only the user can read, so that a page left open goes on when the server
    starts again; the file is locked meanwhile, so that one server at a time writes the draft.

    Args:
        annotator: Name.
        folder: Folder of the region's orders; made if it is missing.

    Raises:
        OrderError: If the annotator's page is being served already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{annotator}.secret"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(handle, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OrderError(
                f"The page of annotator {annotator} is being served already: open its address, or end that server."
            ) from None
        # An older file may have been opened wider by hand.
        path.chmod(0o600)
        token = file.read().strip()
        if not re.fullmatch(_TOKEN, token):
            token = secrets.token_urlsafe(24)
            file.seek(0)
            file.truncate()
            file.write(f"{token}\n")
            file.flush()
        yield token


def serve(app: ASGIApp, taken: socket.socket) -> None:
    """Serve until the user ends it with Ctrl-C; the log shows no addresses, which hold the secret."""
    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", ws="none", server_header=False)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[taken])
