"""The stage `embed` as users call it: patches and a backbone in, features out."""

import json

import numpy as np
import pytest
import torch
from rankscape.foundation.files import read_array, read_json
from rankscape.learning.adapted import load_adapted
from rankscape.models.weights import load_weights, save_weights
from rankscape.samples.patches import open_patches


@pytest.fixture
def backbone(adapt, tmp_path):
    path = tmp_path / "backbone.safetensors"
    assert adapt(path, epochs=2) == 0
    return path


@pytest.fixture
def embed(run):
    def call(tiles, backbone, out, *more, **settings):
        chosen = json.dumps({"batch_size": 50, **settings})
        return run(
            "ranking", "embed", "--settings", chosen, "--patches", tiles, "--backbone", backbone, "--out", out, *more
        )

    return call


def test_every_usable_patch_has_the_features_of_the_backbone(embed, backbone, land, tmp_path):
    out = tmp_path / "features" / "03TVF.npy"
    assert embed(land.tiles[0], backbone, out) == 0
    features, adapted, patches = read_array(out), load_adapted(backbone), open_patches(land.tiles[0])
    assert features.dtype == np.float32
    assert features.shape == (144, adapted.dims)
    assert np.isnan(features[:3]).all()
    assert np.isfinite(features[3:]).all()
    with torch.inference_mode():
        alone = adapted.backbone(adapted.preparation.tensor(patches.array[77:78]))[0].numpy()
    np.testing.assert_allclose(features[77], alone, rtol=1e-4, atol=1e-5)


def test_the_file_beside_says_where_features_come_from(embed, backbone, land, tmp_path):
    embed(land.tiles[0], backbone, tmp_path / "03TVF.npy")
    beside = read_json(tmp_path / "03TVF.json")
    assert beside["granule"] == "03TVF"
    assert (beside["patches"], beside["usable"]) == (144, 141)
    assert beside["dims"] == load_adapted(backbone).dims
    assert beside["backbone"]["architecture"] == "test_resnet"
    assert set(beside["provenance"]["inputs"]) == {"patches", "index", "backbone"}
    assert beside["provenance"]["backend"] == "cpu"


def test_two_runs_give_the_same_bytes(embed, backbone, land, tmp_path):
    for name in "ab":
        embed(land.tiles[0], backbone, tmp_path / f"{name}.npy")
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_batch_size_changes_no_more_than_rounding(embed, backbone, land, tmp_path):
    embed(land.tiles[0], backbone, tmp_path / "a.npy", batch_size=7)
    embed(land.tiles[0], backbone, tmp_path / "b.npy", batch_size=144)
    np.testing.assert_allclose(read_array(tmp_path / "a.npy"), read_array(tmp_path / "b.npy"), rtol=1e-4, atol=1e-5)


def test_features_tell_towns_from_fields(embed, backbone, land, tmp_path):
    embed(land.tiles[1], backbone, tmp_path / "a.npy")
    features = np.asarray(read_array(tmp_path / "a.npy"))
    ids = open_patches(land.tiles[1]).index["patch_id"]
    town = np.array([land.town[name] for name in ids])
    usable = np.isfinite(features[:, 0])
    head = load_adapted(backbone).head
    with torch.inference_mode():
        guess = head(torch.from_numpy(features[usable])).argmax(1).numpy() == 0
    assert (guess == town[usable]).mean() > 0.9


def test_a_gpu_that_is_not_there_is_an_error_and_no_silent_cpu(embed, backbone, land, tmp_path, capsys):
    asked = torch.cuda.device_count() + 1
    assert embed(land.tiles[0], backbone, tmp_path / "a.npy", "--gpus", asked) == 1
    assert "GPU(s) asked for" in capsys.readouterr().err
    assert not (tmp_path / "a.npy").exists()


def test_patches_of_other_bands_are_refused(embed, backbone, patch_store, tmp_path, capsys):
    other = patch_store("03TXF", pixels=np.ones((16, 16, 3), np.float32))
    assert embed(other, backbone, tmp_path / "a.npy") == 2
    assert "fitted to the bands ['B04', 'B03', 'B02', 'B08']" in capsys.readouterr().err


def test_a_backbone_of_three_colours_takes_patches_with_more_bands(embed, adapt, land, patch_store, tmp_path):
    path = tmp_path / "rgb.safetensors"
    adapt(path, epochs=0, colour="rgb")
    assert embed(land.tiles[0], path, tmp_path / "a.npy") == 0
    three = patch_store("03TXF", pixels=np.full((16, 16, 3), 0.1, np.float32))
    assert embed(three, path, tmp_path / "b.npy") == 0


def test_files_that_are_no_backbone_are_named(embed, land, tmp_path, capsys):
    bad = tmp_path / "bad.safetensors"
    bad.write_text("no weights")
    assert embed(land.tiles[0], bad, tmp_path / "a.npy") == 2
    save_weights(bad, {"x": torch.zeros(1)}, {"architecture": "test_resnet"})
    assert embed(land.tiles[0], bad, tmp_path / "a.npy") == 2
    assert embed(land.tiles[0], tmp_path / "none.safetensors", tmp_path / "a.npy") == 2
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("rankscape:")]
    assert "no whole safetensors file" in told[0]
    assert "lacks 'preparation'" in told[1]
    assert "does not exist" in told[2]


def test_weights_that_blow_up_are_told_and_not_written(embed, backbone, land, tmp_path, capsys):
    tensors, document = load_weights(backbone)
    tensors["backbone.conv1.0.weight"] *= float("inf")
    save_weights(backbone, tensors, document)
    assert embed(land.tiles[0], backbone, tmp_path / "a.npy") == 2
    assert "have no finite features, such as 03TVF_0_3" in capsys.readouterr().err
    assert not (tmp_path / "a.npy").exists()
