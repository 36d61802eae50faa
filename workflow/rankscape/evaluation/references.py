"""A reference raster, averaged by area over the footprint of every patch."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from exactextract import exact_extract
from exactextract.raster import RasterioRasterSource
from rasterio.errors import RasterioError

from rankscape.foundation.errors import RasterError
from rankscape.foundation.settings.evaluation import ReferenceSettings
from rankscape.scenes.rasters import brief, open_raster

_MAX_PIXELS = 1 << 36
"""References may cover the globe at 90 m; only the windows of the footprints are read."""
_SIDES = 16
"""A footprint's side is cut into so many pieces before it is bent into another CRS."""


def area_means(reference: ReferenceSettings, footprints: gpd.GeoSeries) -> pd.DataFrame:
    """Average a reference raster over footprints, each cell weighted by the area of it that lies inside.

    Footprints are densified and reprojected into the raster's CRS, so that no cell is resampled. In a geographic CRS
    a cell weighs by its area on the sphere. Cells without data count neither in the mean nor in the coverage.

    Args:
        reference: The raster, its band, and the transform that the values are to be fit for.
        footprints: Polygons with a CRS, one a patch.

    Returns:
        One row a footprint: `value` (float64, the raster's unit, not transformed; NaN where nothing is covered) and
        `coverage` (float64, share of the footprint's area with data, in [0, 1]).

    Raises:
        RasterError: If the raster cannot be read, has no CRS, no such band, or is not north up; or if it holds
            negative values although its transform is `log1p`.
    """
    path = Path(reference.path)
    with open_raster(path, max_pixels=_MAX_PIXELS, max_bands=1 << 16) as dataset:
        _check(path, dataset, reference.band)
        shapes = _in_crs_of(dataset, footprints)
        statistics = _extract(path, dataset, reference.band, shapes)
    if reference.transform == "log1p":
        _check_not_negative(path, reference, statistics["min"])
    value = statistics["mean"].to_numpy(float)
    return pd.DataFrame({"value": value, "coverage": _coverage(dataset, statistics["count"], shapes)})


def _check(path: Path, dataset: Any, band: int) -> None:
    if dataset.crs is None:
        raise RasterError(f"{path} has no CRS, so that nobody knows where it lies: assign one (gdal_edit.py -a_srs).")
    if band > dataset.count:
        raise RasterError(f"{path} has {dataset.count} bands, but band = {band} was asked for: mend the reference.")
    across, _, _, _, down, _ = tuple(dataset.transform)[:6]
    if dataset.transform.b or dataset.transform.d or across <= 0 or down >= 0:
        raise RasterError(f"{path} is not north up (transform {tuple(dataset.transform)[:6]}): warp it (gdalwarp).")


def _in_crs_of(dataset: Any, footprints: gpd.GeoSeries) -> gpd.GeoSeries:
    """Footprints in the raster's CRS; those that it cannot hold are empty."""
    side = float(np.sqrt(np.median(shapely.area(footprints.to_numpy()))))
    bent = footprints.segmentize(side / _SIDES).to_crs(dataset.crs)
    finite = np.isfinite(bent.bounds).all(axis=1).to_numpy()
    return bent.where(finite, shapely.Polygon())


def _extract(path: Path, dataset: Any, band: int, shapes: gpd.GeoSeries) -> pd.DataFrame:
    """Statistics `mean`, `count` (cells with data) and `min` of each footprint; NaN and 0 where it is empty."""
    weight = "area_spherical_m2" if dataset.crs.is_geographic else "fraction"
    operations = [f"mean=mean(coverage_weight={weight})", "count", "min"]
    present = ~shapes.is_empty.to_numpy()
    result = pd.DataFrame({"mean": np.nan, "count": 0.0, "min": np.nan}, index=range(len(shapes)))
    if not present.any():
        return result
    try:
        found = exact_extract(
            RasterioRasterSource(dataset, band), gpd.GeoDataFrame(geometry=shapes[present]), operations, output="pandas"
        )
    except RasterioError as error:
        raise RasterError(f"{path} cannot be read whole ({brief(error)}): get it again.") from None
    result.loc[present] = found[["mean", "count", "min"]].to_numpy(float)
    return result


def _check_not_negative(path: Path, reference: ReferenceSettings, lowest: pd.Series) -> None:
    if (lowest < 0).any():
        raise RasterError(
            f"{path} holds {lowest.min():g} in band {reference.band}, and transform = log1p takes no negative "
            "values: mark such cells as nodata, or set the transform to none."
        )


def _coverage(dataset: Any, cells: pd.Series, shapes: gpd.GeoSeries) -> np.ndarray:
    area = shapely.area(shapes.to_numpy()) / abs(dataset.transform.a * dataset.transform.e)
    share = np.divide(cells.to_numpy(float), area, out=np.zeros(len(area)), where=area > 0)
    return np.asarray(np.clip(share, 0.0, 1.0))
