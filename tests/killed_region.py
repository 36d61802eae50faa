"""A region small enough to be made a hundred times, its scenes and its judge behind real HTTP on loopback.

What it is made of is invented once; the workflow gets it as a real region gets it: a static STAC catalogue on a server,
a judge that is asked by the OpenAI protocol, and files of labels and references. Both servers count what they did.
"""

import functools
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asset_server
import judge_server
import pytest
import yaml
from asset_server import AssetServer, Handler
from judge_server import JudgeServer, completion
from rankscape.__main__ import main
from served_judge import brightness
from workflow_copy import Project, copy_workflow

REGION = "small"
PIECE_BYTES, RATE_BYTES_S = 4096, 100_000
MOST_REQUESTS = 1000
CONCURRENCY = 3
"""Requests of the judge that are under way at once."""
FIT, APPLY = "03TVG", "03TWG"
"""The granule to learn from, and the one that the score is applied to."""


@dataclass
class Place:
    """Where the servers are, and the files that the region is made of."""

    folder: Path
    assets: AssetServer
    judge: JudgeServer
    sent_bytes: Counter[str]
    """Bytes of each scene's asset that were sent, by the asset's path."""

    def forget(self) -> None:
        """Count anew."""
        self.assets.requests.clear()
        self.sent_bytes.clear()
        self.judge.accepted.clear()
        self.judge.bodies.clear()

    @property
    def resent_bytes(self) -> int:
        """Bytes of assets that were sent more often than once."""
        sizes = {path: (self.folder / path.lstrip("/")).stat().st_size for path in self.sent_bytes}
        return sum(max(0, count - sizes[path]) for path, count in self.sent_bytes.items())


class _Slowed:
    """An answer's stream that passes bytes on in pieces, with rests, and counts them."""

    def __init__(self, stream: Any, count: Counter[str], path: str) -> None:
        self._stream, self._count, self._path = stream, count, path

    def write(self, content: bytes) -> None:
        if content.startswith(b"HTTP/"):
            self._stream.write(content)
            return
        for start in range(0, len(content), PIECE_BYTES):
            piece = content[start : start + PIECE_BYTES]
            self._stream.write(piece)
            self._stream.flush()
            self._count[self._path] += len(piece)
            time.sleep(len(piece) / RATE_BYTES_S)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _slowly(count: Counter[str], path: str, handler: Handler, content: bytes) -> None:
    """Answer well, slowly enough that kills meet downloads under way."""
    fast = handler.wfile
    handler.wfile = _Slowed(fast, count, path)  # type: ignore[assignment]
    try:
        handler.serve(content)
    except (BrokenPipeError, ConnectionResetError):
        handler.close_connection = True  # the client was killed
    finally:
        handler.wfile = fast


def simulate(folder: Path) -> None:
    """Simulate scenes, labels and references; the catalogue's addresses are relative, so any server can hold it."""
    settings = json.dumps({"granule_px": 256, "labelled_patches": 150})
    with pytest.raises(SystemExit) as end:
        main(["simulate", "--settings", settings, "--folder", str(folder)])
    assert not end.value.code
    labels = folder / "labels.csv"
    header, *rows = labels.read_text().splitlines()
    labels.write_text("\n".join([header, *(row for row in rows if row.startswith(FIT))]) + "\n")


def answer(number: int, body: dict[str, Any]) -> dict[str, Any]:
    """Score a picture by its brightness, a little otherwise for every seed: the same question has one answer."""
    parts = [part for message in body["messages"] for part in message["content"] if isinstance(part, dict)]
    score = brightness(next(part["image_url"]["url"] for part in parts if part["type"] == "image_url"))
    return completion(json.dumps({"score": round(0.95 * score + body["seed"] % 5, 2)}))


@contextmanager
def served(folder: Path) -> Iterator[Place]:
    """Invent the region's files in a folder and serve them until the block ends."""
    simulate(folder)
    judge = JudgeServer(answer, latency_s=(0.05, 0.4))
    with asset_server.running(folder) as assets, judge_server.running(judge):
        place = Place(folder, assets, judge, Counter())
        for file in folder.rglob("*.tif"):
            path = f"/{file.relative_to(folder)}"
            assets.faults[path] = [functools.partial(_slowly, place.sent_bytes, path)] * MOST_REQUESTS
        yield place


def configuration(place: Place) -> dict[str, Any]:
    """Return the region's configuration."""
    return {
        "region": REGION,
        "granules": f"config/granules/{REGION}.tsv",
        "references": {"lights": {"path": str(place.folder / "lights.tif"), "title": "Lights", "transform": "log1p"}},
        "search": {"kind": "static", "href": f"{place.assets.address}/catalog.json", "signing": "none"},
        "acquisitions": {"sentinel-2": {"product": "reflectance", "bands": ["B04", "B03", "B02", "B08"]}},
        "tile": {"patch_px": 32, "max_cloud_fraction": 0.3},
        "ranking": {
            "judges": {"anna": {"model": "tester", "base_url": place.judge.url, "concurrency": CONCURRENCY}},
            "prompts": ["economics-student-en"],
            "label": {
                "source": "file",
                "file": str(place.folder / "labels.csv"),
                "categories": ["urban", "rural", "highland", "uninhabited"],
                "uninhabited": "uninhabited",
            },
            "adapt": {
                "architecture": "test_resnet", "weights": "random", "input_px": 32, "colour": "all", "epochs": 2,
                "block_m": 600, "normalisation": "patches",
            },
            "cluster": {"k_min": 2, "k_max": 2},
            "sample": {"images_per_cluster": 2},
            "rate": {"rounds": 1, "replies": 2},
            "train": {"epochs": 2, "seeds": 2, "block_m": 600, "patches_per_cluster": 20},
            "evaluate": {"block_m": 600, "min_places": 10},
        },
    }  # fmt: skip


def small_region(place: Place, folder: Path, granules: tuple[str, ...] = (FIT, APPLY)) -> Project:
    """Copy the workflow with this region's configuration: one granule to learn from, the others to apply to."""
    project = copy_workflow(folder)
    (folder / "config/config.yaml").write_text(yaml.safe_dump(configuration(place), sort_keys=False, width=1000))
    rows = [f"{name}\t{'apply' if i else 'fit'}\t2021-01-01\t2023-12-31\t60" for i, name in enumerate(granules)]
    header = "granule\trole\tstart\tend\tmax_cloud_percent"
    (folder / f"config/granules/{REGION}.tsv").write_text("\n".join([header, *rows]) + "\n")
    return project
