"""Settings of the change between two dates (docs/methods/change.md), and which dates they compare."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from rankscape.foundation.errors import SettingsError
from rankscape.foundation.settings import Section, worded
from rankscape.scenes.granule_table import PERIOD_PATTERN, GranuleRow

Pair = Annotated[
    str, Field(pattern=worded(f"^{PERIOD_PATTERN}--{PERIOD_PATTERN}$", "two periods joined by --, such as 2016--2023"))
]
"""Two periods, the earlier first, such as `2016--2022`."""


class ChangeSettings(Section):
    """Which dates are compared, and how change is told from noise."""

    pairs: Literal["auto"] | tuple[Pair, ...] = "auto"
    """Periods to compare, such as `2016--2022`; `auto`: each period and the next one, and the first and the last."""
    title: Annotated[str, Field(min_length=1, max_length=60)] = "Change of development"
    """Title on the map, before the periods."""
    max_cloud_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Patches with a larger share of cloud at one of the dates are left out: the edge of a cloud is a change too."""
    radiometry: bool = True
    """Whether the earlier images are normalized radiometrically to the later ones, and scored anew before comparing."""
    effect: Literal["monotone", "shift", "none"] = "monotone"
    """What is left of season and sensor, taken out of the scores: a rising curve, one number, or nothing."""
    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Expected share of false discoveries among the places called changed."""
    least_change: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """Changes of the score up to this are of no interest, however sure they are."""
    correction: Literal["benjamini-hochberg", "benjamini-yekutieli"] = "benjamini-hochberg"
    """`benjamini-yekutieli` holds the level under any dependence between places, and finds less."""
    min_places: Annotated[int, Field(ge=10)] = 30
    """Fewest patches of a granule seen at both dates; a granule with fewer is left out."""
    images: Annotated[int, Field(ge=0, le=100)] = 12
    """Largest changes that are shown as images, the significant ones first."""


def compared_dates(table: Mapping[str, GranuleRow], settings: ChangeSettings) -> dict[str, list[tuple[str, str]]]:
    """Find the pairs of rows that a change is measured between.

    Args:
        table: The granule table.
        settings: The pairs of periods asked for.

    Returns:
        For each pair of periods, `earlier--later`, its pairs of rows: earlier and later row of each place that both
        periods show, in the order of the table; pairs that the table alone suggests and that share no place are left
        out. Images without coordinates are no places, and are compared with nothing.

    Raises:
        SettingsError: If a pair that was asked for is in no order, or names periods that no place shows both.
    """
    dated = {name: row for name, row in table.items() if row.located and row.period is not None}
    by_date = {(row.location, row.period): name for name, row in dated.items()}
    found = {}
    for before, after in _pairs(sorted({period for _, period in by_date if period}), settings):
        rows = [
            (by_date[place, before], name)
            for (place, period), name in by_date.items()
            if period == after and (place, before) in by_date
        ]
        if rows:
            found[f"{before}--{after}"] = rows
        elif settings.pairs != "auto":
            raise SettingsError(
                f"change.pairs names {before}--{after}, but no place of the granule table has both periods: give rows "
                "of one place with both, or take the pair out."
            )
    return found


def _pairs(periods: list[str], settings: ChangeSettings) -> list[tuple[str, str]]:
    """Pairs asked for, or each period and the next, and the first and the last."""
    if settings.pairs == "auto":
        ends = [(periods[0], periods[-1])] if len(periods) > 2 else []
        return [*pairwise(periods), *ends]
    asked = []
    for pair in settings.pairs:
        before, _, after = pair.partition("--")
        if before >= after:
            raise SettingsError(f"change.pairs names {pair}: the earlier period comes first.")
        asked.append((before, after))
    return asked
