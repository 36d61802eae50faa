"""Ensembles of many draws of the orders at once: bootstrap intervals and ranks without each order."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rankscape.studies.ranking.orders import kemeny as pairwise
from rankscape.studies.ranking.orders import reliability
from rankscape.studies.ranking.orders.ballots import (
    Merged,
    Votes,
    completed_ranks,
    report_ranks,
    totals_of_votes,
    votes_of_orders,
)
from rankscape.studies.ranking.orders.ensembles import (
    MAX_ITERATIONS,
    ROBUST,
    TOLERANCE,
    WELSCH,
    Rule,
    bradley_terry_of,
    kemeny_of,
    mean,
    report,
    robust,
    welsch,
)
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.orders.settings import EnsembleSettings
from rankscape.studies.ranking.orders.weighting import AGREED

MOST_FITS = 200
"""Bootstrap draws of method `bradley_terry`, each a fit of its own, at most."""
_ROUGH = 1e-3
"""Change of strengths and reliabilities at which the fit of a draw ends: far below the spread of draws."""
_BATCH_NUMBERS = 4_000_000
"""Draws are merged in batches of about so many weights, so that memory stays bounded."""


@dataclass(frozen=True)
class Ballots:
    """Orders of the same clusters, as the method of the settings counts them."""

    orders: tuple[PartialOrder, ...]
    """At least one."""
    settings: EnsembleSettings
    """The method."""

    @cached_property
    def ranks(self) -> np.ndarray:
        """Rank vectors, float64, shape (orders, clusters)."""
        return report_ranks(self.orders) if self.settings.method == "report" else completed_ranks(self.orders)

    @cached_property
    def votes(self) -> Votes:
        """What each order says of each pair."""
        return votes_of_orders(self.orders)

    @cached_property
    def merged(self) -> Merged:
        """All orders merged."""
        chosen = self.settings
        if chosen.method == "report":
            return report(self.ranks, chosen.report_sigma, chosen.report_tolerance)
        if chosen.method == "kemeny":
            return kemeny_of(totals_of_votes(self.votes, np.ones(len(self.orders))), len(self.orders))
        if chosen.method == "bradley_terry":
            return bradley_terry_of(self.votes)
        return {"robust": robust, "welsch": welsch, "mean": mean}[chosen.method](self.ranks)


def merge_draws(ballots: Ballots, counts: np.ndarray, *, rough: bool = False) -> np.ndarray:
    """Merge many draws of the orders.

    Args:
        ballots: The orders and the method.
        counts: How often each order counts in each draw, whole numbers, shape (draws, orders).
        rough: Spend little on a draw where the method is costly: `kemeny` takes the better of two local optima,
            reached from the mean ranks and from the order of all judges, and `bradley_terry` stops at 1e-3.

    Returns:
        Merged ranks, shape (draws, clusters).
    """
    method = ballots.settings.method
    if method == "kemeny":
        return _kemeny_draws(ballots, counts, rough=rough)
    if method == "bradley_terry":
        return _bradley_terry_draws(ballots, counts, rough=rough)
    if method == "report":
        rows = [np.repeat(ballots.ranks, row.astype(int), axis=0) for row in counts]
        chosen = ballots.settings
        return np.array([report(drawn, chosen.report_sigma, chosen.report_tolerance).ranks for drawn in rows])
    if method == "mean":
        return np.asarray(counts @ ballots.ranks / counts.sum(axis=1, keepdims=True))
    batches = np.array_split(counts, -(-counts.size // _BATCH_NUMBERS))
    rule = ROBUST if method == "robust" else WELSCH
    return np.concatenate([iterate(ballots.ranks, batch, rule) for batch in batches])


def _kemeny_draws(ballots: Ballots, counts: np.ndarray, *, rough: bool) -> np.ndarray:
    start = ballots.merged.ranks if rough else None
    drawn = (totals_of_votes(ballots.votes, row) for row in counts)
    found = (pairwise.kemeny_order(totals, 0 if rough else pairwise.EXACT_CLUSTERS, start) for totals in drawn)
    return np.array([pairwise.average_ranks(order.buckets) for order in found])


def _bradley_terry_draws(ballots: Ballots, counts: np.ndarray, *, rough: bool) -> np.ndarray:
    votes = ballots.votes
    rows = []
    for row in counts:
        fit = reliability.fit_reliabilities(votes, row, _ROUGH if rough else reliability.STILL)
        rows.append(reliability.merged_ranks(votes, fit, reliability.weights_of(fit, row)))
    return np.array(rows)


def rank_intervals(ballots: Ballots) -> np.ndarray:
    """Return percentile intervals of the merged ranks over bootstrap draws of the orders (Efron 1979).

    Args:
        ballots: The orders; the settings give draws, confidence and seed.

    Returns:
        Lower and upper end of every rank, shape (clusters, 2).
    """
    chosen, orders = ballots.settings, len(ballots.orders)
    draws = min(chosen.bootstrap_draws, MOST_FITS) if chosen.method == "bradley_terry" else chosen.bootstrap_draws
    generator = np.random.default_rng([chosen.seed, 0])
    counts = generator.multinomial(orders, np.full(orders, 1 / orders), size=draws)
    merged = merge_draws(ballots, counts.astype(np.float64), rough=True)
    tail = (1 - chosen.confidence) / 2
    return np.asarray(np.quantile(merged, [tail, 1 - tail], axis=0).T)


def without_each(ballots: Ballots) -> np.ndarray:
    """Return the merged ranks without each order, shape (orders, clusters)."""
    return merge_draws(ballots, 1.0 - np.eye(len(ballots.orders)))


def iterate(ranks: np.ndarray, counts: np.ndarray, rule: Rule) -> np.ndarray:
    """Run the half-quadratic iteration for many draws of the judges at once.

    Args:
        ranks: Shape (judges, clusters).
        counts: How often each judge counts in each draw, shape (draws, judges); every draw holds a judge.
        rule: From distances to weights.

    Returns:
        Merged ranks, shape (draws, clusters).
    """
    centre = ranks.mean(axis=0)
    # Distances are computed as |x|² - 2 x·y + |y|² around the mean, where the squares are small and little cancels.
    deviations = ranks - centre
    norms = np.einsum("mn,mn->m", deviations, deviations)
    agreed = AGREED * max(1.0, float(centre @ centre))
    start = (_shares(counts) @ deviations) if rule.from_mean else np.tile(-centre, (len(counts), 1))
    state = _State(counts, start)
    for _ in range(MAX_ITERATIONS):
        active = np.flatnonzero(state.active)
        if not active.size:
            break
        here = state.merged[active]
        squares = norms - 2 * here @ deviations.T + np.einsum("dn,dn->d", here, here)[:, None]
        squares = np.where(squares > agreed, squares, 0.0)
        state.step(active, _exponents(rule, squares, counts[active], ranks.shape[1]), deviations)
    return np.asarray(state.merged + centre)


def _exponents(rule: Rule, squares: np.ndarray, counts: np.ndarray, clusters: int) -> np.ndarray:
    judges = counts.sum(axis=1, keepdims=True)
    mean_square = (counts * squares).sum(axis=1, keepdims=True) / judges + rule.slack * clusters
    return rule.exponents(squares, np.where(mean_square > 0, mean_square, np.inf), judges)


class _State:
    """State of every draw's iteration."""

    def __init__(self, counts: np.ndarray, start: np.ndarray) -> None:
        self.counts = counts
        self.merged = start
        self.alpha = np.zeros(counts.shape)
        self.active = np.ones(len(counts), bool)

    def step(self, rows: np.ndarray, exponents: np.ndarray, deviations: np.ndarray) -> None:
        """Set the merged ranks of the draws in `rows`; those that no longer change rest."""
        weights = _softmax(exponents, self.counts[rows])
        alpha, merged = np.exp(exponents), weights @ deviations
        moved = np.linalg.norm(merged - self.merged[rows], axis=1)
        turned = np.linalg.norm(alpha - self.alpha[rows], axis=1)
        self.merged[rows], self.alpha[rows] = merged, alpha
        self.active[rows] = (moved >= TOLERANCE) | (turned >= TOLERANCE)


def _softmax(exponents: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Weights alpha/sum(alpha), also where every alpha is too small for a float."""
    largest = np.where(counts > 0, exponents, -np.inf).max(axis=1, keepdims=True)
    return _shares(counts * np.exp(np.minimum(exponents - largest, 0.0)))


def _shares(counts: np.ndarray) -> np.ndarray:
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))
