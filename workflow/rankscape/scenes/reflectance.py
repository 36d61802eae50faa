"""From raw numbers to reflectance.

Source: Sentinel-2 Processing Baseline 04.00 (ESA, 25 January 2022): from that baseline on, products are stored with
an offset of 1000 so that negative reflectance survives; DN 0 stays the mark of no data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rankscape.foundation.errors import RasterError
from rankscape.scenes.items import baseline_of

QUANTIFICATION = 10_000
_SHIFTED_FROM = (4, 0)
SHIFT_DN = 1000
"""What the processing adds to the raw numbers from baseline 04.00 on."""
_APPLIED = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")


@dataclass(frozen=True)
class Offset:
    """What is added to the raw numbers before they are scaled."""

    offset_dn: int
    """0 or -1000."""
    source: str
    """What of the item it was read from."""


def offset_of(item: Mapping[str, Any]) -> Offset:
    """Read the offset of an item's raw numbers.

    It follows from the processing baseline, not from the date, since old scenes have been processed again. Some
    catalogues have applied it already; an item that says so is believed.

    Raises:
        RasterError: If the item says neither.
    """
    properties: Mapping[str, Any] = item.get("properties") or {}
    for key in _APPLIED:
        if properties.get(key) is True:
            return Offset(0, key)
    baseline = baseline_of(item)
    if baseline is None:
        raise RasterError(
            f"Item {item.get('id')} states no processing baseline, so the offset of its raw numbers is unknown: "
            "give it s2:processing_baseline, or use product `visual`."
        )
    shifted = baseline >= _SHIFTED_FROM
    return Offset(-SHIFT_DN if shifted else 0, f"processing baseline {baseline[0]:02d}.{baseline[1]:02d}")


def observed(dn: np.ndarray, nodata: float | None = None) -> np.ndarray:
    """Return where raw numbers are data: neither 0, nor NaN, nor the file's own mark.

    Args:
        dn: Raw numbers of any shape.
        nodata: The file's mark of no data.

    Returns:
        bool, the same shape.
    """
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
    scaled = (dn.astype(np.float32) + np.float32(offset_dn)) / np.float32(QUANTIFICATION)
    return np.where(seen, np.clip(scaled, 0, 1), np.float32(np.nan)).astype(np.float32)
