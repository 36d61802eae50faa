"""Which assets of which candidates are brought, and the record of what came."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rankscape.foundation import progress
from rankscape.foundation.errors import DownloadError, InputError
from rankscape.foundation.settings.scenes import FetchSettings
from rankscape.scenes.addresses import is_remote, is_safe_name
from rankscape.scenes.downloading import Delivery, alone, bring
from rankscape.scenes.items import asset_of, baseline_of
from rankscape.scenes.reflectance import offset_of
from rankscape.scenes.retries import Patience
from rankscape.scenes.signing import signer_of
from rankscape.scenes.transfers import Asset, MissingAssetError

VISUAL_BANDS = ("B04", "B03", "B02")
"""Bands of the true-colour asset, red first."""
_SHA256_MULTIHASH = "1220"
_SUFFIXES = (".tif", ".tiff", ".jp2")


@dataclass(frozen=True)
class _Plan:
    """One candidate: what the record says of it, and the assets that are wanted of it."""

    origin: dict[str, Any]
    assets: dict[str, Asset]


def bands_of(settings: FetchSettings) -> tuple[str, ...]:
    """Return the bands of the image that the product gives, in order."""
    return VISUAL_BANDS if settings.product == "visual" else settings.bands


def fetch_scenes(
    candidates: Mapping[str, Any],
    settings: FetchSettings,
    folder: Path,
    *,
    threads: int,
    patience: Patience | None = None,
) -> list[dict[str, Any]]:
    """Bring the assets of the best candidates to `folder`/assets; where one is gone, the next candidate takes over.

    Args:
        candidates: Document of the stage search.
        settings: Product, bands and number of scenes.
        folder: Folder of the record; paths in it are relative to this.
        threads: Assets on their way at once.
        patience: How often and how long to try again.

    Returns:
        A record of each scene, best first.

    Raises:
        DownloadError: If no candidate can be brought, or an asset cannot for another reason than being gone.
        RasterError: If a local asset is no whole raster, or an item does not tell its offset.
        DiskError: If the disk is too full.
        InputError: If `candidates` lacks what search writes.
    """
    granule, source, items = _read(candidates)
    signer = signer_of(source["signing"], patience)
    local = source["kind"] == "static" and not is_remote(source["href"])
    plans = _plans(granule, items, settings, folder / "assets")
    records: list[dict[str, Any]] = []
    with alone(folder / "assets"):
        while batch := list(itertools.islice(plans, settings.max_scenes - len(records))):
            assets = [asset for plan in batch for asset in plan.assets.values()]
            came = bring(assets, signer, local=local, patience=patience, threads=threads, title=granule)
            deliveries = dict(zip((asset.path for asset in assets), came, strict=True))
            records += [record for plan in batch if (record := _record(plan, deliveries, folder))]
    if not records:
        raise DownloadError(
            f"{granule}: none of {len(items)} candidates can be fetched; the log says why. Search again."
        )
    return records


def _read(candidates: Mapping[str, Any]) -> tuple[str, Mapping[str, str], list[dict[str, Any]]]:
    try:
        granule, source, items = candidates["granule"], candidates["source"], candidates["items"]
        _ = source["signing"], source["kind"], source["href"], [item["id"] for item in items]
    except (KeyError, TypeError) as error:
        raise InputError(f"The candidates lack {error}: run the stage search again.") from None
    return granule, source, items


def _plans(granule: str, items: list[dict[str, Any]], settings: FetchSettings, folder: Path) -> Iterator[_Plan]:
    required = ["visual"] if settings.product == "visual" else list(settings.bands)
    for item in items:
        if not is_safe_name(item["id"]):
            raise InputError(f"{granule}: the id {item['id']!r} of a candidate cannot name a folder: search again.")
        found = {name: asset_of(item, name) for name in (*required, "SCL")}
        missing = [name for name in required if found[name] is None]
        if missing:
            progress.say(
                f"{granule}: item {item['id']} has no asset {', '.join(missing)}; the next candidate is taken."
            )
            continue
        assets = {
            name: _asset(f"{granule}, item {item['id']}, asset {name}", document, folder / item["id"] / name)
            for name, document in found.items()
            if document is not None
        }
        yield _Plan(_origin(item, settings), assets)


def _asset(label: str, document: Mapping[str, Any], stem: Path) -> Asset:
    href = str(document["href"])
    suffix = Path(href.partition("?")[0]).suffix.lower()
    size_bytes, checksum = document.get("file:size"), str(document.get("file:checksum", ""))
    return Asset(
        label=label,
        href=href,
        path=stem.with_name(stem.name + (suffix if suffix in _SUFFIXES else ".tif")),
        size_bytes=size_bytes if isinstance(size_bytes, int) else None,
        sha256=checksum[len(_SHA256_MULTIHASH) :] if checksum.startswith(_SHA256_MULTIHASH) else None,
    )


def _record(
    plan: _Plan, deliveries: Mapping[Path, Delivery | MissingAssetError], folder: Path
) -> dict[str, Any] | None:
    assets: dict[str, Any] = {}
    for name, asset in plan.assets.items():
        came = deliveries[asset.path]
        if isinstance(came, MissingAssetError):
            progress.say(f"{came} The next candidate is taken.")
            return None
        assets[name] = {
            "path": came.path.relative_to(folder).as_posix(),
            "href": asset.href,
            "bytes": came.size_bytes,
            "sha256": came.sha256,
        }
    return {**plan.origin, "assets": assets}


def _origin(item: Mapping[str, Any], settings: FetchSettings) -> dict[str, Any]:
    properties = item.get("properties") or {}
    baseline = baseline_of(item)
    # The true-colour asset is made for the eye; its numbers have no offset.
    offset = None if settings.product == "visual" else offset_of(item)
    return {
        "item_id": item["id"],
        "datetime": properties.get("datetime") or properties.get("start_datetime"),
        "platform": properties.get("platform"),
        "processing_baseline": f"{baseline[0]:02d}.{baseline[1]:02d}" if baseline else None,
        "offset_dn": offset.offset_dn if offset else None,
        "offset_from": offset.source if offset else None,
    }
