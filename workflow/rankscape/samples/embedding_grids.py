"""Embeddings of others as grids: rasters with a band a number, and Zarr stores; their means over footprints.

Zarr stores follow the convention `geoemb` (zarr-conventions/geo-embeddings) with `proj:` and `spatial:`; TESSERA's are
such stores.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from affine import Affine
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio.errors import RasterioError
from rasterio.windows import Window

from rankscape.foundation.errors import InputError, RasterError, brief_list
from rankscape.foundation.text_tables import key_of
from rankscape.samples.embedding_readers import check_quantised, dequantise_alphaearth, dequantise_tessera, marked
from rankscape.samples.settings import SuppliedSettings
from rankscape.scenes.rasters import brief, is_raster, open_raster
from rankscape.spatial.seams import moved, within_turn

_MAX_PIXELS, _MAX_BANDS = 1 << 36, 1 << 16
_AT_ONCE = 1 << 25
"""Numbers that are read at a time."""
_SIDES = 16
"""A footprint's side gets so many vertices before it is reprojected."""
_AXES = {
    "time": ("time", "t", "year"), "y": ("y", "northing", "latitude", "lat", "row"),
    "x": ("x", "easting", "longitude", "lon", "col"),
    "embedding": ("embedding", "embeddings", "band", "feature", "dim"),
}  # fmt: skip
"""Names of dimensions of Zarr stores."""
_SCALES = "scales"

Reader = Callable[[int, int, int, int], np.ndarray]
"""Takes top, bottom, left and right in cells; float32, shape (dims, rows, columns), NaN where nothing is known."""


@dataclass(frozen=True)
class EmbeddingGrid:
    """A grid with a vector a cell, north up."""

    name: str
    """File, for messages."""
    crs: CRS
    """Its CRS."""
    transform: Affine
    """Of its cells."""
    shape: tuple[int, int]
    """Rows and columns."""
    dims: int
    """Length of a vector."""
    read: Reader
    """Reads cells."""
    model: str | None = None
    """Model that the file names."""


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store or a group of one."""
    return path.is_dir() and any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


@contextlib.contextmanager
def open_grids(path: Path, settings: SuppliedSettings) -> Iterator[list[EmbeddingGrid]]:
    """Open a raster, or the groups of a Zarr store.

    Raises:
        InputError: If it cannot be read, has no CRS, is turned, or holds several times of which none is chosen.
    """
    if is_zarr(path):
        yield list(_zarr_grids(path, settings))
        return
    if settings.where:
        raise InputError(f"{path} is a raster, which has no rows: take `where` away, and name the files of one year.")
    with contextlib.ExitStack() as stack:
        dataset = stack.enter_context(open_raster(path, max_pixels=_MAX_PIXELS, max_bands=_MAX_BANDS))
        scales = None
        if settings.dequantise == "tessera":
            beside = path.with_name(f"{path.stem}_scales{path.suffix}")
            scales = stack.enter_context(open_raster(beside, max_pixels=_MAX_PIXELS))
            if scales.shape != dataset.shape or scales.transform != dataset.transform:
                raise RasterError(f"{beside} and {path} lie on different grids: get both again.")
        yield [_raster_grid(path, dataset, scales, settings)]


def _raster_grid(path: Path, dataset: Any, scales: Any, settings: SuppliedSettings) -> EmbeddingGrid:
    if dataset.crs is None:
        raise RasterError(f"{path} has no CRS, so that nobody knows where it lies: assign one (gdal_edit.py -a_srs).")
    is_bytes = all(dtype == "int8" for dtype in dataset.dtypes)
    zero_is_none = dataset.nodata == 0
    stated = list(zip(dataset.scales, dataset.offsets, strict=True))
    plain = settings.dequantise is not None or all(one == (1.0, 0.0) for one in stated)

    def read(top: int, bottom: int, left: int, right: int) -> np.ndarray:
        window = Window(left, top, right - left, bottom - top)
        try:
            values = dataset.read(window=window, masked=True)
            factors = None if scales is None else scales.read(1, window=window, masked=True)
        except RasterioError as error:
            raise RasterError(f"{path} cannot be read whole ({brief(error)}): get it again.") from None
        mask = np.ma.getmaskarray(values)
        hidden = mask.all(0) if zero_is_none else mask.any(0)
        raw = np.ma.getdata(values)
        if not plain:
            raw = raw * np.array([one[0] for one in stated])[:, None, None]
            raw = raw + np.array([one[1] for one in stated])[:, None, None]
        factors = None if factors is None else np.ma.filled(factors.astype(np.float32), np.nan)
        found = _numbers(str(path), raw, factors, settings, is_bytes=is_bytes)
        return np.where(hidden, np.float32(np.nan), found)

    tags = {key.casefold(): value for key, value in dataset.tags().items()}
    model = " ".join(tags[key] for key in ("model", "version", "year") if key in tags) or None
    return _north_up(str(path), CRS(dataset.crs.to_wkt()), dataset.transform, dataset.shape, dataset.count, read, model)


def _numbers(
    name: str, raw: np.ndarray, scales: np.ndarray | None, settings: SuppliedSettings, *, is_bytes: bool
) -> np.ndarray:
    """Numbers of cells, shape (dims, rows, columns)."""
    check_quantised(raw, settings.dequantise, name, is_bytes=is_bytes)
    if settings.dequantise == "alphaearth":
        raw = dequantise_alphaearth(raw)
    elif scales is not None:
        raw = np.moveaxis(dequantise_tessera(np.moveaxis(raw, 0, -1), scales), -1, 0)
    found = marked(np.moveaxis(raw.astype(np.float32, copy=False), 0, -1), settings.nodata, name)
    return np.moveaxis(found, -1, 0)


def _north_up(
    name: str, crs: CRS, transform: Affine, shape: tuple[int, int], dims: int, read: Reader, model: str | None
) -> EmbeddingGrid:
    """A grid whose rows run from the north: those of files that are south up are read in turn."""
    if transform.b or transform.d or transform.a <= 0 or not transform.e:
        raise RasterError(f"{name} is turned or mirrored (transform {tuple(transform)[:6]}): warp it (gdalwarp).")
    if transform.e < 0:
        return EmbeddingGrid(name, crs, transform, shape, dims, read, model)
    rows = shape[0]

    def flipped(top: int, bottom: int, left: int, right: int) -> np.ndarray:
        return read(rows - bottom, rows - top, left, right)[:, ::-1]

    upright = Affine(transform.a, 0, transform.c, 0, -transform.e, transform.f + rows * transform.e)
    return EmbeddingGrid(name, crs, upright, shape, dims, flipped, model)


def _zarr_grids(path: Path, settings: SuppliedSettings) -> Iterator[EmbeddingGrid]:
    try:
        import zarr
        from zarr.errors import BaseZarrError
    except ImportError:
        raise InputError(f"{path} is a Zarr store: install its reader, pip install 'rankscape[zarr]'.") from None
    try:
        root: Any = zarr.open(path, mode="r")
        groups = _groups(root, {}) if isinstance(root, zarr.Group) else []
        found = [(array, about, group) for group, about in groups for _, array in group.arrays() if _axes(array)]
        several = [f"{group.path}/{array.name}" for array, _, group in found]
        if not found or len({group.path for _, _, group in found}) < len(found):
            what = f"several in one group: {brief_list(several)}" if found else "none"
            raise InputError(
                f"{path}: one array with the dimensions time, embedding, y, x is needed in a group; there are {what}."
            )
        yield from (_zarr_grid(path, array, about, group, settings) for array, about, group in found)
    except (BaseZarrError, ValueError, KeyError, OSError) as error:
        raise InputError(f"{path} cannot be read as a Zarr store ({brief(error)}): get it again.") from None


def _groups(group: Any, above: Mapping[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
    """A group and those in it, with their attributes and those of the groups above."""
    about = {**above, **dict(group.attrs)}
    return [(group, about), *(one for _, inner in group.groups() for one in _groups(inner, about))]


def _named(array: Any) -> dict[str, int]:
    """Number of each axis whose name is known."""
    names = array.metadata.dimension_names or array.attrs.get("_ARRAY_DIMENSIONS") or ()
    return {
        kind: place for place, name in enumerate(names) for kind, words in _AXES.items() if str(name).lower() in words
    }


def _axes(array: Any) -> dict[str, int]:
    """Number of each axis by what it is; none where it is no array of embeddings."""
    known = _named(array)
    if not known and array.ndim == len(_AXES):
        known = {"time": 0, "embedding": 1, "y": 2, "x": 3}
    return known if {"embedding", "y", "x"} <= set(known) and len(known) == array.ndim else {}


def _zarr_grid(
    path: Path, array: Any, about: Mapping[str, Any], group: Any, settings: SuppliedSettings
) -> EmbeddingGrid:
    name, own = f"{path}/{group.path}".rstrip("/"), {**about, **dict(array.attrs)}
    axes = _axes(array)
    rows, cols, dims = (int(array.shape[axes[axis]]) for axis in ("y", "x", "embedding"))
    stated = own.get("geoemb:dimensions", dims)
    if stated != dims:
        raise InputError(f"{name} has vectors of {dims} numbers, and says geoemb:dimensions = {stated}: get it again.")
    time = _time(name, array, group, axes, settings)
    scales = group[_SCALES] if settings.dequantise == "tessera" and _SCALES in group else None
    if settings.dequantise == "tessera" and scales is None:
        raise InputError(f"{name}: bytes of TESSERA need the array `scales`; there is none.")
    left_axes = [kind for kind in sorted(axes, key=axes.__getitem__) if kind != "embedding"]
    of_scales = None if scales is None else _named(scales) or dict(zip(left_axes, range(3), strict=False))

    def part(given: Any, kinds: Mapping[str, int], window: tuple[int, int, int, int]) -> np.ndarray:
        """Cells of one time, in the order embedding, y, x."""
        top, bottom, left, right = window
        wanted = {"time": slice(time, time + 1), "y": slice(top, bottom), "x": slice(left, right)}
        by_place = sorted(kinds, key=kinds.__getitem__)
        found = np.asarray(given[tuple(wanted.get(kind, slice(None)) for kind in by_place)])
        found = found.transpose([kinds[kind] for kind in ("time", "embedding", "y", "x") if kind in kinds])
        return found[0] if "time" in kinds else found

    def read(*window: int) -> np.ndarray:
        raw = part(array, axes, window)  # type: ignore[arg-type]
        factors = None if of_scales is None else part(scales, of_scales, window)  # type: ignore[arg-type]
        return _numbers(name, raw, factors, settings, is_bytes=array.dtype == np.int8)

    return _north_up(
        name, _crs(name, own), _transform(name, own, group, (rows, cols), array, axes), (rows, cols), dims, read,
        str(own["geoemb:model"]) if "geoemb:model" in own else None,
    )  # fmt: skip


def _time(name: str, array: Any, group: Any, axes: Mapping[str, int], settings: SuppliedSettings) -> int:
    """Which time is read: the only one, or the one of the year that is asked for."""
    strange = sorted(set(settings.where) - {"year"})
    if strange:
        raise InputError(f"{name}: `where` of a Zarr store takes a year; {strange} are none.")
    if "time" not in axes:
        if settings.where:
            raise InputError(f"{name} has no dimension of time: take `where` away.")
        return 0
    dimension = (array.metadata.dimension_names or ("time",) * array.ndim)[axes["time"]]
    years = _years(group[dimension]) if dimension in group else []
    if "year" not in settings.where:
        if array.shape[axes["time"]] > 1:
            there = brief_list(years) if years else f"{array.shape[axes['time']]} times without a coordinate"
            raise InputError(
                f"{name} holds embeddings of several years ({there}): choose one with where: {{year: ...}}"
            )
        return 0
    found = [place for place, year in enumerate(years) if key_of(year) == key_of(settings.where["year"])]
    if len(found) != 1:
        there = brief_list(years) or "no years"
        raise InputError(f"{name}: {len(found)} times are of the year {settings.where['year']}; there are {there}.")
    return found[0]


def _years(times: Any) -> list[int]:
    """Years of a coordinate: numbers such as 2020, or dates since an origin (CF conventions)."""
    values, unit = np.asarray(times[:]), str(times.attrs.get("units", ""))
    if values.dtype.kind == "M":
        return [int(str(one)[:4]) for one in values.astype("datetime64[Y]")]
    if " since " in unit:
        step, _, origin = unit.partition(" since ")
        code: Any = {"days": "D", "hours": "h", "minutes": "m", "seconds": "s", "nanoseconds": "ns"}[step.strip()]
        return list((pd.Timestamp(origin.strip()) + pd.to_timedelta(values, unit=code)).year)
    return [int(one) for one in values]


def _crs(name: str, about: Mapping[str, Any]) -> CRS:
    for key in ("proj:code", "proj:wkt2", "proj:projjson", "crs"):
        if about.get(key):
            try:
                return CRS.from_user_input(about[key])
            except CRSError:
                raise InputError(
                    f"{name} names the CRS {key} = {about[key]!r}, which does not exist: mend it."
                ) from None
    raise InputError(f"{name} has no CRS (proj:code, proj:wkt2 or proj:projjson): assign one.")


def _transform(
    name: str, about: Mapping[str, Any], group: Any, shape: tuple[int, int], array: Any, axes: Mapping[str, int]
) -> Affine:
    """Of cells: as the attributes state it, by the bounds, or by coordinates of the cells' centres."""
    if about.get("spatial:registration", "pixel") != "pixel":
        raise InputError(f"{name}: spatial:registration = {about['spatial:registration']!r} is not read, only pixel.")
    for key in ("spatial:transform", "proj:transform"):
        if about.get(key):
            return Affine(*[float(one) for one in about[key][:6]])
    names = array.metadata.dimension_names or ()
    lines = [names[axes[axis]] if names else axis for axis in ("x", "y")]
    if all(line in group and group[line].shape[0] > 1 for line in lines):
        x, y = (np.asarray(group[line][:], float) for line in lines)
        wide, high = (float(one[-1] - one[0]) / (len(one) - 1) for one in (x, y))
        even = np.allclose(np.diff(x), wide, rtol=1e-3) and np.allclose(np.diff(y), high, rtol=1e-3)
        if not even:
            raise InputError(f"{name}: coordinates of cells are not evenly spaced: warp the store to a grid.")
        return Affine(wide, 0, x[0] - wide / 2, 0, high, y[0] - high / 2)
    if about.get("spatial:bbox"):
        west, south, east, north = map(float, about["spatial:bbox"][:4])
        return Affine((east - west) / shape[1], 0, west, 0, (south - north) / shape[0], north)
    raise InputError(f"{name} says nowhere where its cells lie: spatial:transform, or coordinates x and y, is needed.")


def grid_means(grid: EmbeddingGrid, footprints: gpd.GeoSeries) -> tuple[np.ndarray, np.ndarray]:
    """Average a grid's vectors over footprints, each cell weighted by the area of it that lies inside.

    In a geographic CRS a cell weighs by the cosine of its latitude. A cell counts if all its numbers are known.

    Args:
        grid: The grid.
        footprints: Polygons with a CRS.

    Returns:
        float64, shape (footprints, dims), NaN where nothing is known; and the share of each footprint that is covered
        with known vectors, shape (footprints,).

    Raises:
        RasterError: If the grid cannot be read, or holds infinite numbers.
    """
    shapes = within_turn(moved(_dense(footprints), grid.crs), grid.transform.c).to_numpy()
    means, coverage = np.full((len(shapes), grid.dims), np.nan), np.zeros(len(shapes))
    for place, shape in enumerate(shapes):
        window = _window(grid, shape)
        if window is None:
            continue
        total, weight, known = _sum_over(grid, shape, window)
        if weight > 0:
            means[place] = total / weight
            coverage[place] = min(known / (shapely.area(shape) / abs(grid.transform.a * grid.transform.e)), 1.0)
    return means, coverage


def _dense(footprints: gpd.GeoSeries) -> gpd.GeoSeries:
    side = float(np.sqrt(np.median(shapely.area(footprints.to_numpy()))))
    return footprints.segmentize(side / _SIDES)


def _window(grid: EmbeddingGrid, shape: shapely.Geometry) -> tuple[int, int, int, int] | None:
    """Top, bottom, left and right of the cells around a shape; None where it lies outside the grid."""
    if shape is None or shape.is_empty:
        return None
    west, south, east, north = shape.bounds
    at, rows, cols = grid.transform, *grid.shape
    left, right = max(int(np.floor((west - at.c) / at.a)), 0), min(int(np.ceil((east - at.c) / at.a)), cols)
    top, bottom = max(int(np.floor((north - at.f) / at.e)), 0), min(int(np.ceil((south - at.f) / at.e)), rows)
    return (top, bottom, left, right) if top < bottom and left < right else None


def _sum_over(
    grid: EmbeddingGrid, shape: shapely.Geometry, window: tuple[int, int, int, int]
) -> tuple[np.ndarray, float, float]:
    """Weighted sum of the vectors within a shape, the sum of the weights, and how many cells are known."""
    top, bottom, left, right = window
    inside = _shares(grid, shape, window)
    rows = max(_AT_ONCE // max(grid.dims * (right - left), 1), 1)
    total, weight, known = np.zeros(grid.dims), 0.0, 0.0
    for start in range(top, bottom, rows):
        end = min(start + rows, bottom)
        share = inside[start - top : end - top]
        cells = grid.read(start, end, left, right)
        if np.isinf(cells).any():
            raise RasterError(f"{grid.name} holds infinite numbers: mark them as nodata, or get it again.")
        seen = np.where(np.isfinite(cells).all(0), share, 0.0)
        heavy = seen * _row_weights(grid, start, end)[:, None]
        total += np.einsum("dyx,yx->d", np.nan_to_num(cells.astype(np.float64)), heavy)
        weight, known = weight + float(heavy.sum()), known + float(seen.sum())
    return total, weight, known


def _row_weights(grid: EmbeddingGrid, start: int, end: int) -> np.ndarray:
    if not grid.crs.is_geographic:
        return np.ones(end - start)
    latitude = grid.transform.f + (np.arange(start, end) + 0.5) * grid.transform.e
    return np.asarray(np.cos(np.radians(latitude * grid.crs.axis_info[0].unit_conversion_factor * 180 / np.pi)))


def _shares(grid: EmbeddingGrid, shape: shapely.Geometry, window: tuple[int, int, int, int]) -> np.ndarray:
    """Share of each cell of a window that lies within a shape."""
    top, bottom, left, right = window
    at, wkt = grid.transform, grid.crs.to_wkt()
    source = NumPyRasterSource(
        np.zeros((bottom - top, right - left)), xmin=at.c + left * at.a, xmax=at.c + right * at.a,
        ymin=at.f + bottom * at.e, ymax=at.f + top * at.e, srs_wkt=wkt,
    )  # fmt: skip
    found = exact_extract(source, gpd.GeoDataFrame(geometry=[shape], crs=wkt), ["cell_id", "coverage"], output="pandas")
    shares = np.zeros((bottom - top) * (right - left))
    shares[np.asarray(found["cell_id"][0], np.int64)] = found["coverage"][0]
    return shares.reshape(bottom - top, right - left)


def is_grid(path: Path) -> bool:
    """Whether a file or folder is read as a grid."""
    return is_zarr(path) or is_raster(path)
