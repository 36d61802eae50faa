"""Pucallpa, a growing city on the Ucayali, from Landsat composites of two dates, and what a person sees on them.

The pictures show short-wave infrared, near infrared and red as red, green and blue: towns and sandbanks are brown,
fields and forest green, water black. They are cut into web-mercator tiles of zoom 15, 1.2 km a side, a folder a date.
"""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from e2e.real_land import base_configuration, write_polygons
from PIL import Image
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject
from shapely.geometry import Polygon, box

NOW = "2020"
ZOOM, TILE_PX = 15, 32
TOP, LEFT, ROWS, COLS = 17_141, 9_583, 27, 50
"""The tiles that lie wholly in the pictures: number of the first row and column, and how many there are."""
_HALF_M = math.pi * 6_378_137
_TILE_M = 2 * _HALF_M / 2**ZOOM
_SHRINK = math.cos(math.radians(8.44))
"""Metres on the ground that a metre of the projection is, here."""
_CENTRE = (8.3, 16.7)
"""Row and column of the old town by the river, counted from the first tile."""
_SQUARE = 9
"""Tiles a side of the squares that stand for districts."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in tiles, counted from the first one."""

LABELLED: dict[str, list[Box]] = {
    "urban": [(13, 7, 17, 9), (15, 9, 17, 10)],
    "rural": [(0, 10, 9, 13), (1, 15, 6, 17), (28, 6, 34, 8), (27, 11, 30, 14)],
    "uninhabited": [(6, 21, 12, 26), (40, 1, 48, 6), (25, 14, 26, 17), (20, 9, 22, 10)],
}
"""What one person saw in boxes of the picture of 2020; the labels of the tiles inside."""
LABELLED_BEFORE: dict[str, list[Box]] = {
    "urban": [(15, 7, 17, 10)],
    "rural": [(0, 10, 9, 13), (1, 15, 6, 17), (28, 6, 31, 8)],
    "uninhabited": [(6, 21, 12, 26), (40, 1, 48, 6)],
}
"""The same of any earlier picture: what was so in 1985 and is so still."""
SEEN: dict[int, list[Box]] = {
    3: [(11, 8, 13, 11), (14, 10, 16, 12)],
    2: [(10, 7, 12, 8), (9, 10, 11, 12), (12, 12, 14, 13)],
    1: [(1, 13, 6, 15), (7, 14, 10, 17), (0, 1, 3, 4), (30, 9, 34, 10)],
    0: [(12, 20, 20, 24), (41, 8, 49, 12), (27, 0, 32, 4)],
}
"""How built-up the same person found tiles of 2020 without a label: city, its edge, fields and villages, forest."""
GROWN: list[Box] = [(11, 8, 13, 11), (14, 9, 15, 13)]
"""Green in 1985, city in 2020."""
UNTOUCHED: list[Box] = [(12, 20, 20, 24), (41, 8, 49, 12), (44, 0, 49, 6)]
"""Forest at all dates."""


def tiles_in(boxes: list[Box]) -> list[str]:
    """Names of the tiles in the boxes, `row_col`."""
    return [
        f"{TOP + row}_{LEFT + col}"
        for left, top, right, bottom in boxes
        for row in range(top, bottom)
        for col in range(left, right)
    ]


def write_region(pictures: Path, folder: Path, before: str) -> None:
    """Write all that the region is made of into a copy of the workflow.

    Args:
        pictures: Folder of the composites, `1985.tif` to `2020.tif`.
        folder: The copy.
        before: Year of the earlier date.
    """
    for year in (before, NOW):
        _write_tiles(pictures / f"{year}.tif", folder / f"tiles/{year}")
    labels = [
        {"patch_id": f"pucallpa_{year}_{tile}", **{name: int(name == kind) for name in LABELLED}}
        for year, labelled in ((before, LABELLED_BEFORE), (NOW, LABELLED))
        for kind, boxes in labelled.items()
        for tile in tiles_in(boxes)
    ]
    pd.DataFrame(labels).to_csv(folder / "labels.csv", index=False)
    seen = [(level, _polygon(place)) for level, boxes in SEEN.items() for place in boxes]
    write_polygons(folder / "seen.gpkg", "built_up", seen, 3857)
    squares = [
        (f"{row}-{col}", _polygon((col, row, min(col + _SQUARE, COLS), row + _SQUARE)))
        for row in range(0, ROWS, _SQUARE)
        for col in range(0, COLS, _SQUARE)
    ]
    write_polygons(folder / "squares.gpkg", "code", squares, 3857)
    distances = [
        {"place": f"{TOP + row}_{LEFT + col}", "centre_m": round(_from_centre(row, col), 1)}
        for row, col in np.ndindex(ROWS, COLS)
    ]
    pd.DataFrame(distances).to_csv(folder / "surroundings.csv", index=False)
    sheet = ["granule\trole\ttiles\tperiod\tplace"]
    sheet += [f"pucallpa_{year}\tfit\ttiles/{year}\t{year}\tpucallpa" for year in (NOW, before)]
    (folder / "config/granules/pucallpa.tsv").write_text("\n".join(sheet) + "\n")
    (folder / "config/pucallpa.yaml").write_text(json.dumps(_configuration(before), indent=1))


def _write_tiles(picture: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    pixel = _TILE_M / TILE_PX
    corner = Affine(pixel, 0, LEFT * _TILE_M - _HALF_M, 0, -pixel, _HALF_M - TOP * _TILE_M)
    land = np.zeros((3, ROWS * TILE_PX, COLS * TILE_PX), np.uint8)
    with rasterio.open(picture) as raster:
        bands = rasterio.band(raster, [1, 2, 3])
        reproject(bands, land, dst_crs="EPSG:3857", dst_transform=corner, resampling=Resampling.cubic)
    for row, col in np.ndindex(ROWS, COLS):
        tile = land[:, row * TILE_PX : (row + 1) * TILE_PX, col * TILE_PX : (col + 1) * TILE_PX]
        Image.fromarray(tile.transpose(1, 2, 0)).save(folder / f"{TOP + row}_{LEFT + col}.png")


def _polygon(place: Box) -> Polygon:
    left, top, right, bottom = place
    west, east = ((LEFT + col) * _TILE_M - _HALF_M for col in (left, right))
    north, south = (_HALF_M - (TOP + row) * _TILE_M for row in (top, bottom))
    return box(west, south, east, north)


def _from_centre(row: int, col: int) -> float:
    """Metres from the middle of a tile to the old town."""
    return math.hypot(row + 0.5 - _CENTRE[0], col + 0.5 - _CENTRE[1]) * _TILE_M * _SHRINK


def _configuration(before: str) -> dict[str, object]:
    """The region's configuration; as JSON it is YAML too."""
    distances = {
        "tables": [{"path": "surroundings.csv", "key": "place", "match": "row_col"}],
        "explanatory": [{"column": "centre_m", "transform": "log", "label": "Log distance to the old town"}],
        "conley_m": 6000,
    }
    pair = f"{before}--{NOW}"
    regressions = {
        "distance": {"title": "Score and distance", "outcomes": [{"column": "score"}], **distances},
        "growth": {"title": "Change and distance", "places": pair, "outcomes": [{"column": "change"}], **distances},
    }
    return base_configuration("pucallpa", 5000, "Squares of 11 km", regressions=regressions) | {
        "tile": {"patch_px": TILE_PX, "zoom": ZOOM},
        "publish": {"title": "Pucallpa", "imagery": "own"},
        "report": {
            "title": f"Pucallpa, {before} to {NOW}",
            "note": "Landsat in false colours: short-wave infrared, near infrared, red. The judge is a stand-in that "
            "measures pixels, no vision model.",
        },
    }
