"""Published baseline models of North Korea, guided by night lights and land cover, against floor area."""

import csv

import numpy as np
import pytest
from rankscape.evaluation.correlation import spearman


@pytest.mark.shared
@pytest.mark.parametrize(("name", "published"), [("NL", 0.6193), ("LC", 0.7628)])
def test_published_baselines_agree_with_floor_area_as_published(shared, name: str, published: float):
    tables = shared / "data/north-korea/tables"
    with (tables / "NK_gt_stats.csv").open(encoding="utf-8-sig") as handle:
        area = {(row["district"], row["y_x"]): float(row["FA2014"]) for row in csv.DictReader(handle)}
    with (tables / f"NK_{name}_guided.csv").open(encoding="utf-8-sig") as handle:
        score = {(row["district"], row["y_x"]): float(row["score"]) for row in csv.DictReader(handle)}

    assert area.keys() == score.keys()
    assert len(area) == 32_578
    found = spearman(np.array([score[place] for place in area]), np.array(list(area.values())))
    assert round(found, 4) == published
