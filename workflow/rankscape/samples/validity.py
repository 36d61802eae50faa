"""Which values of a reference are known, by one rule for every kind of file; and which of them look odd."""

from typing import NamedTuple

import numpy as np

from rankscape.samples.settings import ReferenceSettings

_FILLS = (-3.4e38, -32768, -9999, -999, -99, 255, 9999, 32767, 65535, 999999, 2147483647, 1e20, 9.96921e36)
"""Values that files use for unknown without saying so; -3.4e38 stands for all below, 1e20 for all above."""
_FEW = 2
_FAR = 3.0


class Validity(NamedTuple):
    """What the settings say of values."""

    nodata: float | None = None
    """Value that stands for unknown."""
    valid_range: tuple[float, float] | None = None
    """Lowest and highest value that can be."""
    clip: tuple[float | None, float | None] | None = None
    """Lowest and highest value that is kept."""

    def applied(self, values: np.ndarray) -> np.ndarray:
        """Return values with NaN for unknown ones, and others within `clip`: float64, of the same shape."""
        found = np.where(np.isfinite(values), values, np.nan).astype(float)
        if self.nodata is not None:
            found[np.isclose(found, self.nodata, rtol=1e-6, atol=0.0)] = np.nan
        if self.valid_range is not None:
            low, high = self.valid_range
            found[(found < low) | (found > high)] = np.nan
        return found if self.clip is None else np.clip(found, *self.clip)


def validity_of(reference: ReferenceSettings) -> Validity:
    """Return what the settings of a reference say of its values."""
    return Validity(reference.nodata, reference.valid_range, reference.clip)


def extremes(lowest: np.ndarray, highest: np.ndarray, unit: str = "patches") -> list[str]:
    """Say between which values a reference lies, and warn of one that looks like a mark for unknown.

    Args:
        lowest: Lowest value at each place, float64, NaN where nothing is known.
        highest: Highest value at each place.
        unit: What a place is, for the message.

    Returns:
        A line with both ends and how many places have them, and a line for each end that repeats and lies far from all
        other values, or is a value that files use for unknown; none where no place has a value.
    """
    known = np.isfinite(lowest) & np.isfinite(highest)
    if not known.any():
        return []
    both = np.concatenate([lowest[known], highest[known]])
    ends = [(float(both.min()), lowest[known]), (float(both.max()), highest[known])]
    counts = [int((values == end).sum()) for end, values in ends]
    (low, _), (high, _) = ends
    lines = [f"values from {low:g} (lowest, in {counts[0]:,} {unit}) to {high:g} (highest, in {counts[1]:,} {unit})"]
    for (end, _), count in zip(ends, counts, strict=True):
        others = both[both != end]
        if count >= _FEW and others.size and _is_odd(end, others):
            lines.append(
                f"warning: {end:.8g} stands in {count:,} {unit}, far from all other values: if nothing is "
                f"known there, set nodata: {end:.8g}"
            )
    return lines


def _is_odd(end: float, others: np.ndarray) -> bool:
    """Whether an end lies beyond the others by more than a few times their range, or is a known mark beyond them."""
    gap = min(abs(others - end))
    wide = float(np.ptp(others))
    is_mark = any(np.isclose(end, fill) for fill in _FILLS) or abs(end) >= 1e20
    return bool(gap > (_FAR * wide if not is_mark else 0.2 * wide))
