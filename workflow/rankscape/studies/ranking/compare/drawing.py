"""Pictures of what changed between two runs: a map, a scatter, the patches that moved most."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from rankscape.products.fonts import figure_png
from rankscape.products.report.embedded_images import PatchImage, PatchImages, data_uri
from rankscape.products.report.palette import RAMP
from rankscape.products.report.plots import ACCENT, INK, Plot, count_bar, plot
from rankscape.samples.patches import is_located
from rankscape.spatial.geometry import WGS84
from rankscape.spatial.seams import around, moved
from rankscape.studies.ranking.compare.measures import Mover
from rankscape.studies.ranking.compare.runs import RankingRun

DIVERGING = "PuOr_r"
"""Purple to orange, readable with every common colour blindness (Brewer); orange where run B is higher."""
_LEAST_SPAN = 0.01
_MAP_IN = (7.4, 6.2)
_MAP_DPI = 130
_PERCENTILE = 99


@dataclass(frozen=True)
class MovedPatch:
    """A patch whose score differs much, with its images."""

    mover: Mover
    images: tuple[PatchImage, ...]
    """Of A and of B; one where both runs show the same pixels; none where no array was kept."""


def moved_patches(a: RankingRun, b: RankingRun, movers: Sequence[Mover]) -> list[MovedPatch]:
    """Find the images of patches that moved."""
    finders = [PatchImages(run.images()) for run in (a, b)]
    found = []
    for mover in movers:
        sides = zip(finders, (mover.patch_a, mover.patch_b), ("A", "B"), strict=True)
        images = [finder.image(patch, f"run {side}") for finder, patch, side in sides if patch in finder]
        same = len(images) == 2 and images[0].uri == images[1].uri
        found.append(MovedPatch(mover, tuple(images[:1] if same else images)))
    return found


def score_scatter(both: pd.DataFrame) -> Plot:
    """Plot the scores of run B against those of run A, patches counted in hexagons, with the line of equal scores."""

    def paint(axes: Axes) -> None:
        bins = axes.hexbin(
            both["a"], both["b"], gridsize=(30, 18), bins="log", mincnt=1, cmap=RAMP, linewidths=0.25, edgecolors=INK,
            extent=(0, 1, 0, 1),
        )  # fmt: skip
        axes.plot([0, 1], [0, 1], color=ACCENT, linewidth=1, label="equal scores")
        axes.set(xlabel="score in run A", ylabel="score in run B", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axes.legend(loc="upper left", bbox_to_anchor=(0, 1.13), borderaxespad=0)
        count_bar(axes, bins)

    alt = f"Scores of run B against scores of run A, {len(both)} patches as hexagons, with the line of equal scores."
    return plot("scatter", alt, f"{len(both):,} patches that both runs scored.", (3.9, 3.2), paint)


def difference_histogram(both: pd.DataFrame) -> Plot:
    """Plot how often which difference occurs."""
    values = both["difference"].to_numpy()

    def paint(axes: Axes) -> None:
        axes.hist(
            values, bins=41, range=(-_span(values), _span(values)), color="#0072b2", edgecolor=INK, linewidth=0.25
        )
        axes.axvline(0, color=ACCENT, linewidth=1)
        axes.set(xlabel="score of B minus score of A", ylabel="patches")

    alt = f"Histogram of the differences of {len(values)} scores, median {np.median(values):.3f}."
    return plot("histogram", alt, "Beyond the ends of the axis lies at most one patch in a hundred.", (3.9, 3.2), paint)


def difference_map(a: RankingRun, both: pd.DataFrame) -> str | None:
    """Draw the differences where they lie, as a PNG in a data URI; None where no patch has coordinates."""
    frames = [
        granule.index[["patch_id"]].set_geometry(moved(granule.index.geometry, WGS84))
        for granule in a.granules.values()
        if is_located(granule.index)
    ]
    if not frames:
        return None
    land = pd.concat(frames, ignore_index=True).rename(columns={"patch_id": "patch_a"})
    land = land.set_geometry(around(land.geometry, land.geometry))
    placed = land.merge(both[["patch_a", "difference"]], on="patch_a")
    corners = [np.asarray(shape.exterior.coords) for shape in placed.geometry]
    values = placed["difference"].to_numpy()
    figure = Figure(figsize=_MAP_IN, layout="constrained", dpi=_MAP_DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    patches = PolyCollection(corners, array=values, cmap=DIVERGING, edgecolors="face", linewidths=0.2)
    patches.set_clim(-_span(values), _span(values))
    axes.add_collection(patches)
    axes.autoscale_view()
    axes.set_aspect(1 / np.cos(np.radians(np.mean(axes.get_ylim()))))
    axes.set(xlabel="longitude", ylabel="latitude", facecolor="#f2f2f0")
    figure.colorbar(patches, ax=axes, shrink=0.75, label="score of B minus score of A", extend="both")
    return data_uri(figure_png(figure), "png")


def _span(values: np.ndarray) -> float:
    """Half width of the axis: one difference in a hundred lies beyond it."""
    return max(float(np.percentile(np.abs(values), _PERCENTILE)), _LEAST_SPAN)
