"""Whether Snakemake's locks on the working folder were left behind by a run that was killed.

Snakemake's locks name files and no process: after `kill -9` or a power cut they refuse every new run, until somebody
says `--unlock`, who must then know that no run is alive. The kernel does know: it drops a dead process's `flock`.
"""

import contextlib
import fcntl
import os
import socket
from pathlib import Path

_HELD: list[int] = []
"""Handles of this process; they are closed, and their locks dropped, by the kernel when it ends in any way."""


def release_stale_locks(folder: Path) -> bool:
    """Remove Snakemake's locks where no run is alive, and let others know that this one is, until the process ends.

    They are removed only on the machine where the run that left them was started: some file systems keep `flock` to one
    machine. Without locks of the file system, or without leave to write, nothing is done.

    Args:
        folder: Snakemake's folder, `.snakemake`.

    Returns:
        Whether locks were removed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "rankscape.lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        return False
    _HELD.append(handle)
    removed = False
    # BlockingIOError: others are alive, and their locks are theirs. Any other error: the file system has no locks.
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        removed = _release(folder / "locks", handle)
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_SH)
    return removed


def _release(locks: Path, handle: int) -> bool:
    """Remove locks that a run of this machine left; where there are none, note whose the next ones are."""
    host = socket.gethostname().encode()
    left = sorted(locks.glob("*.lock"))
    if not left:
        os.ftruncate(handle, 0)
        os.pwrite(handle, host, 0)
        return False
    if os.pread(handle, len(host) + 1, 0) != host:
        return False
    for path in left:
        path.unlink(missing_ok=True)
    return True
