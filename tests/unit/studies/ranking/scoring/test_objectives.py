"""Losses against values worked out by hand."""

import numpy as np
import pytest
import torch
from rankscape.studies.ranking.scoring.objectives import Regression, mix, objective_of
from rankscape.studies.ranking.scoring.samples import clusters_of, levels_of, targets_of
from rankscape.studies.ranking.scoring.sampling import epoch_order
from rankscape.studies.ranking.scoring.settings import TrainSettings
from torch import Tensor, nn


class Brightness(nn.Module):
    """Scores an image by its mean, or the mean's square."""

    def __init__(self, power: int) -> None:
        super().__init__()
        self.power = power
        self.shown: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.shown.append(len(images))
        return images.mean((1, 2, 3)) ** self.power


def constant(*values: float) -> Tensor:
    return torch.tensor(values)[:, None, None, None].expand(-1, 1, 10, 10).contiguous()


def test_a_mixed_image_is_the_upper_part_of_one_over_the_rest_of_the_other():
    mixed, share = mix(constant(1.0, 5.0), constant(2.0, 6.0), torch.tensor([0.3, 0.58]))
    assert mixed[0, 0, :, 0].tolist() == [1] * 3 + [2] * 7
    assert mixed[1, 0, :, 9].tolist() == [5] * 6 + [6] * 4
    assert share.tolist() == pytest.approx([0.3, 0.6])


def test_a_network_that_averages_pixels_is_linear():
    images, targets = constant(0.0, 1.0, 0.4, 0.2), torch.tensor([0.1, 0.7, 0.4, 0.2])
    loss = Regression(3.0, 0.5).loss(Brightness(1), images, targets, torch.Generator().manual_seed(0))
    assert float(loss) == pytest.approx((0.1 + 0.3) / 4, abs=1e-6)


def test_the_loss_of_a_network_that_is_not_linear_is_that_worked_out_by_hand():
    images, targets = constant(0.0, 1.0), torch.tensor([0.0, 0.5])
    cut = float(torch.rand(1, generator=torch.Generator().manual_seed(4))[0])
    share = round(cut * 10) / 10
    loss = Regression(2.0, 0.5).loss(Brightness(2), images, targets, torch.Generator().manual_seed(4))
    # The mixture shows `share` of 0 and the rest of 1: its mean is 1 - share, its score the square of that.
    assert 0 < share < 1
    assert float(loss) == pytest.approx(0.25 + 2.0 * abs((1 - share) ** 2 - (1 - share)), abs=1e-6)


@pytest.mark.parametrize(("weight", "share", "shown"), [(0.0, 0.5, 6), (1.0, 0.5, 9), (1.0, 1.0, 12), (1.0, 0.1, 7)])
def test_the_share_of_mixtures_says_how_many_images_go_through_the_network(weight: float, share: float, shown: int):
    network = Brightness(1)
    Regression(weight, share).loss(network, torch.rand(6, 1, 4, 4), torch.rand(6), torch.Generator())
    assert network.shown == [shown]


def test_one_image_alone_can_be_a_batch():
    loss = Regression(1.0, 0.5).loss(Brightness(1), constant(0.25), torch.tensor([0.5]), torch.Generator())
    assert float(loss) == pytest.approx(0.25)


def test_both_the_score_and_the_mixture_carry_gradients():
    images = constant(0.2, 0.9).requires_grad_()
    Regression(1.0, 0.5).loss(Brightness(2), images, torch.tensor([0.04, 0.81]), torch.Generator()).backward()
    assert float(images.grad.abs().sum()) > 0


def test_distance_is_absolute():
    assert Regression(1, 1).distance(np.array([0.2, 0.9]), np.array([0.5, 0.5])).tolist() == pytest.approx([0.3, 0.4])


def test_settings_name_the_objective():
    assert objective_of(TrainSettings(linearity_weight=2, linearity_share=0.25)) == Regression(2, 0.25)
    assert not objective_of(TrainSettings()).calibrates


def test_regression_is_given_targets_and_the_epochs_of_the_settings(invented):
    pool, settings, objective = invented(1), TrainSettings(batch_size=10), Regression(1, 0.5)
    expected = epoch_order(clusters_of(pool), levels_of(pool), "levels", np.random.default_rng(5))
    assert np.array_equal(np.concatenate(objective.batches(pool, settings, np.random.default_rng(5))), expected)
    assert np.array_equal(objective.labels(pool), targets_of(pool))
