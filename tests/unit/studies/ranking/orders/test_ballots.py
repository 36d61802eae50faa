"""How far orders agree: scipy's tau-b, Kendall's W, golden values of ten real orders."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rankscape.studies.ranking.orders.ballots import kendall_w, mean_tau, tau_matrix
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from scipy.stats import kendalltau, rankdata


@st.composite
def judges(draw: st.DrawFn) -> np.ndarray:
    """Rank vectors of 1 to 6 judges on 1 to 6 clusters."""
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    return np.asarray(rankdata(draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 4))), axis=1))


@pytest.mark.shared
def test_golden_agreement(golden: dict[str, Any]) -> None:
    real = np.array(golden["average_ranks"])
    orders = [PartialOrder.parse(text) for text in golden["pogs"]]
    assert mean_tau(tau_matrix(orders)) == pytest.approx(golden["kendall_tau_b_mean_pairwise"], abs=1e-6)
    assert kendall_w(real) == pytest.approx(0.8947, abs=5e-5)


def orders_of(ranks: np.ndarray) -> list[PartialOrder]:
    return [
        PartialOrder.from_levels([np.flatnonzero(row == rank).tolist() for rank in np.unique(row)]) for row in ranks
    ]


@given(ranks=judges())
def test_tau_is_scipys(ranks: np.ndarray) -> None:
    found = tau_matrix(orders_of(ranks))
    for (a, one), (b, other) in itertools.product(enumerate(ranks), repeat=2):
        if ranks.shape[1] > 1:
            np.testing.assert_allclose(found[a, b], kendalltau(one, other).statistic, atol=1e-12)


def test_agreement_without_anything_to_agree_on() -> None:
    tied = np.full((2, 3), 2.0)
    assert kendall_w(tied) is None
    assert kendall_w(np.array([[1.0, 2.0]])) is None
    assert mean_tau(tau_matrix(orders_of(tied))) is None
    assert kendall_w(np.array([[1.0, 2.0, 3.0]] * 2)) == pytest.approx(1)
    assert kendall_w(np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])) == pytest.approx(0)
