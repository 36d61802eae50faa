"""Functions for notebooks: score images, merge orders, evaluate values, read a finished run.

They call the same code as the workflow, and give pandas tables. `import rankscape` offers them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from rankscape.artifacts import Artifact, Document, Table
from rankscape.foundation.errors import InputError, TableError
from rankscape.foundation.studies import find_studies
from rankscape.products.agreement.agreement import ComparedRegion, PredictorColumns, agreement, predictor_pairs
from rankscape.products.agreement.settings import SEED, EvaluateSettings
from rankscape.spatial.blocks import block_numbers
from rankscape.spatial.geometry import centres, plane_around
from rankscape.stages.artifacts import artifacts_of
from rankscape.studies.ranking.orders.consensus import find_consensus
from rankscape.studies.ranking.orders.partial_orders import PartialOrder, check_clusters
from rankscape.studies.ranking.orders.settings import EnsembleSettings
from rankscape.studies.ranking.stages.score import score_source

_MEASURES = ("pearson", "spearman", "kendall")


def merge_orders(orders: Mapping[str, str], *, method: str = "robust", bootstrap_draws: int = 1000) -> pd.DataFrame:
    """Merge partial orders of the same clusters, as `rankscape ranking ensemble` does.

    Args:
        orders: An order by its source, such as `{"anna": "3=4>1>0"}`; `>` is more developed, `=` tied.
        method: Method of the ensemble, as in `ranking.ensemble.method`.
        bootstrap_draws: Draws of the intervals; 0 gives none.

    Returns:
        One row a cluster, the index: `rank` (1 is the most developed), `rank_low` and `rank_high` (bootstrap interval,
        NaN for a single order), `level` (1 is the best).

    Raises:
        OrderError: If an order contradicts itself, or lacks a cluster that another one names.
        SettingsError: If there is no such method.
    """
    if not orders:
        raise InputError("There is no order to merge: give one text for each source, such as {'anna': '3=4>1>0'}.")
    settings = EnsembleSettings.checked({"method": method, "bootstrap_draws": bootstrap_draws}, "merge_orders")
    parsed = {source: PartialOrder.parse(text, origin=source) for source, text in orders.items()}
    known = sorted(set().union(*(order.clusters for order in parsed.values())))
    for source, order in parsed.items():
        check_clusters(order.clusters, known, source)
    found = find_consensus(parsed, settings)
    ends = np.full((len(found.clusters), 2), np.nan) if found.intervals is None else found.intervals
    level = {cluster: place for place, clusters in enumerate(found.levels, 1) for cluster in clusters}
    table = {"rank": found.merged.ranks, "rank_low": ends[:, 0], "rank_high": ends[:, 1]}
    index = pd.Index(found.clusters, name="cluster")
    return pd.DataFrame({**table, "level": [level[cluster] for cluster in found.clusters]}, index=index)


def score_images(source: str | Path, *, model: str | Path, **options: Any) -> pd.DataFrame:
    """Score the images of a folder, or the patches of a GeoTIFF, as `rankscape ranking score` does.

    Args:
        source: Folder of images, or a GeoTIFF.
        model: A score model, `score.safetensors`.
        options: Options of the command: `patch_px`, `white_reflectance`, `views`, `broken`, `gpus`, `threads`.

    Returns:
        A row an image (`file`), or a patch (`row`, `col`, `lon`, `lat`): `score`, `score_std`, `ensemble_std`.

    Raises:
        InputError: If there is no such file, or images are of another kind than those trained on.
    """
    return score_source(Path(source), Path(model), **options).table


def evaluate(
    samples: gpd.GeoDataFrame, *, predicted: str, reference: str, block_m: float, confidence: float = 0.95
) -> pd.DataFrame:
    """Measure how well values of places agree with a reference, as `rankscape ranking evaluate` does.

    Args:
        samples: Places with a CRS; rows without one of the two values are left out.
        predicted: Column of the values.
        reference: Column of the reference.
        block_m: Side of the square blocks that the bootstrap draws whole, in metres: wider than the distance over which
            places resemble each other.
        confidence: Coverage of the intervals.

    Returns:
        One row a measure (pearson, spearman, kendall): `value`, `low`, `high`, `n` places, `blocks`. NaN where no
        interval can be given.

    Raises:
        TableError: If a column is missing, or there is no CRS.
        InputError: If no correlation can be given; the message says why.
    """
    lacking = [name for name in (predicted, reference) if name not in samples]
    if lacking or samples.crs is None:
        what = f"the columns {lacking}" if lacking else "a CRS"
        raise TableError(f"The samples lack {what}; they have {[*map(str, samples.columns)]}.")
    settings = EvaluateSettings.checked({"block_m": block_m, "confidence": confidence}, "evaluate")
    whole = samples[np.isfinite(samples[[predicted, reference]].to_numpy(float)).all(axis=1)]
    x_m, y_m = centres(whole, plane_around("aeqd", whole.geometry))
    longitude, latitude = centres(whole, "EPSG:4326")
    frame = pd.DataFrame({
        "predicted": whole[predicted].to_numpy(float), "value": whole[reference].to_numpy(float),
        "raw": whole[reference].to_numpy(float), "x_m": x_m, "y_m": y_m, "distinct": True,
        "block": block_numbers(longitude, latitude, block_m),
    })  # fmt: skip
    pairs = predictor_pairs(frame, ["predicted"], SEED)
    found = agreement(frame, ComparedRegion(PredictorColumns("predicted"), pairs, block_m), settings)["predicted"]
    if found.get("reason"):
        raise InputError(f"No correlation of {predicted} and {reference}: {found['reason']}.")
    rows = {name: {**found[name], "n": found["n"], "blocks": found["blocks"]} for name in _MEASURES}
    return pd.DataFrame.from_dict(rows, orient="index").astype({"value": float, "low": float, "high": float})


@dataclass(frozen=True)
class Run:
    """The results of a region, read by the paths of the data dictionary."""

    folder: Path
    """`results/<region>`."""
    artifacts: tuple[Artifact, ...]
    """All that a run may have."""

    def paths(self, path: str) -> list[Path]:
        """Return the files of one kind, such as `ranking/scores/{granule}.parquet`, sorted."""
        return [file for _, file in self._kind(path).found(self.folder)]

    def table(self, path: str) -> pd.DataFrame:
        """Read all tables of one kind as one; a GeoDataFrame where they have footprints.

        Raises:
            InputError: If no file of a run has that path, or this run has none.
        """
        kind = self._kind(path)
        if not isinstance(kind, Table):
            raise InputError(f"{path} is no table: it is {kind.title}.")
        placed = any(column.type == "geometry" for column in kind.columns)
        parts = [kind.read_geo(file) if placed else kind.read(file) for file in self._some(path)]
        return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]

    def documents(self, path: str) -> list[dict[str, Any]]:
        """Read all documents of one kind, checked, sorted by their paths.

        Raises:
            InputError: If no file of a run has that path, or this run has none.
        """
        kind = self._kind(path)
        if not isinstance(kind, Document):
            raise InputError(f"{path} is no document: it is {kind.title}.")
        return [kind.read(file).model_dump(mode="json") for file in self._some(path)]

    def _some(self, path: str) -> Sequence[Path]:
        found = self.paths(path)
        if not found:
            raise InputError(f"{self.folder} has no {path}: `rankscape {self._kind(path).verb}` makes it.")
        return found

    def _kind(self, path: str) -> Artifact:
        known = {kind.path: kind for kind in self.artifacts}
        if path not in known:
            raise InputError(f"No file of a run is called {path!r}; there are {', '.join(sorted(known))}.")
        return known[path]


def read_run(folder: str | Path) -> Run:
    """Open the results of a region, such as `results/demo`.

    Raises:
        InputError: If there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{root} is no folder: give results/<region> of a run.")
    return Run(root, artifacts_of(find_studies()))
