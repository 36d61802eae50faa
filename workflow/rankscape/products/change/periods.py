"""Which rows of a granule table show the same land at two periods that are compared."""

from collections.abc import Mapping
from itertools import pairwise

from rankscape.foundation.errors import SettingsError
from rankscape.products.change.settings import ChangeSettings
from rankscape.scenes.granule_table import GranuleRow


def compared_dates(sheet: Mapping[str, GranuleRow], settings: ChangeSettings) -> dict[str, list[tuple[str, str]]]:
    """Find the pairs of rows that a change is measured between.

    Args:
        sheet: The granule table.
        settings: The pairs of periods asked for.

    Returns:
        For each pair of periods, `earlier--later`, its pairs of rows: earlier and later row of each place that both
        periods show, in the order of the sheet; pairs that the sheet alone suggests and that share no place are left
        out. Pictures without coordinates are no land, and are compared with nothing.

    Raises:
        SettingsError: If a pair that was asked for is in no order, or names periods that no place shows both.
    """
    dated = {name: row for name, row in sheet.items() if row.located and row.period is not None}
    by_date = {(row.location, row.period): name for name, row in dated.items()}
    found = {}
    for before, after in _pairs(sorted({period for _, period in by_date if period}), settings):
        rows = [
            (by_date[land, before], name)
            for (land, period), name in by_date.items()
            if period == after and (land, before) in by_date
        ]
        if rows:
            found[f"{before}--{after}"] = rows
        elif settings.pairs != "auto":
            raise SettingsError(
                f"change.pairs names {before}--{after}, but no place of the sheet has both periods: give rows of one "
                "place with both, or take the pair out."
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
            raise SettingsError(f"change.pairs names {pair}: the earlier period stands first.")
        asked.append((before, after))
    return asked
