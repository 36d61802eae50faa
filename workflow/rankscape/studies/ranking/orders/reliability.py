"""The Bradley-Terry model of many judges' orders: strengths of clusters and reliabilities of judges.

Judge m compares clusters i and j by d = a_m (s_i - s_j): above with probability exp(d/2)/z, tied with nu_m/z, below
with exp(-d/2)/z, z = exp(d/2) + nu_m + exp(-d/2) (Davidson, JASA 1970; a_m is the discrimination of item response
theory). A judge with a_m = 0 orders at random or against the rest, and does not count.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from rankscape.studies.ranking.orders.ballots import Votes
from rankscape.studies.ranking.orders.paired import PRIOR, expected_share, log_total, probabilities

_ROUNDS = 500
STILL = 1e-9
"""Change of strengths and reliabilities at which the fit ends."""
_DECIMALS = 10
_LONGEST_STEP = 2.0
_SMALLEST = 1e-6
_SURE = 0.1
"""A Newton step so short needs no look at the likelihood: its curvature hardly changes on the way."""


@dataclass(frozen=True)
class Reliabilities:
    """A fitted model."""

    strengths: np.ndarray
    """float64, shape (n,): log scale of a judge of reliability 1; high is more developed."""
    reliabilities: np.ndarray
    """float64, shape (judges,), 0 or more."""
    log_ties: np.ndarray
    """float64, shape (judges,): log nu of each judge."""
    rounds: int
    """Rounds of the fit."""


def fit_reliabilities(votes: Votes, counts: np.ndarray, still: float = STILL) -> Reliabilities:
    """Fit strengths, reliabilities and inclinations to ties by penalised maximum likelihood.

    Priors keep all finite: every cluster meets a fictitious one of strength 0 with 0.1 wins, ties and losses under a
    judge of reliability 1 and nu 1; every judge gives 0.1 of each to two equal clusters; reliabilities are normal
    around 1 with standard deviation 1, cut off at 0. Strengths and judges are improved in turn by Newton's steps, from
    reliabilities of 1. Judges who mirror each other keep equal ones: all is rounded to ten decimals in every round, so
    that no rounding error of a sum can grow into a preference.

    Args:
        votes: What each judge says; open pairs say nothing.
        counts: How often each judge counts, shape (judges,).
        still: Change of strengths and reliabilities at which it ends.

    Returns:
        The fit; its reliabilities hold for judges with count 0 too.
    """
    judges = len(votes.signs)
    fit = Reliabilities(np.zeros(votes.clusters), np.ones(judges), np.zeros(judges), 0)
    for rounds in range(1, _ROUNDS + 1):
        strengths = _better_strengths(votes, counts, fit)
        reliabilities, log_ties = _better_judges(votes, replace(fit, strengths=strengths))
        scale = _scale(strengths, reliabilities, counts)
        found = Reliabilities(
            strengths=np.round(strengths * scale, _DECIMALS),
            reliabilities=np.round(reliabilities / scale, _DECIMALS),
            log_ties=np.round(log_ties, _DECIMALS),
            rounds=rounds,
        )
        change = max(
            float(np.abs(found.strengths - fit.strengths).max()),
            float(np.abs(found.reliabilities - fit.reliabilities).max()),
        )
        fit = found
        if change < still:
            break
    return fit


def weights_of(fit: Reliabilities, counts: np.ndarray) -> np.ndarray:
    """Return counts times reliabilities over their sum, float64, shape (judges,); counts alone if all are 0."""
    pulls = counts * fit.reliabilities
    return np.asarray(pulls / pulls.sum() if pulls.sum() > 0 else counts / counts.sum())


def merged_ranks(votes: Votes, fit: Reliabilities, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of the judges' ranks, open pairs put as the fitted model expects of the judge.

    At the maximum, and but for the priors, this is the mean of the ranks that the model itself expects: the likelihood
    equations of the strengths say so.

    Args:
        votes: What each judge says.
        fit: The fitted model.
        weights: Shape (judges,), of sum 1.

    Returns:
        float64, shape (n,), of sum n(n + 1)/2; 1 is the most developed.
    """
    first, second = np.triu_indices(votes.clusters, k=1)
    said = (1.0 + votes.signs) / 2
    expected = expected_share(_logits(fit, first, second), np.exp(fit.log_ties)[:, None])
    share = weights @ np.where(votes.compared, said, expected)
    ranks = np.ones(votes.clusters)
    np.add.at(ranks, second, share)
    np.add.at(ranks, first, 1 - share)
    return ranks


def _logits(fit: Reliabilities, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.asarray(fit.reliabilities[:, None] * (fit.strengths[first] - fit.strengths[second])[None, :])


def _better_strengths(votes: Votes, counts: np.ndarray, fit: Reliabilities) -> np.ndarray:
    """One Newton step of the strengths, halved until the likelihood gains."""
    first, second = np.triu_indices(votes.clusters, k=1)
    pulls = counts * fit.reliabilities
    win, tie = probabilities(_logits(fit, first, second), fit.log_ties[:, None])
    lose = 1 - win - tie
    surprise = pulls @ (votes.compared * (votes.signs - win + lose) / 2)
    curvature = (pulls * fit.reliabilities) @ (votes.compared * (win + lose - (win - lose) ** 2) / 4)
    alone_win, alone_tie = probabilities(fit.strengths, 0.0)
    alone_lose = 1 - alone_win - alone_tie
    matrix = np.zeros((votes.clusters, votes.clusters))
    matrix[first, second] = matrix[second, first] = -curvature
    prior = 3 * PRIOR * (alone_win + alone_lose - (alone_win - alone_lose) ** 2) / 4
    np.fill_diagonal(matrix, prior - matrix.sum(axis=1))
    gradient = np.zeros(votes.clusters)
    np.add.at(gradient, first, surprise)
    np.subtract.at(gradient, second, surprise)
    gradient -= 3 * PRIOR * (alone_win - alone_lose) / 2
    step = cho_solve(cho_factor(matrix), gradient)
    step *= min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), _SMALLEST))
    before = _value_of_strengths(votes, counts, fit) if np.abs(step).max() > _SURE else 0.0
    while np.abs(step).max() > _SURE:
        if _value_of_strengths(votes, counts, replace(fit, strengths=fit.strengths + step)) >= before:
            break
        step = step / 2
    return np.asarray(fit.strengths + step)


def _value_of_strengths(votes: Votes, counts: np.ndarray, fit: Reliabilities) -> float:
    return float(counts @ _likelihoods(votes, fit) - 3 * PRIOR * log_total(fit.strengths, 0.0).sum())


def _likelihoods(votes: Votes, fit: Reliabilities) -> np.ndarray:
    """Logarithm of each judge's likelihood, shape (judges,)."""
    logits = _logits(fit, *np.triu_indices(votes.clusters, k=1))
    tied = (votes.signs == 0) * fit.log_ties[:, None]
    terms = votes.signs * logits / 2 + tied - log_total(logits, fit.log_ties[:, None])
    return np.asarray((votes.compared * terms).sum(axis=1))


def _better_judges(votes: Votes, fit: Reliabilities) -> tuple[np.ndarray, np.ndarray]:
    """One Newton step of every judge's reliability and log nu, halved until the judge's likelihood gains."""
    first, second = np.triu_indices(votes.clusters, k=1)
    apart = (fit.strengths[first] - fit.strengths[second])[None, :]
    win, tie = probabilities(_logits(fit, first, second), fit.log_ties[:, None])
    score, compared = 2 * win + tie - 1, votes.compared
    nu = np.exp(fit.log_ties)
    gradient = np.stack(
        [
            (compared * apart * (votes.signs - score) / 2).sum(axis=1) - (fit.reliabilities - 1),
            (compared * ((votes.signs == 0) - tie)).sum(axis=1) + PRIOR * (2 - 2 * nu) / (2 + nu),
        ]
    )
    steep = (compared * apart**2 * (1 - tie - score**2) / 4).sum(axis=1) + 1
    cross = -(compared * apart * tie * score / 2).sum(axis=1)
    flat = (compared * tie * (1 - tie)).sum(axis=1) + 3 * PRIOR * 2 * nu / (2 + nu) ** 2
    step = _newton(gradient, steep, cross, flat, (fit.reliabilities <= 0) & (gradient[0] < 0))
    return _halved(votes, fit, step)


def _newton(
    gradient: np.ndarray, steep: np.ndarray, cross: np.ndarray, flat: np.ndarray, held: np.ndarray
) -> np.ndarray:
    """Solve two equations a judge, with the reliability held where it would fall below 0; shape (2, judges)."""
    cross = np.where(held, 0.0, cross)
    upper = np.where(held, 0.0, gradient[0])
    size = steep * flat - cross**2
    step = np.stack([(flat * upper - cross * gradient[1]) / size, (steep * gradient[1] - cross * upper) / size])
    longest = np.maximum(np.abs(step).max(axis=0), _SMALLEST)
    return np.asarray(step * np.minimum(1.0, _LONGEST_STEP / longest))


def _halved(votes: Votes, fit: Reliabilities, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    before = _values_of_judges(votes, fit) if np.abs(step).max() > _SURE else np.zeros(len(votes.signs))
    while np.abs(step).max() > _SURE:
        moved = replace(
            fit, reliabilities=np.maximum(fit.reliabilities + step[0], 0.0), log_ties=fit.log_ties + step[1]
        )
        worse = (_values_of_judges(votes, moved) < before) & (np.abs(step).max(axis=0) > _SURE)
        if not worse.any():
            break
        step = np.where(worse, step / 2, step)
    return np.maximum(fit.reliabilities + step[0], 0.0), fit.log_ties + step[1]


def _values_of_judges(votes: Votes, fit: Reliabilities) -> np.ndarray:
    prior = PRIOR * (fit.log_ties - 3 * np.log(2 + np.exp(fit.log_ties)))
    return np.asarray(_likelihoods(votes, fit) + prior - (fit.reliabilities - 1) ** 2 / 2)


def _scale(strengths: np.ndarray, reliabilities: np.ndarray, counts: np.ndarray) -> float:
    """Return a scale that the priors favour: strengths times it and reliabilities over it are as likely as any.

    One Newton step in its logarithm; at the end of the fit it is 1.
    """
    win, tie = probabilities(strengths, 0.0)
    score = 2 * win + tie - 1
    slope = (counts * (reliabilities - 1) * reliabilities).sum() - 3 * PRIOR * (score * strengths).sum() / 2
    bend = (counts * (2 * reliabilities - 1) * reliabilities).sum()
    bend += 3 * PRIOR * (score * strengths / 2 + (1 - tie - score**2) * strengths**2 / 4).sum()
    return float(np.exp(np.clip(slope / bend, -0.5, 0.5))) if bend > 0 else 1.0
