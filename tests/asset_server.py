"""A real HTTP peer on loopback that serves assets with ranges and ETags, and misbehaves where a test says so."""

import contextlib
import hashlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

Fault = Callable[["Handler", bytes], None]
"""Answers one request in its own way; gets the true content of what was asked for."""


@dataclass
class AssetServer:
    """Serves a folder; also a token endpoint (below /token/) and, asked with whole addresses, a proxy for any host."""

    folder: Path
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    """Faults by path: each answers one request, in order; after them all is well."""
    requests: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    """Path, lower-case headers, query of every request for a file."""
    tokens: list[str] = field(default_factory=list)
    """Tokens given out so far; the newest is the only valid one where `signed`."""
    signed: bool = False
    """Whether files are given only to addresses with the newest token."""
    token_faults: list[int] = field(default_factory=list)
    """Statuses that the token endpoint answers before it gives tokens."""
    key: str = ""
    """Key that the token endpoint demands."""
    etags: bool = True
    name: str = "invented"
    """What it calls itself."""
    ranges: bool = True
    """Whether it gives parts of a file."""
    extra: dict[str, str] = field(default_factory=dict)
    """Further headers of every good answer."""
    heads: list[str] = field(default_factory=list)
    """Path of every request for a size alone."""
    claimed: dict[str, int] = field(default_factory=dict)
    """Sizes by path that it tells there in place of the true ones."""
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fetched(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(asked == path for asked, _, _ in self.requests)

    def spans(self, path: str) -> list[str]:
        """The range of every request for a path, in order; empty where the whole was asked for."""
        return [headers.get("range", "") for asked, headers, _ in self.requests if asked == path]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    peer: AssetServer

    def log_message(self, format: str, *args: object) -> None:
        pass

    def version_string(self) -> str:
        return self.peer.name

    def do_HEAD(self) -> None:
        """Tell the size."""
        parts = urlsplit(self.path)
        with self.peer.lock:
            self.peer.heads.append(parts.path)
        file = self.peer.folder / parts.path.lstrip("/")
        if self.peer.signed and parse_qs(parts.query).get("sig") != self.peer.tokens[-1:]:
            self.start(403, 0)
        elif not file.is_file():
            self.start(404, 0)
        else:
            self.start(200, self.peer.claimed.get(parts.path, file.stat().st_size))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.startswith("/token/"):
            self._token()
            return
        with self.peer.lock:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.peer.requests.append((parts.path, headers, parts.query))
            faults = self.peer.faults.get(parts.path, [])
            fault = faults.pop(0) if faults else None
        file = self.peer.folder / parts.path.lstrip("/")
        content = file.read_bytes() if file.is_file() else b""
        if self.peer.signed and parse_qs(parts.query).get("sig") != self.peer.tokens[-1:]:
            self.answer(403, b"<Error>AuthenticationFailed</Error>")
        elif fault is not None:
            fault(self, content)
        elif not file.is_file():
            self.answer(404, b"gone")
        else:
            self.serve(content)

    def _token(self) -> None:
        if self.peer.key and self.headers.get("Ocp-Apim-Subscription-Key") != self.peer.key:
            self.answer(401, b"Access denied due to missing subscription key")
            return
        with self.peer.lock:
            if self.peer.token_faults:
                self.answer(self.peer.token_faults.pop(0), b"busy")
                return
            self.peer.tokens.append(f"secret{len(self.peer.tokens)}")
            token = f"se=2099-01-01&sig={self.peer.tokens[-1]}"
        self.answer(200, json.dumps({"msft:expiry": "2099-01-01T00:00:00Z", "token": token}).encode())

    def serve(self, content: bytes, etag: str | None = None) -> None:
        """Answer well: the whole, or a range where one of this version is asked for."""
        etag = etag or etag_of(content)
        extra = {**({"ETag": etag} if self.peer.etags else {}), **self.peer.extra}
        if self.headers.get("If-Match") not in (None, etag):
            self.answer(412, b"")
            return
        if not self.ranged() or self.headers.get("If-Range") not in (None, etag):
            self.answer(200, content, extra)
            return
        first, stop = self.span(content)
        if first >= len(content):
            self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        self.answer(206, content[first:stop], {**extra, "Content-Range": f"bytes {first}-{stop - 1}/{len(content)}"})

    def ranged(self) -> bool:
        """Whether a part was asked for, and is given."""
        return self.peer.ranges and "Range" in self.headers

    def span(self, content: bytes) -> tuple[int, int]:
        """First byte that was asked for, and the byte after the last."""
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        return int(first), min(int(last) + 1 if last else len(content), len(content))

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Send an answer with its true length."""
        self.start(status, len(body), headers)
        self.wfile.write(body)

    def start(self, status: int, length: int | None, headers: dict[str, str] | None = None) -> None:
        """Send the head of an answer, with whatever length."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()


def status(code: int, **headers: str) -> Fault:
    """Answer with an error status."""
    return lambda handler, content: handler.answer(code, b"no", {k.replace("_", "-"): v for k, v in headers.items()})


def etag_of(content: bytes) -> str:
    """The version that the server states of a file."""
    return f'"{hashlib.md5(content).hexdigest()}"'


def _promise(handler: Handler, content: bytes, etag: str | None = None, lost_bytes: int = 0) -> bytes:
    """Send the head of an answer to what was asked; return the body that ought to follow."""
    first, stop = handler.span(content) if handler.ranged() else (0, len(content))
    stop = max(first, stop - lost_bytes)
    headers = {"ETag": etag or etag_of(content)} if handler.peer.etags else {}
    headers |= {"Content-Range": f"bytes {first}-{stop - 1}/{len(content)}"} if handler.ranged() else {}
    handler.start(206 if handler.ranged() else 200, stop - first, headers)
    return content[first:stop]


def cut(share: float, *, etag: str | None = None) -> Fault:
    """Promise all that was asked for, send a share of it, and close in good order."""

    def fault(handler: Handler, content: bytes) -> None:
        body = _promise(handler, content, etag)
        handler.wfile.write(body[: int(len(body) * share)])
        handler.close_connection = True

    return fault


def reset(share: float) -> Fault:
    """Send a share of what was asked for, then tear the connection down."""

    def fault(handler: Handler, content: bytes) -> None:
        cut(share)(handler, content)
        handler.wfile.flush()
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    return fault


def instead(body: bytes) -> Fault:
    """Answer 200 with something else."""
    return lambda handler, content: handler.answer(200, body)


def part_of_another(etag: str) -> Fault:
    """Ignore conditions: go on, as asked, in another version of the file."""

    def fault(handler: Handler, content: bytes) -> None:
        handler.wfile.write(_promise(handler, content, etag))

    return fault


def slow_loris(share: float, every_s: float) -> Fault:
    """Send a share of what was asked for, then a byte now and then, as long as anybody listens."""

    def fault(handler: Handler, content: bytes) -> None:
        body = _promise(handler, content)
        first = int(len(body) * share)
        handler.close_connection = True
        with contextlib.suppress(OSError):
            handler.wfile.write(body[:first])
            for place in range(first, len(body)):
                handler.wfile.write(body[place : place + 1])
                time.sleep(every_s)

    return fault


def silent(for_s: float) -> Fault:
    """Take the request, and say nothing for a while."""

    def fault(handler: Handler, content: bytes) -> None:
        time.sleep(for_s)
        handler.close_connection = True

    return fault


def shorter(lost_bytes: int) -> Fault:
    """Leave the end away, and state the length of what is left as if that were all."""

    def fault(handler: Handler, content: bytes) -> None:
        handler.wfile.write(_promise(handler, content, lost_bytes=lost_bytes))

    return fault


def flipped(share: float) -> Fault:
    """Answer well but for one bit."""

    def fault(handler: Handler, content: bytes) -> None:
        body = bytearray(_promise(handler, content))
        body[int((len(body) - 1) * share)] ^= 16
        handler.wfile.write(body)

    return fault


def elsewhere(address: str) -> Fault:
    """Redirect to another address."""
    return lambda handler, content: handler.answer(302, b"", {"Location": address})


@contextmanager
def running(folder: Path) -> Iterator[AssetServer]:
    """Serve a folder on a free port of loopback until the block ends."""
    peer = AssetServer(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"peer": peer}))
    server.daemon_threads = True
    peer.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
