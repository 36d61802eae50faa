"""What the sections share: files of the run, joined over granules and checked to belong together."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from rankscape.foundation.errors import InputError
from rankscape.products.agreement.artifacts import Evaluation
from rankscape.products.report.embedded_images import PatchImages
from rankscape.products.report.reading import RunReader
from rankscape.samples.artifacts import INDEX, PATCHES
from rankscape.samples.patches import Patches, open_patches
from rankscape.studies.ranking.clusters.artifacts import CLUSTERS, SUMMARY, ClusterSummary
from rankscape.studies.ranking.judges.artifacts import ROUND
from rankscape.studies.ranking.judges.round_records import RoundRecord
from rankscape.studies.ranking.orders.artifacts import (
    AUDIT,
    DATA_ORDER,
    ORDER,
    PERSON_ORDER,
    ROUND_ORDER,
    Audit,
    MergedOrder,
    Vote,
)
from rankscape.studies.ranking.product_files import EVALUATION, PLACES
from rankscape.studies.ranking.scoring.artifacts import SCORES


@dataclass(frozen=True)
class ComparedReference:
    """Agreement with one reference, and the places behind it."""

    evaluation: Evaluation
    places: pd.DataFrame
    """Columns patch_id, granule, role, score, value and more; one row a patch."""


def summary(run: RunReader) -> ClusterSummary:
    """What is known of every cluster."""
    found: ClusterSummary = run.read(SUMMARY)
    return found


def order(run: RunReader) -> MergedOrder:
    """The merged order.

    Raises:
        InputError: If it ranks other clusters than the run has.
    """
    found: MergedOrder = run.read(ORDER)
    placed = [cluster for level in found.levels for cluster in level]
    known = [entry.cluster for entry in summary(run).clusters]
    if sorted(placed) != sorted(known):
        wrong = sorted(set(placed) ^ set(known)) or sorted(c for c in set(placed) if placed.count(c) > 1)
        raise InputError(
            f"{run.path(ORDER)} and {run.path(SUMMARY)} differ in the clusters {wrong}: every cluster is in one level; "
            "run `rankscape ranking ensemble` again on these clusters."
        )
    _check_fingerprint(run, run.path(ORDER), found.fingerprint)
    return found


def audit(run: RunReader) -> Audit:
    """What the sources of orders can be trusted with."""
    found: Audit = run.read(AUDIT)
    _check_fingerprint(run, run.path(AUDIT), found.fingerprint)
    return found


def votes(run: RunReader) -> dict[str, Vote]:
    """Partial orders by source: rounds of judges, people, references."""
    found = {}
    for artifact in (ROUND_ORDER, PERSON_ORDER, DATA_ORDER):
        for name, path in run.paths(artifact).items():
            found[path.stem] = vote = run.read(artifact, name)
            _check_fingerprint(run, path, vote.fingerprint)
    return found


def rounds(run: RunReader) -> tuple[RoundRecord, ...]:
    """Rounds of judges."""
    return tuple(run.read_all(ROUND).values())


def patches(run: RunReader) -> dict[str, Patches]:
    """Patches by granule; granules without any are left out."""
    return run.once(_patches)


def _patches(run: RunReader) -> dict[str, Patches]:
    opened = [open_patches(path) for path in run.paths(PATCHES).values()]
    return {str(found.index["granule"].iloc[0]): found for found in opened if len(found.index)}


def patch_images(run: RunReader) -> PatchImages:
    """Images of patches by their ids."""
    return run.once(_patch_images)


def _patch_images(run: RunReader) -> PatchImages:
    return PatchImages(patches(run))


def clusters(run: RunReader) -> pd.DataFrame:
    """Columns patch_id, granule, category, cluster; one row a patch that was learned from."""
    found: pd.DataFrame = run.read(CLUSTERS)
    if run.paths(INDEX):
        _check_granules(run, run.path(CLUSTERS), found["granule"])
    return found


def learned_granules(run: RunReader) -> list[str]:
    """Granules that clusters and score were learned from."""
    return sorted(set(run.read(CLUSTERS)["granule"]))


def scores(run: RunReader) -> pd.DataFrame:
    """Columns patch_id, granule, score, score_std; one row a patch of any granule."""
    return run.once(_scores)


def _scores(run: RunReader) -> pd.DataFrame:
    tables = [frame[["patch_id", "granule", "score", "score_std"]] for frame in run.read_all(SCORES).values()]
    if not tables:
        raise InputError(f"{run.folder}: no granule has scores; make them with `rankscape {SCORES.verb}`.")
    found: pd.DataFrame = pd.concat(tables, ignore_index=True).astype({"score": "float64", "score_std": "float64"})
    _check_granules(run, next(iter(run.paths(SCORES).values())).parent, found["granule"])
    return found


def comparisons(run: RunReader) -> tuple[ComparedReference, ...]:
    """Agreement with every reference."""
    found = run.read_all(EVALUATION)
    return tuple(ComparedReference(evaluation, run.read(PLACES, name)) for name, evaluation in found.items())


def is_synthetic(run: RunReader) -> bool:
    """Whether the region is synthetic: its truth is known."""
    return any(compared.evaluation.truth for compared in comparisons(run))


def _check_fingerprint(run: RunReader, path: Path | None, mark: str | None) -> None:
    known = summary(run).fingerprint
    if mark and known and mark != known:
        raise InputError(
            f"{path} ranks other clusters than {run.path(SUMMARY)} (fingerprints {mark[:12]} and {known[:12]}): "
            "make it again on these clusters."
        )


def _check_granules(run: RunReader, origin: Path | None, granules: Iterable[str]) -> None:
    known = patches(run)
    strangers = sorted(set(granules) - set(known))
    if strangers:
        raise InputError(f"{origin} names the granules {strangers}, but there are patches of {sorted(known)} alone.")
