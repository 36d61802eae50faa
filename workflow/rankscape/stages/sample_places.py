"""Draw places by chance: uniformly over a region, or in proportion to the people of a raster.

The table can be read wherever points are: `rankscape embed places.csv --images ...`, and references of points.
"""

from pathlib import Path
from typing import Annotated

import geopandas as gpd
import pandas as pd
import shapely
from cyclopts import Parameter
from cyclopts.validators import Number

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import atomic_path
from rankscape.foundation.progress import say
from rankscape.samples.place_sampling import sample_by_people, sample_uniform
from rankscape.samples.settings import PopulationUnit
from rankscape.samples.vector_files import POLYGONS, check_kinds, read_shapes
from rankscape.spatial.geometry import WGS84

_DECIMALS = 6
"""Degrees, about 10 cm."""


def sample_places(
    *,
    count: Annotated[int, Parameter(help="Places to draw.", validator=Number(gte=1, lte=10_000_000))],
    out: Annotated[Path, Parameter(help="Table to write (.csv): id, longitude, latitude.")],
    region: Annotated[Path | None, Parameter(help="Vector file of polygons within which places lie.")] = None,
    bounds: Annotated[
        tuple[float, float, float, float] | None, Parameter(help="Or west, south, east, north in degrees.")
    ] = None,
    population: Annotated[
        Path | None, Parameter(help="Raster of people that places are drawn in proportion to.")
    ] = None,
    unit: Annotated[PopulationUnit, Parameter(help="What a cell of that raster says.")] = "count",
    nodata: Annotated[float | None, Parameter(help="Value of the raster that stands for unknown.")] = None,
    min_distance_m: Annotated[
        float, Parameter(help="Places lie at least so far apart.", validator=Number(gte=0))
    ] = 0.0,
    seed: Annotated[int, Parameter(help="Seed.", validator=Number(gte=0))] = 0,
) -> None:
    """Draw places uniformly over a region, or in proportion to the people of a raster."""
    if out.suffix != ".csv":
        raise InputError(f"--out {out}: give a name that ends in .csv.")
    if (region is not None and bounds is not None) or (region is None and bounds is None and population is None):
        raise InputError("Give one of --region and --bounds; with --population none is needed.")
    where = _region(region, bounds)
    if population is not None:
        found = sample_by_people(population, unit, where, count, min_distance_m, seed, nodata)
    else:
        assert where is not None
        found = sample_uniform(where, count, min_distance_m, seed)
    width = len(str(count))
    frame = pd.DataFrame(
        {
            "id": [f"place_{number:0{width}}" for number in range(1, count + 1)],
            "longitude": found.longitude.round(_DECIMALS), "latitude": found.latitude.round(_DECIMALS),
        }
    )  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(out) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n")
    how = "uniformly over the area" if population is None else f"by the people of {population.name}"
    say(f"{count:,} places, {how}.")


def _region(path: Path | None, bounds: tuple[float, float, float, float] | None) -> gpd.GeoSeries | None:
    if path is not None:
        frame = read_shapes(path, ())
        check_kinds(path, frame.geometry.to_numpy(), [f"row {row}" for row in range(len(frame))], POLYGONS)
        return gpd.GeoSeries(frame.geometry)
    if bounds is None:
        return None
    west, south, east, north = bounds
    if not (-180 <= west <= 180 and west < east <= west + 360 and -90 <= south < north <= 90):
        raise InputError(
            f"--bounds {west:g} {south:g} {east:g} {north:g}: west, south, east, north in degrees are needed; east of"
            " 180 goes on beyond it."
        )
    return gpd.GeoSeries([shapely.box(west, south, east, north)], crs=WGS84)
