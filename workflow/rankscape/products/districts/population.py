"""People who live on pieces of land, counted from a population raster by exact areas."""

from pathlib import Path

import geopandas as gpd
import numpy as np

from rankscape.foundation.errors import RasterError
from rankscape.products.districts.settings import PopulationSettings
from rankscape.samples.references import cell_statistics, check_raster, in_crs_of
from rankscape.scenes.rasters import open_raster

_MAX_PIXELS = 1 << 36
_PER_M2 = {"per_ha": 1e-4, "per_km2": 1e-6}


def people_on(settings: PopulationSettings, pieces: gpd.GeoSeries, area_m2: np.ndarray) -> np.ndarray:
    """Count the people on pieces of land; each cell counts by the share of it that lies inside.

    Of counts, the count times that share is added up. Of densities, the mean over the cells inside times the area with
    data. A cell without data holds nobody: rasters of population leave uninhabited land empty.

    Args:
        settings: The raster, its band, and what a cell says.
        pieces: Polygons with a CRS.
        area_m2: Their areas on the ground, shape (pieces,).

    Returns:
        People, float64, shape (pieces,); 0 where the raster has no data.

    Raises:
        RasterError: If the raster cannot be read, has no CRS, no such band, is not north up, or holds a negative value.
    """
    if pieces.empty:
        return np.zeros(0)
    path = Path(settings.path)
    with open_raster(path, max_pixels=_MAX_PIXELS, max_bands=1 << 16) as dataset:
        check_raster(path, dataset, settings.band)
        shapes = in_crs_of(dataset, pieces)
        operations = {name: name for name in ("sum", "mean", "count", "min")}
        found = cell_statistics(path, dataset, settings.band, shapes, operations).astype(float)
        cell = abs(dataset.transform.a * dataset.transform.e)
    if (found["min"] < 0).any():
        raise RasterError(
            f"{path} holds {found['min'].min():g} people in a cell of band {settings.band}: mark such cells as nodata."
        )
    if settings.unit == "count":
        return found["sum"].fillna(0.0).to_numpy(float)
    area = shapes.area.to_numpy(float)
    covered = np.divide(found["count"].to_numpy(float) * cell, area, out=np.zeros(len(area)), where=area > 0)
    people = found["mean"].to_numpy(float) * np.clip(covered, 0.0, 1.0) * area_m2 * _PER_M2[settings.unit]
    return np.asarray(np.nan_to_num(people))
