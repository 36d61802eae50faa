"""Where score and reference differ most: patches that surprise, and maps of the difference."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rankscape.products.report.wording import MINUS
from rankscape.studies.ranking.page.agreement import PREDICTORS, SCORE
from rankscape.studies.ranking.page.gallery import Finder, Picture
from rankscape.studies.ranking.page.inputs import Comparison, Material

TRIVIAL = tuple(name for name in PREDICTORS if name != SCORE)
"""Columns of the trivial measures in the table of places."""
_FEWEST = 30


@dataclass(frozen=True)
class Surprises:
    """Patches on which the score differs most from what something else says."""

    title: str
    """What it differs from."""
    above: tuple[Picture, ...]
    """Patches that score higher, the largest difference first."""
    below: tuple[Picture, ...]
    """Patches that score lower."""


def against_reference(comparison: Comparison) -> pd.DataFrame:
    """Compare the places of patches in two orders: that of the score and that of the reference.

    The residual is rank of the score less rank of the reference, both as shares of the compared patches (ties share
    their mean rank), from -1 to 1. Ranks need no common unit, and no form of the relation. Where the reference falls as
    the score rises (a distance, say), its order is reversed first.

    Returns:
        Columns patch_id, granule, residual.
    """
    known = _compared(comparison)
    score, value = (known[column].rank(pct=True).to_numpy() for column in ("score", "value"))
    if len(known) > 1 and np.ptp(score) > 0 and np.ptp(value) > 0 and np.corrcoef(score, value)[0, 1] < 0:
        value = 1 + 1 / len(known) - value
    return known[["patch_id", "granule"]].assign(residual=score - value)


def against_trivial(comparisons: Sequence[Comparison]) -> pd.DataFrame | None:
    """Compare the score with what the trivial measures say together: least squares of ranks on ranks.

    Returns:
        Columns patch_id, granule, residual (rank of the score less the fit, as shares); None where no table of places
        holds the measures, or too few patches have them.
    """
    for comparison in comparisons:
        if set(TRIVIAL) <= set(comparison.places):
            known = comparison.places.dropna(subset=["score", *TRIVIAL])
            if len(known) < _FEWEST:
                continue
            ranks = known[["score", *TRIVIAL]].rank(pct=True).to_numpy()
            design = np.column_stack([np.ones(len(ranks)), ranks[:, 1:]])
            weights = np.linalg.lstsq(design, ranks[:, 0], rcond=None)[0]
            return known[["patch_id", "granule"]].assign(residual=ranks[:, 0] - design @ weights)
    return None


def surprises(material: Material, count: int) -> list[Surprises]:
    """Show the most surprising patches: against each reference, and against the trivial measures.

    Args:
        material: What the page shows.
        count: Patches of each end.
    """
    if count == 0:
        return []
    tables = [(c.evaluation.title, against_reference(c)) for c in material.comparisons if not c.evaluation.truth]
    trivial = against_trivial(material.comparisons)
    if trivial is not None:
        tables.append(("what the trivial measures of the picture say together", trivial))
    finder = Finder(material.patches)
    return [
        Surprises(title, _ends(finder, table, count, False), _ends(finder, table, count, True))
        for title, table in tables
        if len(table) >= _FEWEST
    ]


def _ends(finder: Finder, table: pd.DataFrame, count: int, rising: bool) -> tuple[Picture, ...]:
    ordered = table.sort_values(["residual", "patch_id"], ascending=[rising, True]).head(count)
    return tuple(
        finder.picture(patch, f"{'+' if value > 0 else MINUS}{abs(value):.2f}")
        for patch, value in zip(ordered["patch_id"], ordered["residual"], strict=True)
        if patch in finder and (value < 0 if rising else value > 0)
    )


def _compared(comparison: Comparison) -> pd.DataFrame:
    known = comparison.places.dropna(subset=["score", "value"])
    return known[known["distinct"]] if "distinct" in known else known
