"""A regression on tables alone, run by the workflow: made once, made again when its table or its settings change."""

import numpy as np
import pandas as pd

TARGET = "results/demo/regressions/roads.json"


def write_places(path, seed):
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame({"place": [f"{n // 8}_{n % 8}" for n in range(60)], "road_m": chance.uniform(100, 9000, 60)})
    frame.assign(rose=-np.log(frame["road_m"]) + chance.normal(size=60)).to_csv(path, index=False)


def test_a_regression_is_made_once_and_again_when_it_must(fresh):
    write_places(fresh.folder / "places.csv", 0)
    fresh.edit("config/config.yaml", "\nregressions:\n", """
regressions:
  roads:
    title: Roads
    places: tables
    tables: [{path: places.csv, key: place}]
    outcomes: [{column: rose}]
    explanatory: [{column: road_m, transform: log}]
""")  # fmt: skip

    fresh.snakemake(TARGET)

    folder = (fresh.folder / TARGET).parent
    assert {path.name for path in folder.iterdir()} == {"roads.json", "roads.csv", "roads.tex"}
    assert not fresh.planned(TARGET)
    fresh.edit("config/config.yaml", "transform: log}", "transform: km}")
    assert fresh.planned(TARGET) == {"regress regressions/roads.json"}
    fresh.edit("config/config.yaml", "transform: km}", "transform: log}")
    write_places(fresh.folder / "places.csv", 1)
    assert fresh.planned(TARGET) == {"regress regressions/roads.json"}
