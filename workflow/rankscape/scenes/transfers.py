"""One asset over HTTP: signed right before each read, resumed where it stopped, verified before it counts."""

import shutil
import threading
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2

from rankscape.foundation.errors import DiskError, DownloadError, RasterError
from rankscape.foundation.files import sha256
from rankscape.scenes.addresses import redacted
from rankscape.scenes.parts import Origin, Part
from rankscape.scenes.rasters import check_whole
from rankscape.scenes.retries import TRANSIENT, Patience
from rankscape.scenes.signing import Signer

CHUNK_BYTES = 1 << 20
_SPARE_BYTES = 64 << 20
_RENEWALS = 2


@dataclass(frozen=True)
class Asset:
    """One file to bring."""

    label: str
    """Granule, item and asset, for messages."""
    href: str
    """Unsigned address, or path."""
    path: Path
    """Where it goes."""
    size_bytes: int | None = None
    """Size that the catalogue states."""
    sha256: str | None = None
    """SHA-256 that the catalogue states."""


class MissingAssetError(DownloadError):
    """The catalogue names an asset that is not there any more."""


class StoppedError(Exception):
    """Another asset failed; this one need not go on."""


class _AgainError(Exception):
    """An attempt failed in a way that may pass."""

    def __init__(self, complaint: str, retry_after: str | None = None) -> None:
        super().__init__(complaint)
        self.retry_after = retry_after


class _RefusedError(Exception):
    """The server answered 403; a new signature may help."""

    def __init__(self, signed: str) -> None:
        super().__init__("HTTP 403")
        self.signed = signed


class Meter:
    """A progress bar in bytes that threads share; its total grows as sizes become known."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._lock = threading.Lock()

    def expect(self, count_bytes: int) -> None:
        """Add bytes that are still to come."""
        with self._lock:
            self._bar.total = (self._bar.total or 0) + count_bytes
            self._bar.refresh()

    def advance(self, count_bytes: int) -> None:
        """Count bytes that have come."""
        with self._lock:
            self._bar.update(count_bytes)


class Room:
    """Space on the disk that assets on their way will still need."""

    def __init__(self) -> None:
        self._needed: dict[Path, int] = {}
        self._lock = threading.Lock()

    def reserve(self, path: Path, count_bytes: int) -> None:
        """Set aside room for the rest of a file.

        Raises:
            DiskError: If the disk is too full for all files on their way.
        """
        with self._lock:
            needed = count_bytes + sum(value for key, value in self._needed.items() if key != path)
            free = shutil.disk_usage(path.parent).free
            if free < needed + _SPARE_BYTES:
                raise DiskError(
                    f"{path.parent} has {free >> 20} MiB free, but {(needed + _SPARE_BYTES) >> 20} MiB are needed for "
                    "the assets on their way: make room and start again."
                )
            self._needed[path] = count_bytes

    def release(self, path: Path, count_bytes: int | None = None) -> None:
        """Give back room that a file has taken up; all of it without `count_bytes`."""
        with self._lock:
            left = 0 if count_bytes is None else self._needed.get(path, 0) - count_bytes
            self._needed[path] = max(0, left)


@dataclass(frozen=True)
class Transfer:
    """How assets come over HTTP; threads share it."""

    client: httpx2.Client
    signer: Signer
    patience: Patience
    stop: threading.Event
    """Set when the other assets are no longer wanted."""
    room: Room
    meter: Meter

    def pull(self, asset: Asset) -> Part:
        """Bring an asset to its part file and verify it.

        Raises:
            MissingAssetError: If the server has no such asset.
            DownloadError: If it refuses, or all attempts failed.
            DiskError: If the disk is too full.
            StoppedError: If another asset failed.
        """
        part, failures, renewals = Part(asset.path), 0, 0
        reached_bytes = part.size_bytes
        while True:
            try:
                self._attempt(asset, part)
                verify(asset, part)
                return part
            except _RefusedError as refused:
                renewals += 1
                if renewals > _RENEWALS or not self.signer.renew(refused.signed):
                    raise _failure(asset, "HTTP 403: the server refuses access") from None
            except _AgainError as again:
                # A long file over a poor line may need many attempts, each of which gets further than all before.
                failures = 1 if part.size_bytes >= reached_bytes + CHUNK_BYTES else failures + 1
                reached_bytes = max(reached_bytes, part.size_bytes)
                if failures >= self.patience.attempts:
                    raise _failure(asset, f"{again}, {failures} times in a row") from None
                if self.stop.wait(self.patience.wait_s(failures, again.retry_after)):
                    raise StoppedError from None

    def _attempt(self, asset: Asset, part: Part) -> None:
        origin = part.origin(asset.href)
        if origin is not None and part.size_bytes == origin.size_bytes:
            return
        signed = self.signer.sign(asset.href)
        try:
            with self.client.stream("GET", signed, headers=_request_headers(part, origin)) as answer:
                _check_status(asset, part, answer, signed)
                self._receive(asset, part, answer, origin)
        except httpx2.TooManyRedirects:
            raise _failure(asset, "too many redirects") from None
        except httpx2.TransportError as error:
            raise _AgainError(f"the connection failed ({type(error).__name__})") from None

    def _receive(self, asset: Asset, part: Part, answer: httpx2.Response, origin: Origin | None) -> None:
        resumed = answer.status_code == HTTPStatus.PARTIAL_CONTENT
        stated = answer.headers.get("content-length")
        size_bytes = _resumed_size(part, answer, origin) if resumed else _count(stated)
        _check_stated_size(asset, size_bytes)
        if not resumed:
            part.begin(Origin(asset.href, _validator(answer), size_bytes))
        rest_bytes = (size_bytes or 0) - part.size_bytes
        self.room.reserve(asset.path, max(0, rest_bytes))
        self.meter.expect(rest_bytes)
        with part.open_end() as handle:
            for chunk in answer.iter_raw():
                if self.stop.is_set():
                    raise StoppedError
                handle.write(chunk)
                self.room.release(asset.path, len(chunk))
                self.meter.advance(len(chunk))
        if size_bytes is not None and part.size_bytes != size_bytes:
            raise _AgainError(f"{part.size_bytes} of {size_bytes} bytes came")


def _failure(asset: Asset, complaint: str) -> DownloadError:
    return DownloadError(f"{asset.label}: {redacted(asset.href)} could not be downloaded ({complaint}).")


def _request_headers(part: Part, origin: Origin | None) -> dict[str, str]:
    headers = {"Accept-Encoding": "identity"}
    if origin is not None and origin.validator is not None:
        headers |= {"Range": f"bytes={part.size_bytes}-", "If-Range": origin.validator}
    return headers


def _check_status(asset: Asset, part: Part, answer: httpx2.Response, signed: str) -> None:
    status = answer.status_code
    if status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        return
    if status == HTTPStatus.FORBIDDEN:
        raise _RefusedError(signed)
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise MissingAssetError(f"{asset.label}: HTTP {status}, {redacted(asset.href)} is not there any more.")
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and part.size_bytes:
        part.discard()
        raise _AgainError("HTTP 416: what had come does not fit what the server has")
    if status in TRANSIENT:
        raise _AgainError(f"HTTP {status}", answer.headers.get("retry-after"))
    raise _failure(asset, f"HTTP {status}")


def _resumed_size(part: Part, answer: httpx2.Response, origin: Origin | None) -> int | None:
    """Size of the whole asset, if the server goes on exactly where the part ends, with the same version."""
    unit, _, span = answer.headers.get("content-range", "").partition(" ")
    place, _, total = span.partition("/")
    first = _count(place.partition("-")[0])
    size_bytes = _count(total)
    same_size = origin is not None and (origin.size_bytes is None or size_bytes in (None, origin.size_bytes))
    same_version = origin is not None and _validator(answer) in (None, origin.validator)
    if unit != "bytes" or first != part.size_bytes or not same_size or not same_version:
        part.discard()
        raise _AgainError("the asset changed on the server while it was on its way")
    return size_bytes


def _validator(answer: httpx2.Response) -> str | None:
    etag: str | None = answer.headers.get("etag")
    # A weak ETag does not promise the same bytes, so a part must not be continued by it (RFC 9110, 13.1.5).
    return etag if etag is not None and not etag.startswith("W/") else answer.headers.get("last-modified")


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _check_stated_size(asset: Asset, size_bytes: int | None) -> None:
    if None not in (asset.size_bytes, size_bytes) and asset.size_bytes != size_bytes:
        raise _failure(asset, f"the server has {size_bytes} bytes, the catalogue states {asset.size_bytes}")


def verify(asset: Asset, part: Part) -> None:
    """Check hash and structure of a part file that has come whole; a bad one is thrown away."""
    try:
        if asset.sha256 is not None and sha256(part.path) != asset.sha256:
            raise _AgainError("its SHA-256 is not the one that the catalogue states")
        check_whole(part.path)
    except (_AgainError, RasterError) as error:
        part.discard()
        raise _AgainError(str(error).replace(str(part.path), "the file")) from None
