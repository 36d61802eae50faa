"""Objectives that learn from the order alone: losses by hand, gradients, what meets and what does not, toy networks."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.foundation.errors import OrderError
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.scoring.objectives import (
    OBJECTIVES,
    Listwise,
    Objective,
    Rank,
    misplaced,
    objective_of,
    smooth_ranks,
)
from rankscape.studies.ranking.scoring.samples import clusters_of
from rankscape.studies.ranking.scoring.settings import TrainSettings
from scipy.special import expit
from scipy.stats import kendalltau
from torch import Tensor, nn

WEAK = PartialOrder.from_levels([[3], [0, 2], [1]])
HARD = 1e6
"""A steepness at which pairs are right or wrong."""
PARTIAL = PartialOrder.from_pairs(range(5), [(0, 1), (1, 2), (0, 3), (3, 4), (2, 4)], tied=[])
"""0 > 1 > 2 > 4 and 0 > 3 > 4; 3 is incomparable with 1 and 2."""


def above(order: PartialOrder, labels: list[int]) -> Tensor:
    return Rank(order, 30.0).above(torch.tensor(labels))


class Given(nn.Module):
    """A network whose scores are its numbers."""

    def __init__(self, *scores: float) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.tensor(scores))

    def forward(self, images: Tensor) -> Tensor:
        return self.scores


def loss_of(objective: Objective, scores: list[float], labels: list[int]) -> tuple[float, np.ndarray]:
    network = Given(*scores)
    loss = objective.loss(network, torch.zeros(len(labels), 1, 1, 1), torch.tensor(labels), torch.Generator())
    loss.backward()
    return float(loss.detach()), network.scores.grad.numpy()


def test_ranks_are_the_shares_of_levels_that_an_image_stands_above():
    labels = [3, 3, 0, 2, 1]
    ranks, places = smooth_ranks(torch.tensor([0.9, 0.95, 0.5, 0.55, 0.1]), above(WEAK, labels), 1000.0)
    assert ranks.tolist() == pytest.approx([1, 1, 0.5, 0.5, 0], abs=1e-6)
    assert places.tolist() == pytest.approx([1, 1, 0.5, 0.5, 0])


def test_the_rank_loss_is_that_worked_out_by_hand():
    """Two images of the best cluster and one of the worst."""
    high, higher = expit(10 * 0.3), expit(10 * 0.5)
    expected = ((high - 1) ** 2 + (higher - 1) ** 2 + ((1 - high + 1 - higher) / 2) ** 2) / 3
    assert loss_of(Rank(WEAK, 10.0), [0.6, 0.8, 0.3], [3, 3, 1])[0] == pytest.approx(expected, rel=1e-5)


def test_the_listwise_loss_is_that_worked_out_by_hand():
    """Of three pairs two are ordered: 0 above 1, 0 above 3; 1 and 3 are incomparable."""
    expected = -(math.log(expit(10 * 0.2)) + math.log(expit(10 * -0.1))) / 2
    assert loss_of(Listwise(PARTIAL, 10.0), [0.5, 0.3, 0.6], [0, 1, 3])[0] == pytest.approx(expected, rel=1e-5)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(range(4)), st.floats(0.01, 0.99)), min_size=2, max_size=8))
def test_gradients_of_the_surrogate_are_those_of_finite_differences(images: list[tuple[int, float]]):
    labels, scores = [label for label, _ in images], torch.tensor([score for _, score in images], dtype=torch.float64)
    related = above(WEAK, labels)

    def loss(values: Tensor) -> Tensor:
        ranks, places = smooth_ranks(values, related, 30.0)
        return ((ranks - places) ** 2).mean()

    assert torch.autograd.gradcheck(loss, (scores.requires_grad_(),), eps=1e-6, atol=1e-5)


@pytest.mark.parametrize("kind", [Rank, Listwise])
def test_images_of_one_level_give_each_other_no_push(kind: type[Rank | Listwise]):
    loss, push = loss_of(kind(WEAK, 30.0), [0.1, 0.5, 0.9, 0.4], [0, 0, 2, 2])
    assert loss == 0
    assert push.tolist() == [0, 0, 0, 0]


def test_a_rank_depends_on_scores_of_other_levels_alone():
    labels, scores = [3, 0, 0, 2, 1], torch.tensor([0.5, 0.45, 0.55, 0.52, 0.48])
    slopes = torch.autograd.functional.jacobian(lambda s: smooth_ranks(s, above(WEAK, labels), 30.0)[0], scores)
    related = above(WEAK, labels) | above(WEAK, labels).T
    assert torch.equal(slopes != 0, related | torch.eye(5, dtype=torch.bool))


def test_the_listwise_push_on_an_image_is_the_same_wherever_its_ties_score():
    pushes = [loss_of(Listwise(WEAK, 30.0), [0.45, other, 0.5], [0, 2, 1])[1] for other in (0.1, 0.44, 0.46, 0.9)]
    assert all(push[0] == pytest.approx(pushes[0][0], rel=1e-6) for push in pushes)
    assert pushes[0][0] < 0
    assert len({round(float(push[1]), 6) for push in pushes}) > 1


@pytest.mark.parametrize("kind", [Rank, Listwise])
def test_every_score_in_the_wrong_place_is_pushed_the_right_way(kind: type[Rank | Listwise]):
    _, push = loss_of(kind(WEAK, 30.0), [0.45, 0.5, 0.55], [3, 0, 1])
    assert push[0] < 0 < push[2]
    # Also at the ends, where a clamped score would have no gradient.
    _, push = loss_of(kind(WEAK, 3.0), [0.0, 1.0], [3, 1])
    assert push[0] < 0 < push[1]


def test_only_ordered_pairs_meet_in_the_listwise_loss():
    """Of all pairs of clusters, moving one score changes the other's push for exactly the ordered ones."""
    objective = Listwise(PARTIAL, 30.0)
    for one, other in itertools.combinations(range(5), 2):
        loss, push = loss_of(objective, [0.4, 0.5], [one, other])
        is_ordered = PARTIAL.relation(one, other) in ("higher", "lower")
        assert (loss > 0) == is_ordered
        assert bool(push.any()) == is_ordered


def test_a_batch_without_ordered_pairs_has_loss_zero_and_can_be_stepped():
    loss, push = loss_of(Listwise(PARTIAL, 30.0), [0.2, 0.7, 0.3], [1, 3, 3])
    assert loss == 0
    assert not push.any()


class Toy(nn.Module):
    """Scores an image by its mean colours."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 1)
        nn.init.zeros_(self.head.weight)

    def forward(self, images: Tensor) -> Tensor:
        return torch.sigmoid(5 * self.head(images.mean((2, 3))).squeeze(1))


def toy_images(labels: np.ndarray, order: PartialOrder, seed: int) -> Tensor:
    """Noise in red and blue; green is the height of the cluster."""
    generator = np.random.default_rng(seed)
    images = generator.normal(0, 0.1, (len(labels), 3, 2, 2))
    images[:, 1] -= (order.ranks()[labels] / len(order.clusters))[:, None, None]
    return torch.from_numpy(images.astype(np.float32))


@pytest.mark.parametrize("name", ["regression", "rank", "listwise"])
@pytest.mark.parametrize("order", [WEAK, PARTIAL], ids=["weak", "partial"])
def test_a_toy_network_learns_a_known_order_in_a_few_steps(name: str, order: PartialOrder):
    torch.manual_seed(0)
    network, generator = Toy(), torch.Generator().manual_seed(0)
    objective = objective_of(TrainSettings(objective=name, linearity_weight=0), order)
    optimizer = torch.optim.Adam(network.parameters(), 0.1)
    chain = np.arange(len(order.clusters)) if order is WEAK else np.array([0, 1, 2, 4])
    for step in range(40):
        places = np.repeat(chain, 4)
        target = 1 - (order.ranks()[places] - 1) / (len(order.clusters) - 1)
        labels = torch.tensor(target, dtype=torch.float32) if name == "regression" else torch.from_numpy(places)
        optimizer.zero_grad()
        objective.loss(network, toy_images(places, order, step), labels, generator).backward()
        optimizer.step()
    places = np.repeat(np.arange(len(order.clusters)), 20)
    with torch.no_grad():
        scores = network(toy_images(places, order, 99)).numpy()
    assert misplaced(scores, places, order.higher, HARD).mean() < 0.15
    assert 0 < scores.min() < 0.3 < 0.7 < scores.max() < 1


def test_misplaced_counts_pairs_as_worked_out_by_hand():
    scores, labels = np.array([0.9, 0.4, 0.5, 0.5, 0.1]), np.array([3, 3, 0, 2, 1])
    # 0.9 beats all; 0.4 loses to both tied clusters and beats the last; each tied one beats one of two best ones.
    assert misplaced(scores, labels, WEAK.higher, HARD).tolist() == pytest.approx([0, 2 / 3, 0.25, 0.25, 0])
    assert misplaced(np.array([0.5, 0.5]), np.array([3, 1]), WEAK.higher, HARD).tolist() == [0.5, 0.5]
    assert misplaced(np.array([0.2, 0.9]), np.array([1, 3]), PARTIAL.higher, HARD).tolist() == [0, 0]


def test_scores_in_the_right_order_are_nearer_the_farther_they_lie_apart():
    apart = [misplaced(np.array([0.5 + gap, 0.5]), np.array([3, 1]), WEAK.higher, 30.0) for gap in (0.01, 0.1, 0.4)]
    assert apart[0][0] == apart[0][1] == pytest.approx(expit(-0.3))
    assert apart[0][0] > apart[1][0] > apart[2][0] > 0


@given(st.lists(st.integers(0, 20), min_size=4, max_size=4, unique=True))
def test_misplaced_is_what_kendall_counts(scores: list[int]):
    order = PartialOrder.from_levels([[0], [1], [2], [3]])
    share = misplaced(np.array(scores, float), np.arange(4), order.higher, HARD).mean()
    assert share == pytest.approx((1 - kendalltau(scores, [3, 2, 1, 0]).statistic) / 2)


def test_labels_are_places_in_the_order_and_distances_follow_them(invented):
    pool = invented(0)
    order = PartialOrder.from_levels([[2], [0], [1, 3]])
    objective = Rank(order, 30.0)
    labels = objective.labels(pool)
    assert np.array_equal(np.array(order.clusters)[labels], clusters_of(pool))
    right = 1 - order.ranks()[labels] / 5
    assert objective.distance(right, labels).max() < 0.01
    assert objective.distance(-right, labels).min() > 0.99


def test_settings_name_the_objective_and_those_of_order_need_one():
    assert objective_of(TrainSettings(objective="rank", rank_steepness=20), WEAK) == Rank(WEAK, 20)
    assert objective_of(TrainSettings(objective="listwise"), WEAK) == Listwise(WEAK, 30)
    assert set(OBJECTIVES) == {"regression", "rank", "listwise"}
    with pytest.raises(OrderError, match=r"train\.objective = rank learns from the relations"):
        objective_of(TrainSettings(objective="rank"))
