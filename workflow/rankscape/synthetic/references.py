"""References of the invented region: the truth itself, and what satellites and censuses would know of it."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from affine import Affine
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.features import rasterize
from rasterio.warp import reproject
from scipy import ndimage
from shapely import voronoi_polygons
from shapely.geometry import MultiPoint, box

from rankscape.foundation.files import write_bytes
from rankscape.foundation.provenance import KEY
from rankscape.scenes.cogs import write_cog
from rankscape.synthetic.land import Land
from rankscape.synthetic.layout import CRS, PIXEL_M, Layout
from rankscape.synthetic.noise import Shape

LIGHT_DEGREES = 1 / 240
"""Pixel of the night lights: 15 arc seconds, about 460 m from south to north, as VIIRS composites have."""
POPULATION_PX = 10
"""Pixels of 10 m along a pixel of the population raster."""
DISTRICTS = 8
_BLOOM_PX, _GLOW_PX = 35.0, 110.0
_SATURATION = 55.0
_UNLIT = 0.45
"""Radiance below which a place shows as dark."""


def write_truth(path: Path, land: Land, layout: Layout, tags: dict[str, str]) -> None:
    """Write the true development at 10 m: float32 in [0, 1], Cloud-Optimized GeoTIFF."""
    write_cog(path, land.truth[None], crs=CRS, transform=layout.transform, names=["development"], tags=tags)


def write_lights(path: Path, land: Land, layout: Layout, seed: int, tags: dict[str, str]) -> None:
    """Write night lights in nW/cm²/sr on a grid of 15 arc seconds.

    Radiance follows people times development, blurred by the sensor, saturated in the brightest places, noisy, and 0
    below what the sensor tells from darkness.
    """
    chance = np.random.default_rng([seed, 201])
    emitted = 1.9 * land.truth**1.3 * land.people_per_ha**0.7
    spread = 0.8 * ndimage.gaussian_filter(emitted, _BLOOM_PX) + 0.2 * ndimage.gaussian_filter(emitted, _GLOW_PX)
    transform, shape = _degree_grid(layout)
    mean = np.full(shape, np.nan, np.float32)
    reproject(
        spread, mean, src_transform=layout.transform, src_crs=CRS, dst_transform=transform, dst_crs="EPSG:4326",
        dst_nodata=np.nan, resampling=Resampling.average,
    )  # fmt: skip
    radiance = _SATURATION * (1 - np.exp(-mean / _SATURATION)) * np.exp(chance.normal(0, 0.15, shape))
    radiance += chance.normal(0, 0.12, shape)
    lit = np.where(np.isnan(mean), np.nan, np.where(radiance < _UNLIT, 0, radiance)).astype(np.float32)
    write_cog(path, lit[None], crs="EPSG:4326", transform=transform, names=["radiance"], nodata=np.nan, tags=tags)


def _degree_grid(layout: Layout) -> tuple[Affine, Shape]:
    """Whole 15-second pixels that cover the world."""
    rows, cols = layout.shape
    to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    left, bottom, right, top = to_degrees.transform_bounds(
        layout.transform.c, layout.transform.f - rows * PIXEL_M, layout.transform.c + cols * PIXEL_M, layout.transform.f
    )
    west, north = np.floor(left / LIGHT_DEGREES), np.ceil(top / LIGHT_DEGREES)
    east, south = np.ceil(right / LIGHT_DEGREES), np.floor(bottom / LIGHT_DEGREES)
    transform = Affine(LIGHT_DEGREES, 0, west * LIGHT_DEGREES, 0, -LIGHT_DEGREES, north * LIGHT_DEGREES)
    return transform, (int(north - south), int(east - west))


def write_population(path: Path, land: Land, layout: Layout, seed: int, tags: dict[str, str]) -> None:
    """Write people a hectare at 100 m: the truth times log-normal noise, and a census that misses small hamlets."""
    chance = np.random.default_rng([seed, 202])
    rows, cols = (side // POPULATION_PX for side in land.people_per_ha.shape)
    cut = land.people_per_ha[: rows * POPULATION_PX, : cols * POPULATION_PX]
    people = cut.reshape(rows, POPULATION_PX, cols, POPULATION_PX).mean((1, 3))
    counted = people * np.exp(chance.normal(0, 0.25, people.shape)) * (chance.random(people.shape) > 0.04)
    side_m = POPULATION_PX * PIXEL_M
    transform = Affine(side_m, 0.0, layout.transform.c, 0.0, -side_m, layout.transform.f)
    write_cog(
        path, counted.astype(np.float32)[None], crs=CRS, transform=transform, names=["people_per_ha"], tags=tags
    )  # fmt: skip


def write_districts(path: Path, land: Land, layout: Layout, seed: int, record: dict[str, Any]) -> None:
    """Write districts as GeoJSON in degrees, with what a statistical office would publish.

    Columns: district (name), income (mean development of the land where people live, with noise), people (thousands).
    """
    chance = np.random.default_rng([seed, 203])
    frame = gpd.GeoDataFrame(geometry=_outlines(layout, chance), crs=CRS)
    numbers = members(frame, layout)
    weight = land.people_per_ha.astype(np.float64)
    people = ndimage.sum_labels(weight, numbers, np.arange(len(frame)))
    income = ndimage.sum_labels(weight * land.truth, numbers, np.arange(len(frame))) / np.maximum(people, 1e-9)
    frame.insert(0, "district", [f"District {letter}" for letter in "ABCDEFGHIJ"[: len(frame)]])
    frame.insert(1, "income", np.round(income * np.exp(chance.normal(0, 0.05, len(frame))), 4))
    frame.insert(2, "people", np.round(people * PIXEL_M**2 / 1e4 / 1000, 2))
    document = frame.to_crs("EPSG:4326").to_json(drop_id=True, separators=(",", ":"))
    write_bytes(path, (document[:-1] + f',"{KEY}":{_json(record)}}}\n').encode())


def _outlines(layout: Layout, chance: np.random.Generator) -> list[Any]:
    """Districts around jittered seeds, from west to east."""
    left, top = layout.transform.c, layout.transform.f
    rows, cols = (side * PIXEL_M for side in layout.shape)
    seeds = [
        (left + (col + 0.2 + 0.6 * chance.random()) * cols / 4, top - (row + 0.2 + 0.6 * chance.random()) * rows / 2)
        for row in range(2) for col in range(DISTRICTS // 2)
    ]  # fmt: skip
    world = box(left, top - rows, left + cols, top)
    cells = voronoi_polygons(MultiPoint(seeds), extend_to=world)
    cut = [cell.intersection(world) for cell in cells.geoms]
    return sorted(cut, key=lambda cell: (round(cell.centroid.x), round(cell.centroid.y)))


def members(frame: gpd.GeoDataFrame, layout: Layout) -> np.ndarray:
    """Return the number of the polygon of every pixel, int16, shape (height, width); 0 also where there is none."""
    shapes = [(outline, number) for number, outline in enumerate(frame.geometry)]
    numbers = rasterize(shapes, layout.shape, fill=0, transform=layout.transform, dtype="int16", all_touched=True)
    return np.asarray(numbers)


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"))
