"""Scores by district: weighted means, their uncertainty, a ranking, and how census columns agree with them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer
from scipy.special import ndtri

from rankscape.evaluation.correlation import is_constant, pearson, spearman
from rankscape.evaluation.intervals import described, pearson_interval, spearman_interval, squared
from rankscape.evaluation.ranks import ranks_with_intervals
from rankscape.foundation.errors import RasterError, TableError
from rankscape.products.districts.settings import COLUMNS, DistrictSettings, PopulationSettings
from rankscape.samples.joins import rows_of
from rankscape.samples.overlap import distinct_places
from rankscape.samples.zonal_statistics import people_on
from rankscape.spatial.correlated_errors import Shares, covariance
from rankscape.spatial.geometry import WGS84, centres, densified, plane_around
from rankscape.spatial.intersections import People, Pieces, cut
from rankscape.spatial.seams import in_degrees, large_areas_m2
from rankscape.spatial.variogram import correlation_length

SEED = 0
"""Seed of what is drawn by chance."""
_GEOCENTRIC = "EPSG:4978"


@dataclass(frozen=True)
class ScoredPatches:
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
class ScoredDistricts:
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


def read_patches(scores: Sequence[Path], indices: Sequence[gpd.GeoDataFrame]) -> ScoredPatches:
    """Bring scores and footprints together.

    A patch counts that is usable, has a score, and lies where no earlier granule has one.

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
    return ScoredPatches(tuple(shapes for shapes in kept if len(shapes)), score, score_std, longitude, latitude)


def score_districts(
    patches: ScoredPatches, polygons: gpd.GeoDataFrame, settings: DistrictSettings, *, threads: int = 1
) -> ScoredDistricts:
    """Average the score over districts.

    score = Σ w s / Σ w over the patches that a district touches; w is the area of the part of the patch that lies in
    the district, or the people who live on that part. score_std is the root of w' Σ w (`covariance`), the interval is
    normal, cut at 0 and 1.

    Args:
        patches: Patches with scores.
        polygons: Districts, as `read_polygons` returns them.
        settings: Weighting, correlation, intervals.
        threads: Threads that cut.

    Raises:
        TableError: If no district meets a patch.
        RasterError: If the population raster cannot be used, or holds nobody on any patch in a district.
    """
    people = _counting(settings.population)
    pieces = cut(patches.footprints, polygons.geometry, people=people, threads=threads)
    if not len(pieces.patch):
        raise TableError(
            f"{settings.path}: none of its {len(polygons)} polygons meets a scored patch (region "
            f"{_span(patches.longitude)} E, {_span(patches.latitude)} N): check its CRS and its place."
        )
    if settings.population is not None and pieces.people is not None and not pieces.people.any():
        raise RasterError(f"{settings.population.path} holds nobody on any patch in a district: check CRS and extent.")
    table = _means(patches, polygons, pieces, settings)
    range_m, range_from = _range(patches, settings)
    table = _with_intervals(table, patches, pieces, range_m, settings)
    ordered = table[[*COLUMNS, *settings.census, "geometry"]]
    ordered = ordered if ordered.crs.is_geographic else ordered.set_geometry(in_degrees(densified(ordered.geometry)))
    ordered = ordered.to_crs(WGS84)
    weighting = "area" if people is None else "population"
    notes = tuple(_notes(ordered, settings))
    return ScoredDistricts(ordered, weighting, range_m, range_from, len(patches.score), notes)


def _counting(population: PopulationSettings | None) -> People | None:
    if population is None:
        return None
    return partial(people_on, Path(population.path), population.band, population.unit, nodata=population.nodata)


def _span(degrees: np.ndarray) -> str:
    return f"{degrees.min():.2f} to {degrees.max():.2f}"


def _weights(pieces: Pieces) -> np.ndarray:
    return pieces.area_m2 if pieces.people is None else pieces.people


def _means(
    patches: ScoredPatches, polygons: gpd.GeoDataFrame, pieces: Pieces, settings: DistrictSettings
) -> gpd.GeoDataFrame:
    """Columns up to `score`; NaN where too little of a district is covered, or nobody lives there."""
    summed: Callable[[np.ndarray], np.ndarray] = partial(_summed, pieces.district, len(polygons))
    area = large_areas_m2(polygons.geometry)
    weight = summed(_weights(pieces))
    total = summed(_weights(pieces) * patches.score[pieces.patch])
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


def _range(patches: ScoredPatches, settings: DistrictSettings) -> tuple[float, str]:
    """Range of the correlation of errors, and what says so.

    Networks err by appearance, so that errors are correlated as far as appearances are: the range of the score's own
    variogram is taken for theirs. Without a variogram, all errors of the region count as equal.
    """
    if settings.correlation_range_m != "auto":
        return float(settings.correlation_range_m), "settings"
    centre = gpd.GeoSeries(shapely.points(patches.longitude, patches.latitude), crs="EPSG:4326")
    flat = centre.to_crs(plane_around("aeqd", centre))
    x, y = flat.x.to_numpy(float), flat.y.to_numpy(float)
    found = correlation_length(x, y, patches.score, seed=SEED)
    if found is None:
        return float(100 * max(np.hypot(np.ptp(x), np.ptp(y)), 1.0)), "region"
    return found, "variogram"


def _with_intervals(
    table: gpd.GeoDataFrame, patches: ScoredPatches, pieces: Pieces, range_m: float, settings: DistrictSettings
) -> gpd.GeoDataFrame:
    score = table["score"].to_numpy(float)
    matrix = covariance(_shares(patches, pieces, np.isfinite(score)), range_m)
    unknown = _summed(pieces.district, len(table), np.isnan(patches.score_std[pieces.patch]).astype(float)) > 0
    matrix[unknown | np.isnan(score), unknown | np.isnan(score)] = np.nan
    std = np.sqrt(np.diag(matrix))
    ranks = ranks_with_intervals(score, matrix, confidence=settings.confidence, draws=settings.draws, seed=SEED)
    half = ndtri((1 + settings.confidence) / 2) * std
    whole = {"rank": ranks.rank, "rank_low": ranks.low, "rank_high": ranks.high}
    return table.assign(
        score_std=std, score_low=np.clip(score - half, 0.0, 1.0), score_high=np.clip(score + half, 0.0, 1.0),
        **{name: pd.array(values, dtype="Int64") for name, values in whole.items()},
    )  # fmt: skip


def _shares(patches: ScoredPatches, pieces: Pieces, scored: np.ndarray) -> Shares:
    """Weighted errors of the pieces in scored districts."""
    kept = scored[pieces.district]
    chosen = replace(
        pieces, district=pieces.district[kept], patch=pieces.patch[kept], area_m2=pieces.area_m2[kept],
        people=None if pieces.people is None else pieces.people[kept],
    )  # fmt: skip
    weight = _weights(chosen)
    total = _summed(chosen.district, len(scored), weight)
    to_metres = Transformer.from_crs("EPSG:4979", _GEOCENTRIC, always_xy=True)
    xyz = np.stack(to_metres.transform(patches.longitude, patches.latitude, np.zeros(len(patches.latitude))), axis=1)
    mass = weight / total[chosen.district] * np.nan_to_num(patches.score_std[chosen.patch])
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


def comparisons(table: pd.DataFrame, settings: DistrictSettings) -> dict[str, dict[str, Any]]:
    """Compare every census column with the score.

    Args:
        table: Districts with `score` and the census columns, float64, NaN where there is none.
        settings: Census columns, draws, confidence, fewest districts.

    Returns:
        For each census column `title`, `log`, `n`, and `pearson` (of logarithms where the column asks for it),
        `spearman` and `r2_log`, each with `value`, `low` and `high` (None where it cannot be given); where nothing can
        be compared, `reason` instead.
    """
    return {
        name: {"title": census.title, "log": census.log, **_compared(table, name, census.log, settings)}
        for name, census in settings.census.items()
    }


def _compared(table: pd.DataFrame, name: str, log: bool, settings: DistrictSettings) -> dict[str, Any]:
    both = table[["score", name]].to_numpy(float)
    score, value = both[np.isfinite(both).all(axis=1)].T
    reason = _reason(score, value, settings)
    if reason is not None:
        return {"n": len(score), "reason": reason}
    plain = _estimates(score, value, settings)
    positive = (score > 0) & (value > 0)
    logs: dict[str, dict[str, float | None]] = dict.fromkeys(("pearson", "r2_log"), described(np.nan, None))
    if _reason(score[positive], value[positive], settings) is None:
        logs = _estimates(np.log(score[positive]), np.log(value[positive]), settings)
    return {
        "n": len(score), "n_log": int(positive.sum()), "pearson": logs["pearson"] if log else plain["pearson"],
        "spearman": plain["spearman"], "r2_log": logs["r2_log"],
    }  # fmt: skip


def _reason(score: np.ndarray, value: np.ndarray, settings: DistrictSettings) -> str | None:
    """Why nothing can be compared, or None where it can."""
    if len(score) < settings.min_districts:
        return f"{len(score)} districts with score and value; at least {settings.min_districts} are needed"
    if is_constant(value) or is_constant(score):
        return f"the {'value' if is_constant(value) else 'score'} is the same in all {len(score)} districts"
    return None


def _estimates(score: np.ndarray, value: np.ndarray, settings: DistrictSettings) -> dict[str, dict[str, float | None]]:
    """Correlations and R² (the square of Pearson's: of one predictor with a constant), with intervals.

    Districts are few: bootstrap draws of them now and then order perfectly, which on Fisher's scale is infinitely far.
    The intervals are therefore those of theory. Three districts have none.
    """
    n, product, rank = len(score), pearson(score, value), spearman(score, value)
    linear = pearson_interval(product, n, settings.confidence)
    return {
        "pearson": described(product, linear),
        "spearman": described(rank, spearman_interval(rank, n, settings.confidence)),
        "r2_log": described(product**2, squared(linear)),
    }
