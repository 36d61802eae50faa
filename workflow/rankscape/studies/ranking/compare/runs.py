"""One finished run of the study, read through the declarations of its files: what two runs are compared by."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from rankscape.foundation.errors import InputError
from rankscape.products.agreement.artifacts import Evaluation
from rankscape.products.compare.differences import ComparedRun
from rankscape.samples.artifacts import INDEX, PATCHES
from rankscape.samples.patches import Grid, Patches, open_patches, read_grid, read_index
from rankscape.studies.ranking.clusters.artifacts import CLUSTERS, SUMMARY, ClusterSummary
from rankscape.studies.ranking.judges.artifacts import ROUND
from rankscape.studies.ranking.orders.artifacts import ORDER, MergedOrder
from rankscape.studies.ranking.product_files import EVALUATION
from rankscape.studies.ranking.scoring.artifacts import SCORES, TRAINING, TrainingRecord

_NEEDED = (SUMMARY, CLUSTERS, ORDER, TRAINING)
"""Files that every finished run has, beside scores of every granule."""
ASKED = (
    "judge", "prompt", "prompt_sha256", "round", "model", "endpoint", "mode", "temperature", "detail", "max_tokens",
)  # fmt: skip
"""What a round says of how its judge was asked."""


@dataclass(frozen=True)
class GranulePatches:
    """Patches of one granule: where they are, without their pixels."""

    index: gpd.GeoDataFrame
    grid: Grid
    array: Path
    """File of their pixels, which may have been dropped."""


@dataclass(frozen=True)
class RankingRun:
    """A finished run."""

    folder: Path
    granules: dict[str, GranulePatches]
    """Patches by granule, of the acquisition that was scored."""
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

    def images(self) -> dict[str, Patches]:
        """Return the patches with their pixels, of the granules whose array was kept."""
        return {name: open_patches(one.array) for name, one in self.granules.items() if one.array.is_file()}


def read_runs(runs: Sequence[ComparedRun]) -> list[RankingRun]:
    """Read finished runs.

    Raises:
        InputError: If one is not finished; the message names everything that is missing in any of them.
    """
    missing = [f"{run.folder} lacks {', '.join(lacking)}" for run in runs if (lacking := list(_missing(run.folder)))]
    if missing:
        raise InputError(f"These runs are not complete: {'; '.join(missing)}. Finish them, then compare.")
    return [_read(run.folder) for run in runs]


def _indices(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Index and array of every granule, of the acquisition of which most granules are scored."""
    scored = {names["granule"] for names, _ in SCORES.found(folder)}
    by_acquisition: dict[str, dict[str, tuple[Path, Path]]] = {}
    for names, path in INDEX.found(folder):
        by_acquisition.setdefault(names["acquisition"], {})[names["granule"]] = (path, PATCHES.of(folder, **names))
    return max(by_acquisition.values(), key=lambda own: len(scored & set(own)), default={})


def _missing(folder: Path) -> Iterator[str]:
    """What a folder lacks of a finished run, with the verbs that make it."""
    for kind in _NEEDED:
        if not kind.of(folder).is_file():
            yield f"{kind.path} (`rankscape {kind.verb}`)"
    granules, scored = set(_indices(folder)), {names["granule"] for names, _ in SCORES.found(folder)}
    if not granules:
        yield f"{INDEX.path} (`rankscape {INDEX.verb}`)"
    elif granules - scored:
        yield f"scores of {', '.join(sorted(granules - scored))} (`rankscape {SCORES.verb}`)"


def _read(folder: Path) -> RankingRun:
    evaluations = [EVALUATION.read(path) for _, path in EVALUATION.found(folder)]
    rounds = [ROUND.read(path) for _, path in ROUND.found(folder)]
    tables = [SCORES.read(path, "patch_id", "score", "score_std") for _, path in SCORES.found(folder)]
    return RankingRun(
        folder,
        {
            name: GranulePatches(read_index(path), read_grid(path), array)
            for name, (path, array) in _indices(folder).items()
        },
        SUMMARY.read(SUMMARY.of(folder)),
        CLUSTERS.read(CLUSTERS.of(folder))[["patch_id", "cluster"]],
        ORDER.read(ORDER.of(folder)),
        TRAINING.read(TRAINING.of(folder)),
        pd.concat(tables, ignore_index=True)[["patch_id", "score", "score_std"]].dropna(subset="score"),
        {one.reference: one for one in evaluations},
        tuple(one.model_dump(include=set(ASKED)) for one in rounds),
    )
