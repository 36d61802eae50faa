"""Whether raw numbers are what they are said to be: units of backscatter, polarisations, the offset of Sentinel-2.

The rules are the same for scenes of a catalogue and for rasters of the user's own.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from scipy import ndimage

from rankscape.foundation.errors import RasterError

BackscatterUnit = Literal["db", "power", "amplitude"]
"""Decibels, linear power, or linear amplitude (the root of power)."""
POLARISATIONS = ("VV", "VH", "HH", "HV")
"""Names of radar bands end, after a season, with their polarisation."""
PAIRS = (("VV", "VH"), ("HH", "HV"))
"""What a satellite that sends one polarisation and receives two gives."""
SHIFT_DN = 1000
"""What the processing of Sentinel-2 adds to the raw numbers from baseline 04.00 on."""
_WORDS = {"db": "decibels", "power": "linear power", "amplitude": "linear amplitude"}
_LEAST_DB, _MOST_LINEAR = -50.0, 10.0
"""Half of a scene lies above the first; no half of a calibrated scene lies above the second."""
_NEGATIVE_SHARE = 0.01
"""Decibels of land and water are negative but for cities and slopes; in cross-polarisation there as well."""
_LOOKED_AT = 1 << 17
"""So many values are enough to tell units apart."""
_AREA_PX, _AREA_SIDE_PX, _FRINGE_PX = 5, 5, 3
"""So many zeros in a square of that side are an area without data; its neighbours up to the third are damaged."""
_DARK_SHARE = 0.25
_DARKEST_DN = 1250
"""Red of shadow, water or vegetation lies below this with the offset left in, and far below without."""
PAD_PX = _AREA_SIDE_PX // 2 + _FRINGE_PX
"""Pixels around a window that decide on the zero areas in it."""


def polarisation(band: str) -> str:
    """Return the polarisation that a band's name says, such as VV of `spring:VV` or `VV_db`; empty if none."""
    name = band.rpartition(":")[2].upper()
    return next((one for one in POLARISATIONS if name.startswith(one)), "")


def check_polarisations(bands: Sequence[str], name: str) -> None:
    """Refuse radar bands of which one of a pair is missing.

    Raises:
        RasterError: If there is VV without VH, or HH without HV, or the reverse.
    """
    for season in dict.fromkeys(band.rpartition(":")[0] for band in bands):
        there = {polarisation(band) for band in bands if band.rpartition(":")[0] == season} - {""}
        for pair in PAIRS:
            if len(there & set(pair)) == 1:
                (lost,) = set(pair) - there
                (held,) = set(pair) & there
                raise RasterError(f"{name} has one polarisation, {held} without {lost}: both are needed.")


def check_backscatter(values: np.ndarray, unit: BackscatterUnit, name: str) -> None:
    """Refuse numbers that are not in the unit that they are said to be in.

    Args:
        values: Of any shape, all radar bands together; 0 and what is not finite is no data.
        unit: What they are said to be.
        name: What messages call them.

    Raises:
        RasterError: If they are in another unit, scaled, or not calibrated.
    """
    some = values.ravel()[:: max(1, values.size // _LOOKED_AT)]
    known = some[np.isfinite(some) & (some != 0)]
    if not known.size:
        return
    middle, negative = float(np.median(known)), float(np.mean(known < 0))
    fault = ""
    if unit == "db" and negative < _NEGATIVE_SHARE:
        fault = "linear power or amplitudes, for decibels of land are negative"
    elif unit == "db" and middle < _LEAST_DB:
        fault = "decibels that were scaled, by 10 or 100"
    elif unit != "db" and middle < -1:
        fault = "decibels"
    elif unit != "db" and middle > _MOST_LINEAR:
        fault = "digital numbers that are not calibrated"
    if fault:
        raise RasterError(
            f"{name} is said to hold backscatter as {_WORDS[unit]}, but its values, from {known.min():g} to "
            f"{known.max():g} and half of them above {middle:.3g}, look like {fault}: state the right unit, or get it "
            "calibrated."
        )


def decibels(values: np.ndarray, unit: BackscatterUnit = "power") -> np.ndarray:
    """Turn backscatter into decibels: 10 log10 of power, 20 log10 of amplitude; NaN where it is not positive.

    Args:
        values: float, any shape.
        unit: What they are; decibels stay as they are.

    Returns:
        float32, the same shape.
    """
    if unit == "db":
        return values.astype(np.float32)
    positive = np.where(values > 0, values, np.nan).astype(np.float64)
    return ((10.0 if unit == "power" else 20.0) * np.log10(positive)).astype(np.float32)


def near_zero_area(zero: np.ndarray) -> np.ndarray:
    """Return what lies in an area of zeros that nothing marks as no data, or within 3 pixels of one.

    Fringes of Sentinel-1 before 2018 and scenes of 2022 hold such areas, and the numbers beside them are too low. A
    zero that stands alone is only itself.

    Args:
        zero: bool, shape (rows, columns); pixels beyond `PAD_PX` do not matter.
    """
    if not zero.any():
        return zero
    side = np.ones((_AREA_SIDE_PX, _AREA_SIDE_PX), np.uint8)
    around = ndimage.convolve(zero.astype(np.uint8), side, mode="constant")
    fringe = np.ones((2 * _FRINGE_PX + 1, 2 * _FRINGE_PX + 1), bool)
    return np.asarray(ndimage.binary_dilation(zero & (around >= _AREA_PX), fringe))


def check_alike(name: str, facts: Mapping[str, Iterable[object]]) -> None:
    """Refuse to mix what cannot be averaged: products or orbit directions of radar.

    Args:
        name: What messages call the whole.
        facts: What is said of each part, by what it is.

    Raises:
        RasterError: If the parts differ in one of them; the message names the values.
    """
    for fact, values in facts.items():
        found = sorted({str(value) for value in values if value is not None})
        if len(found) > 1:
            raise RasterError(f"{name} mixes {' and '.join(found)}: take scenes of one {fact}.")


class OffsetWatch:
    """Notices when the stated offset of Sentinel-2 does not fit the numbers of a band, seen piece by piece."""

    def __init__(self) -> None:
        self._pixels, self._dark, self.darkest = 0, 0, np.inf

    def add(self, valid_dn: np.ndarray) -> None:
        """Look at some raw numbers, of pixels with data."""
        if valid_dn.size:
            self._pixels += valid_dn.size
            self._dark += int(np.count_nonzero(valid_dn < SHIFT_DN))
            self.darkest = min(self.darkest, float(valid_dn.min()))

    @property
    def dark_share(self) -> float:
        """Share of the pixels that lie below the offset."""
        return self._dark / max(self._pixels, 1)

    def fault(self, offset_dn: float) -> str:
        """Return how the numbers contradict an offset, 0 or -1000, in a few words; empty where they do not."""
        if offset_dn and self.dark_share > _DARK_SHARE:
            return f"{self.dark_share:.0%} of the pixels with data lie below the offset of {-offset_dn:g}"
        if not offset_dn and SHIFT_DN <= self.darkest < np.inf:
            return f"no pixel with data lies below {SHIFT_DN}"
        return ""

    def check(self, offset_dn: float, name: str) -> None:
        """Refuse an offset that the numbers contradict beyond doubt; bright deserts and snow prove nothing.

        Raises:
            RasterError: If the offset was taken off already, or was not stated.
        """
        fault = self.fault(offset_dn)
        if fault and (offset_dn or self.darkest < _DARKEST_DN):
            advice = "set tile.offset: 0" if offset_dn else "set tile.offset: -0.1"
            raise RasterError(
                f"{name}: {fault}, so they {'do not ' if offset_dn else ''}carry the +{SHIFT_DN} of Sentinel-2's "
                f"baseline 04.00 whatever its date: {advice}."
            )
