"""The map of districts: their score and its uncertainty side by side, in the colours of the map."""

from collections.abc import Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.path import Path as Outline
from matplotlib.patheffects import withStroke

from rankscape.products.maps.canvas import FAINT, INK, Canvas
from rankscape.products.maps.ramp import Ramp, round_up
from rankscape.spatial.geometry import plane_around

_UNITS = 100
"""The longer side of the image measures so many units."""
_SIDE, _GAP, _HEAD, _FOOT = 3.0, 4.0, 9.5, 9.0
"""Margins beside, between, above and below the two maps, in units."""
_LABELLED = 30
"""More districts than this stay without their names."""
_HATCH = "////"
_STEP = 0.02
"""The colours of the uncertainty end at a multiple of this."""


@dataclass(frozen=True)
class _Frame:
    """Where a map lies on the page, in pixels."""

    left: float
    top: float
    width: float
    height: float


def draw_choropleth(table: gpd.GeoDataFrame, ramp: Ramp, title: str, facts: str, longer_px: int = 1600) -> bytes:
    """Draw districts: left the score in [0, 1], right its standard deviation; hatched where there is none.

    Args:
        table: Columns name, score, score_std and geometry, with a CRS.
        ramp: Colours of the score; the uncertainty takes them from 0 to its largest value.
        title: Words above the maps.
        facts: A line below the title.
        longer_px: Longer side of the image.

    Returns:
        PNG, RGBA, transparent outside the districts.
    """
    flat = table.to_crs(plane_around("laea", table.geometry))
    page, frames = _lay_out(flat.total_bounds, longer_px)
    unit = page.unit_px
    page.heading(_SIDE * unit, title, facts)
    deviation = flat["score_std"].to_numpy(float)
    top = round_up(float(np.nanmax(deviation)), _STEP) if np.isfinite(deviation).any() else _STEP
    panels = (
        (flat["score"].to_numpy(float), 1.0, "development score"),
        (deviation, top, "standard deviation of the score"),
    )
    for frame, (values, most, words) in zip(frames, panels, strict=True):
        axes = page.axes(frame.left, frame.top, frame.width, frame.height)
        _draw_districts(axes, page, flat.geometry.to_numpy(), ramp.rgba(values / most), np.isfinite(values))
        if len(flat) <= _LABELLED:
            _draw_names(axes, page, flat)
        _draw_legend(page, frame, ramp, most, words)
    _draw_hatch_legend(page, frames[1], bool(flat["score"].isna().any() or np.isnan(deviation).any()))
    return page.png(title)


def _lay_out(bounds: Sequence[float], longer_px: int) -> tuple[Canvas, tuple[_Frame, _Frame]]:
    """Two frames of the maps' shape beside each other; the page is no larger than they need."""
    unit = longer_px / _UNITS
    left, bottom, right, top = bounds
    scale = min((_UNITS - 2 * _SIDE - _GAP) / 2 / (right - left), (_UNITS - _HEAD - _FOOT) / (top - bottom)) * unit
    width, height = (right - left) * scale, (top - bottom) * scale
    panel = max(width, 30 * unit)
    page = Canvas(round(2 * panel + (2 * _SIDE + _GAP) * unit), round(height + (_HEAD + _FOOT) * unit), unit)
    first = _SIDE * unit + (panel - width) / 2
    frames = tuple(_Frame(place, _HEAD * unit, width, height) for place in (first, first + panel + _GAP * unit))
    return page, (frames[0], frames[1])


def _draw_districts(axes: Axes, page: Canvas, shapes: np.ndarray, colours: np.ndarray, given: np.ndarray) -> None:
    outlines = np.array([_outline(shape) for shape in shapes], object)
    line = page.points(0.12)
    faces = colours[given] / 255
    axes.add_collection(PathCollection(list(outlines[given]), facecolors=faces, edgecolors="white", linewidths=line))
    axes.add_collection(
        PathCollection(
            list(outlines[~given]), facecolors="#f2f2f2", edgecolors=FAINT, linewidths=line, hatch=_HATCH
        )
    )  # fmt: skip
    left, bottom, right, top = shapely.total_bounds(shapes)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def _outline(shape: shapely.Geometry) -> Outline:
    """Rings of a polygon as one path; holes stay empty, since they run the other way round."""
    oriented = shapely.orient_polygons(shape)
    rings = [ring for part in shapely.get_parts(oriented) for ring in (part.exterior, *part.interiors)]
    return Outline.make_compound_path(*[Outline(np.asarray(ring.coords)[:, :2], closed=True) for ring in rings])


def _draw_names(axes: Axes, page: Canvas, table: gpd.GeoDataFrame) -> None:
    edge = withStroke(linewidth=page.points(0.25), foreground="white", alpha=0.9)
    for name, point in zip(table["name"], table.geometry.representative_point(), strict=True):
        axes.annotate(
            name, (point.x, point.y), ha="center", va="center", fontsize=page.points(1.05), color=INK,
            path_effects=[edge], parse_math=False,
        )  # fmt: skip


def _draw_legend(page: Canvas, frame: _Frame, ramp: Ramp, most: float, words: str) -> None:
    """Colour bar below a map with its numbers."""
    unit = page.unit_px
    width, top = min(26 * unit, frame.width), frame.top + frame.height + 3.4 * unit
    page.colour_bar(frame.left, top, width, 1.5 * unit, ramp)
    page.text(frame.left, top - 0.5 * unit, words, 1.5, va="bottom", color=FAINT)
    for share in (0.0, 0.5, 1.0):
        align = {0.0: "left", 0.5: "center", 1.0: "right"}[share]
        page.text(frame.left + share * width, top + 2.1 * unit, f"{share * most:g}", 1.3, ha=align, color=FAINT)


def _draw_hatch_legend(page: Canvas, frame: _Frame, needed: bool) -> None:
    if not needed:
        return
    unit = page.unit_px
    left, top = frame.left + min(26 * unit, frame.width) + 2 * unit, frame.top + frame.height + 3.4 * unit
    page.rectangle(
        left,
        top,
        2.6 * unit,
        1.5 * unit,
        facecolor="#f2f2f2",
        edgecolor=FAINT,
        hatch=_HATCH,
        linewidth=page.points(0.09),
    )
    page.text(left + 3.2 * unit, top + 0.05 * unit, "none given", 1.3, color=FAINT)
