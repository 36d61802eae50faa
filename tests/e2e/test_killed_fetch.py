"""A fetch that is killed goes on where it was: no range that had come is asked for again."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from asset_server import Handler, running
from rankscape.scenes.transfers import PIECE_BYTES
from unit.scenes.synthetic_scenes import make_candidates, make_item, write_tif
from workflow_copy import PATIENCE_S

PIECES = 5


def _late(wait_s: float):
    def fault(handler: Handler, content: bytes) -> None:
        time.sleep(wait_s)
        handler.serve(content)

    return fault


def _start(work: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "rankscape", "fetch", "--settings", '{"product":"visual"}',
         "--candidates", "candidates.json", "--out", "download.json"],
        cwd=work, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_killed_fetch_asks_only_for_what_was_under_way(tmp_path: Path):
    (tmp_path / "served").mkdir()
    pixels = np.random.default_rng(1).integers(1, 255, (3, 2500, 2500), dtype=np.uint8)
    source = write_tif(tmp_path / "served/visual.tif", pixels)
    assert -(-source.stat().st_size // PIECE_BYTES) == PIECES
    with running(tmp_path / "served") as server:
        item = make_item(1, id="S2A_01", assets={"visual": f"{server.address}/visual.tif"})
        (tmp_path / "candidates.json").write_text(json.dumps(make_candidates([item])))
        # The opening request and the first pieces come at once, the others late.
        server.faults["/visual.tif"] = [*[_late(0)] * 3, *[_late(60)] * (PIECES - 3)]
        first = _start(tmp_path)
        ledger = tmp_path / "assets/S2A_01/visual.tif.part.ledger"
        until = time.monotonic() + 60
        while time.monotonic() < until and not (ledger.is_file() and ledger.read_text().count("[") >= 4):
            time.sleep(0.05)
        first.kill()
        first.communicate()
        finished = {line for line in ledger.read_text().splitlines() if line.startswith("[")}
        assert len(finished) == 3
        before = server.spans("/visual.tif")
        second = _start(tmp_path)
        _, err = second.communicate(timeout=PATIENCE_S)
        assert second.returncode == 0, err
        again = server.spans("/visual.tif")[len(before) :]
    assert (tmp_path / "assets/S2A_01/visual.tif").read_bytes() == source.read_bytes()
    assert len(again) == PIECES - 3
    for span in again:
        start, _, last = span.removeprefix("bytes=").partition("-")
        assert f"[{start}, {int(last) + 1}]" not in finished
