"""Bring a reference to every patch: a raster, points, polygons or a table.

Night lights, population, built-up area: the mean over a patch's footprint, by area, in the raster's own unit. Land
cover: the mean of its classes' weights. Points are averaged, summed or counted, polygons averaged by area.
"""

from pathlib import Path
from typing import Annotated

import geopandas as gpd
import shapely
from cyclopts import Parameter

from rankscape.foundation.errors import TableError
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.samples.artifacts import REFERENCE_VALUES
from rankscape.samples.patches import read_index
from rankscape.samples.references import reference_values
from rankscape.samples.settings import ReferenceSettings
from rankscape.samples.validity import extremes
from rankscape.samples.vector_files import where_they_lie
from rankscape.scenes.rasters import open_raster
from rankscape.stages.options import OneIndex, settings_of


def aggregate(
    *,
    settings: Annotated[str, settings_of(ReferenceSettings, path="lights.tif", title="Night lights")],
    index: OneIndex,
    out: Annotated[Path, Parameter(help="Table to write: patch_id, value, coverage.")],
) -> None:
    """Bring a reference (raster, points, polygons or table) to every patch: value and coverage."""
    reference = ReferenceSettings.from_text(settings, "references.*")
    patches = read_index(index)
    if patches.crs is None or not len(patches):
        raise TableError(f"{index} has no footprints with a CRS: cut the patches again.")
    frame = reference_values(reference, patches)
    if not (frame["coverage"] > 0).any():
        where = _places(reference, patches)
        say(f"warning: {reference.path} covers no patch of {index}, so that they have no value{where}")
    lowest, highest = (frame[name if name in frame else "value"].to_numpy(float) for name in ("lowest", "highest"))
    for line in extremes(lowest, highest):
        say(f"{reference.path}: {line}.")
    frame = frame[["value", "coverage"]]
    frame.insert(0, "patch_id", patches["patch_id"].to_numpy())
    inputs = {"index": index, reference.kind: Path(reference.path)}
    REFERENCE_VALUES.write(out, frame, provenance("aggregate", reference, inputs))


def _places(reference: ReferenceSettings, patches: gpd.GeoDataFrame) -> str:
    """Where a raster lies, and where the patches do: a CRS that is wrong shows by this."""
    if reference.kind != "raster":
        return "."
    with open_raster(Path(reference.path), max_pixels=1 << 36, max_bands=1 << 16) as dataset:
        there = where_they_lie(shapely.box(*dataset.bounds), dataset.crs)
    here = where_they_lie(shapely.box(*patches.total_bounds), patches.crs)
    return f": it lies {there}, the patches {here}; if they belong together, its CRS is wrong."
