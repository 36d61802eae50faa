"""Strengths from paired comparisons: the Bradley-Terry model with ties after Davidson (docs/methods/ranking.md).

With strengths s on a log scale and d = s_i - s_j, cluster i wins with probability exp(d/2)/z, ties with nu/z and loses
with exp(-d/2)/z, z = exp(d/2) + nu + exp(-d/2) (Bradley & Terry, Biometrika 1952; Davidson, JASA 1970). The logarithm
of the likelihood is concave in s and log nu.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

PRIOR = 0.1
"""Wins, ties and losses, so many of each, that every cluster is given against a fictitious one of strength 0."""
_STEPS = 200
_STILL = 1e-10
"""A Newton step smaller than this in every parameter is the end."""


@dataclass(frozen=True)
class Davidson:
    """A fitted Bradley-Terry model with ties."""

    strengths: np.ndarray
    """float64, shape (n,): log scale, mean 0; high is more developed."""
    tie: float
    """Davidson's nu >= 0: of two equally strong clusters, the odds of a tie against a win are nu."""

    def expected_shares(self) -> np.ndarray:
        """Return the expected share of wins (a tie is half a win) against all other clusters.

        Returns:
            float64, shape (n,), each from 0 to 1, of mean 1/2; 1/2 for a cluster without others.
        """
        shares = expected_share(self.strengths[:, None] - self.strengths[None, :], self.tie)
        others = max(1, len(shares) - 1)
        return np.asarray(0.5 + (shares.sum(axis=1) - 0.5 * len(shares)) / others)


def expected_share(differences: np.ndarray, tie: float | np.ndarray) -> np.ndarray:
    """Return the probability of a win plus half that of a tie, by difference of strengths; float64, same shape."""
    win, equal = probabilities(differences, np.log(tie))
    return np.asarray(win + equal / 2)


def fit_davidson(wins: np.ndarray, ties: np.ndarray, prior: float = PRIOR) -> Davidson:
    """Fit strengths and the tie parameter by penalised maximum likelihood.

    A cluster that won every comparison has no finite estimate, and clusters that no comparison joins cannot be told
    apart by likelihood alone. So each cluster also meets a fictitious one of strength 0, with `prior` wins, ties and
    losses: symmetric, and too little to matter beside real comparisons. Clusters that were never compared get the
    strength of the fictitious one.

    Args:
        wins: How often the row's cluster beat the column's, shape (n, n); fractions weigh.
        ties: How often the two were tied, shape (n, n), symmetric.
        prior: Fictitious wins, ties and losses of every cluster; above 0.

    Raises:
        ValueError: If the counts are no two finite, non-negative square matrices of one shape, a cluster meets itself,
            ties are not symmetric, or the prior is not above 0.
    """
    wins, ties = _checked(wins, ties)
    if not prior > 0:
        raise ValueError(f"prior must be above 0, not {prior}")
    games = _Games(wins, ties, prior)
    parameters = _maximum(games)
    # The information is nearly flat along a common shift of all strengths; differences from their mean are not.
    centring = np.eye(len(wins)) - 1 / len(wins)
    return Davidson(centring @ parameters[:-1], float(np.exp(parameters[-1])))


def _checked(wins: np.ndarray, ties: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    wins, ties = np.asarray(wins, np.float64), np.asarray(ties, np.float64)
    if wins.ndim != 2 or wins.shape[0] != wins.shape[1] or not wins.size or ties.shape != wins.shape:
        raise ValueError(f"wins and ties must be two matrices (clusters, clusters), not {wins.shape} and {ties.shape}")
    for name, counts in (("wins", wins), ("ties", ties)):
        if not (np.isfinite(counts) & (counts >= 0)).all():
            raise ValueError(f"{name} must be finite numbers of 0 or more")
        if np.diag(counts).any():
            raise ValueError(f"{name} of cluster {np.flatnonzero(np.diag(counts))[0]} with itself must be 0")
    if not np.array_equal(ties, ties.T):
        raise ValueError("ties must be symmetric: a tie of two clusters counts once in both places")
    return wins, ties


class _Games:
    """The penalised likelihood; parameters are the strengths and log nu, shape (n + 1,).

    The fictitious cluster is in place n of the matrices, with its strength held at 0.
    """

    def __init__(self, wins: np.ndarray, ties: np.ndarray, prior: float) -> None:
        size = len(wins) + 1
        self.wins, self.ties = np.zeros((size, size)), np.zeros((size, size))
        self.wins[:-1, :-1], self.ties[:-1, :-1] = wins, ties
        for counts in (self.wins, self.ties):
            counts[-1, :-1] = counts[:-1, -1] = prior
        self.played = self.wins + self.wins.T + self.ties

    def value(self, parameters: np.ndarray) -> float:
        """Logarithm of the likelihood."""
        differences = _differences(parameters)
        total = log_total(differences, parameters[-1])
        ties = 0.5 * self.ties.sum() * parameters[-1]
        return float((self.wins * differences / 2).sum() + ties - 0.5 * (self.played * total).sum())

    def gradient(self, parameters: np.ndarray) -> np.ndarray:
        """First derivatives, shape (n + 1,)."""
        win, tie = probabilities(_differences(parameters), parameters[-1])
        share = self.wins + self.ties / 2 - self.played * (win + tie / 2)
        return np.append(share.sum(axis=1)[:-1], 0.5 * (self.ties - self.played * tie).sum())

    def information(self, parameters: np.ndarray) -> np.ndarray:
        """Second derivatives with the sign changed, shape (n + 1, n + 1), positive definite."""
        win, tie = probabilities(_differences(parameters), parameters[-1])
        lose = win.T
        spread = self.played * (win + lose - (win - lose) ** 2) / 4
        matrix = np.diag(spread.sum(axis=1)) - spread
        cross = -(self.played * tie * (win - lose) / 2).sum(axis=1)
        matrix[-1, :], matrix[:, -1] = cross, cross
        matrix[-1, -1] = 0.5 * (self.played * tie * (1 - tie)).sum()
        return np.asarray(matrix)


def _maximum(games: _Games) -> np.ndarray:
    """Climb by Newton's steps, each halved until it gains: a concave function has one top."""
    parameters = np.zeros(len(games.wins))
    best = games.value(parameters)
    for _ in range(_STEPS):
        step = cho_solve(cho_factor(games.information(parameters)), games.gradient(parameters))
        value = games.value(parameters + step)
        while value < best and np.abs(step).max() > _STILL:
            step = step / 2
            value = games.value(parameters + step)
        if value < best:
            break
        parameters, best = parameters + step, value
        if np.abs(step).max() <= _STILL:
            break
    return parameters


def _differences(parameters: np.ndarray) -> np.ndarray:
    strengths = np.append(parameters[:-1], 0.0)
    return np.asarray(strengths[:, None] - strengths[None, :])


def log_total(differences: np.ndarray, log_tie: float | np.ndarray) -> np.ndarray:
    """Return log z by difference of strengths and log nu; float64, same shape."""
    half = np.abs(differences) / 2
    largest = np.maximum(half, log_tie)
    return np.asarray(largest + np.log(np.exp(half - largest) + np.exp(-half - largest) + np.exp(log_tie - largest)))


def probabilities(differences: np.ndarray, log_tie: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of a win and of a tie by difference of strengths and log nu; float64, same shape."""
    total = log_total(differences, log_tie)
    return np.exp(differences / 2 - total), np.exp(log_tie - total)
