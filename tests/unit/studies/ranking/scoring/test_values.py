"""Training on a reference's values: ranks as targets, strata in the place of clusters, wrong values."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rankscape.foundation.errors import InputError, TableError
from rankscape.foundation.files import read_json
from rankscape.foundation.tables import read_table, write_table
from rankscape.samples.patches import open_patches
from rankscape.studies.ranking.scoring.samples import (
    clusters_of,
    levels_of,
    open_valued,
    rank_targets,
    strata_of,
    targets_of,
)
from rankscape.studies.ranking.stages.predict import predict
from rankscape.studies.ranking.stages.train import train
from scipy.stats import spearmanr

from .conftest import LEVELS, World

LEVEL = {cluster: place for place, members in enumerate(LEVELS) for cluster in members}


def radiance(world: World) -> pd.DataFrame:
    """A value of every clustered patch: the better its level, the brighter, and never twice the same."""
    table = read_table(world.clusters)
    noise = np.random.default_rng(5).uniform(0, 0.5, len(table))
    return pd.DataFrame({"patch_id": table.patch_id, "value": np.exp(3 - table.cluster.map(LEVEL) + noise)})


def value_files(world: World, values: pd.DataFrame, coverage: float = 1.0) -> list[Path]:
    """Write values as `aggregate` does, a granule each."""
    paths = []
    for tiles in world.tiles:
        own = values[values.patch_id.isin(open_patches(tiles).index.patch_id)]
        paths.append(world.folder / "values" / f"{tiles.stem}.parquet")
        write_table(paths[-1], own.assign(coverage=coverage), {})
    return paths


def value_arguments(world: World, values: pd.DataFrame, **changes) -> dict:
    return {**world.train_files(), "order": (), "values": value_files(world, values, **changes)}


@given(st.lists(st.floats(-1e6, 1e6), min_size=2).filter(lambda values: len(set(values)) > 1))
def test_targets_follow_the_values_and_reach_from_0_to_1(values: list[float]):
    given_values = np.array(values)
    target = rank_targets(given_values)
    assert (target.min(), target.max()) == (0, 1)
    higher = given_values[:, None] > given_values[None, :]
    assert np.array_equal(target[:, None] > target[None, :], higher)


def test_equal_values_share_a_target_and_any_monotone_transform_gives_the_same():
    values = np.array([0.0, 0.0, 0.0, 5.0, 1.0])
    assert rank_targets(values).tolist() == pytest.approx([0, 0, 0, 1, 2 / 3])
    assert np.array_equal(rank_targets(values), rank_targets(np.log1p(values)))


def test_strata_are_counted_from_the_highest_without_gaps():
    assert strata_of(np.array([1.0, 0.95, 0.5, 0.0]), 10).tolist() == [0, 0, 1, 2]
    assert strata_of(np.array([1.0, 0.6, 0.4, 0.0]), 1).tolist() == [0, 0, 1, 1]


def test_a_pool_of_values_gives_each_patch_its_own_target(world: World):
    values = radiance(world).sample(frac=1, random_state=2)
    patches = read_table(world.clusters).patch_id
    pool, targets = open_valued(world.tiles, patches[3:].tolist(), values, 5)
    known = values.set_index("patch_id").value[pool.ids()].to_numpy()

    assert len(pool) == len(patches) - 3
    assert spearmanr(targets_of(pool), known).statistic == pytest.approx(1)
    assert np.array_equal(clusters_of(pool), levels_of(pool))
    assert spearmanr(levels_of(pool), targets_of(pool)).statistic < -0.9
    assert targets.learned == "values"
    assert list(targets.target) == [0, 1, 2, 3, 4]
    for stratum, mean in targets.target.items():
        assert targets_of(pool)[clusters_of(pool) == stratum].mean() == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize("objective", ["regression", "ridge", "listwise"])
def test_networks_learn_the_values_of_patches(world: World, objective: str):
    out, values = world.folder / "score.safetensors", radiance(world)
    settings = world.settings(objective=objective, seeds=1)
    train(settings=settings, **value_arguments(world, values), out=out, record=out.with_suffix(".json"))
    table = world.folder / "scores.parquet"
    predict(settings="{}", patches=world.tiles[0], model=out, out=table)

    joined = read_table(table).merge(values, on="patch_id")
    assert spearmanr(joined.score, joined.value).statistic > 0.8
    record = read_json(out.with_suffix(".json"))
    assert record["learned"] == "values"
    assert "agreement with that reference is no evidence" in record["limits"][0]
    inputs = record["provenance"]["inputs"]
    assert {"values 03TVF", "values 03TVG", "clusters"} <= set(inputs)
    assert "order" not in inputs
    card = out.with_suffix(".md").read_text()
    assert "the rank of its own value of a reference" in card
    assert "| stratum | level |" in card


def test_order_and_values_exclude_each_other(world: World):
    files = value_arguments(world, radiance(world)) | {"out": world.folder / "o", "record": world.folder / "r"}
    for wrong in ({"order": (world.order,)}, {"values": None}, {"values": []}):
        with pytest.raises(InputError, match="learns from --order or from --values: give one of the two"):
            train(settings=world.settings(), **(files | wrong))


def test_patches_that_the_reference_hardly_covers_are_not_learned_from(world: World):
    files = value_arguments(world, radiance(world), coverage=0.4) | {"out": world.folder / "o"}
    with pytest.raises(TableError, match="no value of any of the 126 patches to learn from: does the reference cover"):
        train(settings=world.settings(), **files, record=world.folder / "r")


def test_values_that_are_all_equal_or_given_twice_are_refused(world: World):
    values = radiance(world)
    ids = values.patch_id.tolist()
    with pytest.raises(TableError, match="gives all 126 patches the value 3: there is nothing to learn"):
        open_valued(world.tiles, ids, values.assign(value=3.0), 5)
    with pytest.raises(TableError, match=f"two values of the patch {ids[7]}: give each granule's table once"):
        open_valued(world.tiles, ids, pd.concat([values, values[7:8]]), 5)
