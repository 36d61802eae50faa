"""Everything that the page shows, read and checked to belong together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rankscape.foundation.errors import InputError, TableError
from rankscape.foundation.provenance import KEY
from rankscape.foundation.tables import read_metadata, read_table
from rankscape.products.report.images import MapPicture, read_map
from rankscape.samples.patches import Patches, index_of, open_patches
from rankscape.studies.ranking.judges.artifacts import ROUND
from rankscape.studies.ranking.judges.round_records import RoundRecord
from rankscape.studies.ranking.page.aggregates import Change, Districts, RegressionRecord, read_change, read_districts
from rankscape.studies.ranking.page.audited import Audit
from rankscape.studies.ranking.page.documents import Evaluation, MergedOrder, Scene, Summary, Vote
from rankscape.studies.ranking.page.responses import Responses, read_responses
from rankscape.studies.ranking.page.seeing import Review, read_review
from rankscape.studies.ranking.page.training import Fitting, Training

PLACE_COLUMNS = ("patch_id", "granule", "role", "score", "value")


_LISTS = ("orders", "scores", "evaluations", "saliency", "districts", "changes", "regressions")
"""Inputs that come a file each and are named by their files."""


@dataclass(frozen=True)
class Files:
    """Paths of the page's inputs."""

    order: Path
    orders: Sequence[Path]
    audit: Path
    summary: Path
    clusters: Path
    tiles: Sequence[Path]
    training: Path
    backbone: Path
    preview: Path | None
    """None where no patch has coordinates, and there is no map."""
    scores: Sequence[Path]
    evaluations: Sequence[Path] = ()
    rounds: Sequence[Path] = ()
    review: Path | None = None
    saliency: Sequence[Path] = ()
    districts: Sequence[Path] = ()
    changes: Sequence[Path] = ()
    regressions: Sequence[Path] = ()
    scenes: Sequence[Path] = ()

    def by_role(self) -> dict[str, Path]:
        """Return the files by role and name, as provenance records them; of patches the index stands for the array."""
        single = ("order", "audit", "summary", "clusters", "training", "backbone", "preview")
        named = {role: path for role in single if (path := getattr(self, role)) is not None}
        for role in (*_LISTS, "rounds"):
            named |= {f"{role}/{_name(role, path)}": path for path in getattr(self, role)}
        named |= {f"scenes/{path.parent.name}": path for path in self.scenes}
        named |= {"review": self.review} if self.review is not None else {}
        return named | {f"tiles/{path.stem}": index_of(path) for path in self.tiles}


def _name(role: str, path: Path) -> str:
    """A round's file is named by its number only: its judge and prompt are its folders."""
    return "--".join((*path.parts[-3:-1], path.stem)) if role == "rounds" else path.stem


@dataclass(frozen=True)
class Comparison:
    """Agreement with one reference, and the places behind it."""

    evaluation: Evaluation
    places: pd.DataFrame
    """Columns `PLACE_COLUMNS`; one row a patch."""


@dataclass(frozen=True)
class Material:
    """Everything that the page shows."""

    order: MergedOrder
    votes: dict[str, Vote]
    """Partial orders by source."""
    audit: Audit
    """What the sources can be trusted with."""
    summary: Summary
    map: MapPicture | None
    clusters: pd.DataFrame
    """Columns patch_id, granule, category, cluster."""
    patches: dict[str, Patches]
    """Patches by granule."""
    training: Training
    backbone: Fitting
    scores: pd.DataFrame
    """Columns patch_id, granule, score, score_std; one row a patch."""
    comparisons: tuple[Comparison, ...]
    rounds: tuple[RoundRecord, ...]
    records: tuple[dict[str, Any], ...]
    """Provenance records of the inputs, in the order in which data flows."""
    review: Review | None = None
    """Sheets of patches to judge the score by."""
    responses: Responses | None = None
    """What the networks responded to."""
    districts: tuple[Districts, ...] = ()
    changes: tuple[Change, ...] = ()
    regressions: tuple[RegressionRecord, ...] = ()
    scenes: tuple[Scene, ...] = ()
    """What was fetched, a granule each."""

    @property
    def fit_granules(self) -> list[str]:
        """Granules that clusters and score were learned from."""
        return sorted(set(self.clusters["granule"]))


def read_material(files: Files) -> Material:
    """Read the page's inputs.

    Raises:
        InputError: If a file is missing or broken, or two of them come from different clusters or granules.
    """
    order, summary = MergedOrder.read(files.order), Summary.read(files.summary)
    audit = Audit.read(files.audit)
    votes = {path.stem: Vote.read(path) for path in files.orders}
    _check_clusters(order, summary, files)
    marks = {files.order: order.fingerprint, files.audit: audit.fingerprint}
    marks |= {path: vote.fingerprint for path, vote in zip(files.orders, votes.values(), strict=True)}
    _check_fingerprints(marks, summary, files.summary)
    patches = _read_patches(files.tiles)
    clusters = read_table(files.clusters, ["patch_id", "granule", "category", "cluster"])
    scores = _read_scores(files.scores)
    _check_granules(files.clusters, clusters["granule"], patches)
    _check_granules(files.scores[0].parent, scores["granule"], patches)
    comparisons = tuple(_read_comparison(path) for path in files.evaluations)
    training, backbone = Training.read(files.training), Fitting.read(files.backbone)
    rounds = tuple(ROUND.read(path) for path in files.rounds)
    records = [*_tables_records(map(index_of, files.tiles)), backbone.provenance, summary.provenance]
    records += [heard.provenance for heard in rounds]
    records += [document.provenance for document in (*votes.values(), order, audit, training)]
    records += _tables_records([files.clusters, *files.scores])
    records += [comparison.evaluation.provenance for comparison in comparisons]
    review = None if files.review is None else read_review(files.review)
    records += [] if review is None else [review.provenance]
    responses = read_responses(files.saliency, patches)
    records += [] if responses is None else responses.provenance
    districts = tuple(map(read_districts, files.districts))
    changes, regressions = tuple(map(read_change, files.changes)), tuple(map(RegressionRecord.read, files.regressions))
    records += [held.record.provenance for held in districts] + [held.record.provenance for held in changes]
    records += [document.provenance for document in regressions]
    return Material(
        order,
        votes,
        audit,
        summary,
        None if files.preview is None else read_map(files.preview),
        clusters,
        patches,
        training,
        backbone,
        scores,
        comparisons,
        rounds,
        tuple(records),
        review,
        responses,
        districts,
        changes,
        regressions,
        tuple(map(Scene.read, files.scenes)),
    )


def _read_patches(paths: Sequence[Path]) -> dict[str, Patches]:
    opened = [open_patches(path) for path in paths]
    return {str(patches.index["granule"].iloc[0]): patches for patches in opened if len(patches.index)}


def _read_scores(paths: Sequence[Path]) -> pd.DataFrame:
    tables = [read_table(path, ["patch_id", "granule", "score", "score_std"]) for path in paths]
    return pd.concat(tables, ignore_index=True).astype({"score": "float64", "score_std": "float64"})


def _read_comparison(path: Path) -> Comparison:
    return Comparison(Evaluation.read(path), read_table(path.with_suffix(".parquet"), PLACE_COLUMNS))


def _tables_records(paths: Iterable[Path]) -> list[dict[str, Any]]:
    records = []
    for path in paths:
        try:
            records.append(read_metadata(path, KEY))
        except TableError:
            continue
    return records


def _check_clusters(order: MergedOrder, summary: Summary, files: Files) -> None:
    placed = [cluster for level in order.levels for cluster in level]
    known = [entry.cluster for entry in summary.clusters]
    if sorted(placed) != sorted(known):
        wrong = sorted(set(placed) ^ set(known)) or sorted(c for c in set(placed) if placed.count(c) > 1)
        raise InputError(
            f"{files.order} and {files.summary} differ in the clusters {wrong}: every cluster must stand in one level; "
            "run `rankscape ranking ensemble` again on these clusters."
        )


def _check_fingerprints(marks: Mapping[Path, str | None], summary: Summary, origin: Path) -> None:
    for path, mark in marks.items():
        if mark and summary.fingerprint and mark != summary.fingerprint:
            raise InputError(
                f"{path} ranks other clusters than {origin} (fingerprints {mark[:12]} and {summary.fingerprint[:12]}): "
                "make it again on these clusters."
            )


def _check_granules(origin: Path, granules: "pd.Series[str]", patches: dict[str, Patches]) -> None:
    strangers = sorted(set(granules) - set(patches))
    if strangers:
        raise InputError(f"{origin} names the granules {strangers}, but --tiles has {sorted(patches)}: give them all.")
