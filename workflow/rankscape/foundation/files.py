"""Reading and writing files so that a final name never holds half a file.

Every writer goes to a temporary name in the same folder, flushes it to disk, and renames it. What a killed writer left
under a temporary name is removed by the next writer in the folder.
"""

import contextlib
import errno
import hashlib
import io
import json
import os
import re
import socket
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from rankscape.foundation.errors import DiskError, InputError

_CHUNK_BYTES = 1 << 20
_TEMPORARY = re.compile(r"\.([0-9a-f]{8})-([0-9]+)-[a-z0-9_]{8}\.part(\.|$)")
"""End of a temporary name: where its writer runs, the writer's process, chance."""


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` when the block ends without an error.

    The temporary file keeps the suffix of `path`, since raster and image writers choose their format by it.

    Args:
        path: Final name; its folder is made if it is missing.

    Yields:
        Temporary path in the same folder; it does not exist yet.

    Raises:
        DiskError: If the disk is full or quota is used up; `path` is left as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent.resolve())
    prefix = f".{path.stem}.{_machine()}-{os.getpid()}-"
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=f".part{path.suffix}", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    temporary.unlink()
    try:
        yield temporary
        _publish(temporary, path)
    except OSError as error:
        raise_if_disk_full(error, path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def raise_if_disk_full(error: OSError, path: Path) -> None:
    """Turn "no space left" into one clear line; any other error passes.

    Raises:
        DiskError: If `error` says that the disk or the quota is full.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise DiskError(f"No disk space left to write {path}: free some in {path.parent} and start again.") from error


@cache
def _sweep(folder: Path) -> None:
    """Remove what killed processes of this machine left half-written in a folder; once a process and folder."""
    for path in folder.glob(".*.part*"):
        writer = _TEMPORARY.search(path.name)
        if writer and writer[1] == _machine() and not _is_alive(int(writer[2])):
            path.unlink(missing_ok=True)


@cache
def _machine() -> str:
    """Name of the machine, and of the container if this is one: where a process's number means what it means here."""
    try:
        numbering = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        numbering = ""
    return hashlib.sha256(f"{socket.gethostname()} {numbering}".encode()).hexdigest()[:8]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True


def _publish(temporary: Path, path: Path) -> None:
    with temporary.open("rb") as handle:
        os.fsync(handle.fileno())
    umask = os.umask(0)
    os.umask(umask)
    temporary.chmod(0o666 & ~umask)
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename in it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def start_writing_back(handle: int, offset: int, length: int) -> None:
    """Let the disk begin with bytes that were just written, so that little is left when the file is flushed.

    It returns at once and promises nothing; where the system has no such hint, nothing happens.

    Args:
        handle: File descriptor of any mode.
        offset: First byte.
        length: Number of bytes; the written ones among them stay in memory.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(handle, offset, length, os.POSIX_FADV_DONTNEED)


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a JSON document atomically; NaN is refused, keys keep their order."""
    write_bytes(path, (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: If the file is missing or holds no JSON object.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: make it first, or mend the path.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is no valid JSON ({error}): delete it and make it again.") from None
    if not isinstance(document, dict):
        raise InputError(f"{path} holds a JSON {type(document).__name__}, an object is needed.")
    return document


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array atomically as `.npy`, readable with `mmap_mode="r"`."""
    contiguous = np.ascontiguousarray(array)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(contiguous))
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        handle.write(header.getvalue())
        # ndarray.tofile would hide the error number of a full disk.
        handle.write(contiguous.data)


def read_array(path: Path) -> np.ndarray:
    """Map an array into memory, read-only.

    Raises:
        InputError: If the file is missing, no `.npy`, or shorter than its header says.
    """
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: make it first, or mend the path.") from None
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path} is no whole .npy array ({error}): delete it and make it again.") from None
    return array


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as handle:
        while chunk := handle.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
