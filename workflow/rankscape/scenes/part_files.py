"""What has come of an asset so far: its part file, the room that the rest needs, and what it is held against."""

import itertools
import json
import os
import shutil
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rankscape.foundation.errors import DiskError, RasterError
from rankscape.foundation.files import write_bytes
from rankscape.scenes.rasters import check_whole
from rankscape.scenes.wanted_assets import Asset, Checksum, ContradictedAssetError, CorruptAssetError, digests

Range = tuple[int, int]
"""First byte, and the byte after the last."""


def note_of(asset: Path) -> Path:
    """Return the note beside a finished asset that says where it came from, and what it must be."""
    return asset.with_name(asset.name + ".json")


@dataclass(frozen=True)
class Origin:
    """Which version of an asset a part file holds bytes of."""

    href: str
    """Unsigned address."""
    validator: str | None
    """Strong ETag or Last-Modified; None if the server gave neither, so that the part cannot be continued."""
    size_bytes: int | None
    """Size of the whole asset; None if the server did not say."""
    checksums: tuple[Checksum, ...] = ()
    """Checksums of the whole asset that the server stated."""


class PartFile:
    """The part file of an asset, with its ledger beside it; threads may write different ranges at once."""

    def __init__(self, final: Path) -> None:
        self.path = final.with_name(final.name + ".part")
        self._ledger = final.with_name(final.name + ".part.ledger")
        self._origin: Origin | None = None
        self._finished: list[Range] = []
        self._lock = threading.Lock()

    @property
    def origin_now(self) -> Origin:
        """Where the bytes come from, once the part has begun."""
        if self._origin is None:
            raise RuntimeError(f"{self.path} has not begun")
        return self._origin

    @property
    def size_bytes(self) -> int:
        """Size of the part file; holes count."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def finished_bytes(self) -> int:
        """Bytes that have come and are written down."""
        with self._lock:
            return sum(stop - start for start, stop in self._finished)

    def origin(self, href: str) -> Origin | None:
        """Return the origin of a part that may be continued; any other part is thrown away."""
        origin, ranges = self._read()
        length = self.size_bytes
        whole = origin is not None and origin.size_bytes is not None and length <= origin.size_bytes
        if origin is None or not whole or origin.href != href or origin.validator is None or not ranges:
            self.discard()
            return None
        if ranges[-1][1] > length:
            self.discard()
            return None
        self._origin, self._finished = origin, ranges
        return origin

    def _read(self) -> tuple[Origin | None, list[Range]]:
        try:
            first, *lines = self._ledger.read_text(encoding="utf-8").splitlines(keepends=True)
            values = json.loads(first)
            checksums = tuple(Checksum(**value) for value in values.pop("checksums"))
            origin = Origin(**values, checksums=checksums)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None, []
        # The last line of a run that was killed may be half a line.
        return origin, merged([found for line in lines if (found := _range(line)) is not None])

    def begin(self, origin: Origin) -> None:
        """Start anew and write down where the bytes come from."""
        self.discard()
        self.path.touch()
        write_bytes(self._ledger, (json.dumps(asdict(origin)) + "\n").encode())
        self._origin = origin

    def missing(self, piece_bytes: int) -> list[Range]:
        """Return the ranges that are still to come, none longer than `piece_bytes`."""
        size_bytes = self._origin.size_bytes if self._origin is not None else None
        with self._lock:
            edges = [(0, 0), *self._finished, (size_bytes or 0, size_bytes or 0)]
        return [
            (start, min(start + piece_bytes, after))
            for (_, before), (after, _) in itertools.pairwise(edges)
            for start in range(before, after, piece_bytes)
        ]

    def open(self) -> int:
        """Open the part for writing at any place; the caller closes the handle."""
        return os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o666)

    def note(self, handle: int, start: int, stop: int) -> None:
        """Write down that a range has come, after its bytes have reached the disk; only here if it cannot go on."""
        if stop <= start:
            return
        lasting = self.origin_now.validator is not None
        if lasting:
            os.fdatasync(handle)
        with self._lock:
            self._finished = merged([*self._finished, (start, stop)])
            if not lasting:
                return
            ledger = os.open(self._ledger, os.O_WRONLY | os.O_APPEND)
            try:
                # After half a line of a killed run a new line begins.
                os.write(ledger, f"\n[{start}, {stop}]\n".encode())
            finally:
                os.close(ledger)

    def discard(self) -> None:
        """Throw the part and its ledger away."""
        self.path.unlink(missing_ok=True)
        self._ledger.unlink(missing_ok=True)
        self._origin, self._finished = None, []

    def finish(self, final: Path) -> None:
        """Give the verified part its final name."""
        self.path.replace(final)
        self._ledger.unlink(missing_ok=True)


def _range(line: str) -> Range | None:
    try:
        start, stop = json.loads(line)
    except (ValueError, TypeError):
        return None
    good = line.endswith("\n") and type(start) is int and type(stop) is int and 0 <= start < stop
    return (start, stop) if good else None


def merged(ranges: list[Range]) -> list[Range]:
    """Return the same bytes as ranges in order that neither touch nor overlap."""
    result: list[Range] = []
    for start, stop in sorted(ranges):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(stop, result[-1][1]))
        else:
            result.append((start, stop))
    return result


_SPARE_BYTES = 64 << 20


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


class DiskSpace:
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

    def needed(self, path: Path) -> int:
        """Return the bytes that are set aside for a file."""
        with self._lock:
            return self._needed.get(path, 0)

    def release(self, path: Path, count_bytes: int | None = None) -> None:
        """Give back room that a file has taken up; all of it without `count_bytes`."""
        with self._lock:
            left = 0 if count_bytes is None else self._needed.get(path, 0) - count_bytes
            self._needed[path] = max(0, left)


def verify(asset: Asset, part: PartFile) -> tuple[str, float]:
    """Hold a part file that has come whole against its checksums and its own structure.

    Returns:
        SHA-256 of the file, and the share of its pixels that are 0 in all bands, in percent.

    Raises:
        CorruptAssetError: If it is damaged.
    """
    stated = _checksums(asset, part)
    found = digests(part.path, {"sha256", *(checksum.algorithm for checksum in stated)})
    for checksum in stated:
        if found[checksum.algorithm] != checksum.hex:
            name = checksum.algorithm.upper().replace("SHA", "SHA-")
            raise CorruptAssetError(f"its {name} is not the one that {checksum.source} states")
    try:
        return found["sha256"], 100 * check_whole(part.path)
    except RasterError as error:
        raise CorruptAssetError(plain(error, part.path)) from None


def plain(error: RasterError, path: Path, name: str = "the file") -> str:
    """Return an error's line with a name that says more than the path of a part file."""
    return str(error).replace(str(path), name)


def contradicts(asset: Asset, empty_percent: float) -> bool:
    """Whether the share of pixels without data is another than the item states."""
    stated = asset.empty_percent
    return stated is not None and abs(empty_percent - stated) > asset.empty_tolerance_percent


def contradiction(asset: Asset, empty_percent: float) -> ContradictedAssetError:
    """Return the error that says what the pixels are instead."""
    return ContradictedAssetError(f"{asset.label}: {blame(asset, empty_percent)}.")


def blame(asset: Asset, empty_percent: float) -> str:
    """Say what the pixels are, and what the item states."""
    return f"{empty_percent:.1f} % of its pixels have no data, where the item states {asset.empty_percent:.1f} %"


def _checksums(asset: Asset, part: PartFile) -> tuple[Checksum, ...]:
    origin = part.origin_now
    return (*((asset.checksum,) if asset.checksum else ()), *origin.checksums)


def is_confirmed(asset: Asset, part: PartFile) -> bool:
    """Whether a checksum says that the bytes are the server's own, so that they would come the same again."""
    return bool(_checksums(asset, part))
