"""Tile2Vec's network and loss against values that its authors' code gives."""

import json

import numpy as np
import pytest
import torch
from rankscape.foundation.errors import WeightsError
from rankscape.models.backbones import create_backbone
from rankscape.models.tile2vec import TileNet, triplet_loss


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "golden/embeddings/golden.json").read_text())


def set_weights(network):
    """Set weights by the formula of the published values."""
    for t, weights in enumerate(network.parameters()):
        if weights.ndim == 1:
            continue
        i = np.arange(weights.numel(), dtype=np.int64)
        noise = ((1103515245 * i + 12345 * (t + 1)) % 2**31) / 2**31 - 0.5
        scaled = np.sqrt(24 / weights[0].numel()) * noise
        weights.data.copy_(torch.from_numpy(scaled.astype(np.float32)).reshape(weights.shape))


@pytest.mark.shared
def test_the_authors_network(shared, golden):
    network = TileNet(4).eval()
    assert sum(one.numel() for one in network.parameters()) == golden["tile2vec_net"]["parameters"]
    set_weights(network)
    tiles = np.load(shared / "data/embeddings/tile2vec/triplets.npz")["tiles"][:2].astype(np.float32) / 255
    images = torch.from_numpy(tiles.reshape(6, 50, 50, 4)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        found = network(images)
    np.testing.assert_allclose(found[:, :8], golden["tile2vec_net"]["z_first8"], atol=1e-5)
    np.testing.assert_allclose(torch.linalg.vector_norm(found, dim=1), golden["tile2vec_net"]["z_norms"], rtol=1e-4)


@pytest.mark.shared
def test_the_authors_loss(golden):
    b, k = torch.arange(4.0, dtype=torch.float64)[:, None], torch.arange(6.0, dtype=torch.float64)
    triplet = torch.sin(b + k / 2), torch.sin(b + k / 2 + 1.1 * b), torch.cos(2 * b - k)
    for case in golden["tile2vec_loss"]["cases"]:
        found = float(triplet_loss(*triplet, margin=case["margin"], l2=0))
        whole = case["l2"] * sum(float(torch.linalg.matrix_norm(one)) for one in triplet)
        assert found + whole == pytest.approx(case["loss"], rel=1e-6)


def test_the_penalty_does_not_grow_with_the_batch():
    vectors = [torch.randn(5, 7, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    once, twice = triplet_loss(*vectors), triplet_loss(*(torch.cat([one, one]) for one in vectors))
    torch.testing.assert_close(once, twice)


def test_larger_images_give_one_vector():
    assert TileNet(3, 16).eval()(torch.rand(2, 3, 100, 70)).shape == (2, 16)


def test_its_name_makes_it():
    network = create_backbone("tile2vec-24-w8", "random", 5, 3)
    assert network.num_features == 24
    assert network.conv1.weight.shape == (8, 5, 3, 3)
    again = create_backbone("tile2vec-24-w8", "random", 5, 3)
    assert torch.equal(network.conv1.weight, again.conv1.weight)
    with pytest.raises(WeightsError, match="has no ImageNet weights"):
        create_backbone("tile2vec-24-w8", "imagenet", 5, 3)
