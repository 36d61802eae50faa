"""Scores by district: means over patches by what each district has of them, their uncertainty, and a ranking."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer
from scipy.special import ndtri

from rankscape.evaluation.ranks import ranks_with_intervals
from rankscape.foundation.errors import RasterError, TableError
from rankscape.products.agreement.paired_samples import rows_of
from rankscape.products.districts.population import people_on
from rankscape.products.districts.settings import COLUMNS, DistrictSettings
from rankscape.samples.overlap import distinct_places
from rankscape.spatial.correlated_errors import Shares, covariance
from rankscape.spatial.geometry import centres, large_areas_m2, plane_around
from rankscape.spatial.intersections import Pieces, cut
from rankscape.spatial.variogram import correlation_length

_GEOCENTRIC = "EPSG:4978"


@dataclass(frozen=True)
class Land:
    """Patches that count, each place once; numbered from 0."""

    footprints: tuple[gpd.GeoSeries, ...]
    """A series a granule in its own CRS, the index of each the numbers of its patches."""
    score: np.ndarray
    """float64, shape (patches,)."""
    score_std: np.ndarray
    """float64, shape (patches,); NaN where it is not known."""
    longitude: np.ndarray
    """Degrees of each patch's centre, float64, shape (patches,)."""
    latitude: np.ndarray
    """Degrees, likewise."""


@dataclass(frozen=True)
class Districts:
    """Districts with their scores."""

    table: gpd.GeoDataFrame
    """`COLUMNS`, the census columns, and geometry in WGS 84; one row a district, in the file's order."""
    weighting: str
    """`area` or `population`."""
    range_m: float
    """Range of the correlation of errors."""
    range_from: str
    """`settings`, `variogram` or `region`."""
    patches: int
    """Patches that count."""
    notes: tuple[str, ...]
    """What a reader should know, a sentence each."""


def read_land(scores: Sequence[Path], indices: Sequence[gpd.GeoDataFrame]) -> Land:
    """Bring scores and footprints together.

    A patch counts that is usable, has a score, and lies on land that no earlier granule shows.

    Args:
        scores: Score tables: patch_id, score, score_std.
        indices: Patch indices of the same granules.

    Raises:
        TableError: If a patch has no row in a score table, or two, or no patch has a score.
    """
    ids = pd.concat([index["patch_id"] for index in indices], ignore_index=True)
    found = rows_of(scores, ("score", "score_std"), ids, "scores").astype(float)
    usable = np.concatenate([index["usable"].to_numpy(bool) for index in indices])
    counts = np.concatenate(distinct_places(indices)) & usable & np.isfinite(found["score"].to_numpy())
    if not counts.any():
        raise TableError("--scores: no usable patch has a score, so that no district can have one.")
    number = np.cumsum(counts) - 1
    ends = np.cumsum([0, *map(len, indices)])
    kept = [
        index.geometry[counts[start:end]].set_axis(number[start:end][counts[start:end]])
        for index, start, end in zip(indices, ends[:-1], ends[1:], strict=True)
    ]
    longitude, latitude = np.concatenate([np.stack(centres(shapes, "EPSG:4326")) for shapes in kept], axis=1)
    score, score_std = found[counts].to_numpy().T
    return Land(tuple(shapes for shapes in kept if len(shapes)), score, score_std, longitude, latitude)


def score_districts(
    land: Land, polygons: gpd.GeoDataFrame, settings: DistrictSettings, *, threads: int = 1
) -> Districts:
    """Average the score over districts.

    score = Σ w s / Σ w over the patches that a district touches; w is the area of the part of the patch that lies in
    the district, or the people who live on that part. score_std is the root of w' Σ w (`covariance`), the interval is
    normal, cut at 0 and 1.

    Args:
        land: Patches with scores.
        polygons: Districts, as `read_polygons` returns them.
        settings: Weighting, correlation, intervals.
        threads: Threads that cut.

    Raises:
        TableError: If no district meets a patch.
        RasterError: If the population raster cannot be used, or holds nobody on any patch in a district.
    """
    people = None if settings.population is None else partial(people_on, settings.population)
    pieces = cut(land.footprints, polygons.geometry, people=people, threads=threads)
    if not len(pieces.patch):
        raise TableError(
            f"{settings.path}: none of its {len(polygons)} polygons meets a scored patch (region "
            f"{_span(land.longitude)} E, {_span(land.latitude)} N): check its CRS and its place."
        )
    if settings.population is not None and pieces.people is not None and not pieces.people.any():
        raise RasterError(f"{settings.population.path} holds nobody on any patch in a district: check CRS and extent.")
    table = _means(land, polygons, pieces, settings)
    range_m, range_from = _range(land, settings)
    table = _with_intervals(table, land, pieces, range_m, settings)
    ordered = table[[*COLUMNS, *settings.census, "geometry"]].to_crs("EPSG:4326")
    weighting = "area" if people is None else "population"
    notes = tuple(_notes(ordered, settings))
    return Districts(ordered, weighting, range_m, range_from, len(land.score), notes)


def _span(degrees: np.ndarray) -> str:
    return f"{degrees.min():.2f} to {degrees.max():.2f}"


def _weights(pieces: Pieces) -> np.ndarray:
    return pieces.area_m2 if pieces.people is None else pieces.people


def _means(land: Land, polygons: gpd.GeoDataFrame, pieces: Pieces, settings: DistrictSettings) -> gpd.GeoDataFrame:
    """Columns up to `score`; NaN where too little of a district is covered, or nobody lives there."""
    summed: Callable[[np.ndarray], np.ndarray] = partial(_summed, pieces.district, len(polygons))
    area = large_areas_m2(polygons.geometry)
    weight = summed(_weights(pieces))
    total = summed(_weights(pieces) * land.score[pieces.patch])
    covered = np.clip(summed(pieces.area_m2) / area, 0.0, 1.0)
    enough = (covered >= settings.min_covered_fraction) & (weight > 0)
    return polygons.assign(
        patches=np.bincount(pieces.district, minlength=len(polygons)),
        area_m2=area,
        covered_fraction=covered,
        population=np.nan if pieces.people is None else summed(pieces.people),
        score=np.divide(total, weight, out=np.full(len(polygons), np.nan), where=enough),
    )


def _summed(number: np.ndarray, count: int, values: np.ndarray) -> np.ndarray:
    return np.bincount(number, values, minlength=count)


def _range(land: Land, settings: DistrictSettings) -> tuple[float, str]:
    """Range of the correlation of errors, and what says so.

    Networks err by the look of land, so that errors are alike as far as looks are: the range of the score's own
    variogram stands for theirs. Without a variogram, all errors of the region count as alike.
    """
    if settings.correlation_range_m != "auto":
        return float(settings.correlation_range_m), "settings"
    centre = gpd.GeoSeries(shapely.points(land.longitude, land.latitude), crs="EPSG:4326")
    flat = centre.to_crs(plane_around("aeqd", centre))
    x, y = flat.x.to_numpy(float), flat.y.to_numpy(float)
    found = correlation_length(x, y, land.score, seed=settings.seed)
    if found is None:
        return float(100 * max(np.hypot(np.ptp(x), np.ptp(y)), 1.0)), "region"
    return found, "variogram"


def _with_intervals(
    table: gpd.GeoDataFrame, land: Land, pieces: Pieces, range_m: float, settings: DistrictSettings
) -> gpd.GeoDataFrame:
    score = table["score"].to_numpy(float)
    matrix = covariance(_shares(land, pieces, np.isfinite(score)), range_m)
    unknown = _summed(pieces.district, len(table), np.isnan(land.score_std[pieces.patch]).astype(float)) > 0
    matrix[unknown | np.isnan(score), unknown | np.isnan(score)] = np.nan
    std = np.sqrt(np.diag(matrix))
    ranks = ranks_with_intervals(
        score, matrix, confidence=settings.confidence, draws=settings.draws, seed=settings.seed
    )
    half = ndtri((1 + settings.confidence) / 2) * std
    whole = {"rank": ranks.rank, "rank_low": ranks.low, "rank_high": ranks.high}
    return table.assign(
        score_std=std, score_low=np.clip(score - half, 0.0, 1.0), score_high=np.clip(score + half, 0.0, 1.0),
        **{name: pd.array(values, dtype="Int64") for name, values in whole.items()},
    )  # fmt: skip


def _shares(land: Land, pieces: Pieces, scored: np.ndarray) -> Shares:
    """Weighted errors of the pieces in scored districts."""
    kept = scored[pieces.district]
    chosen = replace(
        pieces, district=pieces.district[kept], patch=pieces.patch[kept], area_m2=pieces.area_m2[kept],
        people=None if pieces.people is None else pieces.people[kept],
    )  # fmt: skip
    weight = _weights(chosen)
    total = _summed(chosen.district, len(scored), weight)
    to_metres = Transformer.from_crs("EPSG:4979", _GEOCENTRIC, always_xy=True)
    xyz = np.stack(to_metres.transform(land.longitude, land.latitude, np.zeros(len(land.latitude))), axis=1)
    mass = weight / total[chosen.district] * np.nan_to_num(land.score_std[chosen.patch])
    return Shares(chosen.district, xyz[chosen.patch], mass, len(scored))


def _notes(table: gpd.GeoDataFrame, settings: DistrictSettings) -> list[str]:
    """What a reader should know of districts without a score or without an interval."""
    outside = table["covered_fraction"] == 0
    thin = ~outside & (table["covered_fraction"] < settings.min_covered_fraction)
    empty = ~outside & ~thin & table["score"].isna()
    loose = table["score"].notna() & table["score_std"].isna()
    words = {
        "lie outside the region": outside,
        f"are covered to less than {settings.min_covered_fraction:.0%} by scored patches": thin,
        "have no people in the population raster": empty,
        "have patches without score_std, so that no interval can be given": loose,
    }
    return [
        f"{mask.sum()} of {len(table)} districts {what}: {', '.join(table['district'][mask])}."
        for what, mask in words.items() if mask.any()
    ]  # fmt: skip
