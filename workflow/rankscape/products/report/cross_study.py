"""The page over all studies of a region: what each found, maps side by side, and how far their numbers agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from matplotlib import colormaps
from rasterio.features import rasterize
from rasterio.transform import from_bounds

from rankscape.foundation.package_files import assets
from rankscape.products.agreement.agreement import ComparedRegion, PredictorColumns, agreement, predictor_pairs
from rankscape.products.agreement.settings import MIN_BLOCKS, SEED, EvaluateSettings
from rankscape.products.report.costs import RunCost
from rankscape.products.report.embedded_images import EmbeddedImage, png_image
from rankscape.products.report.layers import spans
from rankscape.products.report.page import DrawnSection, StudyPage, shell
from rankscape.products.report.palette import ramp_css
from rankscape.products.report.plots import Plot, scatter
from rankscape.products.report.section_registry import Fragment, Overview, PageSection, PlaceValues
from rankscape.products.report.settings import ReportSettings
from rankscape.products.report.templates import fill
from rankscape.products.report.wording import count, interval, number
from rankscape.spatial.blocks import choose_block
from rankscape.spatial.geometry import plane_around, spacing

_MAP_PX = 420
"""Longer side of each of the maps that stand side by side."""
ASSETS = assets(__file__, "studies.html.j2", "cross_study.html.j2")
_COLUMN = "score"
"""Name of the first study's numbers where the two are compared."""


@dataclass(frozen=True)
class StudyMap:
    """The map of one study's numbers."""

    title: str
    image: EmbeddedImage
    ramp: str
    """CSS gradient."""
    words: tuple[str, str]


@dataclass(frozen=True)
class StudyPair:
    """How far the numbers of two studies agree."""

    words: str
    plot: Plot


def render_index(
    pages: Sequence[StudyPage], region: str, settings: ReportSettings, cost: RunCost, record: Mapping[str, Any]
) -> str:
    """Write the page over all studies.

    Args:
        pages: What the sections of each study drew.
        region: Name of the region.
        settings: How pages show things.
        cost: What the run cost.
        record: Provenance of the page.
    """
    cards = fill(ASSETS, "studies.html.j2", pages=pages)
    shown = [DrawnSection(PageSection("studies", "Studies", "", place="first"), Fragment(cards))]
    values = [found for page in pages for found in page.values]
    if len(values) > 1:
        shown += _compared(values)
    notices = dict.fromkeys(notice for page in pages for notice in page.overview.notices)
    return shell(
        title=settings.title,
        region=region,
        subtitle=count(len(pages), "study", "studies"),
        note=settings.note,
        up="",
        overview=Overview((), tuple(notices)),
        shown=shown,
        left_out=(),
        records=[*(record for page in pages for record in page.records), record],
        cost=cost,
    )


def _compared(values: Sequence[PlaceValues]) -> list[DrawnSection]:
    maps = fill(ASSETS, "cross_study.html.j2", maps=study_maps(values), pairs=())
    pairs = [pair for place, (a, b) in enumerate(combinations(values, 2)) if (pair := study_pair(a, b, place))]
    lead = (
        "The same places in two studies, each place of the coarser one with the mean of the finer. Studies that "
        "measure different things need not agree; where they do not, look at both maps."
    )
    agreed = fill(ASSETS, "cross_study.html.j2", maps=(), pairs=pairs)
    return [
        DrawnSection(PageSection("maps", "Maps side by side", "", place="open"), Fragment(maps)),
        DrawnSection(
            PageSection("agreement", "How far the studies agree", "", place="open", lead=lead), Fragment(agreed)
        ),
    ]


def study_maps(values: Sequence[PlaceValues]) -> list[StudyMap]:
    """Draw the numbers of each study with one extent and scale."""
    plane = plane_around("laea", values[0].table.geometry)
    moved = [one.table.to_crs(plane) for one in values]
    ends = np.array([table.total_bounds for table in moved])
    bounds = (*ends[:, :2].min(axis=0), *ends[:, 2:].max(axis=0))
    return [_study_map(one, table, bounds) for one, table in zip(values, moved, strict=True)]


def _study_map(values: PlaceValues, table: gpd.GeoDataFrame, bounds: tuple[float, ...]) -> StudyMap:
    width, height = bounds[2] - bounds[0], bounds[3] - bounds[1]
    cols, rows = (max(1, round(_MAP_PX * side / max(width, height))) for side in (width, height))
    known = table[np.isfinite(table["value"].to_numpy(float))]
    numbers = known["value"].to_numpy(float)
    grid = rasterize(
        zip(known.geometry, numbers, strict=True), (rows, cols), fill=np.nan, dtype="float64",
        transform=from_bounds(*bounds, cols, rows),
    )  # fmt: skip
    low, high = spans(numbers)
    pixels = (colormaps[values.ramp](np.clip((np.nan_to_num(grid) - low) / (high - low), 0, 1)) * 255).round()
    pixels[~np.isfinite(grid), 3] = 0
    words = (f"{values.words[0]} ({number(low)})", f"{values.words[1]} ({number(high)})")
    return StudyMap(values.title, png_image(pixels.astype(np.uint8)), ramp_css(ramp=values.ramp), words)


def study_pair(a: PlaceValues, b: PlaceValues, place: int) -> StudyPair | None:
    """Say how far the numbers of two studies agree; None where they have no place in common.

    Args:
        a: Numbers of one study.
        b: Numbers of another.
        place: Number of the pair, for the name of its plot.
    """
    frame = paired_places(a, b)
    if frame.empty:
        return None
    found = correlation_of(frame)
    words = f"{a.title} and {b.title}: "
    if found.get("spearman") is None:
        words += f"no correlation is given, {found['reason']}."
    else:
        ends = interval((found["spearman"]["low"], found["spearman"]["high"]))
        words += f"Spearman {number(found['spearman']['value'])}"
        words += f" (95 % interval {ends})" if found["spearman"]["low"] is not None else ""
        words += f" over {count(found['n'], 'place')}"
        words += f", from a bootstrap of {count(found['blocks'], 'spatial block')}." if "blocks" in found else "."
        reason = found.get("interval_reason")
        words += f" No interval: {reason}." if reason else ""
    labels = (a.title, b.title)
    said = (f"{b.title} against {a.title}: {len(frame)} places as hexagons.", words, f"median {b.title.lower()}")
    return StudyPair(
        words, scatter(f"pair-{place}", frame[_COLUMN].to_numpy(), frame["value"].to_numpy(), labels, said)
    )


def paired_places(a: PlaceValues, b: PlaceValues) -> pd.DataFrame:
    """Bring the numbers of two studies to the same places: those of the study whose places are larger.

    A place of the finer study counts for the coarser place that contains its middle; the mean of those is compared.

    Returns:
        Columns `score` (of `a`), `value` (of `b`), `raw` (the same), `x_m`, `y_m`, `distinct`; one row a place that has
        both.
    """
    plane = plane_around("laea", a.table.geometry)
    one, other = (_known(values.table.to_crs(plane)) for values in (a, b))
    swapped = other.area.median() > one.area.median()
    coarse, fine = (other, one) if swapped else (one, other)
    points = fine.set_geometry(fine.geometry.representative_point())
    inside = gpd.sjoin(points, coarse[["geometry"]].reset_index(names="place"), predicate="within")
    mean = inside.groupby("place")["value"].mean()
    own, brought = coarse.loc[mean.index, "value"].to_numpy(float), mean.to_numpy(float)
    middle = coarse.loc[mean.index].geometry.centroid
    value = own if swapped else brought
    columns = {_COLUMN: brought if swapped else own, "value": value, "raw": value}
    return pd.DataFrame({**columns, "x_m": middle.x.to_numpy(), "y_m": middle.y.to_numpy(), "distinct": True})


def correlation_of(frame: pd.DataFrame) -> dict[str, Any]:
    """Correlate the numbers of two studies, with an interval from a bootstrap of spatial blocks.

    The blocks are as wide as the numbers are spatially autocorrelated, and the interval is widened by what they
    miss, as
    where a score is compared with a reference (docs/methods/evaluation.md).

    Args:
        frame: As `paired_places` returns it.
    """
    fields = predictor_pairs(frame, (_COLUMN,), SEED)
    pair = fields[_COLUMN]

    def blocks(side: float) -> np.ndarray:
        cells = np.floor(frame[["x_m", "y_m"]].to_numpy() / side).astype(np.int64)
        return np.unique(cells, axis=0, return_inverse=True)[1].ravel()

    reference, predictor = (None, None) if pair is None else (pair.reference, pair.predictor)
    x_m, y_m = frame["x_m"].to_numpy(), frame["y_m"].to_numpy()
    apart_m = spacing(x_m, y_m)
    side = choose_block(reference, predictor, apart_m, lambda m: int(blocks(m).max()) + 1, MIN_BLOCKS).block_m
    known = ComparedRegion(PredictorColumns(_COLUMN), fields, side)
    return agreement(frame.assign(block=blocks(side)), known, EvaluateSettings())[_COLUMN]


def _known(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    return table[np.isfinite(table["value"].to_numpy(float))].reset_index(drop=True)
