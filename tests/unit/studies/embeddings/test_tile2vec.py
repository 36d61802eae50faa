"""Tile2Vec's triplets in metres, and that its network is an embedding like any other."""

import json

import numpy as np
import pytest
import torch
from rankscape.foundation.errors import SettingsError
from rankscape.learning import trainer
from rankscape.learning.checkpoints import Checkpoints
from rankscape.learning.processes import ProcessGroup, use_device
from rankscape.learning.selection import open_stores, select_usable
from rankscape.samples.patches import NOWHERE
from rankscape.studies.embeddings.artifacts import DOWNSTREAM, FEATURE_RECORD, TILE2VEC_RECORD
from rankscape.studies.embeddings.neighbour_learning import find_neighbourhood, learn_neighbours
from rankscape.studies.embeddings.network_settings import Tile2VecSettings
from stopping import dying_in

SMALL = {"architecture": "tile2vec-8-w2", "epochs": 2, "triplets": 60, "batch_size": 20, "neighbour_m": 100}


def learn(region, **settings):
    chosen = json.dumps({**SMALL, **settings})
    out = region.folder / "models/tiles.safetensors"
    return region.run("embeddings", "tile2vec", "--settings", chosen, "--patches", *region.patches, "--out", out)


def test_it_is_an_embedding_judged_in_every_split(ready):
    assert learn(ready) == ready.embed("tiles") == ready.downstream("tiles", ("tiles",)) == 0
    about = TILE2VEC_RECORD.read(ready.folder / "models/tiles.json")
    assert (about.patches, about.anchors, about.neighbour_m, about.dims) == (426, 426, 100, 8)
    record = FEATURE_RECORD.read(ready.folder / "features/tiles/03TVF.json")
    assert (record.architecture, record.learned) == ("tile2vec-8-w2", [])
    found = DOWNSTREAM.read(ready.folder / "downstream/truth/tiles.json")
    assert set(found.splits) == {"random", "blocks", "places"}
    assert found.splits["blocks"].r2 > 0


def test_neighbours_are_near_and_distant_tiles_far(region):
    patches = select_usable(open_stores(region.patches))  # 80 m a patch, granules 20 km apart
    around = find_neighbourhood(patches, Tile2VecSettings(neighbour_m=100))
    x, y = around.x, around.y
    assert around.side_m == pytest.approx(80, rel=1e-3)
    near = around.near()
    assert max(len(own) for own in near) == 8
    assert all(place not in own for place, own in enumerate(near))
    assert all(
        np.abs(x[own] - x[place]).max() < 101 > np.abs(y[own] - y[place]).max() for place, own in enumerate(near)
    )
    chance, granules = np.random.default_rng(0), set()
    for anchor in range(0, len(patches), 7):
        other = around.distant(anchor, chance)
        assert max(abs(x[other] - x[anchor]), abs(y[other] - y[anchor])) > 100
        granules.add(patches.store[other] == patches.store[anchor])
    assert granules == {True, False}
    assert find_neighbourhood(patches, Tile2VecSettings()).reach_m == pytest.approx(1000, rel=1e-3), "100 px"


def test_another_date_of_the_same_place_is_never_distant(patch_store):
    pixels = np.random.default_rng(0).uniform(0.05, 0.2, (32, 32, 3)).astype(np.float32)
    dates = [patch_store(name, pixels=pixels, patch_px=8, origin_m=(4e5, 4.5e6)) for name in ("03TVF", "03TVF-b")]
    around = find_neighbourhood(select_usable(open_stores(dates)), Tile2VecSettings(neighbour_m=10))
    chance = np.random.default_rng(0)
    assert {around.distant(0, chance) % 16 for _ in range(300)} == set(range(1, 16)), "touching is no overlap"


def test_tiles_of_one_image_are_neighbours_without_coordinates(patch_store):
    pixels = np.random.default_rng(0).uniform(0.05, 0.2, (32, 32, 3)).astype(np.float32)
    patches = select_usable(open_stores([patch_store("photos", pixels=pixels, patch_px=16, crs=NOWHERE)]))
    settings = Tile2VecSettings(**{**SMALL, "tile_px": 8})
    around = find_neighbourhood(patches, settings)
    assert [own.tolist() for own in around.near()] == [[0], [1], [2], [3]]
    assert {around.distant(1, np.random.default_rng(seed)) for seed in range(20)} == {0, 2, 3}
    with pytest.raises(SettingsError, match="set tile_px below 16"):
        find_neighbourhood(patches, Tile2VecSettings())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"neighbour_m": 10}, "0 patches have a neighbour within 10 m: raise neighbour_m"),
        ({"neighbour_m": 1e6}, "none is distant: lower neighbour_m"),
        ({"architecture": "band-statistics"}, "Nothing in band-statistics can be trained"),
        ({"learning_rate": 1.0, "l2": 100.0, "margin": 1e6, "architecture": "tile2vec-x"}, "is no model of timm"),
        ({"margin": 0}, "margin = 0 is refused"),
    ],
)
def test_what_cannot_be_learned_is_refused(region, capsys, settings, message):
    assert learn(region, **settings) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (region.folder / "models").exists()


def test_a_training_stopped_goes_on_to_the_same_weights(region, tmp_path, monkeypatch):
    group, stores = ProcessGroup(use_device(0, 1)), list(open_stores(region.patches))
    settings = Tile2VecSettings(**SMALL)
    kept = Checkpoints.of(tmp_path / "kept", {})
    with dying_in(trainer, "_step", 5, monkeypatch):
        learn_neighbours("t", settings, stores, group, kept)
    again, whole = learn_neighbours("t", settings, stores, group, kept), learn_neighbours("t", settings, stores, group)
    assert again[1] == whole[1]
    first, second = (one[0].backbone.state_dict() for one in (again, whole))
    assert all(torch.equal(first[key], second[key]) for key in first)
