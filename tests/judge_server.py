"""A judge's endpoint on loopback: real HTTP, latency, a real token bucket, faults by script, a log of what it answered.

In a test: `with running(JudgeServer(...)) as server:`. As a program, for measurements that must not share a process
with the client: `python judge_server.py --rate 50 --burst 50` prints its address, serves until standard input ends, and
answers `GET /state` with its counts.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import math
import random
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Fault = Callable[[Scope, Receive, Send], Awaitable[None]]
"""Answers one request in its own way."""


def completion(text: str | None, finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    """Body of a chat completion."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "tester",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "message": {"role": "assistant", "content": text, **message},
            }
        ],
        "usage": {"prompt_tokens": 150, "completion_tokens": 7, "total_tokens": 157},
    }


def digest(body: dict[str, Any]) -> str:
    """Name of a request by its content."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


@dataclass
class Bucket:
    """A token bucket: `burst` requests at once, `rate` a second in the long run."""

    rate: float
    burst: float
    level: float = math.nan
    at_s: float = 0.0

    def take(self) -> float:
        """Take a token: 0 where there is one, else the seconds until there is."""
        now = time.monotonic()
        if math.isnan(self.level):
            self.level, self.at_s = self.burst, now
        self.level = min(self.burst, self.level + (now - self.at_s) * self.rate)
        self.at_s = now
        if self.level >= 1:
            self.level -= 1
            return 0.0
        return (1 - self.level) / self.rate

    def refusal(self, wait_s: float) -> Fault:
        after = f"{wait_s:.3f}"
        return status(429, "Rate limit reached", retry_after=after)


@dataclass
class JudgeServer:
    """What the endpoint does; and afterwards, what it did."""

    answer: Callable[[int, dict[str, Any]], Any] = lambda number, body: completion('{"score": 50}')
    """What the number-th request gets: a document, a fault, or a Starlette response."""
    delay_s: float = 0.0
    """Time until an answer."""
    latency_s: tuple[float, float] | None = None
    """Least and greatest time until an answer, drawn anew for each; goes before `delay_s`."""
    bucket: Bucket | None = None
    faults: list[Fault] = field(default_factory=list)
    """Each answers one request, in order; after them all is well."""
    models: tuple[str, ...] = ("tester",)
    """What `GET /models` lists; any model is answered for."""
    url: str = ""
    keep: bool = True
    """Whether requests are kept; many with large images would fill the memory."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """Every request as read."""
    headers: list[dict[str, str]] = field(default_factory=list)
    arrivals_s: list[float] = field(default_factory=list)
    accepted: Counter[str] = field(default_factory=Counter)
    """How often each request, by its `digest`, was let through and answered; each time is paid for."""
    refused: int = 0
    """Requests that the bucket refused."""
    under_way: int = 0
    most_under_way: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(0))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].endswith("/state"):
            await document({"accepted": self.accepted, "refused": self.refused})(scope, receive, send)
        elif scope["path"].endswith("/models") and scope["method"] == "GET":
            listed = [{"id": name, "object": "model"} for name in self.models]
            await document({"object": "list", "data": listed})(scope, receive, send)
        elif scope["path"].endswith("/chat/completions"):
            await self._complete(scope, receive, send)
        else:
            await status(404, "Not Found")(scope, receive, send)

    async def _complete(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.arrivals_s.append(time.monotonic())
        self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        body = json.loads(await _read(receive))
        if self.keep:
            self.bodies.append(body)
        number = len(self.arrivals_s)
        wait_s = self.bucket.take() if self.bucket else 0.0
        if self.bucket and wait_s > 0:
            self.refused += 1
            await self.bucket.refusal(wait_s)(scope, receive, send)
            return
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(self.chance.uniform(*self.latency_s) if self.latency_s else self.delay_s)
            outcome = self.faults.pop(0) if self.faults else self.answer(number, body)
        finally:
            self.under_way -= 1
        if not callable(outcome):
            self.accepted[digest(body)] += 1
            outcome = document(outcome)
        await outcome(scope, receive, send)


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def content(body: bytes, code: int = 200, kind: str = "application/json", **headers: str) -> Fault:
    """Answer with these bytes."""

    async def fault(scope: Scope, receive: Receive, send: Send) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {"content-type": kind, "content-length": str(len(body)), **named}
        pairs = [(name.encode(), value.encode()) for name, value in given.items()]
        await send({"type": "http.response.start", "status": code, "headers": pairs})
        await send({"type": "http.response.body", "body": body})

    return fault


def document(value: Any, code: int = 200) -> Fault:
    """Answer with a JSON document."""
    return content(json.dumps(value).encode(), code)


def status(code: int, message: str = "no", **headers: str) -> Fault:
    """Answer with an error as OpenAI's protocol has it."""
    return content(json.dumps({"error": {"message": message}}).encode(), code, **headers)


async def hang(scope: Scope, receive: Receive, send: Send) -> None:
    """Never answer; end when the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def reset(scope: Scope, receive: Receive, send: Send) -> None:
    """Tear the connection down instead of answering."""
    transport = receive.__self__.transport  # type: ignore[attr-defined]
    linger_not = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)
    transport.abort()


async def half(scope: Scope, receive: Receive, send: Send) -> None:
    """Promise a whole body, send half of it, and tear the connection down."""
    body = json.dumps(completion('{"score": 50}')).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    await reset(scope, receive, send)


def endless(chunk: bytes, pause_s: float = 0.0, chunks: int = 1 << 30) -> Fault:
    """Send the same bytes again and again, as long as the client takes them."""

    async def fault(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        gone = asyncio.ensure_future(hang(scope, receive, send))
        for _ in range(chunks):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await asyncio.sleep(pause_s)
            if gone.done():
                return
        gone.cancel()
        await send({"type": "http.response.body", "body": b""})

    return fault


@contextmanager
def running(server: JudgeServer) -> Iterator[JudgeServer]:
    """Serve on a free port of loopback, in a thread of this process, until the block ends."""
    config = uvicorn.Config(
        server,
        host="127.0.0.1",
        port=0,
        log_level="critical",
        lifespan="off",
        interface="asgi3",
        timeout_graceful_shutdown=1,
    )
    peer = uvicorn.Server(config)
    thread = threading.Thread(target=peer.run, daemon=True)
    thread.start()
    while not peer.started:
        time.sleep(0.002)
    server.url = f"http://127.0.0.1:{peer.servers[0].sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        peer.should_exit = True
        thread.join(timeout=10)
        assert not thread.is_alive()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--burst", type=float, required=True)
    parser.add_argument("--latency", type=float, nargs=2, default=(0.05, 0.4))
    given = parser.parse_args()
    bucket = Bucket(given.rate, given.burst)
    with running(JudgeServer(latency_s=tuple(given.latency), bucket=bucket, keep=False)) as server:
        print(server.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdin.read()


if __name__ == "__main__":
    main()
