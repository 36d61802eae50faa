"""Orders from data: the stage, the test of differences, blocks of land, many pairs at once."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rankscape.__main__ import main
from rankscape.foundation.files import read_json
from rankscape.studies.ranking.orders.order_from_values import (
    ClusterMean,
    Values,
    bootstrap_means,
    means_of_values,
    order_of_means,
    p_values,
    significant,
)
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.orders.settings import OrderFromReferenceSettings

from ..conftest import Region

SINGLY = OrderFromReferenceSettings(block_m=None, correction="none")


def write_values(region: Region, means: dict[int, float], coverage: float = 1.0) -> Path:
    rng = np.random.default_rng(1)
    rows = [
        {"patch_id": patch, "value": means[cluster] + rng.normal(0, 1), "coverage": coverage}
        for cluster, patches in region.ids.items()
        for patch in patches
    ]
    path = region.folder / "values.parquet"
    pd.DataFrame(rows).to_parquet(path)
    return path


def derive(region: Region, means: dict[int, float], coverage: float = 1.0, **settings: Any) -> int:
    files = {
        "values": write_values(region, means, coverage),
        "indices": region.tiles.with_suffix(".parquet"),
        "clusters": region.clusters,
        "summary": region.summary,
        "out": region.folder / "data--lights.json",
    }
    options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    with pytest.raises(SystemExit) as end:
        main(["ranking", "order-from-reference", "--settings", json.dumps(settings), "--reference", "lights", *options])
    return int(end.value.code or 0)


@pytest.mark.parametrize("block_m", [None, 160.0])
def test_derive(region: Region, block_m: float | None) -> None:
    means = {0: 50.0, 1: 20.0, 2: 20.1, 3: 0.0, 4: 99.0}
    assert derive(region, means, block_m=block_m) == 0
    path = region.folder / "data--lights.json"
    document = read_json(path)
    assert document["text"] == "0>1=2>3"
    assert document["source"] == {"kind": "data", "reference": "lights"}
    assert document["scores"]["0"] == document["means"]["0"]["mean"] == pytest.approx(50, abs=1.5)
    assert document["means"]["0"]["patches"] == 8
    assert (document["means"]["0"]["blocks"] == 8) == (block_m is None)
    assert set(document["provenance"]["inputs"]) == {"clusters", "summary", "values/values", "indices/03TVF"}
    first = path.read_bytes()
    assert derive(region, means, block_m=block_m) == 0
    assert path.read_bytes() == first


def test_one_block_of_land_tells_nothing_apart(region: Region) -> None:
    assert derive(region, {0: 50.0, 1: 20.0, 2: 20.1, 3: 0.0, 4: 99.0}, block_m=1e7) == 0
    order = PartialOrder.from_document(read_json(region.folder / "data--lights.json"), "order")
    assert order.relation(0, 3) == "incomparable"


def test_derive_without_values(region: Region, capsys: Any) -> None:
    assert derive(region, dict.fromkeys(range(5), np.nan)) == 2
    assert "Reference lights has no value in any ranked patch" in capsys.readouterr().err
    assert derive(region, dict.fromkeys(range(5), 1.0), coverage=0.2) == 2
    assert derive(region, dict.fromkeys(range(5), 1.0), level=2) == 2


def test_granules_whose_index_is_missing_are_named(region: Region, capsys: Any) -> None:
    index = region.tiles.with_suffix(".parquet")
    pd.read_parquet(index)
    import geopandas as gpd
    from rankscape.samples.patches import read_grid, write_index

    grid, frame = read_grid(index), gpd.read_parquet(index)
    write_index(index, frame.iloc[1:], grid, {})
    assert derive(region, dict.fromkeys(range(5), 1.0)) == 2
    assert "--indices lacks 1 patches of" in capsys.readouterr().err


def singly(values: np.ndarray) -> Values:
    return Values(values, np.arange(len(values)))


def order_of(values: dict[int, np.ndarray], settings: OrderFromReferenceSettings = SINGLY) -> PartialOrder:
    means = means_of_values({cluster: singly(own) for cluster, own in values.items()}, settings)
    return order_of_means(means, settings).extended(values)


def test_significance() -> None:
    rng = np.random.default_rng(0)
    order = order_of({0: rng.normal(10, 1, 200), 1: rng.normal(9, 1, 200), 2: rng.normal(9.05, 1, 200), 3: np.ones(1)})
    assert order.relation(0, 1) == order.relation(0, 2) == "higher"
    assert order.relation(1, 2) == "equal"
    assert order.relation(3, 0) == "incomparable"
    assert order_of({0: np.empty(0), 1: np.array([3.0])}).relation(0, 1) == "incomparable"


def test_values_without_spread_are_certain() -> None:
    order = order_of({0: np.ones(5), 1: np.zeros(5), 2: np.zeros(3)})
    assert order.to_text() == "0>1=2"


def test_bootstrap_means_spread_as_the_standard_error_says() -> None:
    sample = np.random.default_rng(0).normal(0, 3, 400)
    means = bootstrap_means(singly(sample), OrderFromReferenceSettings(draws=2000), cluster=1)
    assert means.shape == (2000,)
    assert means.std() == pytest.approx(sample.std() / 20, rel=0.1)


def test_few_blocks_are_not_taken_for_more_certain_than_they_are() -> None:
    rng = np.random.default_rng(0)
    errors = [means_of_values({0: singly(rng.normal(0, 1, 4))}, SINGLY)[0].standard_error ** 2 for _ in range(300)]
    assert np.mean(errors) == pytest.approx(1 / 4, rel=0.15)


def alike_neighbours(rng: np.random.Generator, blocks: int = 24, patches: int = 20) -> Values:
    """One mean everywhere; blocks of land differ by 1, patches within a block by 0.5."""
    values = np.repeat(rng.normal(0, 1, blocks), patches) + rng.normal(0, 0.5, blocks * patches)
    return Values(values, np.repeat(np.arange(blocks), patches))


def test_neighbours_that_are_alike_make_single_patches_too_eager() -> None:
    """Clusters of one mean: patch by patch most pairs are told apart, block by block about one in twenty."""
    rng, found = np.random.default_rng(4), {"patches": 0, "blocks": 0}
    for _ in range(120):
        values = {cluster: alike_neighbours(rng) for cluster in range(2)}
        plain = {cluster: singly(own.values) for cluster, own in values.items()}
        for name, given_values in (("patches", plain), ("blocks", values)):
            order = order_of_means(means_of_values(given_values, SINGLY), SINGLY)
            found[name] += order.relation(0, 1) != "equal"
    assert found["patches"] / 120 > 0.4
    assert found["blocks"] / 120 < 0.1


def test_many_pairs_are_accounted_for() -> None:
    """Twenty clusters of one mean, 190 pairs: uncorrected tests find differences that are not there."""
    rng, wrong = np.random.default_rng(2), {"none": 0, "holm": 0, "benjamini-hochberg": 0}
    for _ in range(20):
        means = means_of_values({c: singly(rng.normal(0, 1, 30)) for c in range(20)}, SINGLY)
        for correction in wrong:
            order = order_of_means(means, SINGLY.model_copy(update={"correction": correction}))
            wrong[correction] += bool(order.higher.any())
    assert wrong["none"] >= 15
    assert wrong["holm"] <= 3
    assert wrong["benjamini-hochberg"] <= 4


def test_corrections_by_hand() -> None:
    p = np.array([0.011, 0.026, 0.001, 0.30, 0.012])
    assert significant(p, 0.05, "none").tolist() == [True, True, True, False, True]
    assert significant(p, 0.05, "holm").tolist() == [True, False, True, False, True]
    assert significant(p, 0.05, "benjamini-hochberg").tolist() == [True, True, True, False, True]
    assert significant(np.array([0.04, 0.03]), 0.05, "benjamini-hochberg").all()
    assert not significant(np.array([0.04, 0.03]), 0.05, "holm").any()
    assert significant(np.empty(0), 0.05, "holm").shape == (0,)
    assert significant(np.zeros(3), 0.05, "holm").all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_stricter_than_benjamini_hochberg_than_none(values: list[float]) -> None:
    p = np.array(values)
    holm, shares, none = (significant(p, 0.05, name) for name in ("holm", "benjamini-hochberg", "none"))
    assert not (holm & ~shares).any()
    assert not (shares & ~(p <= 0.05)).any()
    assert not (none & (p >= 0.05)).any()


def test_p_values_are_those_of_welch() -> None:
    from scipy.stats import ttest_ind

    rng = np.random.default_rng(3)
    one, other = rng.normal(0, 1, 12), rng.normal(0.5, 3, 40)
    means = [ClusterMean(v.mean(), float(v.std(ddof=1) / np.sqrt(len(v))), len(v), len(v)) for v in (one, other)]
    expected = ttest_ind(one, other, equal_var=False).pvalue
    assert p_values(means)[0, 1] == p_values(means)[1, 0] == pytest.approx(expected)
    assert p_values(means)[0, 0] == 1
