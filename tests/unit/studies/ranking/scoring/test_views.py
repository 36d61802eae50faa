"""Views of the square, and scores that are their mean."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from rankscape.foundation.errors import InputError, SettingsError
from rankscape.learning.augmentation import square_views
from rankscape.studies.ranking.scoring.model import ScoreModel
from rankscape.studies.ranking.scoring.settings import PredictSettings
from torch import nn

from .test_parts import CPU, PATCHES, invented_part

IMAGES = torch.arange(2 * 3 * 4 * 4, dtype=torch.float32).reshape(2, 3, 4, 4)


def test_views_are_the_symmetries_of_the_square():
    views = list(square_views(IMAGES, 8))
    assert torch.equal(views[0], IMAGES)
    assert len({view.numpy().tobytes() for view in views}) == 8
    assert [torch.equal(a, b) for a, b in zip(views, square_views(IMAGES, 4), strict=False)] == [True] * 4
    assert torch.equal(views[4], IMAGES.flip(-1))
    assert all(torch.equal(view.flatten(2).sort().values, IMAGES.flatten(2).sort().values) for view in views)


def test_a_score_is_the_mean_over_views():
    part = invented_part(0, 1)
    images = part.images(PATCHES)
    each = [part.scores(view, CPU) for view in square_views(images, 4)]
    np.testing.assert_allclose(part.scores(images, CPU, 4), np.mean(each, axis=0), rtol=1e-6)
    model = ScoreModel((part,), "uint8", 16)
    one, four = model.score(PATCHES, CPU), replace(model, views=4).score(PATCHES, CPU)
    np.testing.assert_array_equal(one, each[0])
    assert not np.allclose(one, four, atol=1e-5)


def test_turned_patches_score_alike_over_all_views():
    """Of the network's own size: resized bytes are rounded once along each side, so that turns differ by a step."""
    model = replace(ScoreModel((invented_part(0),), "uint8", 32), views=8)
    patches = np.random.default_rng(0).integers(1, 256, (3, 32, 32, 3), dtype=np.uint8)
    turned = np.rot90(patches, axes=(1, 2)).copy()
    np.testing.assert_allclose(model.score(turned, CPU), model.score(patches, CPU), atol=1e-5)


def test_a_symmetric_network_gains_nothing_from_views():
    part = invented_part(0)
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    pooled.num_features = 3
    network = type(part.networks[0])(pooled)
    nn.init.ones_(network.head.weight)
    symmetric = replace(part, networks=(network,))
    images = symmetric.images(PATCHES)
    np.testing.assert_allclose(symmetric.scores(images, CPU, 8), symmetric.scores(images, CPU), rtol=1e-6)


@pytest.mark.parametrize("count", [0, 2, 3, 16])
def test_other_numbers_of_views_are_refused(count: int):
    with pytest.raises(InputError, match=f"{count} views asked for"):
        list(square_views(IMAGES, count))
    with pytest.raises(SettingsError, match=rf"predict\.views = {count} is refused"):
        PredictSettings.from_text(json.dumps({"views": count}), "predict")
