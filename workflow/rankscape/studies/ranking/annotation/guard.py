"""What stands between the page and the rest of the machine: host check, secret address, size limit, headers."""

import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
            return PlainTextResponse("Not found: use the address that rankscape annotate printed.", 404)
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
