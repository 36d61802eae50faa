"""Orders from numbers: of scores with a margin, and of means of a reference by significance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import t as student
from statsmodels.stats.multitest import multipletests

from rankscape.samples.artifacts import REFERENCE_VALUES
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.orders.settings import OrderFromReferenceSettings

TieRule = Literal["leader", "chain", "interval"]

_ROUNDING = 1e-9
"""Mean scores such as 30.1 and 20.1 differ by 10 and a little in floating point: that is still the margin."""


def order_of_scores(scores: Mapping[int, float | None], margin: float, ties: TieRule) -> PartialOrder:
    """Turn scores into an order; scores that differ by no more than the margin are tied.

    Being within a margin is not transitive, so the rule has to be named. Scores 30, 22, 14, 6 with margin 10:

    - `leader`: a group takes all within the margin of its first member: {30, 22} > {14, 6}. What the Sichuan report's
      code does (Gong, Zheng & Xie 2024).
    - `chain`: neighbours within the margin join: all four are tied.
    - `interval`: pairs within the margin are equal and nothing more: 30 ~ 22, 22 ~ 14, 14 ~ 6, the rest ordered. A
      semiorder (Luce, Econometrica 1956); it has no levels.

    Args:
        scores: Score of each cluster; a cluster without a score is incomparable with all others.
        margin: Largest difference of tied scores, in points.
        ties: The rule.
    """
    given = {cluster: score for cluster, score in sorted(scores.items()) if score is not None}
    order = _semiorder(given, margin) if ties == "interval" else _weak_order(given, margin, ties)
    return order.extended(scores)


def _weak_order(scores: Mapping[int, float], margin: float, ties: TieRule) -> PartialOrder:
    descending = sorted(scores, key=lambda cluster: (-scores[cluster], cluster))
    levels: list[list[int]] = []
    for cluster in descending:
        anchor = levels[-1][0 if ties == "leader" else -1] if levels else None
        if anchor is not None and scores[anchor] - scores[cluster] <= margin + _ROUNDING:
            levels[-1].append(cluster)
        else:
            levels.append([cluster])
    return PartialOrder.from_levels(levels)


def _semiorder(scores: Mapping[int, float], margin: float) -> PartialOrder:
    return order_of_differences(list(scores), _differences(list(scores.values())) > margin + _ROUNDING)


def _differences(values: Sequence[float]) -> np.ndarray:
    column = np.asarray(values, np.float64)
    return np.asarray(column[:, None] - column[None, :])


def order_of_differences(clusters: Sequence[int], higher: np.ndarray) -> PartialOrder:
    """Make an order in which `higher` (bool, shape (n, n)) and what follows from it is ordered, and all else tied."""
    pairs = [(clusters[a], clusters[b]) for a, b in np.argwhere(higher)]
    order = PartialOrder.from_pairs(clusters, pairs)
    ties = [(clusters[a], clusters[b]) for a, b in np.argwhere(np.triu(order.incomparable()))]
    return PartialOrder.from_pairs(clusters, pairs, tied=ties)


LEAST_COVERAGE = 0.5
"""Patches of which the reference covers less say little about the patch."""


def covered_values(paths: Sequence[Path]) -> pd.DataFrame:
    """Read the patches that a reference covers.

    Args:
        paths: Tables `patch_id`, `value`, `coverage`, a granule each.

    Returns:
        Columns `patch_id`, `value` (float64, the reference's unit), granule by granule; there may be none.

    Raises:
        TableError: If a table is missing or lacks a column.
    """
    table = pd.concat([REFERENCE_VALUES.read(path, "patch_id", "value", "coverage") for path in sorted(paths)])
    covered: pd.DataFrame = table[np.isfinite(table["value"]) & (table["coverage"] >= LEAST_COVERAGE)]
    return covered[["patch_id", "value"]]


FEWEST_BLOCKS = 2
"""A cluster with values in fewer blocks has no spread to judge its mean by."""
_BATCH_NUMBERS = 4_000_000
_METHODS = {"benjamini-hochberg": "fdr_bh", "holm": "holm"}


@dataclass(frozen=True)
class Values:
    """A cluster's values and where they lie."""

    values: np.ndarray
    """Finite, any unit, shape (patches,)."""
    blocks: np.ndarray
    """Name of the block that holds each patch, shape (patches,); all differ where patches are drawn singly."""


@dataclass(frozen=True)
class ClusterMean:
    """A cluster's mean and how sure it is."""

    mean: float
    """Mean over patches."""
    standard_error: float
    """Spread of the mean over bootstrap draws of blocks."""
    patches: int
    """Patches with a value."""
    blocks: int
    """Blocks that hold them."""

    def to_document(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {
            "mean": self.mean,
            "standard_error": self.standard_error,
            "patches": self.patches,
            "blocks": self.blocks,
        }


def means_of_values(values: Mapping[int, Values], settings: OrderFromReferenceSettings) -> dict[int, ClusterMean]:
    """Return the mean of each cluster that has values in two blocks at least, clusters ascending."""
    found = {}
    for cluster, own in sorted(values.items()):
        blocks = len(np.unique(own.blocks))
        if blocks >= FEWEST_BLOCKS:
            draws = bootstrap_means(own, settings, cluster)
            # Drawing k blocks with replacement spreads their mean by (k - 1)/k of its variance.
            error = float(draws.std() * np.sqrt(blocks / (blocks - 1)))
            found[cluster] = ClusterMean(float(own.values.mean()), error, len(own.values), blocks)
    return found


def order_of_means(means: Mapping[int, ClusterMean], settings: OrderFromReferenceSettings) -> PartialOrder:
    """Order clusters by their means where the difference is significant; all others are equal.

    This is the data-guided order of Ahn et al. (Nature Communications 2023) with a test in place of plain means. What
    follows from ordered pairs is ordered too.

    Args:
        means: Mean and standard error by cluster.
        settings: Confidence level, and how the number of pairs is accounted for.

    Returns:
        The order of these clusters; high means are more developed.
    """
    if not means:
        return PartialOrder.from_pairs([], [])
    value = np.array([own.mean for own in means.values()])
    upper = np.triu_indices(len(means), k=1)
    differ = np.zeros((len(means), len(means)), bool)
    differ[upper] = significant(p_values(list(means.values()))[upper], 1 - settings.level, settings.correction)
    return order_of_differences(list(means), (differ | differ.T) & (value[:, None] > value[None, :]))


def bootstrap_means(own: Values, settings: OrderFromReferenceSettings, cluster: int) -> np.ndarray:
    """Return means of a cluster over resampled blocks.

    As many blocks as hold the cluster are drawn with replacement, each with all its patches: neighbours resemble each
    other, and whole blocks keep the spatial autocorrelation within a draw (Künsch, Annals of Statistics 1989; Lahiri
    2003). With one patch a block this is Efron's bootstrap (Annals of Statistics 1979).

    Args:
        own: Values and blocks.
        settings: Draws and seed.
        cluster: Its number; it enters the seed.

    Returns:
        float64, shape (draws,).
    """
    _, place = np.unique(own.blocks, return_inverse=True)
    sums, counts = np.bincount(place, own.values), np.bincount(place).astype(np.float64)
    generator = np.random.default_rng([settings.seed, cluster])
    batch = max(1, _BATCH_NUMBERS // len(sums))
    parts = []
    for begin in range(0, settings.draws, batch):
        drawn = generator.integers(len(sums), size=(min(batch, settings.draws - begin), len(sums)))
        parts.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    return np.concatenate(parts)


def p_values(means: list[ClusterMean]) -> np.ndarray:
    """Return the two-sided p-value of every two clusters' difference of means.

    The difference over its bootstrap standard error is held against Student's t with Welch's degrees of freedom
    (Biometrika 1947), blocks being the independent observations. Counting draws beyond 0 instead could not
    give the small p-values that many pairs ask for.

    Returns:
        float64, shape (n, n); 1 on the diagonal.
    """
    value = np.array([own.mean for own in means])
    variance = np.array([own.standard_error**2 for own in means])
    freedom = np.array([own.blocks - 1 for own in means], np.float64)
    both = variance[:, None] + variance[None, :]
    terms = variance**2 / freedom
    welch = np.divide(both**2, terms[:, None] + terms[None, :], out=np.ones_like(both), where=both > 0)
    difference = np.abs(value[:, None] - value[None, :])
    certain = np.where(difference > 0, np.inf, 0.0)
    statistic = np.divide(difference, np.sqrt(both), out=certain, where=both > 0)
    return np.asarray(2 * student.sf(statistic, welch))


def significant(p: np.ndarray, alpha: float, correction: str) -> np.ndarray:
    """Say which of many tests are significant.

    Args:
        p: p-values, shape (m,).
        alpha: Without correction the chance of error of each test; with `holm` that of any error at all (Holm,
            Scandinavian Journal of Statistics 1979); with `benjamini-hochberg` the expected share of errors among the
            pairs told apart (Benjamini & Hochberg, Journal of the Royal Statistical Society B 1995).
        correction: `none`, `holm` or `benjamini-hochberg`.

    Returns:
        bool, shape (m,).
    """
    if correction == "none" or not p.size:
        return np.asarray(p < alpha)
    return np.asarray(multipletests(p, alpha, _METHODS[correction])[0])
