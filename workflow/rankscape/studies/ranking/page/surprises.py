"""Where score and references differ most: patches that surprise, and maps of the difference."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from rankscape.foundation.package_files import assets
from rankscape.products.report.embedded_images import PatchImage, PatchImages
from rankscape.products.report.geography import Plane, lay_out
from rankscape.products.report.layers import Layer, gridded, thumbnail
from rankscape.products.report.palette import DIFFERENCE, ramp_css
from rankscape.products.report.reading import RunReader
from rankscape.products.report.templates import fill
from rankscape.products.report.wording import MINUS
from rankscape.studies.ranking.page import inputs
from rankscape.studies.ranking.page.headlines import PREDICTORS, SCORE
from rankscape.studies.ranking.page.inputs import ComparedReference

ASSETS = assets(__file__, "surprises.html.j2")
AGAINST = "Score against"
"""Group of the layers of residuals; their titles begin with it."""

STATISTICS = tuple(name for name in PREDICTORS if name != SCORE)
"""Columns of the pixel statistics in the table of places."""
_FEWEST = 30


@dataclass(frozen=True)
class Surprises:
    """Patches on which the score differs most from what something else says."""

    title: str
    """What it differs from."""
    above: tuple[PatchImage, ...]
    """Patches that score higher, the largest difference first."""
    below: tuple[PatchImage, ...]
    """Patches that score lower."""


def against_reference(comparison: ComparedReference) -> pd.DataFrame:
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


def against_statistics(comparisons: Sequence[ComparedReference]) -> pd.DataFrame | None:
    """Compare the score with what the pixel statistics say together: least squares of ranks on ranks.

    Returns:
        Columns patch_id, granule, residual (rank of the score less the fit, as shares); None where no table of places
        holds the measures, or too few patches have them.
    """
    for comparison in comparisons:
        if set(STATISTICS) <= set(comparison.places):
            known = comparison.places.dropna(subset=["score", *STATISTICS])
            if len(known) < _FEWEST:
                continue
            ranks = known[["score", *STATISTICS]].rank(pct=True).to_numpy()
            design = np.column_stack([np.ones(len(ranks)), ranks[:, 1:]])
            weights = np.linalg.lstsq(design, ranks[:, 0], rcond=None)[0]
            return known[["patch_id", "granule"]].assign(residual=ranks[:, 0] - design @ weights)
    return None


def draw(run: RunReader) -> Markup | None:
    """Draw the section; None where nothing is compared with the score."""
    shown, plane = surprises(run), run.once(map_plane)
    layers = [] if plane is None else residual_layers(run, plane)
    maps = [(one.title, thumbnail(plane, one)) for one in layers if plane is not None]
    if not shown and not maps:
        return None
    values = {"surprises": shown, "maps": maps, "ramp": ramp_css(ramp=DIFFERENCE)}
    return fill(ASSETS, "surprises.html.j2", **values)


def map_plane(run: RunReader) -> Plane | None:
    """Lay the scored granules on the map's plane; None where no patch has coordinates.

    Of a place with several dates the map shows the one with scores: images of earlier ones would lie over it.
    """
    stores = inputs.patches(run)
    return lay_out({str(name): stores[str(name)] for name in inputs.scores(run)["granule"].unique()})


def residual_layers(run: RunReader, plane: Plane) -> list[Layer]:
    """Return a layer of residuals for each reference, and one against the pixel statistics together."""
    compared = inputs.comparisons(run)
    note = "Rank of the score less rank of the reference, as shares of all compared patches."
    layers = [
        _residuals(plane, f"residual-{number}", f"{AGAINST} {one.evaluation.title}", note, against_reference(one))
        for number, one in enumerate(compared)
        if one.places["value"].notna().any()
    ]
    statistics = against_statistics(compared)
    if statistics is not None:
        note = "Rank of the score less what gradient, brightness and blue-green ratio together say it should be."
        layers.append(_residuals(plane, "residual-statistics", f"{AGAINST} pixel statistics", note, statistics))
    return layers


def _residuals(plane: Plane, key: str, title: str, note: str, table: pd.DataFrame) -> Layer:
    end = float(np.nanquantile(np.abs(table["residual"].to_numpy(np.float64)), 0.98)) if len(table) else 1.0
    ends, words = (-max(end, 0.05), max(end, 0.05)), ("score is lower", "score is higher")
    return Layer(key, AGAINST, title, note, DIFFERENCE, ends, gridded(plane, table, "residual"), words, signed=True)


def surprises(run: RunReader) -> list[Surprises]:
    """Show the most surprising patches: against each reference, and against the pixel statistics."""
    number = run.settings.surprising_patches
    if number == 0:
        return []
    compared = inputs.comparisons(run)
    tables = [(c.evaluation.title, against_reference(c)) for c in compared if not c.evaluation.truth]
    statistics = against_statistics(compared)
    if statistics is not None:
        tables.append(("what the pixel statistics say together", statistics))
    images = inputs.patch_images(run)
    return [
        Surprises(title, _ends(images, table, number, False), _ends(images, table, number, True))
        for title, table in tables
        if len(table) >= _FEWEST
    ]


def _ends(images: PatchImages, table: pd.DataFrame, count: int, rising: bool) -> tuple[PatchImage, ...]:
    ordered = table.sort_values(["residual", "patch_id"], ascending=[rising, True]).head(count)
    return tuple(
        images.image(patch, f"{'+' if value > 0 else MINUS}{abs(value):.2f}")
        for patch, value in zip(ordered["patch_id"], ordered["residual"], strict=True)
        if patch in images and (value < 0 if rising else value > 0)
    )


def _compared(comparison: ComparedReference) -> pd.DataFrame:
    known = comparison.places.dropna(subset=["score", "value"])
    return known[known["distinct"]] if "distinct" in known else known
