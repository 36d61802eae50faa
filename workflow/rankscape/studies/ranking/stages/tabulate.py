"""Write one table of all patches: scores, references, clusters, footprints."""

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from cyclopts import Parameter
from cyclopts.validators import Number
from scipy.stats import norm

from rankscape.artifacts import Table, read_names
from rankscape.foundation.errors import TableError
from rankscape.foundation.files import write_bytes
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.products.agreement.paired_samples import usable_samples
from rankscape.samples.artifacts import INDEX, PIXEL_STATISTICS, REFERENCE_VALUES, STATISTICS_COLUMNS
from rankscape.samples.joins import read_indices
from rankscape.spatial.geometry import centres
from rankscape.spatial.seams import in_degrees
from rankscape.stages.options import Names
from rankscape.studies.ranking.clusters.artifacts import CLUSTERS
from rankscape.studies.ranking.orders.artifacts import ORDER
from rankscape.studies.ranking.product_files import PATCHES_TABLE, PATCHES_TEXT
from rankscape.studies.ranking.scoring.artifacts import BASELINE_SCORES, SCORES

_DEGREE_DIGITS = 7
"""About a centimetre: the last digits of a projection differ from library to library."""
_OF_INDEX = ("patch_id", "granule", "row", "col", "usable", "valid_fraction", "cloud_fraction")

Names_ = Mapping[str, Sequence[str]]


def tabulate(
    *,
    region: Annotated[Path, Parameter(help="Folder of the region: results/<region>.")],
    names: Names,
    out: Annotated[Path, Parameter(help="Table to write (GeoParquet); the same as .csv.gz lies beside it.")],
    confidence: Annotated[
        float, Parameter(help="Coverage of score_low to score_high.", validator=Number(gt=0, lt=1))
    ] = 0.95,
) -> None:
    """Write one table of all patches with coordinates, as GeoParquet and, without footprints, as compressed CSV.

    `names` has granules, acquisition, and what there is of references, baselines, and granules of role `apply`.
    """
    known = read_names(names)
    patches = all_patches(region, known, confidence)
    record = provenance("ranking tabulate", None, _inputs(region, known))
    PATCHES_TABLE.write(out, patches, record, covering=True)
    # The compressed file holds no time: the same table gives the same bytes.
    text = pd.DataFrame(patches.drop(columns="geometry")).to_csv(index=False, lineterminator="\n")
    write_bytes(PATCHES_TEXT.of(region), gzip.compress(text.encode(), mtime=0))
    say(f"{out}: {len(patches)} patches of {len(known['granule'])} granules")


def all_patches(region: Path, names: Names_, confidence: float) -> gpd.GeoDataFrame:
    """Bring together what a run knows of every patch with coordinates.

    Args:
        region: The region's folder.
        names: Values of wildcards: granule, acquisition, reference, baseline; and granules of role `apply`.
        confidence: Coverage of the intervals: score -+ z score_std cut to [0, 1], z of the normal distribution.

    Returns:
        One row a patch, sorted by granule and in the order of its index; geometry in WGS 84.

    Raises:
        TableError: If a table is missing, or one names a patch twice or lacks one.
    """
    indices = read_indices(_paths(region, INDEX, names))
    frames = [_with_degrees(index) for index in indices]
    whole: pd.DataFrame = pd.concat([pd.DataFrame(frame) for frame in frames], ignore_index=True)
    whole = _with_clusters(whole, region)
    whole = _with_scores(whole, _gathered(whole, region, SCORES, names, ("score", "score_std")), confidence)
    counted = usable_samples(indices, names.get("apply", ())).set_index("patch_id")["distinct"]
    whole["distinct"] = whole["patch_id"].map(counted).fillna(False).astype(bool)
    whole = _with_comparisons(whole, region, names)
    return gpd.GeoDataFrame(whole.drop(columns="geometry"), geometry=whole["geometry"].to_numpy(), crs=4326)


def _paths(region: Path, table: Table, names: Names_, **chosen: str) -> list[Path]:
    one = {"acquisition": names["acquisition"][0], **chosen}
    return [table.of(region, granule=granule, **one) for granule in names["granule"]]


def _inputs(region: Path, names: Names_) -> dict[str, Path]:
    paths = [ORDER.of(region), CLUSTERS.of(region), *_paths(region, INDEX, names), *_paths(region, SCORES, names)]
    for reference in names.get("reference", ()):
        paths += _paths(region, REFERENCE_VALUES, names, reference=reference)
    paths += _paths(region, PIXEL_STATISTICS, names) if names.get("reference") else []
    for baseline in names.get("baseline", ()):
        paths += _paths(region, BASELINE_SCORES, names, baseline=baseline)
    return {path.relative_to(region).as_posix(): path for path in paths}


def _with_degrees(index: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Places of one granule with the centres and footprints in degrees."""
    east, north = centres(index, "EPSG:4326")
    shapes = shapely.transform(in_degrees(index.geometry).to_numpy(), lambda points: points.round(_DEGREE_DIGITS))
    frame = gpd.GeoDataFrame(index[list(_OF_INDEX)], geometry=shapes, crs=4326)
    frame.insert(4, "lon", east.round(_DEGREE_DIGITS))
    frame.insert(5, "lat", north.round(_DEGREE_DIGITS))
    return frame


def _with_clusters(whole: pd.DataFrame, region: Path) -> pd.DataFrame:
    """Land category, cluster, and the cluster's level and rank in the merged order, both 1 for the most developed."""
    table, order = CLUSTERS.read(CLUSTERS.of(region)), ORDER.read(ORDER.of(region))
    levels = {cluster: level for level, members in enumerate(order.levels, start=1) for cluster in members}
    joined = whole.merge(table[["patch_id", "category", "cluster"]], on="patch_id", how="left", validate="one_to_one")
    joined["cluster"] = joined["cluster"].astype("Int32")
    joined["level"] = joined["cluster"].map(levels).astype("Int32")
    joined["cluster_rank"] = joined["cluster"].map(order.ranks).astype("float64")
    return joined


def _with_scores(whole: pd.DataFrame, scores: pd.DataFrame, confidence: float) -> pd.DataFrame:
    score, deviation = scores["score"].to_numpy(float), scores["score_std"].to_numpy(float)
    reach = norm.ppf(0.5 + confidence / 2) * deviation
    ends = {"score_low": np.clip(score - reach, 0, 1), "score_high": np.clip(score + reach, 0, 1)}
    return whole.assign(
        score=scores["score"], score_std=scores["score_std"], **{k: v.astype("float32") for k, v in ends.items()}
    )


def _with_comparisons(whole: pd.DataFrame, region: Path, names: Names_) -> pd.DataFrame:
    """References as they are, pixel statistics where references are, and scores of baseline models.

    A hyphen in a name becomes an underscore, since few statistics programs take it in a column's name.
    """
    columns: dict[str, Any] = {}
    for reference in names.get("reference", ()):
        table = _gathered(whole, region, REFERENCE_VALUES, names, ("value", "coverage"), reference=reference)
        name = reference.replace("-", "_")
        columns |= {f"reference_{name}": table["value"], f"coverage_{name}": table["coverage"]}
    if names.get("reference"):
        own = tuple(column.name for column in STATISTICS_COLUMNS)
        statistics = _gathered(whole, region, PIXEL_STATISTICS, names, own)
        columns |= {name: statistics[name] for name in own}
    for baseline in names.get("baseline", ()):
        table = _gathered(whole, region, BASELINE_SCORES, names, ("score",), baseline=baseline)
        columns[f"baseline_{baseline.replace('-', '_')}"] = table["score"]
    return whole.assign(**columns)


def _gathered(
    whole: pd.DataFrame, region: Path, kind: Table, names: Names_, columns: tuple[str, ...], **chosen: str
) -> pd.DataFrame:
    """Columns of a table a granule, in the order of the patches.

    Raises:
        TableError: If a patch is in two rows or in none.
    """
    paths = _paths(region, kind, names, **chosen)
    table = pd.concat([kind.read(path, "patch_id", *columns) for path in paths]).set_index("patch_id")
    known = table.index.is_unique and whole["patch_id"].isin(table.index)
    if not np.all(known):
        raise TableError(
            f"{paths[0].parent} does not hold every patch of {INDEX.of(region, granule='*', acquisition='*').parent} "
            "once: they are of two runs; let the workflow make them again."
        )
    found: pd.DataFrame = table.reindex(index=whole["patch_id"], columns=list(columns)).reset_index(drop=True)
    return found
