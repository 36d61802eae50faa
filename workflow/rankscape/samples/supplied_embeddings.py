"""Embeddings of others joined to the patches of a granule: by id, point, footprint, or as the mean of a grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from rankscape.foundation.errors import InputError, TableError, brief_list
from rankscape.foundation.progress import track
from rankscape.foundation.user_tables import keys, years_of
from rankscape.samples.embedding_grids import grid_means, is_grid, open_grids
from rankscape.samples.embedding_readers import EmbeddingTable, read_embeddings
from rankscape.samples.joins import keys_of_patches
from rankscape.samples.patches import row_col
from rankscape.samples.settings import SuppliedSettings
from rankscape.samples.vector_files import POLYGONS, in_first_shape, missing, where_they_lie
from rankscape.spatial.intersections import cut
from rankscape.spatial.seams import around, large_areas_m2

_KEYS = ("patch_id", "row_col")
_LAST_KEYS = ("id", "place", "place_id")
_ALIKE = 0.05
"""Means of one patch from two grids differ by a smaller share of their length, if they are of one model and year."""


@dataclass(frozen=True)
class Joined:
    """What became of the rows of embeddings."""

    by: str
    """`id`, `point`, `footprint` or `grid`."""
    rows: int
    """Rows of the tables that were asked for; grids are counted as files and groups."""
    unused: int
    """Rows that belong to no patch here."""
    doubled: int
    """Rows beyond the first of a patch: they are averaged."""
    lost: int
    """Rows without an embedding."""
    patches: int
    """Patches, usable or not."""
    embedded: int
    """Patches with an embedding."""
    too_little: int
    """Patches that are covered by less than `min_coverage`, and have none."""
    model: str | None
    """Model that the files name."""

    def __str__(self) -> str:
        return (
            f"{self.embedded:,} of {self.patches:,} patches have an embedding, joined by {self.by}; of {self.rows:,} "
            f"{'files' if self.by == 'grid' else 'rows'} {self.unused:,} are unused, {self.doubled:,} doubled, "
            f"{self.lost:,} without an embedding; {self.too_little:,} patches are covered too little"
        )


class Supplied(NamedTuple):
    """Embeddings of a granule's patches, and what became of the rows."""

    features: np.ndarray
    """float32, shape (patches, dims); NaN in rows of patches without an embedding."""
    report: Joined


def supplied_embeddings(settings: SuppliedSettings, patches: gpd.GeoDataFrame) -> Supplied:
    """Join embeddings of others to the patches of a granule.

    Args:
        settings: The files, and how they are read.
        patches: Index of one granule's patches, with footprints and a CRS.

    Raises:
        InputError: If a file cannot be read or used, versions are mixed, or no patch has an embedding.
    """
    files = settings.files()
    lacking = next((file for file in files if not file.exists()), None)
    if lacking is not None:
        raise InputError(f"{lacking} does not exist: make it first, or mend the path.")
    grids = [is_grid(file) for file in files]
    if any(grids) != all(grids):
        raise InputError(f"{settings.path} matches both tables and rasters: name one kind.")
    join = _of_grids if grids[0] else _of_tables
    found = join(settings, files, patches)
    if not found.report.embedded:
        raise TableError(f"{settings.path} gives no patch of {_granule(patches)} an embedding: {_why(found)}")
    return found


def _granule(patches: gpd.GeoDataFrame) -> str:
    return str(patches["granule"].iloc[0])


def _why(found: Supplied) -> str:
    if found.report.too_little:
        return f"it covers {found.report.too_little} patches, each by less than min_coverage: lower it."
    if found.report.rows and found.report.lost == found.report.rows:
        return "all its rows are without an embedding."
    return "it lies elsewhere: compare the coordinates and the CRS, or leave the granule out."


def _of_grids(settings: SuppliedSettings, files: Sequence[Path], patches: gpd.GeoDataFrame) -> Supplied:
    """Means of rasters or Zarr stores."""
    total: np.ndarray | None = None
    weight, count, unused, models, extents = np.zeros(len(patches)), 0, 0, list[str | None](), list[str]()
    for file in track(files, "join", unit="file"):
        with open_grids(file, settings) as grids:
            for grid in grids:
                means, coverage = grid_means(grid, patches.geometry)
                if total is not None and total.shape[1] != grid.dims:
                    raise InputError(f"{grid.name} has vectors of {grid.dims} numbers, others of {total.shape[1]}.")
                total = np.zeros_like(means) if total is None else total
                _check_alike(grid.name, settings.path, means, coverage, total, weight)
                total += np.nan_to_num(means) * coverage[:, None]
                weight, count = weight + coverage, count + 1
                unused += not coverage.any()
                models.append(grid.model)
                extents.append(where_they_lie(shapely.box(*_bounds(grid.transform, grid.shape)), grid.crs))
    _check_models(settings.path, models)
    assert total is not None
    if not weight.any():
        here = where_they_lie(shapely.box(*patches.total_bounds), patches.crs)
        raise TableError(
            f"{settings.path} covers no patch of {_granule(patches)}: it lies {brief_list(extents, 1)}, and the "
            f"patches {here}: its CRS is wrong, or the granule is to be left out."
        )
    known = weight >= settings.min_coverage
    features = np.full(total.shape, np.nan, np.float32)
    features[known] = total[known] / weight[known, None]
    few = int(((weight > 0) & ~known).sum())
    report = Joined("grid", count, unused, 0, 0, len(patches), int(known.sum()), few, _one(models))
    return Supplied(features, report)


def _bounds(at: Any, shape: tuple[int, int]) -> tuple[float, float, float, float]:
    return at.c, at.f + shape[0] * at.e, at.c + shape[1] * at.a, at.f


def _check_alike(
    name: str, path: str, means: np.ndarray, coverage: np.ndarray, total: np.ndarray, weight: np.ndarray
) -> None:
    """Refuse grids that show the same patches, and not the same there: they are of several years or models."""
    both = (coverage > 0.5) & (weight > 0.5)
    if not both.any():
        return
    others = total[both] / weight[both, None]
    apart = np.linalg.norm(means[both] - others, axis=1) / np.maximum(np.linalg.norm(others, axis=1), 1e-12)
    if np.median(apart) > _ALIKE:
        raise InputError(
            f"{name} and other files of {path} show the same {int(both.sum())} patches and differ there by "
            f"{100 * float(np.median(apart)):.0f} %: they are of several years or models; name the files of one."
        )


def _check_models(path: str, models: Sequence[str | None]) -> None:
    names = sorted({name for name in models if name})
    if len(names) > 1:
        raise TableError(f"{path} mixes embeddings of {brief_list(names, 4)}: name the files of one model and version.")


def _one(models: Sequence[str | None]) -> str | None:
    return next((name for name in models if name), None)


def _of_tables(settings: SuppliedSettings, files: Sequence[Path], patches: gpd.GeoDataFrame) -> Supplied:
    """Rows of tables, by id, point or footprint."""
    tables = [read_embeddings(file, settings) for file in files]
    widths = sorted({table.vectors.shape[1] for table in tables})
    if len(widths) > 1:
        raise TableError(f"{settings.path}: rows have {widths[0]} to {widths[-1]} numbers: all need one length.")
    _check_models(settings.path, [table.model for table in tables])
    table = tables[0] if len(tables) == 1 else _together(tables)
    known = np.isfinite(table.vectors).all(1)
    by, row, patch, weight, coverage = _places(settings, table, known, patches)
    width = len(patches)
    total = np.zeros((width, table.vectors.shape[1]))
    np.add.at(total, patch, table.vectors[row] * weight[:, None])
    heavy = np.bincount(patch, weight, minlength=width)
    enough = (heavy > 0) & (coverage >= settings.min_coverage)
    features = np.full(total.shape, np.nan, np.float32)
    features[enough] = total[enough] / heavy[enough, None]
    used = len(np.unique(row))
    report = Joined(
        by, len(table.frame), int(known.sum()) - used, 0 if by == "footprint" else used - len(np.unique(patch)),
        int((~known).sum()), width, int(enough.sum()), int(((heavy > 0) & ~enough).sum()), table.model,
    )  # fmt: skip
    return Supplied(features, report)


def _together(tables: Sequence[EmbeddingTable]) -> EmbeddingTable:
    """Tables as one, in one CRS."""
    first = tables[0].frame
    frames = [
        one.frame.to_crs(first.crs) if isinstance(first, gpd.GeoDataFrame) and isinstance(one.frame, gpd.GeoDataFrame)
        else one.frame
        for one in tables
    ]  # fmt: skip
    joined: pd.DataFrame = pd.concat(frames, ignore_index=True)
    return EmbeddingTable(joined, np.concatenate([one.vectors for one in tables]), _one([one.model for one in tables]))


class _Places(NamedTuple):
    """Pairs of a row and a patch."""

    by: str
    row: np.ndarray
    patch: np.ndarray
    weight: np.ndarray
    coverage: np.ndarray
    """Of every patch."""


def _places(settings: SuppliedSettings, table: EmbeddingTable, known: np.ndarray, patches: gpd.GeoDataFrame) -> _Places:
    """Which rows with an embedding belong to which patch."""
    path, frame = settings.path, table.frame
    key = settings.key or next(
        (name for name in _KEYS if name in frame.columns and _are_ours(frame, name, patches)), None
    )
    if key is None and not isinstance(frame, gpd.GeoDataFrame):
        key = next((name for name in _LAST_KEYS if name in frame.columns), None)
    if key is not None:
        return _by_key(path, frame, key, known, patches)
    if not isinstance(frame, gpd.GeoDataFrame):
        raise TableError(
            f"{path} says of no row where it lies: it needs the column patch_id, longitude and latitude, or "
            f"footprints; it has {brief_list(frame.columns)}. Name another column with `key`."
        )
    shapes = frame.geometry
    _check_one_year(path, frame)
    known = known & ~missing(shapes.to_numpy())
    kinds = set(shapes[known].geom_type)
    if kinds <= {"Point"}:
        return _by_point(path, gpd.GeoSeries(shapes[known]), np.flatnonzero(known), patches)
    if kinds <= set(POLYGONS):
        return _by_footprint(gpd.GeoSeries(shapes[known]), np.flatnonzero(known), patches)
    raise TableError(f"{path} holds {brief_list(sorted(kinds))}: points or polygons are needed, of one kind.")


def _are_ours(frame: pd.DataFrame, name: str, patches: gpd.GeoDataFrame) -> bool:
    """Whether a column of ids is of patches like these: others number their patches too, and say where they lie."""
    if not isinstance(frame, gpd.GeoDataFrame):
        return True
    own = patches["patch_id"] if name == "patch_id" else row_col(patches["patch_id"])
    return bool(keys(frame[name]).isin(own).any())


def _by_key(path: str, frame: pd.DataFrame, key: str, known: np.ndarray, patches: gpd.GeoDataFrame) -> _Places:
    if key not in frame.columns:
        raise TableError(f"{path} lacks the column {key!r} (`key`); it has {brief_list(frame.columns)}.")
    names = keys(frame[key])
    twice = names[names.notna() & names.duplicated()]
    if len(twice):
        raise TableError(
            f"{path}: {key} {twice.iloc[0]!r} stands in two rows ({len(twice)} such): keep one each, or choose with "
            "`where`."
        )
    wanted = keys_of_patches(patches, names, path, key)
    place = pd.Series(np.arange(len(names)), names)[known & names.notna().to_numpy()]
    row = place.reindex(wanted).to_numpy(float)
    there = np.flatnonzero(np.isfinite(row))
    coverage = np.isfinite(row).astype(float)
    return _Places("id", row[there].astype(np.int64), there, np.ones(len(there)), coverage)


def _by_point(path: str, points: gpd.GeoSeries, rows: np.ndarray, patches: gpd.GeoDataFrame) -> _Places:
    point, patch = in_first_shape(Path(path), points, patches.geometry)
    coverage = np.zeros(len(patches))
    coverage[patch] = 1
    return _Places("point", rows[point], patch, np.ones(len(point)), coverage)


def _by_footprint(shapes: gpd.GeoSeries, rows: np.ndarray, patches: gpd.GeoDataFrame) -> _Places:
    given = around(shapes.reset_index(drop=True), patches.geometry)
    pieces = cut([patches.geometry.set_axis(range(len(patches)))], given)
    # Footprints of chips may overlap: what counts is the share of a patch that any of them covers.
    area = np.bincount(pieces.patch, pieces.area_m2, minlength=len(patches))
    coverage = np.clip(area / large_areas_m2(patches.geometry), 0, 1)
    return _Places("footprint", rows[pieces.district], pieces.patch, pieces.area_m2, coverage)


def _check_one_year(path: str, frame: gpd.GeoDataFrame) -> None:
    """Refuse places that are there in several years: their mean would be of none."""
    years = years_of(frame)
    if years is None or years.nunique() < 2:
        return
    several = pd.Series(frame.geometry.to_wkb()).groupby(pd.Series(frame.geometry.to_wkb())).transform("size") > 1
    if several.any():
        there = sorted(years.dropna().unique())
        raise TableError(
            f"{path} shows places in several years, {brief_list(there, 6)}: choose one with where: "
            f"{{year: {there[-1]}}}"
        )
