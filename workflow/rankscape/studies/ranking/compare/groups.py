"""How alike two runs group and order the same land, and whom they believed."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.stats import kendalltau
from sklearn.metrics import adjusted_rand_score

from rankscape.studies.ranking.compare.runs import RankingRun

_FEWEST = 2
_MOST_FLIPS = 20


@dataclass(frozen=True)
class Pair:
    """A cluster of run A and the cluster of run B that shows the same patches most."""

    a: int
    b: int
    overlap: float
    """Share of the patches of either that both hold (Jaccard 1912), in [0, 1]."""
    category: str
    rank_a: float | None
    rank_b: float | None


@dataclass(frozen=True)
class Flip:
    """Two clusters that stand in one order in run A, and in the other in run B."""

    better_a: int
    """Cluster of A that is the more developed of the two in A, and the less in B."""
    worse_a: int
    gap_a: float
    """Difference of their ranks in A."""
    gap_b: float
    """Difference of their ranks in B."""


@dataclass(frozen=True)
class Grouping:
    """Clusters and orders of two runs."""

    patches: int
    """Common patches that both runs learned from."""
    same: bool
    """Whether both runs have the very same clusters."""
    rand_index: float | None
    """Adjusted Rand index of the clusters (Hubert and Arabie 1985): 1 for the same groups, 0 for chance."""
    tau_patches: float | None
    """Kendall's tau-b of the ranks of the patches' clusters."""
    tau_clusters: float | None
    """Kendall's tau-b of the ranks of paired clusters."""
    pairs: tuple[Pair, ...]
    """Clusters that were paired, best of A first."""
    unpaired_a: tuple[int, ...]
    unpaired_b: tuple[int, ...]
    compared: int
    """Pairs of clusters that both orders tell apart."""
    flipped: int
    """Those among them whose order turned."""
    flips: tuple[Flip, ...]
    """The clearest of them, the largest smaller gap first."""


@dataclass(frozen=True)
class Weight:
    """What one source of orders weighs in the two ensembles."""

    source: str
    a: float | None
    b: float | None


def compare_groups(a: RankingRun, b: RankingRun, pairs: pd.DataFrame) -> Grouping:
    """Compare clusters and orders over the patches that both runs learned from.

    Clusters are paired one to one so that as many patches as possible lie in paired clusters (Kuhn 1955).

    Args:
        a: One run.
        b: Another.
        pairs: Patches of both, as `matched_patches` returns them.

    Returns:
        Agreement of groups and orders.
    """
    both = pairs.merge(a.clusters.set_axis(["patch_a", "a"], axis=1), on="patch_a")
    both = both.merge(b.clusters.set_axis(["patch_b", "b"], axis=1), on="patch_b")
    paired = _pairs(a, b, both)
    ranked = [pair for pair in paired if pair.rank_a is not None and pair.rank_b is not None]
    compared, flips = _flips(ranked)
    ranks = [both[side].map(run.order.ranks).to_numpy(float) for side, run in (("a", a), ("b", b))]
    return Grouping(
        len(both),
        a.summary.fingerprint is not None and a.summary.fingerprint == b.summary.fingerprint,
        float(adjusted_rand_score(both["a"], both["b"])) if len(both) >= _FEWEST else None,
        tau_b(*ranks),
        tau_b(*(np.array([getattr(pair, side) for pair in ranked], float) for side in ("rank_a", "rank_b"))),
        tuple(paired),
        tuple(sorted({one.cluster for one in a.summary.clusters} - {pair.a for pair in paired})),
        tuple(sorted({one.cluster for one in b.summary.clusters} - {pair.b for pair in paired})),
        compared,
        len(flips),
        tuple(
            sorted(flips, key=lambda flip: (-min(flip.gap_a, flip.gap_b), flip.better_a, flip.worse_a))[:_MOST_FLIPS]
        ),
    )


def tau_b(one: np.ndarray, other: np.ndarray) -> float | None:
    """Return Kendall's tau-b of two rankings over the places that both rank; None where it is not defined."""
    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < _FEWEST:
        return None
    value = float(kendalltau(one[known], other[known]).statistic)
    return None if np.isnan(value) else value


def _pairs(a: RankingRun, b: RankingRun, both: pd.DataFrame) -> list[Pair]:
    if both.empty:
        return []
    table = pd.crosstab(both["a"], both["b"])
    counts = table.to_numpy()
    either = counts.sum(axis=1)[:, None] + counts.sum(axis=0) - counts
    names = {one.cluster: one.category for one in a.summary.clusters}
    found = []
    for row, col in zip(*linear_sum_assignment(-counts), strict=True):
        one, other = int(table.index[row]), int(table.columns[col])
        if counts[row, col]:
            share = float(counts[row, col] / either[row, col])
            ranks = (a.order.ranks.get(one), b.order.ranks.get(other))
            found.append(Pair(one, other, share, names.get(one, ""), *ranks))
    return sorted(found, key=lambda pair: (pair.rank_a is None, pair.rank_a or 0.0, pair.a))


def _flips(ranked: list[Pair]) -> tuple[int, list[Flip]]:
    """How many pairs both orders tell apart, and those whose order turned; rank 1 is the most developed."""
    compared, flips = 0, []
    for one, other in combinations(ranked, 2):
        gap_a = float(other.rank_a or 0.0) - float(one.rank_a or 0.0)
        gap_b = float(other.rank_b or 0.0) - float(one.rank_b or 0.0)
        compared += bool(gap_a and gap_b)
        if gap_a * gap_b < 0:
            better, worse = (one, other) if gap_a > 0 else (other, one)
            flips.append(Flip(better.a, worse.a, abs(gap_a), abs(gap_b)))
    return compared, flips


def compare_weights(a: RankingRun, b: RankingRun) -> list[Weight]:
    """Return what every source of orders weighs in both ensembles."""
    names = dict.fromkeys([*a.order.weights, *b.order.weights])
    return [Weight(name, a.order.weights.get(name), b.order.weights.get(name)) for name in names]
