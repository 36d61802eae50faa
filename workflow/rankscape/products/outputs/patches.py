"""One table of all patches of a region: what was measured, what it is compared with, and where it lies."""

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy.stats import norm

from rankscape.foundation.errors import TableError
from rankscape.foundation.files import read_json, write_bytes
from rankscape.foundation.tables import read_table, write_table
from rankscape.products.agreement.paired_samples import usable_samples
from rankscape.products.outputs.run import Run
from rankscape.samples.joins import read_indices
from rankscape.samples.pixel_statistics import STATISTICS
from rankscape.spatial.geometry import centres

_DEGREE_DIGITS = 7
"""About a centimetre: the last digits of a projection differ from library to library."""
_OF_INDEX = ("patch_id", "granule", "row", "col", "usable", "valid_fraction", "cloud_fraction")


def all_patches(run: Run, confidence: float) -> gpd.GeoDataFrame:
    """Bring together what a run knows of every patch with coordinates.

    Args:
        run: The finished run.
        confidence: Coverage of the intervals: score -+ z score_std cut to [0, 1], z of the normal distribution.

    Returns:
        One row a patch, sorted by granule and in the order of its index; columns as the data dictionary says, geometry
        in WGS 84.

    Raises:
        TableError: If a table is missing, or one names a patch twice or lacks one.
    """
    indices = read_indices([run.path("tiles/{granule}.parquet", granule=granule) for granule in run.granules])
    frames = [_with_degrees(index) for index in indices]
    whole: pd.DataFrame = pd.concat([pd.DataFrame(frame) for frame in frames], ignore_index=True)
    whole = _with_clusters(whole, run)
    whole = _with_scores(whole, run, confidence)
    counted = usable_samples(indices, run.apply).set_index("patch_id")["distinct"]
    whole["distinct"] = whole["patch_id"].map(counted).fillna(False).astype(bool)
    whole = _with_comparisons(whole, run)
    return gpd.GeoDataFrame(whole.drop(columns="geometry"), geometry=whole["geometry"].to_numpy(), crs=4326)


def write_patches(parquet: Path, csv: Path, patches: gpd.GeoDataFrame, record: dict[str, Any]) -> None:
    """Write the table as GeoParquet 1.1 and, without footprints, as compressed CSV (UTF-8, comma, point).

    The same table gives the same bytes: the compressed file holds no time.
    """
    write_table(parquet, patches, {"rankscape": record}, covering=True)
    text = pd.DataFrame(patches.drop(columns=str(patches.geometry.name))).to_csv(index=False, lineterminator="\n")
    write_bytes(csv, gzip.compress(text.encode(), mtime=0))


def _with_degrees(index: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Places of one granule with the centres and footprints in degrees."""
    east, north = centres(index, "EPSG:4326")
    shapes = shapely.transform(index.to_crs(4326).geometry.to_numpy(), lambda points: points.round(_DEGREE_DIGITS))
    frame = gpd.GeoDataFrame(index[list(_OF_INDEX)], geometry=shapes, crs=4326)
    frame.insert(4, "lon", east.round(_DEGREE_DIGITS))
    frame.insert(5, "lat", north.round(_DEGREE_DIGITS))
    return frame


def _with_clusters(whole: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Land category, cluster, and the cluster's level and rank in the merged order, both 1 for the most developed."""
    table = read_table(run.path("clusters/clusters.parquet"), ("patch_id", "category", "cluster"))
    order = read_json(run.path("ranking/order.json"))
    levels = {cluster: level for level, members in enumerate(order["levels"], start=1) for cluster in members}
    ranks = {int(cluster): rank for cluster, rank in order["ranks"].items()}
    joined = whole.merge(table[["patch_id", "category", "cluster"]], on="patch_id", how="left", validate="one_to_one")
    joined["cluster"] = joined["cluster"].astype("Int32")
    joined["level"] = joined["cluster"].map(levels).astype("Int32")
    joined["cluster_rank"] = joined["cluster"].map(ranks).astype("float64")
    return joined


def _with_scores(whole: pd.DataFrame, run: Run, confidence: float) -> pd.DataFrame:
    table = _gather(whole, run, "scores/{granule}.parquet", {}, ("score", "score_std"))
    score, deviation = table["score"].to_numpy(float), table["score_std"].to_numpy(float)
    reach = norm.ppf(0.5 + confidence / 2) * deviation
    ends = {"score_low": np.clip(score - reach, 0, 1), "score_high": np.clip(score + reach, 0, 1)}
    return whole.assign(
        score=table["score"], score_std=table["score_std"], **{k: v.astype("float32") for k, v in ends.items()}
    )


def _with_comparisons(whole: pd.DataFrame, run: Run) -> pd.DataFrame:
    """References as they are, trivial baselines where references are, and scores of rival runs.

    A hyphen in a name becomes an underscore, since few statistics programs take it in a column's name.
    """
    columns: dict[str, Any] = {}
    for reference in run.references:
        pattern = "evaluation/references/{reference}/{granule}.parquet"
        table = _gather(whole, run, pattern, {"reference": reference}, ("value", "coverage"))
        name = reference.replace("-", "_")
        columns |= {f"reference_{name}": table["value"], f"coverage_{name}": table["coverage"]}
    if run.references:
        trivial = _gather(whole, run, "evaluation/baselines/{granule}.parquet", {}, STATISTICS)
        columns |= {name: trivial[name] for name in STATISTICS}
    for rival in run.rivals:
        table = _gather(whole, run, "baselines/{baseline}/scores/{granule}.parquet", {"baseline": rival}, ("score",))
        columns[f"rival_{rival.replace('-', '_')}"] = table["score"]
    return whole.assign(**columns)


def _gather(
    whole: pd.DataFrame, run: Run, pattern: str, names: Mapping[str, str], columns: tuple[str, ...]
) -> pd.DataFrame:
    """Columns of a table a granule, in the order of the patches.

    Raises:
        TableError: If a patch stands in two rows or in none.
    """
    paths = [run.path(pattern, granule=granule, **names) for granule in run.granules]
    table = pd.concat([read_table(path, ("patch_id", *columns)) for path in paths]).set_index("patch_id")
    known = table.index.is_unique and whole["patch_id"].isin(table.index)
    if not np.all(known):
        raise TableError(
            f"{run.root / pattern.format(granule='*', **names)} do not hold every patch of {run.root / 'tiles'} once: "
            "they are of two runs; let the workflow make them again."
        )
    found: pd.DataFrame = table.reindex(index=whole["patch_id"], columns=list(columns)).reset_index(drop=True)
    return found
