"""What the tests of ranking share: an endpoint on loopback that misbehaves on request, and invented clusters."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from judge_server import JudgeServer, completion, running
from rankscape.foundation.files import write_json
from rankscape.foundation.tables import write_table

__all__ = ["Endpoint", "Region", "completion", "write_clusters"]

Endpoint = JudgeServer


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """A real HTTP server on a free loopback port, ended with the test."""
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with running(JudgeServer()) as server:
        yield server


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back off by milliseconds instead of seconds."""
    monkeypatch.setattr("rankscape.studies.ranking.judges.judge.FIRST_WAIT_S", 0.002)


@dataclass(frozen=True)
class Region:
    """Files of an invented region: bright clusters are developed; the last cluster is uninhabited."""

    folder: Path
    tiles: Path
    clusters: Path
    summary: Path
    ids: dict[int, list[str]]

    @property
    def ranked(self) -> list[int]:
        return sorted(self.ids)[:-1]


@pytest.fixture
def region(tmp_path: Path, patch_store: Callable[..., Path]) -> Region:
    """Four ranked clusters of eight patches and an uninhabited one, on one granule of 5 x 8 patches of 8 px."""
    rng = np.random.default_rng(5)
    level = np.repeat(np.array([200, 150, 100, 50, 0]), 8)[:, None]
    pixels = np.repeat(level, 8, axis=0).reshape(40, 8, 1, 1) + rng.integers(0, 20, (40, 8, 8, 3))
    image = pixels.reshape(5, 8, 8, 8, 3).swapaxes(1, 2).reshape(40, 64, 3).astype(np.uint8)
    tiles = patch_store("03TVF", pixels=image, patch_px=8)
    ids = {row: [f"03TVF_{row}_{col}" for col in range(8)] for row in range(5)}
    return write_clusters(tmp_path, tiles, ids)


def write_clusters(folder: Path, tiles: Path, ids: dict[int, list[str]], fingerprint: str = "f" * 64) -> Region:
    """Write the clusters' table and summary; the last cluster is uninhabited."""
    rows = [
        {"patch_id": patch, "granule": "03TVF", "category": "land", "cluster": cluster}
        for cluster, patches in ids.items()
        for patch in patches
    ]
    frame = pd.DataFrame(rows).astype({"cluster": np.int32})
    write_table(folder / "clusters.parquet", frame, {"rankscape": {}})
    last = max(ids)
    entries = [
        {"cluster": cluster, "category": "land", "size": len(patches), "uninhabited": cluster == last}
        for cluster, patches in ids.items()
    ]
    document = {"clusters": entries, "uninhabited": last, "fingerprint": fingerprint}
    write_json(folder / "clusters.json", document)
    return Region(folder, tiles, folder / "clusters.parquet", folder / "clusters.json", ids)


@pytest.fixture
def golden(shared: Path) -> dict[str, Any]:
    """Ten real human orders of 22 clusters, and what is known of them."""
    document: dict[str, Any] = json.loads((shared / "golden" / "pog-north-korea.json").read_text())
    return document
