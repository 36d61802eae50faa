"""Which dates make one composite: all dates of a row, or those of a season."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from rankscape.foundation.errors import GranuleError
from rankscape.scenes.granule_table import Window

Days = tuple[datetime.date, datetime.date]
"""First and last day, both included."""
_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class CompositePart:
    """What one composite is made of."""

    window: Window
    """Granule, first and last day of all, cloud limit."""
    spans: tuple[Days, ...]
    """Days that count."""
    season: str | None = None
    """Name of the season; None where all dates make one composite."""

    def has(self, day: datetime.date) -> bool:
        """Whether a day counts."""
        return any(first <= day <= last for first, last in self.spans)


def whole(window: Window) -> CompositePart:
    """Return the part that takes all dates of a window."""
    return CompositePart(window, ((window.start, window.end),))


def spans_of(start: datetime.date, end: datetime.date, first: str, stop: str) -> tuple[Days, ...]:
    """Return the seasons that begin between two dates, whole, whatever comes after the second.

    Args:
        start: First date.
        end: Last date, included.
        first: First day of the season, such as 12-01.
        stop: The day after its last, such as 03-01, in the next year where it is earlier than the first.
    """
    found = []
    for year in range(start.year, end.year + 1):
        begin = datetime.date.fromisoformat(f"{year}-{first}")
        after = datetime.date.fromisoformat(f"{year + (stop < first)}-{stop}")
        if start <= begin <= end:
            found.append((begin, after - _DAY))
    return tuple(found)


def parts_of(window: Window, seasons: Mapping[str, tuple[str, str]]) -> list[CompositePart]:
    """Return what is composed of a window: one image, or one a season, of all years together.

    A season that does not begin in the window is there without days.

    Args:
        window: Granule, dates and cloud limit of a row.
        seasons: First day, and the day after the last, by name; none for one image.

    Raises:
        GranuleError: If no season begins in the window.
    """
    if not seasons:
        return [whole(window)]
    parts = []
    for name, (first, stop) in seasons.items():
        spans = spans_of(window.start, window.end, first, stop)
        dates = {"start": spans[0][0], "end": spans[-1][1]} if spans else {}
        parts.append(CompositePart(window.model_copy(update=dates), spans, name))
    if not any(part.spans for part in parts):
        raise GranuleError(
            f"{window.granule}: none of the seasons {', '.join(seasons)} begins between {window.start} and "
            f"{window.end}: widen the dates of the granule table, or mend acquisitions.*.seasons."
        )
    return parts
