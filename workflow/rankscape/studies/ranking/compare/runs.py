"""One finished run, read from its results folder: what two runs are compared by."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import read_json
from rankscape.foundation.provenance import KEY
from rankscape.foundation.tables import read_metadata, read_table
from rankscape.products.agreement.artifacts import Evaluation
from rankscape.samples.patches import Grid, Patches, open_patches, read_grid, read_index
from rankscape.studies.ranking.clusters.artifacts import SUMMARY, ClusterSummary
from rankscape.studies.ranking.orders.artifacts import ORDER, MergedOrder
from rankscape.studies.ranking.product_files import EVALUATION
from rankscape.studies.ranking.scoring.artifacts import TRAINING, TrainingRecord

_NEEDED = {
    "clusters/clusters.json": "ranking cluster",
    "clusters/clusters.parquet": "ranking cluster",
    "ranking/order.json": "ranking ensemble",
    "model/score.json": "ranking train",
}
"""Files that every finished run has, and the verb that makes each."""
ASKED = (
    "judge",
    "prompt",
    "prompt_sha256",
    "round",
    "model",
    "endpoint",
    "mode",
    "temperature",
    "detail",
    "max_tokens",
)
"""What a round says of how its judge was asked."""


@dataclass(frozen=True)
class Granule:
    """Patches of one granule: where they lie, without their pixels."""

    index: gpd.GeoDataFrame
    grid: Grid


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path
    granules: dict[str, Granule]
    """Patches by granule."""
    scenes: dict[str, tuple[str, ...]]
    """Ids of the scenes that each granule's image was made of; none for folders of pictures."""
    summary: ClusterSummary
    clusters: pd.DataFrame
    """Columns patch_id, cluster; one row a patch that was learned from."""
    order: MergedOrder
    training: TrainingRecord
    scores: pd.DataFrame
    """Columns patch_id, score, score_std; one row a scored patch."""
    evaluations: dict[str, Evaluation]
    """Agreement by reference."""
    rounds: tuple[dict[str, Any], ...]
    """How the judge was asked in each round: what `ASKED` names."""
    records: tuple[dict[str, Any], ...]
    """Provenance records in the order in which data flows."""

    def pictures(self) -> dict[str, Patches]:
        """Return the patches with their pixels, of the granules whose array was kept."""
        arrays = {name: self.folder / "tiles" / f"{name}.npy" for name in self.granules}
        return {name: open_patches(path) for name, path in arrays.items() if path.is_file()}


def read_runs(folders: Iterable[Path]) -> list[Run]:
    """Read finished runs.

    Raises:
        InputError: If a folder is no finished run; the message names everything that is missing in any of them.
    """
    folders = list(folders)
    missing = [fault for folder in folders for fault in _missing(folder)]
    if missing:
        raise InputError(f"These runs are not complete: {'; '.join(missing)}. Finish them, then compare.")
    return [_read(folder) for folder in folders]


def _missing(folder: Path) -> list[str]:
    """What a folder lacks of a finished run, one line with the verbs that make it."""
    if not folder.is_dir():
        return [f"{folder} is no folder (give results/<region>)"]
    lacking = [f"{name} (`rankscape {verb}`)" for name, verb in _NEEDED.items() if not (folder / name).is_file()]
    granules, scored = ({path.stem for path in (folder / kind).glob("*.parquet")} for kind in ("tiles", "scores"))
    if not granules:
        lacking.append("tiles/*.parquet (`rankscape tile`)")
    elif granules - scored:
        lacking.append(f"scores of {', '.join(sorted(granules - scored))} (`rankscape ranking predict`)")
    return [f"{folder} lacks {', '.join(lacking)}"] if lacking else []


def _read(folder: Path) -> Run:
    tiles, scores = (sorted((folder / kind).glob("*.parquet")) for kind in ("tiles", "scores"))
    downloads = {path.parent.name: read_json(path) for path in sorted((folder / "scenes").glob("*/download.json"))}
    rounds = [read_json(path) for path in sorted((folder / "ranking/rounds").glob("*/*/*.json"))]
    found = sorted((folder / "evaluation").glob("*.json"))
    evaluations = [EVALUATION.read(path) for path in found if "predictors" in read_json(path)]
    summary = SUMMARY.read(folder / "clusters/clusters.json")
    order, training = ORDER.read(folder / "ranking/order.json"), TRAINING.read(folder / "model/score.json")
    orders = [read_json(path) for path in sorted((folder / "ranking/orders").glob("*.json"))]
    backbone = [read_json(path) for path in [folder / "model/backbone.json"] if path.is_file()]
    documents = [*downloads.values(), *backbone, *rounds, *orders]
    records = [read_metadata(path, KEY) for path in tiles] + [one.get("provenance") or {} for one in documents]
    records += [one.provenance for one in (summary, order, training)]
    records += [read_metadata(path, KEY) for path in scores] + [one.provenance for one in evaluations]
    tables = [read_table(path, ["patch_id", "score", "score_std"]) for path in scores]
    return Run(
        folder,
        {path.stem: Granule(read_index(path), read_grid(path)) for path in tiles},
        {name: tuple(sorted(scene["item_id"] for scene in one.get("scenes", []))) for name, one in downloads.items()},
        summary,
        read_table(folder / "clusters/clusters.parquet", ["patch_id", "cluster"])[["patch_id", "cluster"]],
        order,
        training,
        pd.concat(tables, ignore_index=True)[["patch_id", "score", "score_std"]].dropna(subset="score"),
        {one.reference: one for one in evaluations},
        tuple({name: one.get(name) for name in ASKED} for one in rounds),
        tuple(record for record in records if record.get("stage")),
    )
