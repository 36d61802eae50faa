"""One asset over HTTP: brought in pieces side by side, then held against all that is said of it before it counts.

An opening request tells what the server can; the missing ranges follow.
"""

import os
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from http import HTTPStatus

import httpx2

from rankscape.scenes.connections import Connections
from rankscape.scenes.part_files import (
    DiskSpace,
    Meter,
    Origin,
    PartFile,
    Range,
    blame,
    contradiction,
    contradicts,
    is_confirmed,
    verify,
)
from rankscape.scenes.wanted_assets import (
    Asset,
    ContradictedAssetError,
    CorruptAssetError,
    RetryableError,
    StoppedError,
    failure,
    header_checksums,
)

PIECE_BYTES = 4 << 20
"""Bytes of one request: long enough that its round trip costs little, short enough to share an asset out."""
_CHANGED = "the asset changed on the server while it was on its way"


@dataclass
class _Span:
    """A range on its way; `start` moves as bytes come."""

    start: int
    stop: int | None


class Pull:
    """Brings the bytes of one asset to its part file."""

    def __init__(
        self,
        asset: Asset,
        part: PartFile,
        connections: Connections,
        pool: ThreadPoolExecutor,
        disk_space: DiskSpace,
        meter: Meter,
    ) -> None:
        """Prepare to bring an asset.

        Args:
            asset: What is brought.
            part: Where it goes.
            connections: How servers are asked.
            pool: Runs the requests of all assets.
            disk_space: Space on the disk that is set aside.
            meter: Progress of all assets.
        """
        self._asset = asset
        self._part = part
        self._connections = connections
        self._pool = pool
        self._disk_space = disk_space
        self._meter = meter
        self._given_up = threading.Event()
        self._futures: list[Future[None]] = []
        self._opened_bytes: int | None = None

    def complete(self) -> None:
        """Bring what is missing.

        Raises:
            CorruptAssetError: If what has come is of no use, since the asset changed on the server.
            DownloadError: If the server refuses, or all attempts failed.
            DiskError: If the disk is too full.
            StoppedError: If the asset is no longer wanted.
        """
        errors: list[BaseException] = []
        try:
            self._begin_or_go_on()
        except BaseException as failed:
            self._given_up.set()
            errors.append(failed)
        # The part may be thrown away only when no thread writes to it any more.
        wait(self._futures)
        errors += [error for future in self._futures if (error := future.exception()) is not None]
        # Who stopped because of another's fault has nothing to say.
        errors.sort(key=lambda error: isinstance(error, StoppedError))
        if errors:
            raise errors[0]

    def _begin_or_go_on(self) -> None:
        if self._part.origin(self._asset.href) is None:
            self._connections.with_retries(self._asset, self._open, lambda: self._part.finished_bytes)
        self._spread(
            (start, min(stop, self._opened_bytes or stop))
            for start, stop in self._part.missing(PIECE_BYTES)
            if self._opened_bytes is None or start < self._opened_bytes
        )

    def _spread(self, ranges: Iterable[Range]) -> None:
        """Have ranges brought side by side."""
        missing = list(ranges)
        rest_bytes = sum(stop - start for start, stop in missing)
        self._disk_space.reserve(self._asset.path, max(rest_bytes, self._disk_space.needed(self._asset.path)))
        self._meter.expect(rest_bytes)
        self._futures += [self._pool.submit(self._bring, _Span(*place)) for place in missing]

    def _open(self) -> None:
        """Ask for the first piece; the answer tells version and size, and whether the server gives pieces at all."""
        if self._opened_bytes is not None or self._part.origin(self._asset.href) is not None:
            return
        with self._connections.asking(self._asset, "GET", {"Range": f"bytes=0-{PIECE_BYTES - 1}"}) as answer:
            origin = _origin(self._asset, answer)
            if answer.status_code == HTTPStatus.OK:
                self._begin(answer, origin, origin.size_bytes)
                return
            if answer.status_code != HTTPStatus.PARTIAL_CONTENT:
                raise RetryableError(f"HTTP {answer.status_code}")
            if origin.validator is not None and origin.size_bytes is not None:
                self._begin(answer, origin, min(PIECE_BYTES, origin.size_bytes))
                return
        # Pieces without a version could be of two versions: the whole has to come in one answer.
        with self._connections.asking(self._asset, "GET", {}) as answer:
            if answer.status_code != HTTPStatus.OK:
                raise RetryableError(f"HTTP {answer.status_code}")
            origin = _origin(self._asset, answer)
            self._begin(answer, origin, origin.size_bytes)

    def _begin(self, answer: httpx2.Response, origin: Origin, stop: int | None) -> None:
        if None not in (self._asset.size_bytes, origin.size_bytes) and self._asset.size_bytes != origin.size_bytes:
            raise failure(
                self._asset,
                f"the server has {origin.size_bytes} bytes, the catalogue states {self._asset.size_bytes}",
            )
        self._disk_space.reserve(self._asset.path, origin.size_bytes or 0)
        self._meter.expect(stop or 0)
        self._part.begin(origin)
        in_pieces = answer.status_code == HTTPStatus.PARTIAL_CONTENT
        if in_pieces:
            self._opened_bytes = stop
            self._spread(self._part.missing(PIECE_BYTES)[1:])
        try:
            self._receive(answer, _Span(0, stop))
        except RetryableError:
            # The rest of it is a range like all others from now on.
            if not in_pieces:
                raise

    def _bring(self, span: _Span) -> None:
        """Bring one range, whatever number of attempts it takes; another's fault ends it early."""
        try:
            self._connections.with_retries(self._asset, lambda: self._ask(span), lambda: span.start)
        except BaseException:
            self._given_up.set()
            raise

    def _ask(self, span: _Span) -> None:
        origin = self._part.origin_now
        if self._connections.stop.is_set() or self._given_up.is_set():
            raise StoppedError
        headers = {"Range": f"bytes={span.start}-{(span.stop or 0) - 1}", **_held_to(origin)}
        with self._connections.asking(self._asset, "GET", headers) as answer:
            if answer.status_code != HTTPStatus.PARTIAL_CONTENT:
                raise CorruptAssetError(_CHANGED)
            first, last, size_bytes = _content_range(answer)
            version = _validator(answer)
            if first != span.start or size_bytes not in (None, origin.size_bytes) or version != origin.validator:
                raise CorruptAssetError(_CHANGED)
            if last is None or last >= (span.stop or 0):
                raise CorruptAssetError("the server gave another range than it was asked for")
            self._receive(answer, span)

    def _receive(self, answer: httpx2.Response, span: _Span) -> None:
        """Write a body to its place; what came of it before it broke off counts."""
        handle, noted = self._part.open(), span.start
        try:
            for chunk in self._connections.chunks(answer, self._given_up):
                if span.stop is not None and span.start + len(chunk) > span.stop:
                    raise CorruptAssetError("more bytes came than were asked for")
                _write(handle, chunk, span.start)
                span.start += len(chunk)
                self._disk_space.release(self._asset.path, len(chunk))
                self._meter.advance(len(chunk))
                if span.start - noted >= PIECE_BYTES:
                    self._part.note(handle, noted, span.start)
                    noted = span.start
        finally:
            self._part.note(handle, noted, span.start)
            os.close(handle)
        if span.stop is not None and span.start != span.stop:
            raise RetryableError(f"the answer broke off {span.stop - span.start} bytes too early")


def _write(handle: int, chunk: bytes, place: int) -> None:
    view = memoryview(chunk)
    while view:
        written = os.pwrite(handle, view, place)
        view, place = view[written:], place + written


def _origin(asset: Asset, answer: httpx2.Response) -> Origin:
    whole = answer.status_code == HTTPStatus.OK
    size_bytes = _count(answer.headers.get("content-length")) if whole else _content_range(answer)[2]
    return Origin(asset.href, _validator(answer), size_bytes, header_checksums(answer.headers, answer.status_code))


def _held_to(origin: Origin) -> dict[str, str]:
    """Headers that hold an answer to the version of which bytes have come already."""
    validator = origin.validator or ""
    # If-Match spares the body of another version, but takes no date, and not every server knows it (RFC 9110, 13.1).
    return {"If-Range": validator, **({"If-Match": validator} if validator.startswith('"') else {})}


def _content_range(answer: httpx2.Response) -> tuple[int | None, int | None, int | None]:
    """First byte, last byte and whole size that an answer states."""
    unit, _, span = answer.headers.get("content-range", "").partition(" ")
    place, _, total = span.partition("/")
    first, _, last = place.partition("-")
    return (_count(first), _count(last), _count(total)) if unit == "bytes" else (None, None, None)


def _validator(answer: httpx2.Response) -> str | None:
    etag: str | None = answer.headers.get("etag")
    # A weak ETag does not promise the same bytes, so a part must not be continued by it (RFC 9110, 13.1.5).
    return etag if etag is not None and not etag.startswith("W/") else answer.headers.get("last-modified")


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() and text.isascii() else None


@dataclass(frozen=True)
class Transfer:
    """How assets come; threads share it."""

    connections: Connections
    pool: ThreadPoolExecutor
    """Runs the requests of all assets."""
    decoders: ThreadPoolExecutor
    """Verifies assets; few threads, since each keeps the memory that decoding once took."""
    disk_space: DiskSpace
    meter: Meter

    def pull(self, asset: Asset) -> tuple[PartFile, str]:
        """Bring an asset to its part file and verify it.

        Returns:
            The part file, and the SHA-256 of its bytes.

        Raises:
            MissingAssetError: If the server has no such asset.
            ContradictedAssetError: If its pixels are not what the item says.
            DownloadError: If the server refuses, or all attempts failed.
            DiskError: If the disk is too full.
            StoppedError: If another asset failed.
        """
        part, failures, seen = PartFile(asset.path), 0, ""
        while True:
            try:
                Pull(asset, part, self.connections, self.pool, self.disk_space, self.meter).complete()
                digest, empty_percent = self.decoders.submit(verify, asset, part).result()
                if not contradicts(asset, empty_percent):
                    return part, digest
                if digest == seen or is_confirmed(asset, part):
                    raise contradiction(asset, empty_percent)
                seen = digest
                raise CorruptAssetError(blame(asset, empty_percent))
            except ContradictedAssetError:
                part.discard()
                raise
            except CorruptAssetError as spoilt:
                part.discard()
                failures += 1
                retries = self.connections.retries
                if failures >= retries.attempts:
                    raise failure(asset, f"{spoilt}, {failures} times in a row") from None
                if self.connections.stop.wait(retries.wait_s(failures)):
                    raise StoppedError from None
