"""A canvas that is laid out in pixels from its upper left corner."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from matplotlib.patheffects import withStroke

from rankscape.products.fonts import figure_png
from rankscape.products.maps.ramp import Ramp

INK = "#26282e"
FAINT = "#62656d"
_DPI = 100
_POINTS_PER_PX = 72 / _DPI


class Canvas:
    """A transparent canvas; letters and marks have a light halo, so that it can lie on any ground.

    Matplotlib draws it without its global state, so that several may be drawn at once.
    """

    def __init__(self, width_px: int, height_px: int, unit_px: float) -> None:
        """Make an empty canvas.

        Args:
            width_px: Width.
            height_px: Height.
            unit_px: Pixels of one unit, in which sizes of letters and lines are given.
        """
        self.width_px, self.height_px, self.unit_px = width_px, height_px, unit_px
        self._figure = Figure(figsize=(width_px / _DPI, height_px / _DPI), dpi=_DPI, facecolor="none")
        FigureCanvasAgg(self._figure)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Return bare axes in a rectangle given in pixels."""
        place = (left / self.width_px, 1 - (top + height) / self.height_px)
        axes = self._figure.add_axes((*place, width / self.width_px, height / self.height_px))
        axes.set_axis_off()
        return axes

    def points(self, units: float) -> float:
        """Return a length in units as points, for Matplotlib's letters and lines."""
        return units * self.unit_px * _POINTS_PER_PX

    def halo(self) -> list[Any]:
        """Return the light edge of letters and marks."""
        return [withStroke(linewidth=self.points(0.35), foreground="white", alpha=0.8)]

    def text(self, left: float, top: float, words: str, units: float, **style: Any) -> None:
        """Write words; `left` and `top` in pixels, the size of the letters in units."""
        self._figure.text(
            left / self.width_px, 1 - top / self.height_px, words, fontsize=self.points(units),
            **{"color": INK, "va": "top", "path_effects": self.halo(), "parse_math": False, **style},
        )  # fmt: skip

    def heading(self, left: float, title: str, facts: str) -> None:
        """Write a title and a fainter line below it on top of the canvas."""
        self.text(left, 1.4 * self.unit_px, title, 3.0, weight="bold")
        self.text(left, 5.6 * self.unit_px, facts, 1.6, color=FAINT)

    def colour_bar(self, left: float, top: float, width: float, height: float, ramp: Ramp) -> None:
        """Draw all colours of a ramp from left to right in a frame."""
        axes = self.axes(left, top, width, height)
        axes.imshow(ramp.rgba(np.linspace(0, 1, 512)[None, :]), aspect="auto", interpolation="nearest")
        self.rectangle(left, top, width, height, fill=False, edgecolor=INK, linewidth=self.points(0.09))

    def rectangle(self, left: float, top: float, width: float, height: float, **style: Any) -> None:
        """Draw a rectangle given in pixels."""
        corner = (left / self.width_px, 1 - (top + height) / self.height_px)
        self._add(Rectangle(corner, width / self.width_px, height / self.height_px, **style))

    def polygon(self, corners: list[tuple[float, float]], **style: Any) -> None:
        """Draw a polygon of corners given in pixels."""
        self._add(Polygon([(x / self.width_px, 1 - y / self.height_px) for x, y in corners], closed=True, **style))

    def _add(self, patch: Any) -> None:
        patch.set_transform(self._figure.transFigure)
        self._figure.add_artist(patch)

    def png(self, title: str) -> bytes:
        """Return the canvas as PNG, RGBA, without a time or the names of programs."""
        return figure_png(self._figure, title, dpi=_DPI, facecolor="none")
