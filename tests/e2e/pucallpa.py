"""Pucallpa, a growing city on the Ucayali, from Landsat composites of 1985 and 2020, and what a person sees on them.

The pictures show short-wave infrared, near infrared and red as red, green and blue: towns and sandbanks are brown, fields
and forest green, water black. They are cut into web-mercator tiles of zoom 15, 1.2 km a side, one folder a date.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from PIL import Image
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject
from shapely.geometry import box

PERIODS = ("1985", "2020")
ZOOM, TILE_PX = 15, 32
TOP, LEFT, ROWS, COLS = 17_141, 9_583, 27, 50
"""The tiles that lie wholly in the pictures: number of the first row and column, and how many there are."""
_HALF_M = math.pi * 6_378_137
_TILE_M = 2 * _HALF_M / 2**ZOOM
CENTRE = (8.3, 16.7)
"""Row and column of the old town by the river, counted from the first tile."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in tiles, counted from the first one."""

LABELLED: dict[str, list[Box]] = {
    "urban": [(13, 7, 17, 9), (15, 9, 17, 10)],
    "rural": [(0, 10, 9, 13), (1, 15, 6, 17), (28, 6, 34, 8), (27, 11, 30, 14)],
    "uninhabited": [(6, 21, 12, 26), (40, 1, 48, 6), (25, 14, 26, 17), (20, 9, 22, 10)],
}
"""What one person saw on the picture of 2020: the labels of the tiles inside."""

SEEN: dict[int, list[Box]] = {
    3: [(11, 8, 13, 11), (14, 10, 16, 12)],
    2: [(10, 7, 12, 8), (9, 10, 11, 12), (12, 12, 14, 13)],
    1: [(1, 13, 6, 15), (7, 9, 9, 10), (0, 1, 3, 4), (30, 9, 34, 10)],
    0: [(12, 20, 20, 24), (41, 8, 49, 12), (27, 0, 32, 4)],
}
"""How built-up the same person found tiles without a label: city, edge of the city, fields and villages, forest."""

GROWN: list[Box] = [(11, 8, 13, 11), (14, 9, 15, 13)]
"""Green in 1985, city in 2020."""
UNTOUCHED: list[Box] = [(12, 20, 20, 24), (41, 8, 49, 12), (44, 0, 49, 6)]
"""Forest at both dates."""


def tiles_in(boxes: list[Box]) -> list[str]:
    """Names of the tiles in the boxes, `row_col`."""
    return [
        f"{TOP + row}_{LEFT + col}"
        for left, top, right, bottom in boxes
        for row in range(top, bottom)
        for col in range(left, right)
    ]


def write_tiles(pictures: Path, folder: Path) -> None:
    """Cut the picture of each date into tiles, one folder a date."""
    pixel = _TILE_M / TILE_PX
    corner = Affine(pixel, 0, LEFT * _TILE_M - _HALF_M, 0, -pixel, _HALF_M - TOP * _TILE_M)
    for period in PERIODS:
        (folder / period).mkdir(parents=True)
        land = np.zeros((3, ROWS * TILE_PX, COLS * TILE_PX), np.uint8)
        with rasterio.open(pictures / f"{period}.tif") as raster:
            bands = rasterio.band(raster, [1, 2, 3])
            reproject(bands, land, dst_crs="EPSG:3857", dst_transform=corner, resampling=Resampling.cubic)
        for row, col in np.ndindex(ROWS, COLS):
            tile = land[:, row * TILE_PX : (row + 1) * TILE_PX, col * TILE_PX : (col + 1) * TILE_PX]
            Image.fromarray(tile.transpose(1, 2, 0)).save(folder / period / f"{TOP + row}_{LEFT + col}.png")


def write_labels(path: Path) -> None:
    """Write the person's labels as a table of shares."""
    table = [
        {"patch_id": f"pucallpa_2020_{tile}", **{name: int(name == kind) for name in LABELLED}}
        for kind, boxes in LABELLED.items()
        for tile in tiles_in(boxes)
    ]
    pd.DataFrame(table).to_csv(path, index=False)


def write_seen(path: Path) -> None:
    """Write how built-up the person found places, as polygons."""
    found = [(level, _polygon(place)) for level, boxes in SEEN.items() for place in boxes]
    frame = gpd.GeoDataFrame({"built_up": [level for level, _ in found]}, geometry=[p for _, p in found], crs=3857)
    frame.to_file(path)


def write_districts(path: Path, *, side: int = 9) -> None:
    """Write squares of 11 km, for want of the borders of districts."""
    squares = list(_squares(side))
    frame = gpd.GeoDataFrame({"code": [code for code, _ in squares]}, geometry=[p for _, p in squares], crs=3857)
    frame.to_file(path)


def write_surroundings(path: Path, *, side: int = 9) -> None:
    """Write the distance of every tile to the old town, and the square that it lies in."""
    centre = np.array(CENTRE)
    shrink = math.cos(math.radians(8.44))
    table = [
        {
            "patch_id": f"pucallpa_2020_{TOP + row}_{LEFT + col}",
            "centre_m": round(float(np.hypot(*(centre - (row + 0.5, col + 0.5)))) * _TILE_M * shrink, 1),
            "square": f"{row // side}-{col // side}",
        }
        for row, col in np.ndindex(ROWS, COLS)
    ]
    pd.DataFrame(table).to_csv(path, index=False)


def _squares(side: int) -> Iterator[tuple[str, object]]:
    for row in range(0, ROWS, side):
        for col in range(0, COLS, side):
            place = (col, row, min(col + side, COLS), min(row + side, ROWS))
            yield f"{row // side}-{col // side}", _polygon(place)


def _polygon(place: Box):
    left, top, right, bottom = place
    west, east = ((LEFT + col) * _TILE_M - _HALF_M for col in (left, right))
    north, south = (_HALF_M - (TOP + row) * _TILE_M for row in (top, bottom))
    return box(west, south, east, north)


def configuration() -> str:
    """The region's configuration as JSON, which is YAML too."""
    distance = {"column": "centre_m", "transform": "log", "label": "Log distance to the old town"}
    regression = {
        "tables": [{"path": "surroundings.csv", "key": "patch_id", "match": "patch_id"}],
        "explanatory": [distance],
        "conley_m": 6000,
    }
    return json.dumps(
        {
            "region": "pucallpa",
            "granules": "config/granules/pucallpa.tsv",
            "judges": {"stand-in": {"kind": "stand-in", "model": "stand-in"}},
            "prompts": ["remote-sensing-expert-zh", "economics-student-en"],
            "references": {
                "seen": {
                    "path": "seen.gpkg",
                    "kind": "polygons",
                    "column": "built_up",
                    "title": "How built-up a person found it (0 to 3)",
                }
            },
            "districts": {"squares": {"path": "squares.gpkg", "title": "Squares of 11 km", "id": "code"}},
            "regressions": {
                "distance": {"title": "Score and distance", "outcomes": [{"column": "score"}], **regression},
                "growth": {
                    "title": "Change of the score 1985 to 2020 and distance",
                    "places": "1985--2020",
                    "outcomes": [{"column": "change"}],
                    **regression,
                },
            },
            "tile": {"patch_px": TILE_PX, "zoom": ZOOM},
            "label": {
                "source": "file",
                "file": "labels.csv",
                "categories": ["urban", "rural", "uninhabited"],
                "uninhabited": "uninhabited",
            },
            "adapt": {
                "architecture": "resnet10t",
                "weights": "random",
                "input_px": 32,
                "colour": "all",
                "normalisation": "patches",
                "epochs": 12,
                "block_m": 5000,
            },
            "cluster": {"k_min": 2, "k_max": 5},
            "rate": {"rounds": 2},
            "train": {"epochs": 8, "block_m": 5000, "patches_per_cluster": 400, "seeds": 2, "linearity_weight": 0},
            "publish": {"title": "Pucallpa 1985 to 2020", "imagery": "own"},
            "report": {"title": "Pucallpa 1985 to 2020", "note": "The judge is a stand-in, no vision model."},
        },
        indent=1,
    )


SHEET = (
    "granule\trole\tfolder\tperiod\tplace\n"
    "pucallpa_2020\tfit\ttiles/2020\t2020\tpucallpa\n"
    "pucallpa_1985\tapply\ttiles/1985\t1985\tpucallpa\n"
)
