"""Merging the ranks of many orders into one, so that a few bad judges do little harm (docs/methods/ranking.md).

`mean`, `robust`, `welsch` and `report` are weighted means of the judges' rank vectors and differ in the weights: the
last three are half-quadratic iterations after Mohammadi & Rezaei (Omega 2020). `kemeny` looks for the order that least
contradicts the judges' pairs, `bradley_terry` fits strengths and reliabilities to them.
"""

import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from rankscape.studies.ranking.orders import kemeny as pairwise
from rankscape.studies.ranking.orders import reliability
from rankscape.studies.ranking.orders.ballots import (
    Merged,
    Totals,
    Votes,
    checked,
    shaped,
    totals_of_ranks,
    uniform,
    votes_of_ranks,
)
from rankscape.studies.ranking.orders.weighting import Alphas, Blocks, InnerProducts, judges_of

MAX_ITERATIONS = 1000
TOLERANCE = 1e-9
_SAME_PLACE = 4e-15
"""Distance, as a share of the judges' spread, at which an iteration has come back to where it was."""
_SAME_STEP = 1e-6
"""Relative difference of two steps below which the iteration is looked at more closely."""
_UNDERFLOW = 1e-200


@dataclass(frozen=True)
class Rule:
    """How distances become weights in a half-quadratic iteration."""

    exponents: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    """From squared distances, their mean, and the number of judges, to the logarithm of each judge's alpha."""
    from_mean: bool
    """Start at the mean; otherwise at 0."""
    scale: Callable[[float, int], float]
    """From the mean squared distance and the number of judges to the scale in ranks."""
    slack: float = 0.0
    """Squared ranks for each cluster that are added to the mean squared distance before it is used."""


def _robust_exponents(squares: np.ndarray, mean_square: np.ndarray, judges: np.ndarray) -> np.ndarray:  # noqa: ARG001
    exponents = squares / mean_square
    exponents *= exponents
    exponents *= -1
    return np.asarray(exponents)


def _welsch_exponents(squares: np.ndarray, mean_square: np.ndarray, judges: np.ndarray) -> np.ndarray:
    return np.asarray(squares * (-2 * (judges / mean_square) ** 2))


ROBUST = Rule(_robust_exponents, from_mean=True, scale=lambda mean_square, _: math.sqrt(mean_square), slack=1.0)
WELSCH = Rule(_welsch_exponents, from_mean=False, scale=lambda mean_square, judges: mean_square / (2 * judges))


def mean(ranks: np.ndarray) -> Merged:
    """Merge by the plain mean: the Borda count, and no protection from bad judges.

    Args:
        ranks: Average ranks, shape (judges, clusters).

    Raises:
        ValueError: If `ranks` is no finite matrix with at least one judge and one cluster.
    """
    ranks = checked(ranks)
    return Merged(ranks.mean(axis=0, dtype=np.float64), uniform(len(ranks)), 1, None)


def robust(ranks: np.ndarray) -> Merged:
    """Merge with a scale that follows the spread of the judges; the default.

    With e_m the Euclidean distance of judge m to the merged ranks of n clusters, and s² = mean(e²) + n:
    alpha_m = exp(-(e_m²/s²)²), weights alpha over its sum, started at the mean. Judges nearer than s keep nearly equal
    weights, those much farther nearly none. The n is a disagreement by one rank a cluster, which is no fault: without
    it, the third of three judges who nearly agree would lose all weight. On ten real human orders the effective number
    of judges is 7.9.

    Args:
        ranks: Average ranks, shape (judges, clusters).

    Raises:
        ValueError: If `ranks` is no finite matrix with at least one judge and one cluster.
    """
    return half_quadratic(ranks, ROBUST)


def welsch(ranks: np.ndarray) -> Merged:
    """Merge as Mohammadi & Rezaei (Omega 2020) do, with Welsch's function.

    sigma = sum(e²)/(2 M²) over M judges, alpha_m = exp(-e_m²/(2 sigma²)), started at 0. The scale is small where judges
    agree well, so it leans on few of them.

    Args:
        ranks: Average ranks, shape (judges, clusters).

    Raises:
        ValueError: If `ranks` is no finite matrix with at least one judge and one cluster.
    """
    return half_quadratic(ranks, WELSCH)


def half_quadratic(ranks: np.ndarray, rule: Rule) -> Merged:
    """Merge by any rule of weights, until neither the merged ranks nor the alphas move by 1e-9; 1,000 steps at most.

    Args:
        ranks: Average ranks, shape (judges, clusters).
        rule: From distances to weights.

    Raises:
        ValueError: If `ranks` is no finite matrix with at least one judge and one cluster.
    """
    ranks = shaped(ranks)
    with closing(judges_of(ranks, from_mean=rule.from_mean)) as judges:
        if judges.agreed:
            return Merged(ranks[0].astype(np.float64), uniform(len(ranks)), 1, 0.0)
        iterations = _iterate(judges, rule, *ranks.shape)
        scale = rule.scale(judges.mean_square + rule.slack * ranks.shape[1], len(ranks))
        return Merged(judges.ranks(), judges.alpha / judges.total, iterations, scale)


def _iterate(judges: InnerProducts | Blocks, rule: Rule, count: int, clusters: int) -> int:
    alphas, alpha = _alphas(rule, count, clusters), None
    for iteration in range(1, MAX_ITERATIONS + 1):
        judges.weigh(alphas)
        before, alpha = alpha, judges.alpha
        if judges.total < _UNDERFLOW:
            # Every alpha is too small for a float: measured from the nearest judge's, the largest is 1.
            judges.weigh(_alphas(rule, count, clusters, float(judges.squares().min())), again=True)
            alpha = np.zeros(count)
        judges.move()
        if judges.moved < TOLERANCE and before is not None and _apart(alpha, before) < TOLERANCE:
            return iteration
    return MAX_ITERATIONS


def _alphas(rule: Rule, judges: int, clusters: int, nearest: float | None = None) -> Alphas:
    slack = rule.slack * clusters

    def alphas(squares: np.ndarray, mean_square: float) -> np.ndarray:
        mean_square += slack
        exponents = rule.exponents(squares, mean_square, judges)  # type: ignore[arg-type]
        if nearest is not None:
            exponents -= rule.exponents(nearest, mean_square, judges)  # type: ignore[arg-type]
        np.exp(exponents, out=exponents)
        return exponents

    return alphas


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    change = one - other
    return math.sqrt(change @ change)


def report(ranks: np.ndarray, sigma: float = 20.0, tolerance: float = 1e-6) -> Merged:
    """Merge as the Sichuan report does (Gong, Zheng & Xie 2024), flaw included; only for reproducing it.

    alpha_m = 1 - exp(-e_m²/sigma²) gives the *outlier* the most weight. At some scales it runs into a cycle of two;
    what 1,000 iterations would end with is then known from the cycle, and stands. The mean where all judges agree (the
    report divides 0 by 0).

    Args:
        ranks: The report's own ranks (`PartialOrder.report_ranks`), shape (judges, clusters).
        sigma: Scale in ranks.
        tolerance: Largest change of any merged rank at which it stops.

    Raises:
        ValueError: If `ranks` is no finite matrix with at least one judge and one cluster.
    """
    ranks = shaped(ranks)
    with closing(judges_of(ranks, from_mean=True)) as judges:
        if judges.agreed:
            return Merged(ranks[0].astype(np.float64), uniform(len(ranks)), 1, sigma)
        iterations = _iterate_report(judges, sigma, tolerance, ranks.shape[1])
        return Merged(judges.ranks(), judges.alpha / judges.total, iterations, sigma)


def _iterate_report(judges: InnerProducts | Blocks, sigma: float, tolerance: float, clusters: int) -> int:
    def alphas(squares: np.ndarray, _: float) -> np.ndarray:
        # With the opposite sign throughout, which leaves the weights as they are.
        squares *= -1 / sigma**2
        np.expm1(squares, out=squares)
        return squares

    # The largest of n changes is at least the Euclidean change over the root of n.
    near, places, last, iteration = tolerance * math.sqrt(clusters), [judges.place()] * 2, MAX_ITERATIONS, 0
    while iteration < last:
        iteration, before = iteration + 1, judges.moved
        judges.weigh(alphas)
        judges.move()
        if judges.moved <= near and (judges.moved <= tolerance or judges.largest_move() <= tolerance):
            return iteration
        # Steps of one length may be those of a cycle of two. Then every second place is this one, and it is enough to
        # go on to the side of the cycle where the last iteration ends.
        alike = last == MAX_ITERATIONS and abs(judges.moved - before) <= _SAME_STEP * judges.moved
        if alike and judges.apart(judges.place(), places[0]) <= _SAME_PLACE:
            last = iteration + (MAX_ITERATIONS - iteration) % 2
        places = [places[1], judges.place()]
    return MAX_ITERATIONS


def kemeny(ranks: np.ndarray) -> Merged:
    """Find the order, ties allowed, that least contradicts the judges: Kemeny's rule (Daedalus 1959) with ties.

    The sum over judges and pairs of 1 where the order and the judge put a pair opposite ways and 1/2 where one ties
    what the other orders (Kemeny & Snell 1962; Fagin et al. 2004) is the least possible where no more than 25 clusters
    have to be decided together, and a local optimum above. Among orders of equal cost the one nearest the mean ranks is
    taken.

    Args:
        ranks: Ranks of any kind, shape (judges, clusters); only their order counts, equal ranks are ties.

    Returns:
        Average ranks of the order; weights are equal.

    Raises:
        ValueError: If `ranks` is no finite matrix with at least one judge and one cluster.
    """
    ranks = checked(ranks)
    return kemeny_of(totals_of_ranks(ranks), len(ranks))


def kemeny_of(totals: Totals, judges: int) -> Merged:
    """Find Kemeny's order from how many judges put each pair how; pairs that a judge leaves open cost nothing.

    Args:
        totals: Judges above and tied, by pair.
        judges: Number of judges.
    """
    found = pairwise.kemeny_order(totals)
    return Merged(pairwise.average_ranks(found.buckets), uniform(judges), found.rounds, None)


def bradley_terry(ranks: np.ndarray) -> Merged:
    """Merge by the Bradley-Terry model with ties (Davidson, JASA 1970) and a reliability for every judge.

    Judge m puts i above j with the log odds a_m (s_i - s_j), a_m >= 0, and has an own inclination to ties. Strengths s
    and reliabilities a are estimated together; weights are a over its sum, merged ranks the weighted mean of the
    judges' ranks, which for complete orders stand in the order of the strengths.

    Args:
        ranks: Ranks of any kind, shape (judges, clusters); only their order counts, equal ranks are ties.

    Raises:
        ValueError: If `ranks` is no finite matrix with at least one judge and one cluster.
    """
    return bradley_terry_of(votes_of_ranks(checked(ranks)))


def bradley_terry_of(votes: Votes) -> Merged:
    """Merge votes on pairs by the Bradley-Terry model; pairs that a judge leaves open are put as the model expects.

    Args:
        votes: What every judge says of every pair.
    """
    counts = np.ones(len(votes.signs))
    fitted = reliability.fit_reliabilities(votes, counts)
    weights = reliability.weights_of(fitted, counts)
    return Merged(reliability.merged_ranks(votes, fitted, weights), weights, fitted.rounds, None)
