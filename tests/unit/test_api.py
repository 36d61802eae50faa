"""The functions for notebooks: what `import rankscape` offers."""

import json
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rankscape
from rankscape.__main__ import main
from rankscape.foundation.errors import InputError, OrderError, TableError
from shapely.geometry import box


@pytest.fixture(scope="module")
def samples() -> gpd.GeoDataFrame:
    """1,600 places whose reference is the value and as much noise: correlation 1/sqrt(2)."""
    rng, side = np.random.default_rng(0), 40
    values = rng.normal(size=side * side)
    squares = [(500_000 + 320 * col, 4_500_000 + 320 * row) for col in range(side) for row in range(side)]
    shapes = [box(x, y, x + 320, y + 320) for x, y in squares]
    table = {"score": values, "income": values + rng.normal(size=values.size)}
    return gpd.GeoDataFrame(table, geometry=shapes, crs="EPSG:32603")


def test_importing_is_light_and_functions_are_there() -> None:
    program = (
        "import sys, rankscape; assert 'torch' not in sys.modules and 'pandas' not in sys.modules; "
        "print(rankscape.__version__); rankscape.merge_orders"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    with pytest.raises(AttributeError, match="no_such"):
        _ = rankscape.no_such  # type: ignore[attr-defined]


def test_merges_orders_as_the_command_does(tmp_path: Path) -> None:
    orders = {"anna": "3=4>1>0=2", "ben": "4>3>1>2>0", "carla": "3>4>2>1>0"}
    files = []
    for name, text in orders.items():
        files.append(tmp_path / f"{name}.txt")
        files[-1].write_text(text)
    with pytest.raises(SystemExit) as ended:
        main(["ranking", "ensemble", "--orders", *map(str, files), "--out", str(tmp_path / "merged.json")])
    assert not ended.value.code
    document = json.loads((tmp_path / "merged.json").read_text())

    merged = rankscape.merge_orders(orders)

    assert list(merged.columns) == ["rank", "rank_low", "rank_high", "level"]
    assert merged["rank"].to_dict() == pytest.approx({int(c): rank for c, rank in document["ranks"].items()})
    assert [sorted(group.index) for _, group in merged.groupby("level")] == [sorted(x) for x in document["levels"]]
    assert (merged["rank_low"] <= merged["rank"]).all()


def test_one_order_has_no_interval_and_contradictions_are_refused() -> None:
    assert rankscape.merge_orders({"anna": "1>0"})["rank_low"].isna().all()
    with pytest.raises(OrderError, match="anna"):
        rankscape.merge_orders({"anna": "1>0>1"})
    with pytest.raises(OrderError, match="ben"):
        rankscape.merge_orders({"anna": "2>1>0", "ben": "1>0"})
    with pytest.raises(InputError, match="no order"):
        rankscape.merge_orders({})
    with pytest.raises(InputError, match="no-such"):
        rankscape.merge_orders({"anna": "1>0"}, method="no-such")


def test_evaluates_any_values(samples: gpd.GeoDataFrame) -> None:
    found = rankscape.evaluate(samples, predicted="score", reference="income", block_m=2000)

    assert found.index.tolist() == ["pearson", "spearman", "kendall"]
    assert found.loc["pearson", "value"] == pytest.approx(np.sqrt(0.5), abs=0.03)
    assert (found["low"] < found["value"]).all()
    assert (found["value"] < found["high"]).all()
    assert set(found["n"]) == {1600}


def test_evaluate_refuses_what_it_cannot_use(samples: gpd.GeoDataFrame) -> None:
    with pytest.raises(TableError, match="wage"):
        rankscape.evaluate(samples, predicted="score", reference="wage", block_m=2000)
    with pytest.raises(TableError, match="CRS"):
        rankscape.evaluate(samples.set_crs(None, allow_override=True), predicted="score", reference="income", block_m=1)
    with pytest.raises(InputError, match="the same value"):
        rankscape.evaluate(samples.assign(score=1.0), predicted="score", reference="income", block_m=2000)


def test_reads_a_run_by_the_paths_of_the_dictionary(tmp_path: Path) -> None:
    folder = tmp_path / "demo/ranking/scores"
    folder.mkdir(parents=True)
    columns = {"score": np.float32([0.5]), "score_std": np.float32([0.1]), "ensemble_std": np.float32([0.1])}
    for granule in ("03TVF", "03TVG"):
        frame = pd.DataFrame({"patch_id": [f"{granule}_0_0"], "granule": [granule], **columns})
        frame.to_parquet(folder / f"{granule}.parquet")

    run = rankscape.read_run(tmp_path / "demo")

    assert len(run.paths("ranking/scores/{granule}.parquet")) == 2
    assert run.table("ranking/scores/{granule}.parquet")["granule"].tolist() == ["03TVF", "03TVG"]
    with pytest.raises(InputError, match="rankscape ranking ensemble"):
        run.documents("ranking/order.json")
    with pytest.raises(InputError, match="no-such"):
        run.table("no-such.parquet")
    with pytest.raises(InputError, match="is no table"):
        run.table("ranking/order.json")
    with pytest.raises(InputError, match="no folder"):
        rankscape.read_run(tmp_path / "nothing")
