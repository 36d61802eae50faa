"""What a STAC item of Sentinel-2 says of its scene, in the words of the catalogues that are in use.

Planetary Computer writes `s2:mgrs_tile`, Earth Search `grid:code` and `mgrs:*`, its first version `sentinel:*`; asset
keys are band names in the one and colours in the other.
"""

import datetime
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rankscape.scenes.addresses import is_safe_name
from rankscape.scenes.granule_table import MGRS_PATTERN

_COLOURS = {
    "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1", "B06": "rededge2",
    "B07": "rededge3", "B08": "nir", "B8A": "nir08", "B09": "nir09", "B11": "swir16", "B12": "swir22", "visual": "TCI",
}  # fmt: skip
_ID_GRANULE = re.compile(rf"(?:^|_)T?({MGRS_PATTERN}|[1-9][C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])(?:_|$)")
_ORBIT = re.compile(r"_R(\d{3})_")
_BASELINE = re.compile(r"_N(\d{2})(\d{2})_")
_GENERATED = re.compile(r"_(\d{8}T\d{6})(?:\.SAFE)?$")
_EARLIEST = datetime.datetime.min.replace(tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Scene:
    """One STAC item and the facts by which it is chosen."""

    item: dict[str, Any]
    """The item as the catalogue gave it."""
    id: str
    """Id of the item."""
    collection: str | None
    """Collection of the item; None where it names none."""
    granule: str | None
    """MGRS granule; None where the item does not say."""
    sensed: datetime.datetime
    """Sensing time, UTC."""
    platform: str
    """Satellite, lower case."""
    orbit: int | None
    """Relative orbit."""
    baseline: tuple[int, int] | None
    """Processing baseline, such as (5, 10)."""
    generated: datetime.datetime
    """When the product was made; the earliest time there is where the item does not say."""
    cloud_percent: float | None
    """Cloud share of the area with data."""
    nodata_percent: float | None
    """Share of pixels without data."""


def read_scene(item: dict[str, Any]) -> Scene:
    """Read the facts of an item.

    Raises:
        ValueError: If the item has no safe id or no sensing time; the message is a few words.
    """
    properties: Mapping[str, Any] = item.get("properties") or {}
    identifier = item.get("id")
    if not isinstance(identifier, str) or not is_safe_name(identifier):
        raise ValueError("an id that cannot name a folder")
    sensed = _time(properties.get("datetime")) or _time(properties.get("start_datetime"))
    if sensed is None:
        raise ValueError("no sensing time")
    return Scene(
        item=item,
        id=identifier,
        collection=item.get("collection"),
        granule=_granule(identifier, properties),
        sensed=sensed,
        platform=str(properties.get("platform", "")).lower(),
        orbit=_orbit(identifier, properties),
        baseline=baseline_of(item),
        generated=_generated(identifier, properties),
        cloud_percent=_cloud_percent(properties),
        nodata_percent=nodata_percent_of(item),
    )


def asset_of(item: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """Return the asset of a band (`B04`), of `visual` or of `SCL`, whatever the catalogue calls it; None if missing."""
    assets: Mapping[str, Mapping[str, Any]] = item.get("assets") or {}
    keys = [name, name.lower(), *([_COLOURS[name]] if name in _COLOURS else [])]
    keys += [f"{key}_{gsd_m}m" for gsd_m in (10, 20, 60) for key in (name, *keys[2:])]
    return next((assets[key] for key in keys if isinstance(assets.get(key, {}).get("href"), str)), None)


def baseline_of(item: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the processing baseline of an item, such as (5, 10); None where it states none."""
    properties: Mapping[str, Any] = item.get("properties") or {}
    for key in ("s2:processing_baseline", "processing:version"):
        match = re.fullmatch(r"(\d{1,2})\.(\d{1,2})", str(properties.get(key, "")))
        if match:
            return int(match[1]), int(match[2])
    match = _BASELINE.search(_product(properties))
    return (int(match[1]), int(match[2])) if match else None


def _product(properties: Mapping[str, Any]) -> str:
    return str(properties.get("s2:product_uri") or properties.get("sentinel:product_id") or "")


def _granule(identifier: str, properties: Mapping[str, Any]) -> str | None:
    for key in ("s2:mgrs_tile", "grid:code"):
        value = properties.get(key)
        if isinstance(value, str):
            return value.removeprefix("MGRS-").removeprefix("T").zfill(5)
    for prefix in ("mgrs", "sentinel"):
        parts = [properties.get(f"{prefix}:{part}") for part in ("utm_zone", "latitude_band", "grid_square")]
        if all(part is not None for part in parts):
            return "".join(map(str, parts)).zfill(5)
    match = _ID_GRANULE.search(identifier)
    return match[1].zfill(5) if match else None


def _orbit(identifier: str, properties: Mapping[str, Any]) -> int | None:
    stated = properties.get("sat:relative_orbit")
    if isinstance(stated, int):
        return stated
    match = _ORBIT.search(_product(properties)) or _ORBIT.search(identifier)
    return int(match[1]) if match else None


def _generated(identifier: str, properties: Mapping[str, Any]) -> datetime.datetime:
    stated = _time(properties.get("s2:generation_time"))
    match = _GENERATED.search(_product(properties)) or _GENERATED.search(identifier)
    return stated or _time(match[1] if match else None) or _time(properties.get("created")) or _EARLIEST


def _cloud_percent(properties: Mapping[str, Any]) -> float | None:
    """Sen2Cor gives class shares over the area with data; `eo:cloud_cover` is the sum of the three cloud classes."""
    stated = _number(properties.get("eo:cloud_cover"))
    if stated is not None:
        return stated
    kinds = ("medium_proba_clouds", "high_proba_clouds", "thin_cirrus")
    parts = [_number(properties.get(f"s2:{kind}_percentage")) for kind in kinds]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def nodata_percent_of(item: Mapping[str, Any]) -> float | None:
    """Return the share of a granule's pixels without data that an item states; None where it states none."""
    properties: Mapping[str, Any] = item.get("properties") or {}
    stated = _number(properties.get("s2:nodata_pixel_percentage"))
    if stated is not None:
        return stated
    for key in ("sentinel:data_coverage", "data_coverage"):
        covered = _number(properties.get(key))
        if covered is not None:
            return 100 - covered
    return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _time(value: Any) -> datetime.datetime | None:
    try:
        time = datetime.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return time.astimezone(datetime.UTC) if time.tzinfo else time.replace(tzinfo=datetime.UTC)
