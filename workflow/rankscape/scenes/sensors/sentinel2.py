"""Sentinel-2: items in the words of the catalogues that are in use, offsets of raw numbers, scene classes.

Planetary Computer writes `s2:mgrs_tile`, Earth Search `grid:code` and `mgrs:*`, its first version `sentinel:*`; asset
keys are band names in the one and colours in the other.

Source of the offset: Sentinel-2 Processing Baseline 04.00 (ESA, 25 January 2022): from that baseline on, products are
stored with an offset of 1000 so that negative reflectance survives; DN 0 stays the mark of no data.
"""

import datetime
import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from rankscape.foundation.errors import RasterError
from rankscape.scenes.addresses import is_safe_name
from rankscape.scenes.granule_table import MGRS_PATTERN
from rankscape.scenes.plausibility import SHIFT_DN, OffsetWatch
from rankscape.scenes.rasters import SCENE_CLOUDS
from rankscape.scenes.sensors.protocol import EARLIEST, Decoder, Item, Product, SceneFacts, moment_of

_COLOURS = {
    "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1", "B06": "rededge2",
    "B07": "rededge3", "B08": "nir", "B8A": "nir08", "B09": "nir09", "B11": "swir16", "B12": "swir22", "visual": "TCI",
}  # fmt: skip
_BANDS = tuple(name for name in _COLOURS if name.startswith("B"))
_DISPLAY = ("B04", "B03", "B02")
_RAW_TYPES = ("uint16", "int16", "int32", "uint32", "float32", "float64")
_QUALITY = "SCL"
_ID_GRANULE = re.compile(rf"(?:^|_)T?({MGRS_PATTERN}|[1-9][C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])(?:_|$)")
_ORBIT = re.compile(r"_R(\d{3})_")
_BASELINE = re.compile(r"_N(\d{2})(\d{2})_")
_GENERATED = re.compile(r"_(\d{8}T\d{6})(?:\.SAFE)?$")
_QUANTIFICATION = 10_000
_SHIFTED_FROM = (4, 0)
_APPLIED = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")


class Sentinel2:
    """Level 2A of Sentinel-2: surface reflectance, true colour, and the scene classification of Sen2Cor."""

    name = "sentinel-2"
    title = "Sentinel-2"
    products: Mapping[str, Product] = {
        # The true-colour asset is made for the eye: three bands of bytes, and no offset.
        "visual": Product(_DISPLAY, _DISPLAY, _DISPLAY, "uint8", (0, 255), None, ("uint8",), "visual"),
        "reflectance": Product(_BANDS, _DISPLAY, _DISPLAY, "float32", (0, 1), float("nan"), _RAW_TYPES),
    }
    collection = "sentinel-2-l2a"
    asset_hosts: Mapping[str, tuple[str, ...]] = {
        "planetarycomputer.microsoft.com": ("sentinel2l2a01.blob.core.windows.net",),
        "earth-search.aws.element84.com": (
            "sentinel-cogs.s3.us-west-2.amazonaws.com",
            "e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com",
        ),
    }
    quality_asset: str | None = _QUALITY
    swath = False
    quality_classes: Mapping[int, str] = {
        0: "no data", 1: "saturated or defective", 2: "dark or topographic shadow", 3: "cloud shadow",
        4: "vegetation", 5: "not vegetated", 6: "water", 7: "unclassified", 8: "cloud, medium probability",
        9: "cloud, high probability", 10: "thin cirrus", 11: "snow or ice",
    }  # fmt: skip
    cloud_classes: tuple[int, ...] = SCENE_CLOUDS

    def query(self, catalogue: str, granule: str, max_cloud_percent: float) -> dict[str, Any]:
        """Return the filter by granule, in the words of the public catalogues, and by cloud."""
        asked: dict[str, Any] = {}
        if "planetarycomputer.microsoft.com" in catalogue:
            asked["s2:mgrs_tile"] = {"eq": granule}
        if "earth-search.aws.element84.com" in catalogue:
            asked["grid:code"] = {"in": [f"MGRS-{granule}", f"MGRS-{granule.lstrip('0')}"]}
        if max_cloud_percent < 100:
            asked["eo:cloud_cover"] = {"lte": max_cloud_percent}
        return asked

    def read_item(self, item: dict[str, Any]) -> SceneFacts:
        """Read the facts of an item.

        Raises:
            ValueError: If the item has no safe id or no sensing time; the message is a few words.
        """
        properties: Mapping[str, Any] = item.get("properties") or {}
        identifier = item.get("id")
        if not isinstance(identifier, str) or not is_safe_name(identifier):
            raise ValueError("an id that cannot name a folder")
        sensed = moment_of(properties.get("datetime")) or moment_of(properties.get("start_datetime"))
        if sensed is None:
            raise ValueError("no sensing time")
        return SceneFacts(
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
            nodata_percent=_nodata_percent(properties),
        )

    def asset(self, item: Item, name: str) -> Mapping[str, Any] | None:
        """Return the asset of a band (`B04`), of `visual` or of `SCL`; None if missing."""
        assets: Mapping[str, Mapping[str, Any]] = item.get("assets") or {}
        keys = [name, name.lower(), *([_COLOURS[name]] if name in _COLOURS else [])]
        keys += [f"{key}_{gsd_m}m" for gsd_m in (10, 20, 60) for key in (name, *keys[2:])]
        return next((assets[key] for key in keys if isinstance(assets.get(key, {}).get("href"), str)), None)

    def origin(self, item: Item, product: str) -> dict[str, Any]:
        """Return processing baseline and offset of an item; true colour has no offset.

        Raises:
            RasterError: If the item does not tell its offset.
        """
        baseline = baseline_of(item)
        offset_dn, source = (None, None) if product == "visual" else offset_of(item)
        return {
            "processing_baseline": f"{baseline[0]:02d}.{baseline[1]:02d}" if baseline else None,
            "offset_dn": offset_dn,
            "offset_from": source,
        }

    def empty_percent(
        self, item: Item, asset: str, origin: Mapping[str, Any], tolerance_percent: float
    ) -> float | None:
        """Return the share of pixels that must be 0, where that can be said of an asset.

        The item's share is of the granule's scene classes, of which 0 means no data, as it does in all three bands of
        true colour. Single bands end in different places at the edge of the swath, and before the offset of baseline
        04.00 dark water could be 0 as well: of them only those that must be full are held to it.
        """
        stated = _nodata_percent(item.get("properties") or {})
        if stated is None or asset in (_QUALITY, "visual"):
            return stated
        return stated if origin["offset_dn"] == -SHIFT_DN and stated <= tolerance_percent else None

    def decoder(self, label: str, product: str, origin: Mapping[str, Any]) -> Decoder:
        """Return the decoder of a true-colour image, or of reflectance with the item's offset."""
        return _TrueColour() if product == "visual" else _Reflectance(label, origin["offset_dn"])

    def finish(self, pixels: np.ndarray) -> np.ndarray:
        """Return the pixels as they are."""
        return pixels

    def clear(self, seen: np.ndarray, quality: np.ndarray | None, cloud_classes: Collection[int]) -> np.ndarray:
        """Return where the scene classification names neither cloud nor cloud shadow."""
        return seen.copy() if quality is None else np.asarray(seen & ~np.isin(quality, list(cloud_classes)))


SENSOR = Sentinel2()


class _TrueColour:
    """The 8-bit true-colour asset, as it is."""

    def decode(self, dn: Sequence[np.ndarray], nodata: Sequence[float | None]) -> tuple[np.ndarray, np.ndarray]:  # noqa: ARG002
        """Return the bytes; a pixel that is 0 in all bands holds no data."""
        return dn[0], np.asarray(dn[0].any(axis=0))

    def doubts(self) -> str | None:
        """Return None: true colour has no offset that could be wrong."""
        return None


class _Reflectance:
    """Bands as raw numbers; notices when the stated offset does not fit them."""

    def __init__(self, label: str, offset_dn: int) -> None:
        self._label = label
        self._offset_dn = offset_dn
        self._watch = OffsetWatch()

    def decode(self, dn: Sequence[np.ndarray], nodata: Sequence[float | None]) -> tuple[np.ndarray, np.ndarray]:
        """Return reflectance; a pixel holds data where all bands do."""
        seen = np.all([observed(band[0], mark) for band, mark in zip(dn, nodata, strict=True)], axis=0)
        self._watch.add(dn[0][0][seen])
        return np.stack([reflectance(band[0], self._offset_dn, seen) for band in dn]), seen

    def doubts(self) -> str | None:
        """Return how the numbers contradict the offset: catalogues are known to be wrong about it."""
        fault = self._watch.fault(self._offset_dn)
        if not fault:
            return None
        applied = "the catalogue may have applied it already without saying so"
        forgotten = "the offset may not have been applied, although the item says so or its baseline is older"
        return f"{self._label}: {fault}; {applied if self._offset_dn else forgotten}."


def offset_of(item: Item) -> tuple[int, str]:
    """Read the offset of an item's raw numbers, 0 or -1000, and what of the item says so.

    It follows from the processing baseline, not from the date, since old scenes have been processed again. Some
    catalogues have applied it already; an item that says so is believed.

    Raises:
        RasterError: If the item says neither.
    """
    properties: Mapping[str, Any] = item.get("properties") or {}
    for key in _APPLIED:
        if properties.get(key) is True:
            return 0, key
    baseline = baseline_of(item)
    if baseline is None:
        raise RasterError(
            f"Item {item.get('id')} states no processing baseline, so the offset of its raw numbers is unknown: "
            "give it s2:processing_baseline, or use product `visual`."
        )
    shifted = baseline >= _SHIFTED_FROM
    return -SHIFT_DN if shifted else 0, f"processing baseline {baseline[0]:02d}.{baseline[1]:02d}"


def observed(dn: np.ndarray, nodata: float | None = None) -> np.ndarray:
    """Return where raw numbers are data: neither 0, nor NaN, nor the file's own mark; bool, the same shape."""
    seen = dn > 0
    if np.issubdtype(dn.dtype, np.floating):
        seen &= np.isfinite(dn)
    if nodata is not None and not np.isnan(nodata):
        seen &= dn != nodata
    return np.asarray(seen)


def reflectance(dn: np.ndarray, offset_dn: int, seen: np.ndarray) -> np.ndarray:
    """Turn raw numbers into reflectance: (DN + offset) / 10000, clipped to [0, 1].

    A pixel that the offset takes below 0 is dark, not missing: it becomes 0 and stays valid.

    Args:
        dn: Raw numbers of any shape.
        offset_dn: 0 or -1000.
        seen: bool, the same shape; where there is data.

    Returns:
        float32, the same shape; NaN where there is no data.
    """
    scaled = (dn.astype(np.float32) + np.float32(offset_dn)) / np.float32(_QUANTIFICATION)
    within = np.clip(scaled, *SENSOR.products["reflectance"].value_range)
    return np.where(seen, within, np.float32(np.nan)).astype(np.float32)


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
    stated = moment_of(properties.get("s2:generation_time"))
    match = _GENERATED.search(_product(properties)) or _GENERATED.search(identifier)
    return stated or moment_of(match[1] if match else None) or moment_of(properties.get("created")) or EARLIEST


def _cloud_percent(properties: Mapping[str, Any]) -> float | None:
    """Sen2Cor gives class shares over the area with data; `eo:cloud_cover` is the sum of the three cloud classes."""
    stated = _number(properties.get("eo:cloud_cover"))
    if stated is not None:
        return stated
    kinds = ("medium_proba_clouds", "high_proba_clouds", "thin_cirrus")
    parts = [_number(properties.get(f"s2:{kind}_percentage")) for kind in kinds]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _nodata_percent(properties: Mapping[str, Any]) -> float | None:
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
