"""What is known of a synthetic world: truth, night lights, population, counties, surroundings of patches."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from affine import Affine
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.features import rasterize
from rasterio.warp import reproject
from scipy import ndimage
from scipy.spatial import KDTree

from rankscape.foundation.files import write_bytes
from rankscape.scenes.cogs import write_cog
from rankscape.synthetic.artifacts import COUNTIES
from rankscape.synthetic.world.primitives import Shape
from rankscape.synthetic.world.simulation import World
from rankscape.synthetic.world.world_grid import CRS, GRANULES, PIXEL_M, WorldGrid

LIGHT_DEGREES = 1 / 240
"""Pixel of the night lights: 15 arc seconds, about 460 m from south to north, as VIIRS composites have."""
POPULATION_PX = 10
"""Pixels of 10 m along a pixel of the population raster."""
_BLOOM_PX, _GLOW_PX = 35.0, 110.0
_SATURATION = 55.0
_UNLIT = 0.45
"""Radiance below which a place shows as dark."""


def write_truth(path: Path, world: World, layout: WorldGrid, tags: dict[str, str]) -> None:
    """Write the true development at 10 m: float32 in [0, 1], Cloud-Optimized GeoTIFF."""
    write_cog(path, world.truth[None], crs=CRS, transform=layout.transform, names=["development"], tags=tags)


def write_lights(path: Path, world: World, layout: WorldGrid, seed: int, tags: dict[str, str]) -> None:
    """Write night lights in nW/cm²/sr on a grid of 15 arc seconds.

    Radiance follows people times development, blurred by the sensor, saturated in the brightest places, noisy, and 0
    below what the sensor tells from darkness.
    """
    chance = np.random.default_rng([seed, 201])
    emitted = 1.9 * world.truth**1.3 * world.people_per_ha**0.7
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


def _degree_grid(layout: WorldGrid) -> tuple[Affine, Shape]:
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


def write_population(path: Path, world: World, layout: WorldGrid, seed: int, tags: dict[str, str]) -> None:
    """Write people a hectare at 100 m: the truth times log-normal noise, and a census that misses small hamlets."""
    chance = np.random.default_rng([seed, 202])
    rows, cols = (side // POPULATION_PX for side in world.people_per_ha.shape)
    cut = world.people_per_ha[: rows * POPULATION_PX, : cols * POPULATION_PX]
    people = cut.reshape(rows, POPULATION_PX, cols, POPULATION_PX).mean((1, 3))
    counted = people * np.exp(chance.normal(0, 0.25, people.shape)) * (chance.random(people.shape) > 0.04)
    side_m = POPULATION_PX * PIXEL_M
    transform = Affine(side_m, 0.0, layout.transform.c, 0.0, -side_m, layout.transform.f)
    write_cog(
        path, counted.astype(np.float32)[None], crs=CRS, transform=transform, names=["people_per_ha"], tags=tags
    )  # fmt: skip


def members(frame: gpd.GeoDataFrame, layout: WorldGrid) -> np.ndarray:
    """Return the number of the polygon of every pixel, int16, shape (height, width); 0 also where there is none."""
    shapes = [(outline, number) for number, outline in enumerate(frame.geometry)]
    numbers = rasterize(shapes, layout.shape, fill=0, transform=layout.transform, dtype="int16", all_touched=True)
    return np.asarray(numbers)


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


def write_counties(path: Path, world: World, layout: WorldGrid, seed: int, record: dict[str, Any]) -> gpd.GeoDataFrame:
    """Write counties as GeoParquet in UTM with a synthetic census.

    Columns: code, county (name), population (people), people_per_km2, and income_per_head, which follows the mean truth
    of the county's land, with noise. All is counted within the synthetic world; the counties end a little beyond it.

    Returns:
        The counties as they were written.
    """
    chance = np.random.default_rng([seed, 204])
    frame = gpd.GeoDataFrame(geometry=_counties(layout, chance), crs=CRS)
    numbers = members(frame, layout)
    every = np.arange(len(frame))
    pixels = np.maximum(np.bincount(numbers.ravel(), minlength=len(frame)), 1)
    people = ndimage.sum_labels(world.people_per_ha.astype(np.float64), numbers, every) * PIXEL_M**2 / 1e4
    truth = ndimage.sum_labels(world.truth.astype(np.float64), numbers, every) / pixels
    counted = np.maximum(np.round(people * np.exp(chance.normal(0, 0.04, len(frame)))), 1)
    frame.insert(0, "code", [f"I{number + 1:02d}" for number in every])
    frame.insert(1, "county", list(NAMES))
    frame.insert(2, "population", counted.astype(np.int64))
    frame.insert(3, "people_per_km2", np.round(counted / (pixels * PIXEL_M**2 / 1e6), 2))
    frame.insert(4, "income_per_head", np.round(900 * np.exp(4.5 * truth + chance.normal(0, 0.15, len(frame)))))
    COUNTIES.write(path, frame, record)
    return frame


def _counties(layout: WorldGrid, chance: np.random.Generator) -> list[shapely.Geometry]:
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


MARKETS = ("city", "large town", "town")
"""Kinds of settlements that hold markets."""
_MOST = 0.5
"""Share of a pixel above which it counts as road, or as water."""


def write_surroundings(path: Path, world: World, layout: WorldGrid, counties: gpd.GeoDataFrame, patch_px: int) -> None:
    """Write a row for each patch of each granule: which county it lies in, and how far towns, roads and water are.

    Columns: patch_id; county, the code of the county of the patch's centre; town_m, metres from there to the middle of
    the nearest city or town; road_m and water_m, metres to the nearest pixel of a road, tracks
    included, and of a lake or river.

    Args:
        path: CSV to write.
        world: The synthetic world.
        layout: Its grid.
        counties: Counties in the world's UTM zone, with their code; together they cover the world.
        patch_px: Side of a patch in pixels.
    """
    names, centres = zip(*_patches(layout, patch_px), strict=True)
    places = np.array(centres)
    towns = np.array([(one.row, one.col) for one in world.settlements if one.kind.name in MARKETS])
    frame = pd.DataFrame({
        "patch_id": names,
        "county": _county(places, layout, counties),
        "town_m": _away_m(places, towns),
        "road_m": _away_m(places, np.argwhere(world.roads > _MOST) + 0.5),
        "water_m": _away_m(places, np.argwhere(world.water > _MOST) + 0.5),
    })  # fmt: skip
    write_bytes(path, frame.to_csv(index=False, lineterminator="\n").encode())


def _patches(layout: WorldGrid, patch_px: int) -> Iterator[tuple[str, tuple[float, float]]]:
    """Ids of all whole patches, and row and column of their centres in the world's pixels."""
    count = layout.granule_px // patch_px
    for granule in GRANULES:
        rows, cols = layout.window(granule)
        for row, col in np.ndindex(count, count):
            centre = (rows.start + (row + 0.5) * patch_px, cols.start + (col + 0.5) * patch_px)
            yield f"{granule}_{row}_{col}", centre


def _away_m(places: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Metres from every place to the nearest of some others, whole numbers."""
    return np.asarray(np.rint(KDTree(others).query(places)[0] * PIXEL_M), np.int64)


def _county(places: np.ndarray, layout: WorldGrid, counties: gpd.GeoDataFrame) -> np.ndarray:
    """Code of the county that every place lies in; on a border the first of the two."""
    transform = layout.transform
    east, north = transform.c + places[:, 1] * PIXEL_M, transform.f - places[:, 0] * PIXEL_M
    which, number = shapely.STRtree(counties.geometry.to_numpy()).query(shapely.points(east, north), "intersects")
    first = np.full(len(places), len(counties))
    np.minimum.at(first, which, number)
    codes: np.ndarray = counties["code"].to_numpy()
    return np.asarray(codes[first])
