"""Prediction-powered inference: what it repairs, and that its errors are those of the library."""

import numpy as np
import pytest
from ppi_py import ppi_ols_ci, ppi_ols_pointestimate
from rankscape.foundation.errors import TableError
from rankscape.products.regressions.predicted_outcomes import PredictedOutcome, estimate_coefficients

SLOPE = 2.0


def places(seed, n=300, labelled=80, blocks=None):
    """Places whose predictions shrink and miss a part of what the covariate does."""
    chance = np.random.default_rng(seed)
    block = np.arange(n) if blocks is None else np.arange(n) % blocks
    x = chance.normal(size=n) + (0 if blocks is None else chance.normal(size=n)[block])
    outcome = 1 + SLOPE * x + chance.normal(size=n)
    predicted = 0.7 * outcome - 0.5 * x + 0.4 * chance.normal(size=n)
    known = np.zeros(n, bool)
    known[chance.choice(n, labelled, replace=False)] = True
    return PredictedOutcome(x[:, None], predicted, np.where(known, outcome, np.nan), block)


def test_corrected_estimates_cover_where_naive_ones_do_not():
    covered, widths = {"naive": 0, "labelled": 0, "corrected": 0}, {"labelled": 0.0, "corrected": 0.0}
    for seed in range(150):
        found, trust = estimate_coefficients(places(seed), ["x"], 0.9)
        assert 0 <= trust <= 1
        for name, one in found.items():
            covered[name] += one.low[1] <= SLOPE <= one.high[1]
            if name in widths:
                widths[name] += one.high[1] - one.low[1]
    assert covered["naive"] == 0
    assert 0.83 < covered["corrected"] / 150 < 0.97
    assert 0.83 < covered["labelled"] / 150 < 0.97
    assert widths["corrected"] < 0.95 * widths["labelled"]


def test_estimates_and_errors_are_those_of_the_library():
    given = places(3)
    found, trust = estimate_coefficients(given, ["x"], 0.9)
    known, x = np.isfinite(given.labels), np.column_stack([np.ones(300), given.explanatory])
    parts = x[known], given.labels[known], given.predicted[known], x[~known], given.predicted[~known]
    assert found["corrected"].coefficients == pytest.approx(ppi_ols_pointestimate(*parts), rel=1e-9)
    assert found["corrected"].coefficients == pytest.approx(ppi_ols_pointestimate(*parts, lam=trust), rel=1e-6)
    low, high = ppi_ols_ci(*parts, alpha=0.1)
    assert found["corrected"].high - found["corrected"].low == pytest.approx(high - low, rel=0.02)
    assert found["labelled"].coefficients == pytest.approx(ppi_ols_pointestimate(*parts, lam=0), rel=1e-9)
    assert (found["labelled"].clusters, found["naive"].clusters, found["corrected"].clusters) == (80, 300, 300)


def test_blocks_whose_errors_are_alike_widen_the_errors():
    given = places(1, n=400, labelled=200, blocks=40)
    chance = np.random.default_rng(1)
    shared = chance.normal(size=40)[given.clusters]
    labels = np.where(np.isfinite(given.labels), given.labels + 3 * shared, np.nan)
    together = PredictedOutcome(given.explanatory, given.predicted, labels, given.clusters)
    alone = PredictedOutcome(given.explanatory, given.predicted, labels, np.arange(400))
    wide, narrow = (estimate_coefficients(one, ["x"], 0.9)[0]["corrected"] for one in (together, alone))
    assert wide.coefficients == pytest.approx(narrow.coefficients)
    assert wide.std_errors[0] > 1.5 * narrow.std_errors[0]


def test_predictions_that_tell_nothing_are_not_trusted():
    given = places(2)
    noise = np.random.default_rng(0).normal(size=300)
    found, trust = estimate_coefficients(
        PredictedOutcome(given.explanatory, noise, given.labels, given.clusters), ["x"], 0.9
    )
    assert trust < 0.3
    assert found["corrected"].coefficients == pytest.approx(found["labelled"].coefficients, abs=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda g: PredictedOutcome(g.explanatory, g.predicted, np.ones(300), g.clusters),
            "all 300 places have a label",
        ),
        (
            lambda g: PredictedOutcome(
                g.explanatory, g.predicted, np.where(np.arange(300) < 4, 1.0, np.nan), g.clusters
            ),
            "4 labelled places are too few for 2 coefficients: 5 are needed",
        ),
        (lambda g: PredictedOutcome(np.ones((300, 1)), g.predicted, g.labels, g.clusters), "x is the same at all 80"),
        (lambda g: PredictedOutcome(g.explanatory, g.predicted, g.labels, np.zeros(300)), "lie in one block"),
    ],
)
def test_what_cannot_be_estimated_is_refused(change, message):
    with pytest.raises(TableError, match=message):
        estimate_coefficients(change(places(0)), ["x"], 0.9)


def test_collinear_columns_are_refused():
    given = places(0)
    twice = np.column_stack([given.explanatory, 2 * given.explanatory - 1])
    with pytest.raises(TableError, match="x, z are collinear"):
        estimate_coefficients(PredictedOutcome(twice, given.predicted, given.labels, given.clusters), ["x", "z"], 0.9)
