"""The preview image of a region: the map with a title, a legend and a scale bar, transparent outside."""

from dataclasses import dataclass
from math import floor, log10

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from pyproj import CRS, Geod, Transformer

from rankscape.products.maps.canvas import FAINT, INK, Canvas
from rankscape.products.maps.ramp import Ramp
from rankscape.products.maps.region_map import RegionMap

_UNITS = 100
"""The longer side of the image measures so many units."""
_SIDE, _HEAD, _FOOT = 3.0, 9.5, 10.5
"""Margins beside, above and below the map, in units."""
_NARROWEST = 62.0
"""Title, legend and scale bar need so many units across."""
_LABELLED_GRANULES = 12
"""More granules than this stay without their ids: the image would be all text."""


@dataclass(frozen=True)
class Legend:
    """What the colours of a map mean."""

    low: float
    """Value with the first colour."""
    high: float
    """Value with the last colour."""
    words: tuple[str, str, str]
    """Words above the left end, the middle and the right end."""
    tick: str = "g"
    """How numbers are written."""

    def shares(self, values: np.ndarray) -> np.ndarray:
        """Return where values lie between the first colour (0) and the last (1); beyond them, at the end."""
        return np.asarray(np.clip((values - self.low) / (self.high - self.low), 0, 1))


SCORE = Legend(0.0, 1.0, ("poor", "development score", "rich"))


@dataclass(frozen=True)
class _Layout:
    """Where the map lies on the page, in pixels."""

    page: Canvas
    left: float
    top: float
    width: float
    height: float

    @property
    def unit(self) -> float:
        return self.page.unit_px

    @property
    def foot(self) -> float:
        return self.top + self.height


def draw_preview(region: RegionMap, ramp: Ramp, title: str, longer_px: int, legend: Legend = SCORE) -> bytes:
    """Draw a region map.

    Args:
        region: The map.
        ramp: Colours of the map's first band.
        title: Words above the map.
        longer_px: Longer side of the image.
        legend: What the colours mean.

    Returns:
        PNG, RGBA; where the region has no score it is transparent, and letters have a light halo, so that it can lie
        on any page.
    """
    layout = _lay_out(region.values.shape[1:], longer_px)
    _draw_map(layout, region, ramp, legend)
    _draw_title(layout, region, title)
    _draw_north(layout)
    _draw_legend(layout, ramp, legend)
    _draw_scale(layout, region)
    return layout.page.png(title)


def _lay_out(shape: tuple[int, ...], longer_px: int) -> _Layout:
    """Fit the map into the page: its shape is kept, and the page is no larger than map and margins need."""
    unit = longer_px / _UNITS
    rows, cols = shape
    scale = min((_UNITS - _HEAD - _FOOT) / rows, (_UNITS - 2 * _SIDE) / cols) * unit
    width, height = cols * scale, rows * scale
    page_width = max(width + 2 * _SIDE * unit, _NARROWEST * unit)
    page = Canvas(round(page_width), round(height + (_HEAD + _FOOT) * unit), unit)
    return _Layout(page, (page_width - width) / 2, _HEAD * unit, width, height)


def _extent(region: RegionMap) -> tuple[float, float, float, float]:
    """Left, right, bottom, top of the map in its CRS."""
    left, top = region.transform @ (0, 0)
    right, bottom = region.transform @ (region.values.shape[2], region.values.shape[1])
    return left, right, bottom, top


def _draw_map(layout: _Layout, region: RegionMap, ramp: Ramp, legend: Legend) -> None:
    axes = layout.page.axes(layout.left, layout.top, layout.width, layout.height)
    colours = ramp.rgba(legend.shares(region.values[0]))
    axes.imshow(colours, extent=_extent(region), interpolation="nearest", aspect="auto")
    for granule, shape in region.outlines.items():
        east, north = shape.exterior.xy
        for color, units, alpha in (("white", 0.22, 0.5), (INK, 0.09, 0.7)):
            axes.plot(east, north, color=color, linewidth=layout.page.points(units), alpha=alpha, clip_on=False)
        if len(region.outlines) <= _LABELLED_GRANULES:
            _label_granule(axes, layout.page, str(granule), shape.bounds)
    left, right, bottom, top = _extent(region)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def _label_granule(axes: Axes, page: Canvas, granule: str, bounds: tuple[float, float, float, float]) -> None:
    edge = withStroke(linewidth=page.points(0.22), foreground=INK, alpha=0.8)
    axes.annotate(
        granule, (bounds[0], bounds[3]), xytext=(page.points(0.7), -page.points(0.7)), textcoords="offset points",
        va="top", fontsize=page.points(1.35), color="white", path_effects=[edge],
    )  # fmt: skip


def _draw_title(layout: _Layout, region: RegionMap, title: str) -> None:
    count = len(region.outlines)
    pixel_m = metres_per_unit(region) * region.transform.a
    granules = f"{count} granule{'s' if count != 1 else ''}"
    facts = f"{granules}  ·  pixels of {readable_length(pixel_m)}  ·  {CRS(region.crs).name}"
    layout.page.heading(_SIDE * layout.unit, title, facts)


def _draw_north(layout: _Layout) -> None:
    unit, page = layout.unit, layout.page
    x, top = page.width_px - (_SIDE + 1.3) * unit, 1.7 * unit
    tip, base = (x, top), top + 3.1 * unit
    page.polygon([tip, (x - 1.2 * unit, base), (x, base - 0.8 * unit)], facecolor=INK, edgecolor="none")
    page.polygon([tip, (x + 1.2 * unit, base), (x, base - 0.8 * unit)], facecolor="white", edgecolor=INK,
                 linewidth=page.points(0.1))  # fmt: skip
    page.text(x, base + 0.4 * unit, "N", 1.7, ha="center", weight="bold")


def _draw_legend(layout: _Layout, ramp: Ramp, legend: Legend) -> None:
    """Colour bar at the lower left, with its words and numbers."""
    unit, page = layout.unit, layout.page
    left, width, top = _SIDE * unit, 30 * unit, layout.foot + 4.0 * unit
    page.colour_bar(left, top, width, 1.7 * unit, ramp)
    first, middle, last = legend.words
    page.text(left, top - 0.6 * unit, first, 1.6, va="bottom")
    page.text(left + width / 2, top - 0.6 * unit, middle, 1.6, va="bottom", ha="center", color=FAINT)
    page.text(left + width, top - 0.6 * unit, last, 1.6, va="bottom", ha="right")
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = left + share * width
        page.rectangle(x - 0.04 * unit, top + 1.7 * unit, 0.08 * unit, 0.5 * unit, facecolor=INK, edgecolor="none")
        value = legend.low + share * (legend.high - legend.low)
        page.text(x, top + 2.5 * unit, format(value, legend.tick) if value else "0", 1.4, ha="center", color=FAINT)


def _draw_scale(layout: _Layout, region: RegionMap) -> None:
    """Scale bar at the lower right: two halves, dark and light."""
    unit, page = layout.unit, layout.page
    metres_per_px = metres_per_unit(region) * region.transform.a * region.values.shape[2] / layout.width
    length_m = round_length(metres_per_px * min(24 * unit, 0.5 * page.width_px - _SIDE * unit))
    width, height, top = length_m / metres_per_px, 0.7 * unit, layout.foot + 4.5 * unit
    left = page.width_px - _SIDE * unit - width
    page.rectangle(left, top, width, height, facecolor="white", edgecolor=INK, linewidth=page.points(0.12))
    page.rectangle(left, top, width / 2, height, facecolor=INK, edgecolor=INK, linewidth=page.points(0.12))
    page.text(left, top + height + 0.9 * unit, "0", 1.4, ha="center", color=FAINT)
    page.text(left + width, top + height + 0.9 * unit, readable_length(length_m), 1.4, ha="right", color=FAINT)


def metres_per_unit(region: RegionMap) -> float:
    """Return how many metres on the ground one unit of the map's CRS measures, eastward at the map's centre.

    In a UTM zone that is within 0.1 % of 1; in web mercator it is the cosine of the latitude.
    """
    left, right, bottom, top = _extent(region)
    east, north = (left + right) / 2, (bottom + top) / 2
    to_degrees = Transformer.from_crs(region.crs, 4326, always_xy=True)
    (lon0, lon1), (lat0, lat1) = to_degrees.transform([east - 500, east + 500], [north, north])
    return float(Geod(ellps="WGS84").inv(lon0, lat0, lon1, lat1)[2]) / 1000


def round_length(most_m: float) -> float:
    """Return the largest of 1, 2 or 5 times a power of ten that is not above a length."""
    power = 10.0 ** floor(log10(most_m))
    return power * max(step for step in (0.5, 1, 2, 5) if step * power <= most_m)


def readable_length(metres: float) -> str:
    """Return a length in metres or kilometres with at most three digits."""
    return f"{metres / 1000:.3g} km" if metres >= 1000 else f"{metres:.3g} m"
