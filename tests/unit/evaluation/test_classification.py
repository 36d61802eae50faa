"""Metrics against soft labels, on cases that can be counted by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.evaluation.classification import soft_label_metrics

NAMES = ("urban", "rural", "wild")


def measured(p, q, uninhabited="wild"):
    with np.errstate(divide="ignore"):
        complements = {} if uninhabited is None else {"inhabited": uninhabited}
        return soft_label_metrics(np.log(np.array(p, float)), np.array(q, np.float32), NAMES, complements)


def test_measures_of_four_patches_counted_by_hand():
    p = [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5], [0.5, 0.3, 0.2]]
    q = [[1, 0, 0], [0.75, 0.25, 0], [0, 0, 1], [0, 1, 0]]
    found = measured(p, q)
    assert found["accuracy"] == 0.5
    assert found["unanimous"] == {"patches": 3, "accuracy": pytest.approx(2 / 3)}
    brier = [0.25 + 2 / 16, 0.25 + 1 / 16 + 1 / 16, 0.25 + 2 / 16, 0.25 + 0.49 + 0.04]
    assert found["brier"] == pytest.approx(np.mean(brier))
    losses = [np.log(2), 0.75 * np.log(4) + 0.25 * np.log(2), np.log(2), -np.log(0.3)]
    assert found["loss"] == pytest.approx(np.mean(losses))
    # Urban: .5 and .25 against .25 and .5 of the others: one pair won, two tied, one lost.
    assert found["auc"]["urban"] == pytest.approx(0.5)
    assert found["auc_unanimous"]["urban"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert found["auc"]["wild"] == found["auc"]["inhabited"] == 1
    assert found["auc_unanimous"]["inhabited"] == 1


def test_inhabited_is_what_all_give_to_any_inhabited_category():
    p = [[0.2, 0.2, 0.6], [0.1, 0.2, 0.7], [0.1, 0.1, 0.8]]
    found = measured(p, [[0.5, 0.5, 0], [0, 0.25, 0.75], [0, 0, 1]])
    assert found["auc_unanimous"]["inhabited"] == 1
    assert found["auc_unanimous"]["urban"] is None, "nobody gives a patch to urban alone"
    assert found["auc"]["urban"] is None, "a tie is on neither side"


def test_without_uninhabited_land_there_is_no_inhabited_land():
    found = measured([[0.5, 0.3, 0.2]], [[0.5, 0.5, 0]], uninhabited=None)
    assert set(found["auc"]) == set(found["auc_unanimous"]) == set(NAMES)
    assert found["unanimous"] == {"patches": 0, "accuracy": None}


def test_a_probability_of_nothing_for_a_share_of_nothing_costs_nothing():
    assert measured([[1, 0, 0]], [[1, 0, 0]])["loss"] == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_the_label_itself_is_the_best_probability(seed):
    generator = np.random.default_rng(seed)
    q = generator.dirichlet([1, 1, 1], 20)
    other = measured(generator.dirichlet([1, 1, 1], 20), q)
    own = measured(q, q)
    assert own["accuracy"] == 1
    assert own["brier"] < 1e-12 < other["brier"] <= 2
    assert own["loss"] < other["loss"]
