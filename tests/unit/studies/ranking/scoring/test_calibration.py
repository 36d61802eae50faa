"""Calibration keeps the order of scores and brings them to the targets."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.studies.ranking.scoring.calibration import logistic_fit
from rankscape.studies.ranking.scoring.network import start_network
from scipy.special import expit, logit

from .conftest import ARCHITECTURE

LEVELS = np.repeat(np.arange(5), [200, 10, 50, 10, 30])


@settings(deadline=None)
@given(st.floats(0.5, 5), st.floats(-3, 3))
def test_scores_that_were_stretched_and_shifted_come_back(slope: float, shift: float):
    targets = np.array([0.9, 0.7, 0.5, 0.3, 0.1])[LEVELS]
    scores = expit((logit(targets) - shift) / slope)
    assert logistic_fit(scores, targets, LEVELS) == pytest.approx((slope, shift), rel=0.02, abs=0.02)


def test_every_level_counts_alike():
    targets = 1 - LEVELS / 4
    noisy = np.clip(targets * 0.2 + 0.4 + np.random.default_rng(0).normal(0, 0.02, len(LEVELS)), 0, 1)
    few = np.concatenate([np.flatnonzero(level == LEVELS)[:1].repeat(10) for level in range(5)])
    many = np.concatenate([few, *[few[:10]] * 20])
    assert logistic_fit(noisy[few], targets[few], LEVELS[few]) == pytest.approx(
        logistic_fit(noisy[many], targets[many], LEVELS[many]), rel=1e-2
    )


def test_perfect_and_reversed_scores_give_finite_slopes_above_zero():
    ends = np.array([0.0, 0.0, 1.0, 1.0])
    for scores in (ends, 1 - ends, np.full(4, 0.5)):
        slope, shift = logistic_fit(scores, ends, 1 - ends)
        assert 0 < slope <= 20
        assert np.isfinite(shift)


def test_a_network_is_rescaled_in_its_head():
    network = start_network(ARCHITECTURE, "random", 3, 0).eval()
    torch.nn.init.normal_(network.head.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    torch.nn.init.constant_(network.head.bias, 0.05)
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = network(images).double().numpy()
        network.rescale(0.5, -0.3)
        after = network(images).double().numpy()
    assert after == pytest.approx(expit(0.5 * logit(before) - 0.3), abs=1e-5)
    assert (np.argsort(after) == np.argsort(before)).all()
