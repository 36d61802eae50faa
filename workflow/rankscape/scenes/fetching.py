"""Which assets of which candidates are brought, and the record of what came."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rankscape.foundation import progress
from rankscape.foundation.errors import DownloadError, InputError
from rankscape.scenes.addresses import is_remote, is_safe_name, redacted
from rankscape.scenes.assets import Asset, UnusableAssetError
from rankscape.scenes.checksums import catalogue_checksum
from rankscape.scenes.downloading import CONNECTIONS, Result, alone, bring
from rankscape.scenes.hosts import hosts_of
from rankscape.scenes.items import asset_of, baseline_of, nodata_percent_of
from rankscape.scenes.reflectance import SHIFT_DN, offset_of
from rankscape.scenes.retries import Patience
from rankscape.scenes.settings import FetchSettings
from rankscape.scenes.signing import signer_of

VISUAL_BANDS = ("B04", "B03", "B02")
"""Bands of the true-colour asset, red first."""
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


def bands_of(settings: FetchSettings) -> tuple[str, ...]:
    """Return the bands of the image that the product gives, in order."""
    return VISUAL_BANDS if settings.product == "visual" else settings.bands


def fetch_scenes(
    candidates: Mapping[str, Any],
    settings: FetchSettings,
    folder: Path,
    *,
    threads: int,
    connections: int = CONNECTIONS,
    patience: Patience | None = None,
) -> list[dict[str, Any]]:
    """Bring the assets of the best candidates to `folder`/assets; where one is gone, the next candidate takes over.

    Where the first catalogue cannot give them after all attempts, all scenes come from the fallback: mixed, one sensing
    could count twice.

    Args:
        candidates: Document of the stage search.
        settings: Product, bands and number of scenes.
        folder: Folder of the record; paths in it are relative to this.
        threads: Assets verified at once.
        connections: Connections in flight, of all jobs of this user on this node together.
        patience: How often and how long to try again.

    Returns:
        A record of each scene, best first; `source` is the address of the catalogue that gave it.

    Raises:
        DownloadError: If no catalogue's candidates can be brought.
        ForeignHostError: If an address leads to a host that may not be asked.
        RasterError: If a local asset is no whole raster, or an item does not tell its offset.
        DiskError: If the disk is too full.
        InputError: If `candidates` lacks what search writes.
    """
    granule, offers = _read(candidates)
    means = {"threads": threads, "connections": connections, "patience": patience}
    with alone(folder / "assets"):
        for offer in offers[:-1]:
            try:
                return _fetch_from(offer, granule, settings, folder, **means)
            except DownloadError as error:
                progress.say(f"{error} The fallback {redacted(offers[-1].source['href'])} is asked.")
        return _fetch_from(offers[-1], granule, settings, folder, **means)


def _fetch_from(
    offer: _Offer, granule: str, settings: FetchSettings, folder: Path, **means: Any
) -> list[dict[str, Any]]:
    source = offer.source
    signer = signer_of(source["signing"], means["patience"])
    hosts = hosts_of(source, settings.hosts)
    local = source["kind"] == "static" and not is_remote(source["href"])
    plans = _plans(granule, offer, settings, folder / "assets")
    records: list[dict[str, Any]] = []
    while batch := list(itertools.islice(plans, settings.max_scenes - len(records))):
        assets = [asset for plan in batch for asset in plan.assets.values()]
        came = bring(assets, signer, hosts=hosts, local=local, title=granule, **means)
        deliveries = dict(zip((asset.path for asset in assets), came, strict=True))
        records += [record for plan in batch if (record := _record(plan, deliveries, folder))]
    if not records:
        raise DownloadError(
            f"{granule}: none of {len(offer.items)} candidates can be fetched; the log says why. Search again."
        )
    return records


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


def _plans(granule: str, offer: _Offer, settings: FetchSettings, folder: Path) -> Iterator[_Plan]:
    required = ["visual"] if settings.product == "visual" else list(settings.bands)
    for item in offer.items:
        if not is_safe_name(item["id"]):
            raise InputError(f"{granule}: the id {item['id']!r} of a candidate cannot name a folder: search again.")
        found = {name: asset_of(item, name) for name in (*required, "SCL")}
        missing = [name for name in required if found[name] is None]
        if missing:
            progress.say(
                f"{granule}: item {item['id']} has no asset {', '.join(missing)}; the next candidate is taken."
            )
            continue
        origin = {**_origin(item, settings), "source": redacted(offer.source["href"])}
        assets = {
            name: _asset(
                f"{granule}, item {item['id']}, asset {name}", document, folder / item["id"] / name,
                empty_percent=_empty_percent(item, name, origin["offset_dn"], settings),
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


def _empty_percent(item: Mapping[str, Any], name: str, offset_dn: int | None, settings: FetchSettings) -> float | None:
    """Share of pixels that must be 0, where that can be said of an asset.

    The item's share is of the granule's scene classes, of which 0 means no data, as it does in all three bands of true
    colour. Single bands end in different places at the edge of the swath, and before the offset of baseline 04.00 dark
    water could be 0 as well: of them only those that must be full are held to it.
    """
    stated = nodata_percent_of(item)
    if stated is None or name in ("SCL", "visual"):
        return stated
    return stated if offset_dn == -SHIFT_DN and stated <= settings.nodata_tolerance_percent else None


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
