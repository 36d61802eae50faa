"""Rasters over shapes: means by area, weights of land cover classes, and people.

Every cell counts by the share of it that lies inside a shape (exactextract); no cell is resampled.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from exactextract import exact_extract
from exactextract.raster import RasterioRasterSource, RasterSource
from rasterio.errors import RasterioError

from rankscape.foundation.errors import RasterError, brief_list
from rankscape.samples.settings import PopulationUnit, ReferenceSettings
from rankscape.samples.validity import Validity, validity_of
from rankscape.scenes.rasters import brief, open_raster
from rankscape.spatial.seams import moved, within_turn

_MAX_PIXELS = 1 << 36
"""References may cover the globe at 90 m; only the windows of the footprints are read."""
_CLASSES_SHOWN = 10
_SIDES = 16
"""A footprint's side gets so many vertices before it is reprojected."""
_PER_M2 = {"per_ha": 1e-4, "per_km2": 1e-6}


def area_means(reference: ReferenceSettings, footprints: gpd.GeoSeries) -> pd.DataFrame:
    """Average a reference raster over footprints, each cell weighted by the area of it that lies inside.

    Footprints are densified and reprojected into the raster's CRS, so that no cell is resampled. In a geographic CRS
    a cell weighs by its area on the sphere. Cells without data count neither in the mean nor in the coverage. Where the
    reference names classes, the mean is that of the classes' weights, and a class without a weight is no data.

    Args:
        reference: The raster, its band, its classes, and the transform that the values are to be fit for.
        footprints: Polygons with a CRS, one a patch.

    Returns:
        One row a footprint: `value` (float64, the raster's unit, not transformed; NaN where nothing is covered),
        `coverage` (float64, share of the footprint's area with data, in [0, 1]), `lowest` and `highest` (float64,
        of the cells that the footprint touches).

    Raises:
        RasterError: If the raster cannot be read, has no CRS, no such band, or is turned; if it holds
            negative values although its transform is `log1p`; or if it holds classes that the reference does not name.
    """
    path = Path(reference.path)
    with open_raster(path, max_pixels=_MAX_PIXELS, max_bands=1 << 16) as dataset:
        check_raster(path, dataset, reference.band)
        shapes = _in_crs_of(dataset, footprints)
        statistics = (
            _extract(path, dataset, reference, shapes)
            if reference.classes is None
            else _extract_classes(path, dataset, reference, shapes)
        )
    if reference.transform == "log1p":
        _check_not_negative(path, reference, statistics["min"])
    return pd.DataFrame(
        {
            "value": statistics["mean"].to_numpy(float), "coverage": _coverage(dataset, statistics["count"], shapes),
            "lowest": statistics["min"].to_numpy(float), "highest": statistics["max"].to_numpy(float),
        }
    )  # fmt: skip


def people_on(
    path: Path, band: int, unit: PopulationUnit, pieces: gpd.GeoSeries, area_m2: np.ndarray, nodata: float | None = None
) -> np.ndarray:
    """Count the people on pieces of a region; each cell counts by the share of it that lies inside.

    Of counts, the count times that share is added up. Of densities, the mean over the cells inside times the area with
    data. A cell without data holds nobody: rasters of population leave uninhabited areas empty.

    Args:
        path: The raster.
        band: Its band.
        unit: What a cell says.
        pieces: Polygons with a CRS.
        area_m2: Their areas on the ground, shape (pieces,).
        nodata: Value that stands for unknown although the file does not say so.

    Returns:
        People, float64, shape (pieces,); 0 where the raster has no data.

    Raises:
        RasterError: If the raster cannot be read, has no CRS, no such band, is turned, or holds a negative value.
    """
    if pieces.empty:
        return np.zeros(0)
    with open_raster(path, max_pixels=_MAX_PIXELS, max_bands=1 << 16) as dataset:
        check_raster(path, dataset, band)
        shapes = _in_crs_of(dataset, pieces)
        operations = {name: name for name in ("sum", "mean", "count", "min")}
        found = cell_statistics(path, _Cells(dataset, band, Validity(nodata)), shapes, operations).astype(float)
    if (found["min"] < 0).any():
        raise RasterError(
            f"{path} holds {found['min'].min():g} people in a cell of band {band}: set `nodata`, or mark such cells."
        )
    if unit == "count":
        return found["sum"].fillna(0.0).to_numpy(float)
    people = found["mean"].to_numpy(float) * _coverage(dataset, found["count"], shapes) * area_m2 * _PER_M2[unit]
    return np.asarray(np.nan_to_num(people))


def check_raster(path: Path, dataset: Any, band: int) -> None:
    """Check that a raster can be averaged over shapes: it has a CRS, the band, and is neither turned nor mirrored."""
    if dataset.crs is None:
        raise RasterError(f"{path} has no CRS, so that nobody knows where it lies: assign one (gdal_edit.py -a_srs).")
    if band > dataset.count:
        raise RasterError(f"{path} has {dataset.count} bands, but band = {band} was asked for: mend the reference.")
    across, _, _, _, down, _ = tuple(dataset.transform)[:6]
    if dataset.transform.b or dataset.transform.d or across <= 0 or not down:
        raise RasterError(
            f"{path} is turned or mirrored (transform {tuple(dataset.transform)[:6]}): warp it (gdalwarp)."
        )


def _in_crs_of(dataset: Any, footprints: gpd.GeoSeries) -> gpd.GeoSeries:
    """Densify shapes and reproject them into a raster's CRS; those that it cannot hold are empty.

    A shape across the edge of a raster of the world is in two parts, one at either side.
    """
    side = float(np.sqrt(np.median(shapely.area(footprints.to_numpy()))))
    return within_turn(moved(footprints.segmentize(side / _SIDES), dataset.crs), dataset.bounds.left)


def _extract(path: Path, dataset: Any, reference: ReferenceSettings, shapes: gpd.GeoSeries) -> pd.DataFrame:
    """Statistics `mean`, `count` (cells with data), `min` and `max` of each footprint; NaN and 0 where it is empty."""
    operations = {"mean": f"mean({_weight(dataset)})", "count": "count", "min": "min", "max": "max"}
    cells = _Cells(dataset, reference.band, validity_of(reference))
    return cell_statistics(path, cells, shapes, operations).astype(float).fillna({"count": 0.0})


def _extract_classes(path: Path, dataset: Any, reference: ReferenceSettings, shapes: gpd.GeoSeries) -> pd.DataFrame:
    """Statistics as of `_extract`, of the weights of the classes."""
    operations = {"class": f"unique({_weight(dataset)})", "share": f"frac({_weight(dataset)})", "count": "count"}
    found = cell_statistics(path, _Cells(dataset, reference.band, validity_of(reference)), shapes, operations)
    empty = np.zeros(0)
    classes = [own if isinstance(own, np.ndarray) else empty for own in found["class"]]
    shares = [own if isinstance(own, np.ndarray) else empty for own in found["share"]]
    weights = _class_weights(path, reference.classes or {}, classes)
    means = [_weighed(weights, *pair) for pair in zip(classes, shares, strict=True)]
    frame = pd.DataFrame(means, columns=["mean", "known"], index=found.index)
    count = found["count"].astype(float).fillna(0.0) * frame["known"]
    return pd.DataFrame({"mean": frame["mean"], "count": count, "min": frame["mean"], "max": frame["mean"]})


def _class_weights(path: Path, given: Mapping[int, float | None], classes: Sequence[np.ndarray]) -> dict[float, float]:
    """Weight by class; NaN for a class that does not count."""
    strange = sorted({float(one) for own in classes for one in np.unique(own)} - set(map(float, given)))
    if strange:
        names = brief_list([f"{one:g}" for one in strange], _CLASSES_SHOWN)
        raise RasterError(
            f"{path} holds the classes {names}, which the reference's classes do not name: give each a weight, or null "
            "where it does not count."
        )
    return {float(one): np.nan if weight is None else weight for one, weight in given.items()}


def _weighed(weights: Mapping[float, float], classes: np.ndarray, shares: np.ndarray) -> tuple[float, float]:
    """Mean weight over the classes that count, and the share of the area with data that they take."""
    own = np.array([weights[float(one)] for one in classes])
    counts = np.isfinite(own)
    known = float(shares[counts].sum())
    return (float((own * shares)[counts].sum() / known) if known > 0 else np.nan), known


def _weight(dataset: Any) -> str:
    """How a cell weighs: by its area on the sphere in a geographic CRS, else by the share of it that lies inside."""
    return f"coverage_weight={'area_spherical_m2' if dataset.crs.is_geographic else 'fraction'}"


class _Cells(RasterioRasterSource):  # type: ignore[misc]
    """Cells of a band, of which only those with data count: by mask, nodata mark, alpha, NaN, and the settings.

    Files whose rows run from the south are read in turn.
    """

    def __init__(self, dataset: Any, band: int, validity: Validity) -> None:
        super().__init__(dataset, band)
        self.validity = validity
        self.south_up = dataset.transform.e > 0

    def res(self) -> tuple[float, float]:
        """Return the sides of a cell."""
        return self.ds.transform.a, abs(self.ds.transform.e)

    def extent(self) -> tuple[float, float, float, float]:
        """Return left, bottom, right and top."""
        left, bottom, right, top = self.ds.bounds
        return left, min(bottom, top), right, max(bottom, top)

    def nodata_value(self) -> None:
        """Say nothing: cells without data are NaN as they are read."""

    def read_window(self, x0: int, y0: int, nx: int, ny: int) -> Any:
        """Read cells as float64, those without data NaN."""
        cells = super().read_window(x0, self.ds.height - y0 - ny if self.south_up else y0, nx, ny)
        found = np.where(np.ma.getmaskarray(cells), np.nan, self.validity.applied(np.ma.getdata(cells)))
        return np.ascontiguousarray(found[::-1]) if self.south_up else found


def cell_statistics(
    path: Path, cells: RasterSource, shapes: gpd.GeoSeries, operations: Mapping[str, str]
) -> pd.DataFrame:
    """Compute operations of exactextract over shapes in the raster's CRS, each cell by the share that lies inside.

    Args:
        path: The raster's file, for messages.
        cells: Its cells.
        shapes: Polygons in its CRS.
        operations: exactextract's operations by name.

    Returns:
        The results by name, a row a shape; missing where it is empty.

    Raises:
        RasterError: If the raster cannot be read whole.
    """
    present = ~shapes.is_empty.to_numpy()
    result = pd.DataFrame(index=range(len(shapes)), columns=list(operations), dtype=object)
    if not present.any():
        return result
    named = [f"{name}={operation}" for name, operation in operations.items()]
    try:
        found = exact_extract(cells, gpd.GeoDataFrame(geometry=shapes[present]), named, output="pandas")
    except RasterioError as error:
        raise RasterError(f"{path} cannot be read whole ({brief(error)}): get it again.") from None
    for name in operations:
        result.loc[present, name] = pd.Series(list(found[name]), index=result.index[present], dtype=object)
    return result


def _check_not_negative(path: Path, reference: ReferenceSettings, lowest: pd.Series) -> None:
    if (lowest < 0).any():
        raise RasterError(
            f"{path} holds {lowest.min():g} in band {reference.band}, and transform = log1p takes no negative "
            "values: set `nodata`, `valid_range` or clip: [0, null], or set the transform to none."
        )


def _coverage(dataset: Any, cells: pd.Series, shapes: gpd.GeoSeries) -> np.ndarray:
    area = shapely.area(shapes.to_numpy()) / abs(dataset.transform.a * dataset.transform.e)
    share = np.divide(cells.to_numpy(float), area, out=np.zeros(len(area)), where=area > 0)
    return np.asarray(np.clip(share, 0.0, 1.0))
