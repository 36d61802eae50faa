"""What the tests of ranking share: an endpoint on loopback that misbehaves on request, and invented clusters."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import uvicorn
from rankscape.foundation.files import write_json
from rankscape.foundation.tables import write_table
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def completion(text: str, finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    """Body of a chat completion."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "tester",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "message": {"role": "assistant", "content": text, **message},
            }
        ],
        "usage": {"prompt_tokens": 150, "completion_tokens": 7, "total_tokens": 157},
    }


@dataclass
class Endpoint:
    """A judge's endpoint; `answer(number, body)` says what the number-th request gets."""

    answer: Callable[[int, dict[str, Any]], Any] = lambda number, body: completion('{"score": 50}')
    delay_s: float = 0.0
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    arrivals_s: list[float] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0

    async def reply(self, request: Request) -> Response:
        self.arrivals_s.append(time.monotonic())
        self.headers.append(dict(request.headers))
        body = await request.json()
        self.bodies.append(body)
        number = len(self.bodies)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(self.delay_s)
            outcome = self.answer(number, body)
        finally:
            self.under_way -= 1
        return outcome if isinstance(outcome, Response) else JSONResponse(outcome)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """A real HTTP server on a free loopback port, ended with the test."""
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    judge = Endpoint()
    app = Starlette(routes=[Route("/v1/chat/completions", judge.reply, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    judge.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    yield judge
    server.should_exit = True
    thread.join(timeout=10)
    assert not thread.is_alive()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back off by milliseconds instead of seconds."""
    monkeypatch.setattr("rankscape.ranking.judges.FIRST_WAIT_S", 0.002)


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
