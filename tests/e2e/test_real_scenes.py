"""The whole workflow on two real Sentinel-2 scenes, acquisition to report."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from e2e.real_scenes import (
    BANDS,
    SEEN,
    SHEET,
    build_catalogue,
    configuration,
    inside,
    write_cover,
    write_labels,
    write_seen,
    write_squares,
    write_surroundings,
)
from workflow_copy import PATIENCE_S, copy_workflow

pytestmark = [pytest.mark.shared, pytest.mark.timeout(PATIENCE_S)]


@pytest.fixture(scope="module")
def region(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished region's results, made by the real workflow; RANKSCAPE_KEEP names a folder to keep them in."""
    folder = Path(os.environ.get("RANKSCAPE_KEEP", tmp_path_factory.mktemp("alps"))) / "project"
    copy_workflow(folder)
    catalogue = build_catalogue(shared / "data/scenes", folder / "catalogue")
    write_labels(folder / "labels.csv")
    write_seen(folder / "seen.gpkg")
    write_squares(folder / "squares.gpkg")
    write_surroundings(folder / "surroundings.csv")
    write_cover(shared / "data/scenes", folder / "cover.tif")
    (folder / "config/granules/alps.tsv").write_text(SHEET)
    config = configuration(catalogue.relative_to(folder))
    (folder / "config/alps.yaml").write_text(config)
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "config/alps.yaml"]
    run = subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder / "results/alps"


def scores(region: Path, granule: str, kind: str) -> np.ndarray:
    table = pd.read_parquet(region / f"ranking/scores/{granule}.parquet").set_index("patch_id")
    places = [f"{granule}_{row}_{col}" for row, col in inside(SEEN[granule][kind])]
    return table.loc[places, "score"].to_numpy()


def test_city_industry_and_villages_stand_out(region: Path) -> None:
    means = {f"{g} {kind}": float(np.nanmean(scores(region, g, kind))) for g in SEEN for kind in SEEN[g]}
    print(json.dumps(means, indent=1))

    built = min(means["32TPS city"], means["32TPS industry"])
    empty = max(means["32TPS forest"], means["32TQS forest"], means["32TQS rock"])
    assert built > means["32TPS village"] > empty
    assert built > means["32TPS orchard"] > empty
    assert built - empty > 0.4


def test_offsets_are_taken_from_the_items(region: Path) -> None:
    offsets = {}
    for granule in SEEN:
        document = json.loads((region / f"scenes/sentinel-2/{granule}/download.json").read_text())
        offsets[granule] = document["scenes"][0]["offset_dn"]
        assert set(BANDS) <= set(document["scenes"][0]["assets"])

    assert offsets == {"32TPS": 0, "32TQS": -1000}


def test_report_is_whole(region: Path) -> None:
    page = (region / "report/ranking.html").read_text()

    assert "Bolzano and the Dolomites" in page
    assert "stand-in" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
