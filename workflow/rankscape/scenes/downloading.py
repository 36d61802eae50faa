"""Bringing assets to disk: in parallel, each verified before it gets its final name, nothing brought twice."""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rankscape.foundation import progress
from rankscape.foundation.errors import DownloadError, InputError, RasterError
from rankscape.foundation.files import raise_if_disk_full, read_json, sha256, sync_folder, write_json
from rankscape.foundation.slots import Slots, node_folder
from rankscape.scenes.addresses import Hosts, is_remote, local_path
from rankscape.scenes.connections import Connections, open_client, size_on_server
from rankscape.scenes.part_files import DiskSpace, Meter, PartFile, contradiction, contradicts, note_of, plain
from rankscape.scenes.rasters import check_whole
from rankscape.scenes.servers import RetryPolicy, Signer
from rankscape.scenes.transfers import Transfer
from rankscape.scenes.wanted_assets import Asset, MissingAssetError, StoppedError, UnusableAssetError

CONNECTIONS = 16
"""Connections in flight of all jobs of a node, unless they are told otherwise."""
_COPY_BYTES = 1 << 20
_ASSETS = 8
"""Assets on their way at once: while some are verified, the others keep the line busy."""


@dataclass(frozen=True)
class Delivery:
    """A verified file."""

    path: Path
    """Where it lies."""
    size_bytes: int
    """Its size."""
    sha256: str
    """SHA-256 of its bytes."""


Result = Delivery | UnusableAssetError
"""What came of an asset."""


def download_assets(
    assets: Sequence[Asset],
    signer: Signer,
    *,
    hosts: Hosts,
    local: bool,
    retries: RetryPolicy | None = None,
    threads: int = 4,
    connections: int = CONNECTIONS,
    title: str = "fetch",
) -> list[Result]:
    """Bring assets; those that are there already, whole and unchanged, are not brought again.

    A killed run leaves `.part` files, from which the next run goes on.

    Args:
        assets: What to bring.
        signer: Signs remote addresses right before each read.
        hosts: Hosts that may be asked.
        local: Whether assets may be paths; a remote catalogue must not read this machine's files.
        retries: How often and how long to try again.
        threads: Assets verified at once.
        connections: Connections in flight, of all jobs of this user on this node together.
        title: Shown before the progress bar.

    Returns:
        For each asset its delivery, or the error that says why it can never be had.

    Raises:
        DownloadError: If an asset cannot be brought; the others stop, and what has come of them is kept.
        ForeignHostError: If an address leads to a host that may not be asked.
        RasterError: If a local asset is no whole raster.
        DiskError: If the disk is too full for what is still to come.
    """
    stop, retries = threading.Event(), retries or RetryPolicy()
    with (
        open_client(retries, connections) as client,
        progress.bar(title, unit="B", total=0, scale=True) as bar,
        ThreadPoolExecutor(min(_ASSETS, max(1, len(assets)))) as workers,
        ThreadPoolExecutor(connections) as pool,
        ThreadPoolExecutor(threads) as decoders,
    ):
        slots = Slots(node_folder("connections"), connections)
        line = Connections(client, signer, retries, hosts, slots, stop)
        transfer = Transfer(line, pool, decoders, DiskSpace(), Meter(bar))
        try:
            there = list(workers.map(_present, assets))
            missing = [asset for asset, found in zip(assets, there, strict=True) if found is None]
            _reserve_all(missing, transfer, workers)
            coming = [workers.submit(_download_one, asset, transfer, local=local) for asset in missing]
            came = iter(_gather(coming))
            return [found if found is not None else next(came) for found in there]
        finally:
            stop.set()
            workers.shutdown(cancel_futures=True)
            pool.shutdown(cancel_futures=True)


def _reserve_all(assets: Sequence[Asset], transfer: Transfer, workers: ThreadPoolExecutor) -> None:
    """Set aside room for all assets before the first byte of any; a size that nobody tells is reserved later."""
    for asset in assets:
        asset.path.parent.mkdir(parents=True, exist_ok=True)
    for asset, rest_bytes in zip(assets, workers.map(lambda asset: _rest(asset, transfer), assets), strict=True):
        transfer.disk_space.reserve(asset.path, rest_bytes or 0)


def _rest(asset: Asset, transfer: Transfer) -> int | None:
    """Bytes that are still to come of an asset."""
    if not is_remote(asset.href):
        source = local_path(asset.href)
        return source.stat().st_size if source is not None and source.is_file() else None
    part = PartFile(asset.path)
    begun = part.origin(asset.href)
    size_bytes = begun.size_bytes if begun else asset.size_bytes or size_on_server(transfer.connections, asset)
    return None if size_bytes is None else size_bytes - part.finished_bytes


def _gather(futures: Iterable["Future[Delivery]"]) -> list[Result]:
    """Collect what came; after all have ended, the first true error in the order of the assets is raised."""
    results: list[Result] = []
    errors: list[BaseException] = []
    for future in futures:
        error = future.exception()
        if error is None:
            results.append(future.result())
        elif isinstance(error, UnusableAssetError):
            results.append(error)
        elif not isinstance(error, StoppedError):
            errors.append(error)
    if errors:
        raise errors[0]
    return results


def _download_one(asset: Asset, transfer: Transfer, *, local: bool) -> Delivery:
    stop = transfer.connections.stop
    if stop.is_set():
        raise StoppedError
    try:
        part, digest = transfer.pull(asset) if is_remote(asset.href) else _copied(asset, transfer, local=local)
        return _publish(asset, part, digest)
    except UnusableAssetError:
        raise
    except BaseException as error:
        stop.set()
        if isinstance(error, OSError):
            raise_if_disk_full(error, asset.path)
        raise
    finally:
        transfer.disk_space.release(asset.path)


def _present(asset: Asset) -> Delivery | None:
    """What lies there already, if it came from this address and neither it nor a local source has changed since."""
    try:
        note = read_json(note_of(asset.path))
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


def _copied(asset: Asset, transfer: Transfer, *, local: bool) -> tuple[PartFile, str]:
    """Copy a local asset to its part file, and verify it as any other."""
    source = local_path(asset.href)
    if source is None or not local:
        raise DownloadError(
            f"{asset.label}: {asset.href} is read neither over HTTP nor as a path of a local catalogue."
        )
    if not source.is_file():
        raise MissingAssetError(f"{asset.label}: {source} does not exist.")
    size_bytes = source.stat().st_size
    transfer.disk_space.reserve(asset.path, size_bytes)
    transfer.meter.expect(size_bytes)
    part = PartFile(asset.path)
    with source.open("rb") as reader, part.path.open("wb") as writer:
        while chunk := reader.read(_COPY_BYTES):
            if transfer.connections.stop.is_set():
                raise StoppedError
            writer.write(chunk)
            transfer.meter.advance(len(chunk))
    return part, transfer.decoders.submit(_check_copy, asset, part, source).result()


def _check_copy(asset: Asset, part: PartFile, source: Path) -> str:
    """Verify a copy; return its SHA-256."""
    try:
        empty_percent = 100 * check_whole(part.path)
    except RasterError as error:
        part.discard()
        raise RasterError(f"{asset.label}: {plain(error, part.path, str(source))}") from None
    if contradicts(asset, empty_percent):
        part.discard()
        raise contradiction(asset, empty_percent)
    return sha256(part.path)


def _publish(asset: Asset, part: PartFile, digest: str) -> Delivery:
    """Give a verified part its final name, with a note beside it that says what it is."""
    with part.path.open("rb") as handle:
        os.fsync(handle.fileno())
    delivery = Delivery(asset.path, part.size_bytes, digest)
    write_json(note_of(asset.path), {"href": asset.href, "bytes": delivery.size_bytes, "sha256": delivery.sha256})
    part.finish(asset.path)
    sync_folder(asset.path.parent)
    return delivery


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Let one run at a time work in a folder: a second one waits, and finds all done."""
    handle = _open_locked(folder)
    while not _is_there(folder, handle):  # removed by the run that was waited for
        os.close(handle)
        handle = _open_locked(folder)
    try:
        yield
    finally:
        os.close(handle)


def _open_locked(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    # A file system without locks is no reason to stop: verification still catches mixed-up parts.
    with contextlib.suppress(OSError):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say(f"Another run is fetching to {folder}; waiting for it.")
            fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def _is_there(folder: Path, handle: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
