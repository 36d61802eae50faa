"""From the command line to random convolutional features: adapt takes the filters, embed uses them."""

import numpy as np
import pytest
import torch
from rankscape.foundation.errors import RasterError, TableError, WeightsError
from rankscape.foundation.files import read_array, read_json
from rankscape.foundation.tables import read_metadata, read_table, write_table
from rankscape.learning.adapted import load_adapted
from rankscape.learning.filters import features_of, fit_filters, sample_patches
from rankscape.learning.fitting import fit_head
from rankscape.learning.labels import shares_of
from rankscape.learning.selection import select_usable
from rankscape.learning.settings import AdaptSettings
from rankscape.learning.targets import TargetTable
from rankscape.models.convolutions import RandomConvolutions, form_of, whitened_filters
from rankscape.models.preparation import fit_preparation
from rankscape.models.weights import load_weights
from rankscape.samples.patches import index_of, open_patches
from rankscape.studies.ranking.scoring.network import load_tensors, start_network

ARCHITECTURE = "random-convolutions-3px-16"
CPU = torch.device("cpu")


@pytest.fixture
def embed(run):
    def call(tiles, backbone, out):
        return run("ranking", "embed", "--settings", "{}", "--patches", tiles, "--backbone", backbone, "--out", out)

    return call


@pytest.fixture
def stores(land):
    return [open_patches(path) for path in land.tiles]


def preparation_of(stores, input_px=32, normalisation="each"):
    return fit_preparation([], stores[0].grid.bands, input_px=input_px, colour="all", normalisation=normalisation)


@pytest.mark.parametrize("extras", ["", "-rms-log", "-log-standard"])
def test_features_tell_towns_from_fields(adapt, embed, land, tmp_path, extras):
    backbone, out = tmp_path / "backbone.safetensors", tmp_path / "features.npy"
    assert adapt(backbone, architecture=ARCHITECTURE + extras, normalisation="each") == 0
    record = read_json(backbone.with_suffix(".json"))
    assert record["fitted"]["accuracy"] > 0.95
    assert record["held_out"]["accuracy"] > 0.9
    assert len(record["epochs"]) == 4
    assert embed(land.tiles[0], backbone, out) == 0
    features, adapted, index = read_array(out), load_adapted(backbone), open_patches(land.tiles[0]).index
    assert features.shape == (144, adapted.dims)
    assert np.isnan(features[:3]).all()
    with torch.inference_mode():
        guess = adapted.head(torch.from_numpy(np.array(features[3:]))).argmax(1).numpy() == 0
    assert (guess == [land.town[name] for name in index["patch_id"][3:]]).mean() > 0.9


def test_the_file_holds_the_filters(adapt, land, tmp_path):
    out = tmp_path / "backbone.safetensors"
    adapt(out, architecture=f"{ARCHITECTURE}-standard")
    tensors, document = load_weights(out)
    assert document["architecture"] == f"{ARCHITECTURE}-standard"
    assert set(tensors) == {"backbone.filters", "backbone.centre", "backbone.scale", "head.weight", "head.bias"}
    assert tensors["backbone.filters"].shape == (16, 4, 3, 3)
    adapt(out, architecture=ARCHITECTURE, epochs=0)
    assert set(load_weights(out)[0]) == {"backbone.filters"}
    assert load_adapted(out).head is None


def test_the_seed_decides(adapt, land, tmp_path):
    outs = [tmp_path / name / "backbone.safetensors" for name in "abc"]
    adapt(outs[0], architecture=ARCHITECTURE)
    adapt(outs[1], architecture=ARCHITECTURE, tiles=land.tiles[::-1])
    adapt(outs[2], architecture=ARCHITECTURE, seed=1)
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert outs[0].with_suffix(".json").read_bytes() == outs[1].with_suffix(".json").read_bytes()
    first, other = (load_weights(out)[0]["backbone.filters"] for out in outs[::2])
    assert not torch.equal(first, other)


def test_filters_of_a_file_stay_as_they_are(adapt, tmp_path):
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    adapt(first, architecture=ARCHITECTURE, epochs=0)
    assert adapt(second, architecture=ARCHITECTURE, weights=str(first), seed=3) == 0
    assert torch.equal(*(load_weights(path)[0]["backbone.filters"] for path in (first, second)))


def test_categories_come_from_the_head_as_for_any_backbone(adapt, embed, run, land, tmp_path):
    backbone, out = tmp_path / "backbone.safetensors", tmp_path / "categories.parquet"
    adapt(backbone, architecture=ARCHITECTURE)
    embed(land.tiles[1], backbone, tmp_path / "03TWF.npy")
    chosen = '{"source": "file", "file": "labels.csv", "categories": ["town", "field"], "uninhabited": "field"}'
    files = ["--features", tmp_path / "03TWF.npy", "--indices", index_of(land.tiles[1])]
    assert run("ranking", "categorize", "--settings", chosen, *files, "--backbone", backbone, "--out", out) == 0
    table = read_table(out)
    town = table["patch_id"].map(land.town)
    assert ((table["category"] == "town") == town).mean() > 0.9


def test_a_score_network_has_its_head_alone_to_train_and_can_be_read_again(adapt, tmp_path):
    backbone, name = tmp_path / "backbone.safetensors", f"{ARCHITECTURE}-log-standard"
    adapt(backbone, architecture=name)
    network = start_network(name, str(backbone), 4, seed=0)
    assert [part for part, _ in network.named_parameters()] == ["head.weight", "head.bias"]
    again = start_network(name, "random", 4, seed=0)
    with pytest.raises(WeightsError, match="has no filters yet"):
        again(torch.ones(1, 4, 32, 32))
    load_tensors(again, network.state_dict(), name, "score.safetensors")
    images = torch.rand(3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.backbone(images), network.backbone(images))


def test_names_and_weights_that_cannot_be_used(adapt, land, tmp_path, capsys):
    out = tmp_path / "backbone.safetensors"
    assert adapt(out, architecture="random-convolutions-3-128") == 2
    assert adapt(out, architecture=ARCHITECTURE, weights="imagenet") == 2
    adapt(tmp_path / "other.safetensors", architecture="random-convolutions-3px-8")
    assert adapt(out, architecture=ARCHITECTURE, weights=str(tmp_path / "other.safetensors")) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("rankscape:")]
    assert "'random-convolutions-3-128' cannot be read" in told[0]
    assert "set adapt.weights to `random`" in told[1]
    assert "of another shape 1 (filters)" in told[2]
    assert not out.exists()


def test_flat_or_unusable_tiles_have_no_filters(adapt, patch_store, land, tmp_path, capsys):
    flat = patch_store("03TXF", pixels=np.full((16, 16, 3), 0.1, np.float32))
    none = patch_store("03TYF", pixels=np.ones((16, 16, 3), np.float32), usable=np.zeros(4, bool))
    labels = tmp_path / "empty.parquet"
    write_table(labels, read_table(land.labels).iloc[:0], {"label": read_metadata(land.labels, "label")})
    for tiles in (flat, none):
        given = {"tiles": [tiles], "labels": labels, "architecture": ARCHITECTURE, "normalisation": "each"}
        assert adapt(tmp_path / "b.safetensors", **given) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("rankscape:")]
    assert "The 16 patches of 3 px drawn as filters are flat" in told[0]
    assert "No patch of the tiles is usable" in told[1]


def test_squares_are_cut_out_of_usable_images(stores):
    preparation, patches = preparation_of(stores, input_px=8), select_usable(stores)
    assert len(patches) == 2 * 141
    drawn = sample_patches(patches, preparation, 5, 30, np.random.default_rng(0))
    assert drawn.shape == (30, 4, 5, 5)
    everything = patches.images(np.arange(len(patches)), preparation)
    windows = everything.unfold(2, 5, 1).unfold(3, 5, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 100).numpy()
    for square in drawn:
        assert (windows == square.ravel()).all(1).any()
    assert len(np.unique(drawn.reshape(30, -1), axis=0)) > 25


def test_filters_may_be_whitened_by_more_squares_than_become_filters(stores):
    preparation = preparation_of(stores)
    network = RandomConvolutions(form_of(ARCHITECTURE), 4)
    fit_filters(network, stores, preparation, np.random.default_rng(0), CPU, whitening_patches=90)
    drawn = sample_patches(select_usable(stores), preparation, 3, 90, np.random.default_rng(0))
    np.testing.assert_array_equal(network.filters.numpy(), whitened_filters(drawn)[:16])
    assert not np.allclose(network.filters.numpy(), whitened_filters(drawn[:16]), atol=0.1)


def test_standard_features_have_mean_0_and_deviation_1(stores):
    preparation = preparation_of(stores)
    network = RandomConvolutions(form_of("random-convolutions-3px-8-rms-standard"), 4)
    fit_filters(network, stores, preparation, np.random.default_rng(0), CPU)
    features = features_of(network, select_usable(stores), preparation)
    np.testing.assert_allclose(features.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(features.std(0), 1, rtol=1e-4)


@pytest.fixture
def labelled(stores, land):
    patches = select_usable(stores)
    town = np.array([land.town[name] for name in patches.ids()], float)
    labelled = patches.with_targets(TargetTable.of({"town": 0.1 + 0.8 * town, "field": 0.9 - 0.8 * town}))
    return labelled.take(np.arange(0, len(patches), 3))


def test_the_head_is_the_minimum_of_the_penalised_cross_entropy(stores, labelled):
    """At the minimum, the slope by every standardised weight is that of the penalty, with the other sign."""
    preparation = preparation_of(stores)
    network = RandomConvolutions(form_of(ARCHITECTURE), 4)
    fit_filters(network, stores, preparation, np.random.default_rng(0), CPU)
    chosen = AdaptSettings(epochs=10, weight_decay=0.05)
    head = fit_head(network, preparation, labelled, chosen).head
    features = features_of(network, labelled, preparation)
    scale, weight = features.std(0), head.weight.detach().double().numpy()
    logits = features @ weight.T + head.bias.detach().double().numpy()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    errors = (shares - shares_of(labelled)) / len(labelled)
    slope = errors.T @ ((features - features.mean(0)) / scale)
    np.testing.assert_allclose(slope, -0.05 * weight * scale, atol=1e-4)
    np.testing.assert_allclose(errors.sum(0), 0, atol=1e-4)


def test_one_label_is_too_few(stores, labelled):
    network = RandomConvolutions(form_of(ARCHITECTURE), 4)
    with pytest.raises(TableError, match="two at least are needed"):
        fit_head(network, preparation_of(stores), labelled.take(np.arange(1)), AdaptSettings())


def test_nothing_usable_is_refused(patch_store):
    none = patch_store("03TYF", pixels=np.ones((16, 16, 3), np.float32), usable=np.zeros(4, bool))
    with pytest.raises(RasterError, match="nothing to learn from"):
        select_usable([open_patches(none)])
