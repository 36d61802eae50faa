"""How fast a million patches are averaged over three thousand districts, against GeoPandas' overlay.

Nine granules of 343 x 343 patches of 320 m are invented side by side in UTM, and 3,000 districts with crooked borders,
a point every 40 m, in degrees. Timed are the cutting of all patches (`spatial.intersections.cut`), the whole of
`score_districts` (cutting, means, variogram, covariance of errors, 1,000 joint draws of ranks), and `geopandas.overlay`
of one granule with the districts that lie there, beside our cutting of the same. The largest difference between the
means of both stands below.

    .venv/bin/python benchmarks/districts.py [--granules 9] [--districts 3000] [--threads 2]
"""

import argparse
import resource
import time
from collections.abc import Callable

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer
from rankscape.products.districts.districts import ScoredPatches, score_districts
from rankscape.products.districts.settings import DistrictSettings
from rankscape.spatial.intersections import Pieces, cut

UTM = "EPSG:32648"
LEFT, TOP = 300_000.0, 3_500_000.0
PATCH_M, SIDE = 320.0, 343
STEP_M = 40.0


def footprints(granules: int) -> list[gpd.GeoSeries]:
    across = int(np.ceil(np.sqrt(granules)))
    result = []
    for number in range(granules):
        west = LEFT + (number % across) * SIDE * PATCH_M
        north = TOP - (number // across) * SIDE * PATCH_M
        row, col = np.divmod(np.arange(SIDE**2), SIDE)
        squares = shapely.box(
            west + col * PATCH_M, north - (row + 1) * PATCH_M, west + (col + 1) * PATCH_M, north - row * PATCH_M
        )
        index = np.arange(number * SIDE**2, (number + 1) * SIDE**2)
        result.append(gpd.GeoSeries(squares, index=index, crs=UTM))
    return result


def districts(patches: list[gpd.GeoSeries], count: int) -> gpd.GeoDataFrame:
    """Voronoi cells with a point every 40 m, moved by waves, in degrees; they stick out a little."""
    chance = np.random.default_rng(0)
    bounds = np.array([shapes.total_bounds for shapes in patches])
    west, south, east, north = (*bounds[:, :2].min(axis=0), *bounds[:, 2:].max(axis=0))
    seeds = np.stack([chance.uniform(west, east, count), chance.uniform(south, north, count)], axis=1)
    world = shapely.box(west, south, east, north).buffer(2000)
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.MultiPoint(seeds), extend_to=world))
    cut_off = shapely.segmentize(shapely.intersection(cells, world), STEP_M)

    def bend(places: np.ndarray) -> np.ndarray:
        wave = [0.03 * length * np.sin(2 * np.pi * places[:, ::-1] / length) for length in (20_000, 5000, 1500)]
        return np.asarray(places + sum(wave))

    bent = gpd.GeoSeries(shapely.transform(cut_off, bend), crs=UTM).to_crs("EPSG:4326")
    names = [f"d{number}" for number in range(count)]
    return gpd.GeoDataFrame({"district": names, "name": names}, geometry=bent, crs="EPSG:4326")


def invented_land(patches: list[gpd.GeoSeries]) -> ScoredPatches:
    centre = np.concatenate([shapely.get_coordinates(shapely.centroid(shapes.to_numpy())) for shapes in patches])
    score = 0.5 + 0.4 * np.sin(centre[:, 0] / 7000) * np.cos(centre[:, 1] / 9000)
    longitude, latitude = Transformer.from_crs(UTM, 4326, always_xy=True).transform(*centre.T)
    return ScoredPatches(tuple(patches), score, np.full(len(score), 0.08), longitude, latitude)


def timed(what: str, work: Callable[[], object]) -> tuple[object, float]:
    start, processor = time.perf_counter(), time.process_time()
    found = work()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {what} | {seconds:.1f} | {time.process_time() - processor:.1f} | {peak:,.0f} |", flush=True)
    return found, seconds


def means(pieces: Pieces, score: np.ndarray, count: int) -> np.ndarray:
    weight = np.bincount(pieces.district, pieces.area_m2, minlength=count)
    with np.errstate(invalid="ignore"):
        return np.bincount(pieces.district, pieces.area_m2 * score[pieces.patch], minlength=count) / weight


def by_overlay(patches: gpd.GeoSeries, polygons: gpd.GeoDataFrame, score: np.ndarray) -> pd.Series:
    squares = gpd.GeoDataFrame({"patch": patches.index}, geometry=patches.to_numpy(), crs=UTM)
    found = gpd.overlay(squares, polygons.to_crs(UTM), how="intersection")
    area = found.area
    total = (area * score[found["patch"]]).groupby(found["district"]).sum()
    return total / area.groupby(found["district"]).sum()


def main() -> None:
    parser = argparse.ArgumentParser()
    for option, default in (("--granules", 9), ("--districts", 3000), ("--threads", 2)):
        parser.add_argument(option, type=int, default=default)
    given = parser.parse_args()
    patches = footprints(given.granules)
    polygons = districts(patches, given.districts)
    land = invented_land(patches)
    vertices = shapely.get_num_coordinates(polygons.geometry.to_numpy()).sum()
    print(f"{len(land.score):,} patches, {len(polygons):,} districts of {vertices:,} points, {given.threads} threads\n")
    print("| what | s | processor s | peak memory so far, MB |\n|---|---|---|---|")
    settings = DistrictSettings(path="d.gpkg", title="t", id="district")
    timed("cutting", lambda: cut(land.footprints, polygons.geometry, threads=given.threads))
    timed("all of it", lambda: score_districts(land, polygons, settings, threads=given.threads))
    own, quick = timed("cutting, one granule", lambda: cut(patches[:1], polygons.geometry, threads=1))
    other, slow = timed("geopandas.overlay, one granule", lambda: by_overlay(patches[0], polygons, land.score))
    assert isinstance(own, Pieces)
    assert isinstance(other, pd.Series)
    ours = pd.Series(means(own, land.score, len(polygons)), index=polygons["district"]).dropna()
    difference = (ours - other.reindex(ours.index)).abs().max()
    print(f"\nOne thread is {slow / quick:.1f} times as fast as the overlay; means differ by {difference:.0e} at most.")


if __name__ == "__main__":
    main()
