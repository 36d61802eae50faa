"""Invented regions to annotate: clusters of patches, brighter and busier where they are more developed."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rankscape.foundation.files import write_json
from rankscape.foundation.tables import write_table
from rankscape.studies.ranking.annotation.cards import Region, read_region
from rankscape.studies.ranking.annotation.document import Annotation, Arrangement, Mark
from rankscape.studies.ranking.annotation.session import Session, open_session
from rankscape.studies.ranking.clusters.clustering import fingerprint

PX = 8


@dataclass(frozen=True)
class Place:
    """A working folder with the results of one region."""

    folder: Path
    name: str = "valley"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def orders(self) -> Path:
        return self.folder / "config" / "orders" / self.name

    @property
    def samples(self) -> Path:
        return self.results / self.name / "samples" / "default"

    @property
    def clusters(self) -> Path:
        return self.results / self.name / "ranking/clusters/clusters.parquet"

    @property
    def summary(self) -> Path:
        return self.results / self.name / "ranking/clusters/clusters.json"

    def region(self) -> Region:
        return read_region(self.results, self.name)

    def session(self, annotator: str = "anna", *, resume: bool = False) -> Session:
        self.orders.mkdir(parents=True, exist_ok=True)
        return open_session(self.region(), annotator, self.orders, resume=resume)


def write_clusters(place: Place, cluster_of: dict[str, int], uninhabited: int | None = None) -> None:
    """Write table and summary for patches by cluster."""
    frame = pd.DataFrame(
        [
            {"patch_id": patch, "granule": "03TVF", "category": category(cluster), "cluster": cluster}
            for patch, cluster in cluster_of.items()
        ]
    ).astype({"cluster": np.int32})
    write_table(place.clusters, frame, {"rankscape": {}})
    sizes = frame.groupby("cluster").size()
    entries = [
        {
            "cluster": int(cluster),
            "category": category(int(cluster)),
            "size": int(size),
            "uninhabited": cluster == uninhabited,
            "medoid": str(frame.loc[frame["cluster"] == cluster, "patch_id"].iloc[0]),
        }
        for cluster, size in sizes.items()
    ]
    document = {"clusters": entries, "uninhabited": uninhabited, "fingerprint": fingerprint(frame)}
    write_json(place.summary, document)


def category(cluster: int) -> str:
    return ("urban", "rural", "highland")[cluster % 3]


def drawn(rng: np.random.Generator, level: float) -> np.ndarray:
    """One invented patch: greener where nobody builds, with more and brighter roofs where many do."""
    base = np.array([70, 100, 55]) * (1 - level) + np.array([150, 142, 132]) * level
    patch = np.tile(base, (PX, PX, 1)) + rng.normal(0, 8, (PX, PX, 1))
    for _ in range(int(level * 8)):
        row, col = rng.integers(0, PX - 1, 2)
        patch[row : row + 2, col : col + 2] = rng.choice([70, 215])
    return np.asarray(np.clip(patch, 0, 255), np.uint8)


@pytest.fixture
def make_place(tmp_path: Path, patch_store: Callable[..., Path]) -> Callable[..., Place]:
    """Write a region: `make_place(clusters=23, patches=24, uninhabited=None)`."""

    def write(clusters: int = 6, patches: int = 16, uninhabited: int | None = None) -> Place:
        rng = np.random.default_rng(3)
        rows = [np.hstack([drawn(rng, 1 - c / clusters) for _ in range(patches)]) for c in range(clusters)]
        array = patch_store("03TVF", pixels=np.vstack(rows), patch_px=PX)
        place = Place(tmp_path / "work")
        place.samples.parent.mkdir(parents=True)
        shutil.move(array.parent, place.results / place.name / "samples/seasons")
        cluster_of = {f"03TVF_{c}_{k}": c for c in range(clusters) for k in range(patches)}
        write_clusters(place, cluster_of, uninhabited)
        return place

    return write


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    """Six clusters of 16 patches; one of them has two cards."""
    return make_place()


def arranged(annotation: Annotation, levels: list[list[int]], tray: tuple[int, ...] = (), **more: Any) -> Arrangement:
    """Cards laid out by cluster; the duplicate lies with its cluster, unless `duplicate` names another tier.

    `marks` are (cluster, cluster, relation).
    """
    own = {card.cluster: card.card for card in annotation.cards if not card.duplicate}
    tiers = [[own[cluster] for cluster in level] for level in levels]
    aside = [own[cluster] for cluster in tray]
    for card in annotation.cards:
        if card.duplicate:
            tier = next((n for n, level in enumerate(levels) if card.cluster in level), None)
            tier = more.get("duplicate", tier)
            (aside if tier is None else tiers[tier]).append(card.card)
    marks = [Mark(a=own[a], b=own[b], relation=relation) for a, b, relation in more.get("marks", ())]
    return Arrangement(tiers=tiers, tray=aside, marks=marks)


def body(session: Session, arrangement: Arrangement | None = None, window: str = "w1", **more: Any) -> dict[str, Any]:
    """What the page sends."""
    now = session.annotation
    laid = now.arrangement if arrangement is None else arrangement
    given = {"window": window, "revision": now.revision, "arrangement": laid.model_dump(mode="json")}
    return {**given, **more}
