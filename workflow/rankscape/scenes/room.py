"""What threads share while assets come: the progress bar, and the room that is left on the disk."""

import shutil
import threading
from pathlib import Path
from typing import Any

from rankscape.foundation.errors import DiskError

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

    def needed(self, path: Path) -> int:
        """Return the bytes that are set aside for a file."""
        with self._lock:
            return self._needed.get(path, 0)

    def release(self, path: Path, count_bytes: int | None = None) -> None:
        """Give back room that a file has taken up; all of it without `count_bytes`."""
        with self._lock:
            left = 0 if count_bytes is None else self._needed.get(path, 0) - count_bytes
            self._needed[path] = max(0, left)
