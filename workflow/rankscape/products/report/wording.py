"""Numbers and counts as the page writes them."""

import math
from collections.abc import Sequence

MINUS = "−"
NOTHING = "–"
"""Stands where a number is not given."""


def number(value: float | None, digits: int = 2) -> str:
    """Write a number with fixed digits and a true minus sign; `–` for None and NaN."""
    if value is None or math.isnan(value):
        return NOTHING
    text = f"{value:,.{digits}f}"
    return (text.removeprefix("-") if float(text.replace(",", "")) == 0 else text).replace("-", MINUS)


def interval(ends: Sequence[float | None] | None, digits: int = 2) -> str:
    """Write an interval as `0.71 to 0.90`; `–` where an end is missing."""
    if ends is None or any(end is None for end in ends):
        return NOTHING
    return f"{number(ends[0], digits)} to {number(ends[1], digits)}"


def count(amount: int, one: str, many: str = "") -> str:
    """Write a count with its noun: `1 granule`, `1,024 patches`."""
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def percent(share: float | None) -> str:
    """Write a share as percent; `–` for None."""
    return NOTHING if share is None or math.isnan(share) else f"{number(100 * share, 0)} %"


def listed(names: Sequence[str]) -> str:
    """Join names as a sentence does: `a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"


def rounded_rank(rank: float | None) -> str:
    """Write a rank: whole where it is whole, else one digit."""
    return number(rank, 0 if rank is not None and rank == int(rank) else 1)
