"""The invented land some years earlier: fewer and smaller settlements around one granule, and one that has shrunk."""

from collections.abc import Sequence
from dataclasses import replace

from rankscape.synthetic.layout import Layout
from rankscape.synthetic.settlements import Settlement

GRANULE = "03TXG"
"""Granule that has scenes of the earlier date."""
_FACTORS = {"town": (0.55, 1.0, 0.7), "village": (0.0, 1.0, 0.5, 1.0, 1.0, 0.0, 1.0, 1.0)}
"""Radius then, as a share of today's, by turns over the settlements of a kind in that granule; 0 was not there yet."""
_SHRUNK = 2.2
"""The second village was larger by this factor."""
_ABSENT = 1e-6
"""Share of the radius of a settlement that is not there; its number stays, so that all others look as they do today."""


def earlier(settlements: Sequence[Settlement], layout: Layout) -> list[Settlement]:
    """Return the settlements of the earlier date, in the same order."""
    rows, cols = layout.window(GRANULE)
    then = list(settlements)
    for kind, factors in _FACTORS.items():
        own = [
            number for number, one in enumerate(settlements)
            if one.kind.name == kind and rows.start <= one.row < rows.stop and cols.start <= one.col < cols.stop
        ]  # fmt: skip
        for turn, number in enumerate(own):
            factor = _SHRUNK if (kind, turn) == ("village", 1) else factors[turn % len(factors)]
            then[number] = replace(then[number], radius_px=then[number].radius_px * max(factor, _ABSENT))
    return then
