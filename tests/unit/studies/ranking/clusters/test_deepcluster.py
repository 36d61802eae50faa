"""The stage `refine`: DeepCluster within each land category, on two granules that overlap."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from rankscape.__main__ import main
from rankscape.foundation.files import read_array, read_json, write_array
from rankscape.foundation.tables import read_table, write_table
from rankscape.learning.adapted import Adapted, embed_patches, load_adapted, save_adapted
from rankscape.learning.filters import features_of
from rankscape.learning.selection import select_usable
from rankscape.models.backbones import create_backbone
from rankscape.models.preparation import Preparation
from rankscape.samples.patches import index_of, open_patches, read_index
from rankscape.studies.ranking.clusters import deepcluster
from rankscape.studies.ranking.clusters.deepcluster import refine_category
from rankscape.studies.ranking.clusters.settings import RefineSettings
from rankscape.studies.ranking.stages.cluster import cluster

PREPARATION = Preparation(32, "rgb", "patches", (0.35,) * 3, (0.25,) * 3, ("B04", "B03", "B02"))
QUICK = {"groups": 6, "epochs": 2, "batch_size": 32, "learning_rate": 0.01}
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Land:
    """Files that refine reads; patches show one of four textures, two of each category."""

    tiles: list[Path]
    features: list[Path]
    categories: Path
    backbone: Path

    def patches(self):
        stores = [open_patches(path) for path in self.tiles]
        return select_usable(stores)


def textures(look, generator):
    """Pictures of 8 x 8 px: stripes down, stripes across, a chessboard, or nothing, in chance light."""
    rows, cols = np.indices((8, 8)) // 2 % 2
    kinds = np.stack([rows, cols, rows ^ cols, np.zeros((8, 8), int)])
    light = generator.integers(40, 120, (len(look), 1, 1))
    noise = generator.integers(0, 20, (len(look), 8, 8))
    return (light + 90 * kinds[look] + noise).astype(np.uint8)


@pytest.fixture
def land(patch_store, tmp_path):
    generator = np.random.default_rng(3)
    backbone = create_backbone("test_resnet", "random", 3, seed=0)
    adapted = Adapted("test_resnet", backbone, PREPARATION, None, ("town", "country", "wild"), "wild")
    save_adapted(tmp_path / "backbone.safetensors", adapted, {})
    tiles, features, parts = [], [], []
    for number, granule in enumerate(["03TVF", "03TWF"]):
        look = generator.integers(4, size=80)
        pixels = textures(look, generator).reshape(8, 10, 8, 8).swapaxes(1, 2).reshape(64, 80)
        usable = generator.random(80) > 0.1
        origin = (400_000.0 + number * 640, 4_500_000.0)
        path = patch_store(granule, pixels=np.repeat(pixels[..., None], 3, 2), origin_m=origin, usable=usable)
        tiles.append(path)
        features.append(tmp_path / "features" / f"{granule}.npy")
        write_array(features[-1], embed_patches(adapted, open_patches(path), 32, CPU))
        names = np.array(["town", "town", "country", "wild"], object)[look]
        parts.append(read_index(index_of(path))[["patch_id", "granule"]].assign(category=names)[usable])
    table = pd.DataFrame(pd.concat(parts, ignore_index=True)).astype({"category": "str"})
    label = {"categories": ["town", "country", "wild"], "uninhabited": "wild"}
    write_table(tmp_path / "categories.parquet", table, {"label": label})
    return Land(tiles, features, tmp_path / "categories.parquet", tmp_path / "backbone.safetensors")


@pytest.fixture
def refine(land, tmp_path):
    """Run refine: `refine(folder, epochs=1, ...)` returns the exit status."""

    def call(folder, *, files=None, **settings):
        chosen = files or land
        out = [folder / path.name for path in chosen.tiles]
        with pytest.raises(SystemExit) as end:
            main(
                [
                    "ranking",
                    "refine",
                    *("--settings", json.dumps({**QUICK, **settings})),
                    *("--patches", *map(str, chosen.tiles), "--features", *map(str, chosen.features)),
                    *("--categories", str(chosen.categories), "--backbone", str(chosen.backbone)),
                    *("--out", *map(str, out), "--record", str(folder / "refined.json")),
                ]
            )
        return int(end.value.code or 0)

    return call


def test_features_are_those_of_networks_trained_in_each_category(refine, land, tmp_path):
    assert refine(tmp_path / "a") == 0
    table = read_table(land.categories).set_index("patch_id")["category"]
    record = read_json(tmp_path / "a/refined.json")
    assert set(record["networks"]) == {"town", "country"}
    assert record["provenance"]["stage"] == "ranking refine"
    for tiles, before in zip(land.tiles, land.features, strict=True):
        old, new = read_array(before), read_array(tmp_path / "a" / tiles.name)
        index = read_index(index_of(tiles))
        usable = index["usable"].to_numpy(bool)
        assert new.shape == old.shape
        assert new.dtype == np.float32
        assert np.isnan(new[~usable]).all()
        assert np.isfinite(new[usable]).all()
        wild = usable & (index["patch_id"].map(table) == "wild").to_numpy()
        np.testing.assert_array_equal(new[wild], old[wild])
        assert (np.abs(new - old)[usable & ~wild].max(1) > 1e-3).all()


def test_what_is_known_of_a_training_stands_in_the_record(refine, tmp_path, capsys):
    refine(tmp_path / "a", runs=2)
    town = read_json(tmp_path / "a/refined.json")["networks"]["town"]
    assert town["groups"] == 6
    assert len(town["epochs"]) == 2
    assert set(town["epochs"][0]) == {"epoch", "loss", "accuracy", "smallest", "largest", "kept"}
    assert town["epochs"][0]["smallest"] >= 1
    assert len(town["stability_by_seed"]) == 1
    assert town["stability"] == town["stability_by_seed"][0] < 1
    said = capsys.readouterr().err
    assert "town: stability" in said
    assert "of 2 whole trainings" in said


def test_a_place_is_trained_on_once(refine, land, tmp_path):
    refine(tmp_path / "a")
    table = read_table(land.categories)
    record = read_json(tmp_path / "a/refined.json")["networks"]
    for name in ("town", "country"):
        assert 4 < record[name]["patches"] < (table["category"] == name).sum()


def test_one_network_may_see_all_inhabited_land(refine, land, tmp_path):
    refine(tmp_path / "a", epochs=1, networks="inhabited")
    table = read_table(land.categories)
    record = read_json(tmp_path / "a/refined.json")["networks"]
    assert set(record) == {"town+country"}
    assert record["town+country"]["patches"] <= (table["category"] != "wild").sum()
    for name in ("03TVF.npy", "03TWF.npy"):
        before = read_array(tmp_path / "features" / name)
        changed = np.abs(read_array(tmp_path / "a" / name) - before).max(1) > 1e-3
        index = read_index((tmp_path / "tiles" / name).with_suffix(".parquet"))
        inhabited = index["patch_id"].isin(table.loc[table["category"] != "wild", "patch_id"]).to_numpy()
        np.testing.assert_array_equal(changed, inhabited)


def test_the_same_inputs_give_the_same_bytes_and_another_seed_others(refine, tmp_path, land):
    refine(tmp_path / "a")
    turned = Land(land.tiles[::-1], land.features[::-1], land.categories, land.backbone)
    refine(tmp_path / "b", files=turned)
    refine(tmp_path / "c", seed=1)
    for name in ("03TVF.npy", "03TWF.npy", "refined.json"):
        first, second, other = ((tmp_path / folder / name).read_bytes() for folder in "abc")
        assert first == second
        assert first != other


def test_clusters_are_made_of_refined_features(refine, land, tmp_path):
    refine(tmp_path / "a", epochs=6)
    out, summary = tmp_path / "c.parquet", tmp_path / "c.json"
    settings = {"k": {"town": 2}, "k_min": 2, "stability_seeds": 3, "method": "deepcluster"}
    features = [tmp_path / "a" / path.name for path in land.tiles]
    cluster(
        settings=json.dumps(settings),
        features=features,
        indices=[index_of(path) for path in land.tiles],
        categories=land.categories,
        out=out,
        summary=summary,
    )
    known = read_json(summary)
    assert known["provenance"]["settings"]["method"] == "deepcluster"
    assert len(known["categories"]["town"]["stability_by_seed"]) == 2
    assert known["uninhabited"] == len(known["clusters"]) - 1


def test_backbone_and_classifier_are_both_trained_and_the_given_one_is_left_alone(land):
    adapted = load_adapted(land.backbone)
    before = {name: tensor.clone() for name, tensor in adapted.backbone.state_dict().items()}
    found = refine_category(adapted, land.patches(), "town", RefineSettings(**QUICK), CPU, seed=(0, 0))
    changed = [name for name, tensor in found.backbone.named_parameters() if not torch.equal(tensor, before[name])]
    assert changed == [name for name, _ in found.backbone.named_parameters()]
    assert all(torch.equal(tensor, before[name]) for name, tensor in adapted.backbone.state_dict().items())
    assert not found.backbone.training


def test_the_network_learns_to_tell_its_groups(land):
    settings = RefineSettings(**{**QUICK, "groups": 4, "epochs": 8})
    found = refine_category(load_adapted(land.backbone), land.patches(), "town", settings, CPU, seed=(0, 0))
    loss, accuracy = ([epoch[name] for epoch in found.record["epochs"]] for name in ("loss", "accuracy"))
    # Groups change from epoch to epoch, and so does what there is to tell: single epochs say little.
    assert np.mean(loss[-3:]) < 0.9 * np.mean(loss[:3])
    assert np.mean(accuracy[-3:]) > 0.6 > 2 * (1 / 4)


def test_features_are_computed_without_augmentation(land, monkeypatch):
    shown = []
    inner = deepcluster.augment
    monkeypatch.setattr(deepcluster, "augment", lambda batch, chance: shown.append(len(batch)) or inner(batch, chance))
    patches, settings = land.patches(), RefineSettings(**QUICK)
    found = refine_category(load_adapted(land.backbone), patches, "town", settings, CPU, seed=(0, 0))
    again = features_of(found.backbone, patches, PREPARATION, settings.batch_size)
    np.testing.assert_array_equal(found.features, again.astype(np.float32))
    # Augmented are the pictures of the training steps alone: two epochs of six groups, equally often.
    each = -(-len(patches) // 6) * 6
    assert sum(shown) == 2 * each


def test_a_fresh_classifier_in_every_epoch(land, monkeypatch):
    heads = []
    linear = torch.nn.Linear
    monkeypatch.setattr(deepcluster.nn, "Linear", lambda *sizes: heads.append(linear(*sizes)) or heads[-1])
    settings = RefineSettings(**{**QUICK, "epochs": 3})
    refine_category(load_adapted(land.backbone), land.patches(), "town", settings, CPU, seed=(0, 0))
    assert len(heads) == 3
    assert all(head.out_features == 6 for head in heads)


def test_too_few_patches_keep_their_features(land, capsys):
    few = land.patches().take(np.arange(3))
    assert refine_category(load_adapted(land.backbone), few, "pass", RefineSettings(), CPU, seed=(0, 0)) is None
    assert "pass: 3 patches are too few to learn from" in capsys.readouterr().err


def test_a_category_of_few_patches_is_passed_over(refine, land, tmp_path):
    table = read_table(land.categories)
    rows = table.index[table["category"] == "country"]
    table.loc[rows[3:], "category"] = "wild"
    write_table(land.categories, table, {"label": {"categories": ["town", "country", "wild"], "uninhabited": "wild"}})
    assert refine(tmp_path / "a", epochs=1) == 0
    assert set(read_json(tmp_path / "a/refined.json")["networks"]) == {"town"}


def test_a_backbone_that_cannot_be_trained_is_refused(refine, land, tmp_path, capsys):
    network = create_backbone("random-convolutions-3px-8", "random", 3, seed=0)
    network.filters.copy_(torch.ones_like(network.filters))
    adapted = Adapted("random-convolutions-3px-8", network, PREPARATION, None, ("land",), None)
    save_adapted(land.backbone, adapted, {})
    assert refine(tmp_path / "a") == 2
    said = capsys.readouterr().err
    assert "random-convolutions-3px-8, of which nothing can be trained: set cluster.method to kmeans" in said
    assert not (tmp_path / "a").exists()


def test_inputs_that_do_not_belong_together_are_refused(refine, land, tmp_path, capsys):
    write_array(land.features[0], read_array(land.features[0])[:, :-1].copy())
    write_array(land.features[1], read_array(land.features[1])[:, :-1].copy())
    assert refine(tmp_path / "a") == 2
    assert "run embed again" in capsys.readouterr().err


def test_categories_of_other_patches_are_refused(refine, land, tmp_path, capsys):
    label = {"categories": ["town", "country", "wild"], "uninhabited": "wild"}
    write_table(land.categories, read_table(land.categories).iloc[1:], {"label": label})
    assert refine(tmp_path / "a") == 2
    assert "run categorize again" in capsys.readouterr().err


def test_outputs_are_named_as_the_tiles_are(land, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(
            [
                *("ranking", "refine", "--settings", "{}", "--patches", *map(str, land.tiles)),
                *("--features", *map(str, land.features), "--categories", str(land.categories)),
                *("--backbone", str(land.backbone), "--out", "a.npy", "--record", str(tmp_path / "r.json")),
            ]
        )
    assert end.value.code == 2
    assert "--out names ['a'], --patches ['03TVF', '03TWF']: name the same." in capsys.readouterr().err
