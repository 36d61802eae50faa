"""Counties of the invented region: borders as rivers and old quarrels make them, and an invented census."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from scipy import ndimage

from rankscape.synthetic.artifacts import COUNTIES
from rankscape.synthetic.land import Land
from rankscape.synthetic.layout import CRS, PIXEL_M, Layout
from rankscape.synthetic.references import members

NAMES = (
    "Alda", "Brenn", "Corva", "Delme", "Estra", "Fjord", "Gansk", "Harbel",
    "Ister", "Jolva", "Kemme", "Lorne", "Mirva", "Nordal", "Ostrel", "Pelka",
)  # fmt: skip
"""Counties, from north to south and west to east; none is a real place."""
_ROWS, _COLS = 4, 4
_MARGIN = 0.045
"""Counties end so far beyond the imagery, as a share of the world's shorter side."""
_STEP = 0.01
"""A border has a point so often, as a share of the world's shorter side."""
_WAVES = (0.45, 0.21, 0.11, 0.05)
"""Lengths of the waves that bend borders, as shares of the world's shorter side."""
_BEND = 0.03
"""Height of a wave over its length: slopes add up to less than 1, so that borders never cross."""


def write_counties(path: Path, land: Land, layout: Layout, seed: int, record: dict[str, Any]) -> gpd.GeoDataFrame:
    """Write counties as GeoParquet in UTM with an invented census.

    Columns: code, county (name), population (people), people_per_km2, and income_per_head, which follows the mean truth
    of the county's land, with noise. All is counted within the invented world; the counties end a little beyond it.

    Returns:
        The counties as they were written.
    """
    chance = np.random.default_rng([seed, 204])
    frame = gpd.GeoDataFrame(geometry=_counties(layout, chance), crs=CRS)
    numbers = members(frame, layout)
    every = np.arange(len(frame))
    pixels = np.maximum(np.bincount(numbers.ravel(), minlength=len(frame)), 1)
    people = ndimage.sum_labels(land.people_per_ha.astype(np.float64), numbers, every) * PIXEL_M**2 / 1e4
    truth = ndimage.sum_labels(land.truth.astype(np.float64), numbers, every) / pixels
    counted = np.maximum(np.round(people * np.exp(chance.normal(0, 0.04, len(frame)))), 1)
    frame.insert(0, "code", [f"I{number + 1:02d}" for number in every])
    frame.insert(1, "county", list(NAMES))
    frame.insert(2, "population", counted.astype(np.int64))
    frame.insert(3, "people_per_km2", np.round(counted / (pixels * PIXEL_M**2 / 1e6), 2))
    frame.insert(4, "income_per_head", np.round(900 * np.exp(4.5 * truth + chance.normal(0, 0.15, len(frame)))))
    COUNTIES.write(path, frame, record)
    return frame


def _counties(layout: Layout, chance: np.random.Generator) -> list[shapely.Geometry]:
    """Voronoi cells of a shaken grid, all points moved by one smooth field, so that neighbours keep their borders."""
    left, top = layout.transform.c, layout.transform.f
    height, width = (side * PIXEL_M for side in layout.shape)
    short = min(height, width)
    shaken = 0.15 + 0.7 * chance.random((_ROWS, _COLS, 2))
    seeds = [
        (left + (col + shaken[row, col, 0]) * width / _COLS, top - (row + shaken[row, col, 1]) * height / _ROWS)
        for row in range(_ROWS) for col in range(_COLS)
    ]  # fmt: skip
    world = shapely.box(left, top - height, left + width, top).buffer(_MARGIN * short)
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.MultiPoint(seeds), extend_to=world))
    order = shapely.STRtree(cells).query(shapely.points(seeds), predicate="intersects")[1]
    cut = shapely.segmentize(shapely.intersection(cells[order], world), _STEP * short)
    bent = shapely.transform(cut, _bend(short, chance))
    return list(bent)


def _bend(short: float, chance: np.random.Generator) -> Any:
    """A smooth displacement: waves of random directions, across both axes."""
    angle, phase = chance.random((2, len(_WAVES), 2)) * 2 * np.pi

    def bend(places: np.ndarray) -> np.ndarray:
        moved = places.copy()
        for number, share in enumerate(_WAVES):
            length = share * short
            for axis in (0, 1):
                along = places @ np.array([np.cos(angle[number, axis]), np.sin(angle[number, axis])])
                moved[:, axis] += _BEND * length * np.sin(2 * np.pi * along / length + phase[number, axis])
        return moved

    return bend
