"""Sentinel-1: calibrated backscatter of VV and VH as linear power, averaged as power, stored in decibels.

`sentinel-1-rtc` of the Planetary Computer is gamma0 with the terrain flattened; its `sentinel-1-grd`, as of Earth
Search, holds amplitudes without calibration in the geometry of the radar, which are no backscatter. Known: fringes of
zeros before 2018 and scenes of zeros in 2022 that nothing marks, and one satellite of two from 2022 to 2024.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from rankscape.foundation.errors import RasterError
from rankscape.scenes.addresses import is_safe_name
from rankscape.scenes.plausibility import check_backscatter, decibels, near_zero_area
from rankscape.scenes.sensors.protocol import EARLIEST, Decoder, Item, Product, SceneFacts, moment_of

_BANDS = ("VV", "VH")
_FLOATS = ("float32", "float64")
_DECIBELS = (-100.0, 50.0)
_PROJECTED = ("proj:epsg", "proj:code", "proj:wkt2", "proj:projjson")
_ORBIT_STATE = "sat:orbit_state"
_LINEAR = "linear power"
_ID_PLATFORM = re.compile(r"^S1([A-D])_")


class Sentinel1:
    """Backscatter of the interferometric wide swath, both polarisations."""

    name = "sentinel-1"
    title = "Sentinel-1"
    products: Mapping[str, Product] = {
        # gamma0 has the terrain flattened. On flat land it is sigma0 - 10 log10 cos(incidence), 0.6 to 1.6 dB more.
        "gamma0": Product(_BANDS, _BANDS, (), "float32", _DECIBELS, float("nan"), _FLOATS, collection="sentinel-1-rtc"),
        "sigma0": Product(_BANDS, _BANDS, (), "float32", _DECIBELS, float("nan"), _FLOATS, collection="sentinel-1-grd"),
    }
    collection = "sentinel-1-rtc"
    asset_hosts: Mapping[str, tuple[str, ...]] = {
        "planetarycomputer.microsoft.com": ("sentinel1euwestrtc.blob.core.windows.net",),
    }
    quality_asset: str | None = None
    quality_classes: Mapping[int, str] = {}
    cloud_classes: tuple[int, ...] = ()
    swath = True

    def query(self, catalogue: str, granule: str, max_cloud_percent: float) -> dict[str, Any]:  # noqa: ARG002
        """Return no filter: items are chosen by what they say."""
        return {}

    def read_item(self, item: dict[str, Any]) -> SceneFacts:
        """Read the facts of an item.

        Raises:
            ValueError: If the item lacks a polarisation, a sensing time, a safe id or a place on a map, or holds
                another mode, amplitudes or decibels; the message is a few words.
        """
        properties: Mapping[str, Any] = item.get("properties") or {}
        identifier = item.get("id")
        if not isinstance(identifier, str) or not is_safe_name(identifier):
            raise ValueError("an id that cannot name a folder")
        sensed = moment_of(properties.get("datetime")) or moment_of(properties.get("start_datetime"))
        if sensed is None:
            raise ValueError("no sensing time")
        if fault := self._fault(item, properties):
            raise ValueError(fault)
        orbit = properties.get("sat:relative_orbit")
        letter = _ID_PLATFORM.match(identifier)
        return SceneFacts(
            item=item,
            id=identifier,
            collection=item.get("collection"),
            granule=None,
            sensed=sensed,
            platform=str(properties.get("platform") or (f"sentinel-1{letter[1]}" if letter else "")).lower(),
            orbit=orbit if isinstance(orbit, int) else None,
            baseline=None,
            generated=moment_of(properties.get("created")) or EARLIEST,
            cloud_percent=None,
            nodata_percent=None,
            direction=_direction(properties),
        )

    def _fault(self, item: Item, properties: Mapping[str, Any]) -> str:
        """Why an item is no calibrated backscatter of both polarisations on a map, in a few words."""
        if any(self.asset(item, band) is None for band in _BANDS):
            return "of one polarisation"
        if str(properties.get("sar:instrument_mode", "IW")) != "IW":
            return "of another mode than IW"
        said = [properties, *(self.asset(item, band) or {} for band in _BANDS)]
        if properties.get("sar:product_type") == "GRD" and not any(
            one.get(key) is not None for one in said for key in _PROJECTED
        ):
            return "uncalibrated amplitudes in radar geometry (GRD), which are no backscatter: take sentinel-1-rtc"
        unit = str(properties.get("card4l:measurement_convention", _LINEAR)).lower()
        return "" if unit == _LINEAR else f"of {unit} instead of linear power"

    def asset(self, item: Item, name: str) -> Mapping[str, Any] | None:
        """Return the asset of a polarisation, `VV` or `VH`; None if missing."""
        assets: Mapping[str, Mapping[str, Any]] = item.get("assets") or {}
        return next((one for key, one in assets.items() if key.upper() == name and "href" in one), None)

    def origin(self, item: Item, product: str) -> dict[str, Any]:
        """Return the kind of backscatter and the direction of the orbit.

        Raises:
            RasterError: If the item says that it is another kind.
        """
        properties: Mapping[str, Any] = item.get("properties") or {}
        stated = str(properties.get("card4l:measurement_type") or product).lower().replace("-", "")
        if stated != product:
            raise RasterError(f"Item {item.get('id')} holds {stated}, product = {product}: set product: {stated}.")
        return {"backscatter": product, "orbit_direction": _direction(properties)}

    def empty_percent(
        self, item: Item, asset: str, origin: Mapping[str, Any], tolerance_percent: float  # noqa: ARG002
    ) -> float | None:  # fmt: skip
        """Return None: items do not state how much of their rectangle is empty."""
        return None

    def decoder(self, label: str, product: str, origin: Mapping[str, Any]) -> Decoder:  # noqa: ARG002
        """Return the decoder of linear power."""
        return _Power(label)

    def finish(self, pixels: np.ndarray) -> np.ndarray:
        """Return decibels."""
        return decibels(pixels)

    def clear(
        self, seen: np.ndarray, quality: np.ndarray | None, cloud_classes: Collection[int]  # noqa: ARG002
    ) -> np.ndarray:  # fmt: skip
        """Return all that was seen: radar looks through clouds."""
        return seen.copy()


SENSOR = Sentinel1()


class _Power:
    """Linear power of both polarisations."""

    def __init__(self, label: str) -> None:
        self._label = label

    def decode(self, dn: Sequence[np.ndarray], nodata: Sequence[float | None]) -> tuple[np.ndarray, np.ndarray]:
        """Return power, NaN where there is no data: where a band is not positive, or a zero area is near.

        Raises:
            RasterError: If the numbers are no linear power.
        """
        power = np.stack([band[0] for band in dn]).astype(np.float32)
        known = power.copy()
        for band, mark in zip(known, nodata, strict=True):
            if mark is not None:
                band[band == np.float32(mark)] = np.nan
        check_backscatter(known, "power", self._label)
        seen = np.all(np.isfinite(known) & (known > 0), axis=0) & ~near_zero_area(np.any(known == 0, axis=0))
        return np.where(seen, known, np.float32(np.nan)), seen

    def doubts(self) -> str | None:
        """Return None: numbers in another unit are refused at once."""
        return None


def _direction(properties: Mapping[str, Any]) -> str | None:
    stated = str(properties.get(_ORBIT_STATE, "")).lower()
    return stated if stated in ("ascending", "descending") else None
