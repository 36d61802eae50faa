"""The whole workflow on two real dates of a growing city: tiles of Landsat composites to a report with their change."""

import json
import os
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
from e2e.pucallpa import GROWN, LEFT, SEEN, TOP, UNTOUCHED, tiles_in, write_region
from workflow_copy import PATIENCE_S, copy_workflow

pytestmark = [pytest.mark.shared, pytest.mark.timeout(PATIENCE_S)]


@pytest.fixture(scope="module")
def region(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished region's results; RANKSCAPE_KEEP names a folder to keep them in."""
    kept = os.environ.get("RANKSCAPE_KEEP")
    project = copy_workflow(Path(kept or tmp_path_factory.mktemp("pucallpa")) / "pucallpa")
    write_region(shared / "data/pucallpa", project.folder, "1985")
    project.snakemake("--configfile", "config/pucallpa.yaml")
    return project.folder / "results/pucallpa"


def test_city_its_edge_fields_and_forest_follow_each_other(region: Path) -> None:
    scores = pd.read_parquet(region / "ranking/scores/pucallpa_2020.parquet").set_index("patch_id")["score"]
    means = [
        float(scores[[f"pucallpa_2020_{tile}" for tile in tiles_in(SEEN[level])]].mean()) for level in (3, 2, 1, 0)
    ]
    print(means)

    assert means == sorted(means, reverse=True)
    assert means[0] - means[3] > 0.5
    evaluation = json.loads((region / "ranking/evaluation/seen.json").read_text())
    assert evaluation["predictors"]["score"]["pooled"]["spearman"]["value"] > 0.7


def test_the_city_grew_and_the_forest_stayed(region: Path) -> None:
    change = gpd.read_parquet(region / "ranking/change/1985--2020.parquet").set_index("patch_id")
    grown, untouched = (
        change.loc[[f"pucallpa_2020_{tile}" for tile in tiles_in(boxes)]] for boxes in (GROWN, UNTOUCHED)
    )
    print(grown["change"].describe(), untouched["change"].describe())

    assert grown["change"].mean() > 0.1
    assert (grown["change"] > 0).mean() > 0.8
    assert abs(untouched["change"].mean()) < 0.05
    assert not untouched["significant"].any()


def test_the_page_shows_every_part(region: Path) -> None:
    page = (region / "report/ranking.html").read_text()

    for part in ("map", "trust", "districts", "change", "regressions", "order", "clusters", "judges", "methods"):
        assert f'id="{part}"' in page, part
    assert f'"first":[{TOP},{LEFT}]' in page, "the map calls tiles by their own numbers"
