"""A regression on tables alone, run by the workflow: made once, made again when its table or its settings change."""

import numpy as np
import pandas as pd

TARGET = "results/demo/ranking/regressions/roads.json"


def write_places(path, seed):
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame({"place": [f"{n // 8}_{n % 8}" for n in range(60)], "road_m": chance.uniform(100, 9000, 60)})
    frame.assign(rose=-np.log(frame["road_m"]) + chance.normal(size=60)).to_csv(path, index=False)


def test_a_regression_is_made_once_and_again_when_it_must(fresh):
    write_places(fresh.folder / "places.csv", 0)
    roads = {
        "title": "Roads",
        "places": "tables",
        "tables": [{"path": "places.csv", "key": "place"}],
        "outcomes": [{"column": "rose"}],
        "explanatory": [{"column": "road_m", "transform": "log"}],
    }
    fresh.configure(ranking={"regressions": {"roads": roads}})

    fresh.snakemake(TARGET)

    folder = (fresh.folder / TARGET).parent
    assert {path.name for path in folder.iterdir()} == {"roads.json", "roads.csv", "roads.tex"}
    assert not fresh.planned(TARGET)
    explained = [{"column": "road_m", "transform": "km"}]
    fresh.configure(ranking={"regressions": {"roads": {"explanatory": explained}}})
    assert fresh.planned(TARGET) == {"regress ranking/regressions/roads.json"}
    fresh.configure(ranking={"regressions": {"roads": roads}})
    write_places(fresh.folder / "places.csv", 1)
    assert fresh.planned(TARGET) == {"regress ranking/regressions/roads.json"}
