"""A real HTTP peer on loopback that serves assets with ranges and ETags, and misbehaves where a test says so."""

import hashlib
import json
import socket
import struct
import threading
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
    etags: bool = True
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fetched(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(asked == path for asked, _, _ in self.requests)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    peer: AssetServer

    def log_message(self, format: str, *args: object) -> None:
        pass

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
        with self.peer.lock:
            if self.peer.token_faults:
                self.answer(self.peer.token_faults.pop(0), b"busy")
                return
            self.peer.tokens.append(f"secret{len(self.peer.tokens)}")
            token = f"se=2099-01-01&sig={self.peer.tokens[-1]}"
        self.answer(200, json.dumps({"msft:expiry": "2099-01-01T00:00:00Z", "token": token}).encode())

    def serve(self, content: bytes, etag: str | None = None) -> None:
        """Answer well: the whole, or the rest where a range of this version is asked for."""
        etag = etag or f'"{hashlib.md5(content).hexdigest()}"'
        extra = {"ETag": etag} if self.peer.etags else {}
        wanted = self.headers.get("Range")
        if wanted is None or self.headers.get("If-Range") not in (None, etag):
            self.answer(200, content, extra)
            return
        first = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if first >= len(content):
            self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        span = f"bytes {first}-{len(content) - 1}/{len(content)}"
        self.answer(206, content[first:], {**extra, "Content-Range": span})

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


def cut(share: float, *, etag: str | None = None) -> Fault:
    """Promise the whole, send a share of it, and close in good order."""

    def fault(handler: Handler, content: bytes) -> None:
        tag = etag or f'"{hashlib.md5(content).hexdigest()}"'
        handler.start(200, len(content), {"ETag": tag} if handler.peer.etags else {})
        handler.wfile.write(content[: int(len(content) * share)])
        handler.close_connection = True

    return fault


def reset(share: float) -> Fault:
    """Send a share of the whole, then tear the connection down."""

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
    """Ignore If-Range: go on, as asked, in another version of the file."""

    def fault(handler: Handler, content: bytes) -> None:
        first = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        span = f"bytes {first}-{len(content) - 1}/{len(content)}"
        handler.answer(206, content[first:], {"ETag": etag, "Content-Range": span})

    return fault


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
