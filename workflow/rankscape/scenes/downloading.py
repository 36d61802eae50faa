"""Bringing assets to disk: in parallel, each verified before it gets its final name, nothing brought twice."""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx2

from rankscape.foundation import progress
from rankscape.foundation.errors import DownloadError, InputError, RasterError
from rankscape.foundation.files import raise_if_disk_full, read_json, sha256, sync_folder, write_json
from rankscape.scenes.addresses import is_remote, local_path
from rankscape.scenes.parts import Part
from rankscape.scenes.rasters import check_whole
from rankscape.scenes.retries import Patience
from rankscape.scenes.signing import Signer
from rankscape.scenes.transfers import CHUNK_BYTES, Asset, Meter, MissingAssetError, Room, StoppedError, Transfer

_TIMEOUT = httpx2.Timeout(60.0, connect=20.0)


@dataclass(frozen=True)
class Delivery:
    """A verified file."""

    path: Path
    """Where it lies."""
    size_bytes: int
    """Its size."""
    sha256: str
    """SHA-256 of its bytes."""


def bring(
    assets: Sequence[Asset],
    signer: Signer,
    *,
    local: bool,
    patience: Patience | None = None,
    threads: int = 4,
    title: str = "fetch",
) -> list[Delivery | MissingAssetError]:
    """Bring assets; those that are there already, whole and unchanged, are not brought again.

    A killed run leaves `.part` files, from which the next run goes on.

    Args:
        assets: What to bring.
        signer: Signs remote addresses right before each read.
        local: Whether assets may be paths; a remote catalogue must not read this machine's files.
        patience: How often and how long to try again.
        threads: Assets on their way at once.
        title: Shown before the progress bar.

    Returns:
        For each asset its delivery, or the error that says that it is not there any more.

    Raises:
        DownloadError: If an asset cannot be brought; the others stop, and what has come of them is kept.
        RasterError: If a local asset is no whole raster.
        DiskError: If the disk is too full for what is still to come.
    """
    stop = threading.Event()
    limits = httpx2.Limits(max_connections=threads)
    with (
        httpx2.Client(follow_redirects=True, timeout=_TIMEOUT, limits=limits) as client,
        progress.bar(title, unit="B", total=0, scale=True) as bar,
        ThreadPoolExecutor(threads) as pool,
    ):
        transfer = Transfer(client, signer, patience or Patience(), stop, Room(), Meter(bar))
        futures = [pool.submit(_bring_one, asset, transfer, local=local) for asset in assets]
        try:
            return _gather(futures)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _gather(futures: Iterable["Future[Delivery]"]) -> list[Delivery | MissingAssetError]:
    """Collect what came; after all have ended, the first true error in the order of the assets is raised."""
    results: list[Delivery | MissingAssetError] = []
    errors: list[BaseException] = []
    for future in futures:
        error = future.exception()
        if error is None:
            results.append(future.result())
        elif isinstance(error, MissingAssetError):
            results.append(error)
        elif not isinstance(error, StoppedError):
            errors.append(error)
    if errors:
        raise errors[0]
    return results


def _bring_one(asset: Asset, transfer: Transfer, *, local: bool) -> Delivery:
    if transfer.stop.is_set():
        raise StoppedError
    try:
        asset.path.parent.mkdir(parents=True, exist_ok=True)
        there = _present(asset)
        if there is None:
            part = transfer.pull(asset) if is_remote(asset.href) else _copied(asset, transfer, local=local)
            there = _publish(asset, part)
        return there
    except MissingAssetError:
        raise
    except BaseException as error:
        transfer.stop.set()
        if isinstance(error, OSError):
            raise_if_disk_full(error, asset.path)
        raise
    finally:
        transfer.room.release(asset.path)


def _note(asset: Asset) -> Path:
    return asset.path.with_name(asset.path.name + ".json")


def _present(asset: Asset) -> Delivery | None:
    """What lies there already, if it came from this address and neither it nor a local source has changed since."""
    try:
        note = read_json(_note(asset))
    except InputError:
        return None
    if not asset.path.is_file() or note.get("href") != asset.href:
        return None
    digest = sha256(asset.path)
    source = None if is_remote(asset.href) else local_path(asset.href)
    current = sha256(source) if source is not None and source.is_file() else digest
    if digest != note.get("sha256") or current != digest:
        return None
    return Delivery(asset.path, asset.path.stat().st_size, digest)


def _copied(asset: Asset, transfer: Transfer, *, local: bool) -> Part:
    """Copy a local asset to its part file, and verify it as any other."""
    source = local_path(asset.href)
    if source is None or not local:
        raise DownloadError(
            f"{asset.label}: {asset.href} is read neither over HTTP nor as a path of a local catalogue."
        )
    if not source.is_file():
        raise MissingAssetError(f"{asset.label}: {source} does not exist.")
    size_bytes = source.stat().st_size
    transfer.room.reserve(asset.path, size_bytes)
    transfer.meter.expect(size_bytes)
    part = Part(asset.path)
    with source.open("rb") as reader, part.path.open("wb") as writer:
        while chunk := reader.read(CHUNK_BYTES):
            if transfer.stop.is_set():
                raise StoppedError
            writer.write(chunk)
            transfer.meter.advance(len(chunk))
    try:
        check_whole(part.path)
    except RasterError as error:
        part.discard()
        raise RasterError(f"{asset.label}: {str(error).replace(str(part.path), str(source))}") from None
    return part


def _publish(asset: Asset, part: Part) -> Delivery:
    """Give a verified part its final name, with a note beside it that says what it is."""
    with part.path.open("rb") as handle:
        os.fsync(handle.fileno())
    delivery = Delivery(asset.path, part.size_bytes, sha256(part.path))
    write_json(_note(asset), {"href": asset.href, "bytes": delivery.size_bytes, "sha256": delivery.sha256})
    part.finish(asset.path)
    sync_folder(asset.path.parent)
    return delivery


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one run at a time work in a folder: a second one waits, and finds all done."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        # A file system without locks is no reason to stop: verification still catches mixed-up parts.
        with contextlib.suppress(OSError):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress.say(f"Another run is fetching to {folder}; waiting for it.")
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
