"""Which assets of which candidates an acquisition takes, and the record of what came."""

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rankscape.foundation import progress
from rankscape.foundation.errors import DownloadError, InputError, RasterError
from rankscape.foundation.files import read_json
from rankscape.scenes.addresses import hosts_of, is_remote, is_safe_name, redacted
from rankscape.scenes.compositing import Layers
from rankscape.scenes.downloading import CONNECTIONS, Result, download_assets, lock_folder
from rankscape.scenes.part_files import note_of
from rankscape.scenes.sensors.protocol import ArchiveSensor, archive_sensor
from rankscape.scenes.servers import RetryPolicy, signer_of
from rankscape.scenes.settings import FetchSettings
from rankscape.scenes.wanted_assets import Asset, UnusableAssetError, catalogue_checksum

_SUFFIXES = (".tif", ".tiff", ".jp2")


@dataclass(frozen=True)
class _Offer:
    """What one catalogue offers: which it is, and its candidates, best first."""

    source: Mapping[str, str]
    items: list[dict[str, Any]]


@dataclass(frozen=True)
class _Plan:
    """One candidate: what the record says of it, and the assets that are wanted of it."""

    origin: dict[str, Any]
    assets: dict[str, Asset]


def fetch_scenes(
    candidates: Mapping[str, Any],
    settings: FetchSettings,
    folder: Path,
    user: str,
    *,
    threads: int,
    connections: int = CONNECTIONS,
    retries: RetryPolicy | None = None,
) -> list[dict[str, Any]]:
    """Bring the assets of the best candidates to a folder; where one is gone, the next candidate takes over.

    The folder is shared by all acquisitions: an item's asset is brought once, and jobs that want the same item wait for
    each other. Where the first catalogue cannot give the assets after all attempts, all scenes come from the fallback:
    mixed, one sensing could count twice.

    Args:
        candidates: Document of the stage search.
        settings: Sensor, product, bands and number of scenes.
        folder: Folder of assets, with a folder for each item in it; paths in the record are relative to it.
        user: Who uses the assets, a name fit for a file; they stay until all who use them drop them.
        threads: Assets verified at once.
        connections: Connections in flight, of all jobs of this user on this node together.
        retries: How often and how long to try again.

    Returns:
        A record of each scene, best first; `source` is the address of the catalogue that gave it. With seasons, and of
        radar, part by part, each scene with `season` and `fills`.

    Raises:
        DownloadError: If no catalogue's candidates can be brought.
        ForeignHostError: If an address leads to a host that may not be asked.
        RasterError: If a local asset is no whole raster, or an item does not tell its offset.
        DiskError: If the disk is too full.
        InputError: If `candidates` lacks what search writes.
    """
    means = {"threads": threads, "connections": connections, "retries": retries}
    if "parts" not in candidates:
        return _fetch_part(candidates, settings, folder, user, **means)
    records: list[dict[str, Any]] = []
    for part in candidates["parts"]:
        try:
            more = {"season": part["season"], "fills": part["fills"]}
            document = {**part, "granule": candidates["granule"]}
        except (KeyError, TypeError) as error:
            raise InputError(f"The candidates lack {error}: run the stage search again.") from None
        if any(one and one["items"] for one in (part, part.get("fallback"))):
            records += [{**record, **more} for record in _fetch_part(document, settings, folder, user, **means)]
    return records


def _fetch_part(
    candidates: Mapping[str, Any], settings: FetchSettings, folder: Path, user: str, **means: Any
) -> list[dict[str, Any]]:
    granule, offers = _read(candidates)
    for offer in offers[:-1]:
        try:
            return _fetch_from(offer, granule, settings, folder, user, **means)
        except DownloadError as error:
            progress.say(f"{error} The fallback {redacted(offers[-1].source['href'])} is asked.")
    return _fetch_from(offers[-1], granule, settings, folder, user, **means)


def _fetch_from(
    offer: _Offer, granule: str, settings: FetchSettings, folder: Path, user: str, **means: Any
) -> list[dict[str, Any]]:
    source, sensor = offer.source, archive_sensor(settings.sensor)
    signer = signer_of(source["signing"], means["retries"])
    hosts = hosts_of(source, sensor.asset_hosts, settings.hosts)
    local = source["kind"] == "static" and not is_remote(source["href"])
    plans = _plans(granule, offer, settings, sensor, folder)
    records: list[dict[str, Any]] = []
    while batch := list(itertools.islice(plans, settings.max_scenes - len(records))):
        assets = [asset for plan in batch for asset in plan.assets.values()]
        with _locked_items(folder, [plan.origin["item_id"] for plan in batch]):
            came = download_assets(assets, signer, hosts=hosts, local=local, title=granule, **means)
            deliveries = dict(zip((asset.path for asset in assets), came, strict=True))
            good = [record for plan in batch if (record := _record(plan, deliveries, folder))]
            for record in good:
                _claim(folder, record["item_id"], user).touch()
        records += good
    if not records:
        raise DownloadError(
            f"{granule}: none of {len(offer.items)} candidates can be fetched; the log says why. Search again."
        )
    return records


@contextlib.contextmanager
def _locked_items(folder: Path, items: Sequence[str]) -> Iterator[None]:
    """Let one job at a time work on each item; all take them in one order, so that none waits for another in turn."""
    with contextlib.ExitStack() as stack:
        for item in sorted(set(items)):
            stack.enter_context(lock_folder(folder / item))
        yield


def _claim(folder: Path, item: str, user: str) -> Path:
    """The file that says that somebody uses the assets of an item."""
    return folder / item / f"{user}.user"


def user_name(record: Path, folder: Path) -> str:
    """Return the name by which a record uses assets: its path as seen from their folder, fit for a file."""
    parts = Path(os.path.relpath(record.parent, folder.parent)).parts
    return ".".join(part.strip(".") or "_" for part in parts) or "_"


def _read(candidates: Mapping[str, Any]) -> tuple[str, list[_Offer]]:
    """Return the granule, and what the catalogues offer, first one first; one without candidates is left out."""
    try:
        documents = [candidates, *([candidates["fallback"]] if candidates.get("fallback") else [])]
        offers = [_Offer(document["source"], document["items"]) for document in documents]
        for offer in offers:
            _ = [offer.source[key] for key in ("signing", "kind", "href")], [item["id"] for item in offer.items]
        granule: str = candidates["granule"]
    except (KeyError, TypeError) as error:
        raise InputError(f"The candidates lack {error}: run the stage search again.") from None
    return granule, [offer for offer in offers if offer.items] or offers[:1]


def _plans(
    granule: str, offer: _Offer, settings: FetchSettings, sensor: ArchiveSensor, folder: Path
) -> Iterator[_Plan]:
    required = settings.product_facts.assets(settings.bands)
    optional = [sensor.quality_asset] if sensor.quality_asset else []
    for item in offer.items:
        if not is_safe_name(item["id"]):
            raise InputError(f"{granule}: the id {item['id']!r} of a candidate cannot name a folder: search again.")
        found = {name: sensor.asset(item, name) for name in (*required, *optional)}
        missing = [name for name in required if found[name] is None]
        if missing:
            progress.say(
                f"{granule}: item {item['id']} has no asset {', '.join(missing)}; the next candidate is taken."
            )
            continue
        origin = {**_origin(item, settings, sensor), "source": redacted(offer.source["href"])}
        assets = {
            name: _asset(
                f"{granule}, item {item['id']}, asset {name}", document, folder / item["id"] / name,
                empty_percent=sensor.empty_percent(item, name, origin, settings.nodata_tolerance_percent),
                empty_tolerance_percent=settings.nodata_tolerance_percent,
            )
            for name, document in found.items()
            if document is not None
        }  # fmt: skip
        yield _Plan(origin, assets)


def _asset(label: str, document: Mapping[str, Any], stem: Path, **held_to: Any) -> Asset:
    href = str(document["href"])
    suffix = Path(href.partition("?")[0]).suffix.lower()
    size_bytes = document.get("file:size")
    return Asset(
        label=label,
        href=href,
        path=stem.with_name(stem.name + (suffix if suffix in _SUFFIXES else ".tif")),
        size_bytes=size_bytes if isinstance(size_bytes, int) else None,
        checksum=catalogue_checksum(str(document.get("file:checksum", ""))),
        **held_to,
    )


def _record(plan: _Plan, deliveries: Mapping[Path, Result], folder: Path) -> dict[str, Any] | None:
    assets: dict[str, Any] = {}
    for name, asset in plan.assets.items():
        came = deliveries[asset.path]
        if isinstance(came, UnusableAssetError):
            progress.say(f"{came} The next candidate is taken.")
            return None
        assets[name] = {
            "path": came.path.relative_to(folder).as_posix(),
            "href": asset.href,
            "bytes": came.size_bytes,
            "sha256": came.sha256,
        }
    return {**plan.origin, "assets": assets}


def _origin(item: Mapping[str, Any], settings: FetchSettings, sensor: ArchiveSensor) -> dict[str, Any]:
    properties = item.get("properties") or {}
    return {
        "item_id": item["id"],
        "datetime": properties.get("datetime") or properties.get("start_datetime"),
        "platform": properties.get("platform"),
        **sensor.origin(item, settings.product),
    }


@dataclass(frozen=True)
class Download:
    """What fetch brought of one granule."""

    granule: str
    """MGRS granule."""
    sensor: ArchiveSensor
    """Sensor of the scenes."""
    product: str
    """Product of the sensor."""
    bands: tuple[str, ...]
    """Bands of the image, in order."""
    scenes: tuple[Layers, ...]
    """Files of each scene, best first."""
    seasons: tuple[str, ...] = ()
    """Names of all seasons, in the order of the year, also of those without a scene; empty where there are none."""


def read_download(path: Path, folder: Path) -> Download:
    """Read the record of fetch, and check that its assets are there with the right size.

    Args:
        path: The record.
        folder: Folder of the assets; paths in the record are relative to it.

    Raises:
        InputError: If the record lacks what fetch writes, or names an asset outside of the folder.
        RasterError: If an asset is missing or has another size.
    """
    record = read_json(path)
    try:
        sensor, product, bands = archive_sensor(record["sensor"]), record["product"], tuple(record["bands"])
        names = sensor.products[product].assets(bands)
        scenes = tuple(_layers(folder, scene, names, sensor.quality_asset) for scene in record["scenes"])
        return Download(record["granule"], sensor, product, bands, scenes, tuple(record.get("seasons") or ()))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{path} lacks {error}: run the stage fetch again.") from None


def drop_download(path: Path, folder: Path, record: Download) -> None:
    """Remove the record of fetch, then those of its assets that no other record uses.

    Killed in between, fetch finds no record and starts anew.
    """
    user = user_name(path, folder)
    path.unlink(missing_ok=True)
    for item in sorted({scene.label for scene in record.scenes}):
        with lock_folder(folder / item):
            _claim(folder, item, user).unlink(missing_ok=True)
            if any((folder / item).glob("*.user")):
                continue
            for asset in record_files(record, item):
                asset.unlink(missing_ok=True)
                note_of(asset).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # other files may still lie there
                (folder / item).rmdir()


def record_files(record: Download, item: str) -> list[Path]:
    """Return the files of an item that a record names."""
    scenes = [scene for scene in record.scenes if scene.label == item]
    return [path for scene in scenes for path in (*scene.bands, *([scene.quality] if scene.quality else []))]


def _layers(folder: Path, scene: Mapping[str, Any], names: Sequence[str], quality: str | None) -> Layers:
    assets = scene["assets"]
    return Layers(
        label=scene["item_id"],
        bands=tuple(_present(folder, assets[name]) for name in names),
        quality=_present(folder, assets[quality]) if quality in assets else None,
        origin=scene,
    )


def _present(folder: Path, asset: Mapping[str, Any]) -> Path:
    path: Path = folder / asset["path"]
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{folder}: the asset {asset['path']!r} lies outside of this folder: run the stage fetch again."
        )
    size_bytes = path.stat().st_size if path.is_file() else None
    if size_bytes != asset["bytes"]:
        found = "is missing" if size_bytes is None else f"has {size_bytes} bytes"
        raise RasterError(f"{path} {found}, fetch brought {asset['bytes']} bytes: run the stage fetch again.")
    return path
