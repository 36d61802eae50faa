"""Slots that all processes of a node share: how many of one thing may be under way at once.

Each slot is a file with a lock of the operating system on it. The kernel gives the lock back when its holder ends,
however it ends, so a killed job keeps no slot.
"""

import contextlib
import os
import random
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import filelock

from rankscape.foundation.errors import DiskError

_POLL_S = 0.02


def node_folder(name: str) -> Path:
    """Return this user's folder of shared slots on this node's own disk, made if it is missing.

    Raises:
        DiskError: If the folder belongs to somebody else, who could hold all slots or lead writes elsewhere.
    """
    folder = Path(tempfile.gettempdir()) / f"rankscape-{os.getuid()}" / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.parent.is_symlink() or folder.parent.stat().st_uid != os.getuid():
        raise DiskError(f"{folder.parent} belongs to another user: remove it, or name another folder by TMPDIR.")
    return folder


class Slots:
    """A fixed number of slots in a folder; processes and threads take them one at a time."""

    def __init__(self, folder: Path, count: int) -> None:
        """Prepare the slots.

        Args:
            folder: Folder on this node's own disk; all who use it share the slots.
            count: Number of slots; who counts fewer uses the first of them.
        """
        self._folder = folder
        self._count = count
        # One thread of a process looks for a free slot at a time: many would only burn processor time.
        self._turn = threading.Lock()

    @contextlib.contextmanager
    def taken(self, stop: threading.Event) -> Iterator[bool]:
        """Hold a slot during the block; waits for one as long as `stop` is not set.

        Yields:
            True, or False if `stop` was set before a slot was free.
        """
        lock = self._take(stop)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.release()

    def _take(self, stop: threading.Event) -> filelock.BaseFileLock | None:
        with self._turn:
            while not stop.is_set():
                first = random.randrange(self._count)
                for place in range(self._count):
                    lock = filelock.FileLock(self._folder / f"{(first + place) % self._count}.lock", thread_local=False)
                    with contextlib.suppress(filelock.Timeout):
                        lock.acquire(blocking=False)
                        return lock
                stop.wait(_POLL_S * random.uniform(0.5, 1.5))
        return None
