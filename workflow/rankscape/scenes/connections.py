"""One connection at a time to where an asset lies: signed, bounded in number, patient, led astray by no redirect."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx2

from rankscape.foundation.errors import DownloadError
from rankscape.foundation.slots import Slots
from rankscape.scenes.addresses import MAX_REDIRECTS, Hosts, redacted
from rankscape.scenes.servers import TRANSIENT, RetryPolicy, Signer
from rankscape.scenes.wanted_assets import Asset, MissingAssetError, RefusedError, RetryableError, StoppedError, failure

_CONNECT_S = 20.0
_RENEWALS = 2
_PROGRESS_BYTES = 1 << 20
_READABLE = (
    HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.PRECONDITION_FAILED,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
)  # fmt: skip
"""Statuses that say something of the asset; the caller reads them."""

# Both log whole addresses, signatures included, as soon as any program sets the level of the root logger.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def open_client(retries: RetryPolicy, connections: int) -> httpx2.Client:
    """Return a client that keeps so many connections open and follows no redirect by itself."""
    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
    timeout = httpx2.Timeout(retries.stall_s, connect=_CONNECT_S, pool=None)
    return httpx2.Client(follow_redirects=False, timeout=timeout, limits=limits)


class Pause:
    """A time until which nobody asks: a busy server's Retry-After holds for all connections."""

    def __init__(self) -> None:
        self._until = 0.0
        self._lock = threading.Lock()

    def postpone(self, pause_s: float) -> None:
        """Let nobody ask for so many seconds."""
        with self._lock:
            self._until = max(self._until, time.monotonic() + pause_s)

    def wait(self, stop: threading.Event) -> None:
        """Wait until asking is allowed, or `stop` is set."""
        while (rest_s := self._until - time.monotonic()) > 0 and not stop.wait(rest_s):
            pass


@dataclass(frozen=True)
class Connections:
    """How servers are asked; threads share it."""

    client: httpx2.Client
    signer: Signer
    retries: RetryPolicy
    hosts: Hosts
    slots: Slots
    stop: threading.Event
    """Set when the assets are no longer wanted."""
    pause: Pause = field(default_factory=Pause)

    def with_retries(self, asset: Asset, attempt: Callable[[], None], came_bytes: Callable[[], int]) -> None:
        """Repeat an attempt until it succeeds; the only place where requests for assets are tried again.

        Args:
            asset: What is asked for, for messages.
            attempt: Raises RetryableError or RefusedError where another attempt may help.
            came_bytes: Tells how far the attempts have come.

        Raises:
            DownloadError: If all attempts in a row failed without progress, or no signature helps.
            StoppedError: If the asset is no longer wanted.
        """
        failures, renewals, reached_bytes = 0, 0, came_bytes()
        while True:
            try:
                attempt()
                return
            except RefusedError as refused:
                renewals += 1
                if renewals > _RENEWALS or not self.signer.renew(refused.signed):
                    raise failure(asset, "HTTP 403: the server refuses access") from None
            except RetryableError as again:
                # A long file over a poor line may need many attempts, each of which gets further than all before.
                failures = 1 if came_bytes() >= reached_bytes + _PROGRESS_BYTES else failures + 1
                reached_bytes = max(reached_bytes, came_bytes())
                if failures >= self.retries.attempts:
                    raise failure(asset, f"{again}, {failures} times in a row") from None
                rest_s = self.retries.wait_s(failures, again.retry_after)
                if again.retry_after is not None:
                    self.pause.postpone(rest_s)
                if self.stop.wait(rest_s):
                    raise StoppedError from None

    @contextlib.contextmanager
    def asking(self, asset: Asset, method: str, headers: dict[str, str]) -> Iterator[httpx2.Response]:
        """Ask for an asset, and yield an answer that says something of it; its body is not read yet.

        Raises:
            MissingAssetError: If the server has no such asset.
            ForeignHostError: If the address, or a redirect, leads to a host that may not be asked.
            DownloadError: If the server refuses for good.
            RefusedError, RetryableError: If another attempt may help.
            StoppedError: If the asset is no longer wanted.
        """
        self.pause.wait(self.stop)
        with self.slots.taken(self.stop) as mine:
            if not mine:
                raise StoppedError
            signed = self.signer.sign(asset.href)
            try:
                with contextlib.closing(self._followed(asset, method, signed, headers)) as answer:
                    _check_status(asset, answer, signed)
                    yield answer
            except httpx2.TransportError as error:
                raise _broken(error) from None
            except httpx2.InvalidURL:
                raise failure(asset, "its address is none") from None

    def _followed(self, asset: Asset, method: str, signed: str, headers: dict[str, str]) -> httpx2.Response:
        """Send a request, and follow redirects to hosts that may be asked."""
        self.hosts.check(asset.label, asset.href)
        request = self.client.build_request(method, signed, headers={"Accept-Encoding": "identity", **headers})
        for _ in range(MAX_REDIRECTS + 1):
            answer = self.client.send(request, stream=True)
            if not answer.has_redirect_location:
                return answer
            answer.close()
            if answer.next_request is None:
                raise failure(asset, f"HTTP {answer.status_code} leads nowhere")
            target = str(answer.next_request.url)
            self.hosts.check(asset.label, target, redirected_from=str(request.url))
            request = answer.next_request
        raise failure(asset, "too many redirects")

    def chunks(self, answer: httpx2.Response, given_up: threading.Event) -> Iterator[bytes]:
        """Yield an answer's body as it comes, at most tens of kilobytes at once.

        Raises:
            RetryableError: If it breaks off, or comes so slowly that the connection is of no use: a server that sends a
                byte now and then would never run into a timeout of one reading.
            StoppedError: If the asset is no longer wanted.
        """
        begin, came_bytes = time.monotonic(), 0
        for chunk in _read(answer):
            if self.stop.is_set() or given_up.is_set():
                raise StoppedError
            yield chunk
            came_bytes += len(chunk)
            passed_s = time.monotonic() - begin
            if passed_s >= self.retries.stall_s:
                if came_bytes < self.retries.slowest_bytes_s * passed_s:
                    raise RetryableError(f"only {came_bytes} bytes came in {passed_s:.0f} s")
                begin, came_bytes = time.monotonic(), 0


def _read(answer: httpx2.Response) -> Iterator[bytes]:
    try:
        yield from answer.iter_raw()
    except httpx2.TransportError as error:
        raise _broken(error) from None


def _broken(error: httpx2.TransportError) -> RetryableError:
    return RetryableError(f"the connection failed ({type(error).__name__})")


def _check_status(asset: Asset, answer: httpx2.Response, signed: str) -> None:
    status = answer.status_code
    if status in _READABLE:
        return
    if status == HTTPStatus.FORBIDDEN:
        raise RefusedError(signed)
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise MissingAssetError(f"{asset.label}: HTTP {status}, {redacted(asset.href)} is not there any more.")
    if status in TRANSIENT:
        raise RetryableError(f"HTTP {status}", answer.headers.get("retry-after"))
    raise failure(asset, f"HTTP {status}")


def size_on_server(connections: Connections, asset: Asset) -> int | None:
    """Ask for an asset's size without its bytes, once; None where the server does not say."""
    try:
        with connections.asking(asset, "HEAD", {}) as answer:
            stated = answer.headers.get("content-length", "")
            return int(stated) if answer.status_code == HTTPStatus.OK and stated.isdigit() else None
    except (DownloadError, RetryableError, RefusedError):
        # Whatever is wrong, reading the asset will tell, with all its attempts.
        return None
