"""How far the scores of two runs differ, and how well each agrees with the references."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from rankscape.artifacts import Interval
from rankscape.products.agreement.artifacts import Agreement, Estimate
from rankscape.studies.ranking.compare.runs import RankingRun

PARTS = ("pooled", "fit", "apply")
_WIDE = 2.0
"""Differences beyond so many standard deviations count as more than the scores' own uncertainty."""
_FEWEST = 3


@dataclass(frozen=True)
class Mover:
    """A patch whose score differs much."""

    patch_a: str
    patch_b: str
    a: float
    b: float
    difference: float


@dataclass(frozen=True)
class Scores:
    """Scores of two runs at the places that both scored, each place once."""

    n: int
    only_a: int
    """Patches that only run A scored."""
    only_b: int
    spearman: float | None
    pearson: float | None
    mean_difference: float
    """Mean of B - A."""
    mean_absolute_difference: float
    largest: float
    """Largest absolute difference."""
    beyond: float
    """Share of places whose difference is beyond twice its standard deviation, both scores' uncertainty taken as
    independent."""
    movers: tuple[Mover, ...]
    """The largest differences, the largest first."""


@dataclass(frozen=True)
class Yardstick:
    """Agreement of the score with one reference, in both runs."""

    reference: str
    title: str
    part: str
    measure: str
    n_a: int
    n_b: int
    a: float | None
    b: float | None
    interval_a: Interval
    interval_b: Interval
    difference: float | None
    """B - A."""
    apart: bool | None
    """Whether the intervals do not overlap; None where one is not given."""


def score_table(a: RankingRun, b: RankingRun, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of both runs at their common patches, with `difference` B - A; `pairs` and its columns stay."""
    left = a.scores.set_axis(["patch_a", "a", "std_a"], axis=1)
    right = b.scores.set_axis(["patch_b", "b", "std_b"], axis=1)
    both: pd.DataFrame = pairs.merge(left, on="patch_a").merge(right, on="patch_b")
    both = both.astype(dict.fromkeys(("a", "b", "std_a", "std_b"), float))
    both["difference"] = both["b"] - both["a"]
    return both


def compare_scores(a: RankingRun, b: RankingRun, both: pd.DataFrame, movers: int) -> Scores:
    """Measure how far the scores differ.

    Args:
        a: One run.
        b: Another.
        both: Their scores, as `score_table` returns them; not empty.
        movers: How many of the largest differences to name.

    Returns:
        Agreement and differences.
    """
    only_a = int((~a.scores["patch_id"].isin(both["patch_a"])).sum())
    only_b = int((~b.scores["patch_id"].isin(both["patch_b"])).sum())
    both = both[both["distinct"]]
    difference = both["difference"].to_numpy()
    wide = _WIDE * np.hypot(both["std_a"], both["std_b"])
    order = both.assign(size=both["difference"].abs()).sort_values(["size", "patch_a"], ascending=[False, True])
    return Scores(
        len(both),
        only_a,
        only_b,
        _correlation(both[["a", "b"]].rank()),
        _correlation(both),
        float(difference.mean()),
        float(np.abs(difference).mean()),
        float(np.abs(difference).max()),
        float((np.abs(difference) > wide).mean()),
        tuple(
            Mover(*row)
            for row in order.loc[order["size"] > 0, list(Mover.__annotations__)].head(movers).itertuples(index=False)
        ),
    )


def _correlation(both: pd.DataFrame) -> float | None:
    """Pearson's correlation; Spearman's where ranks are given. None where a run's scores are all the same."""
    if len(both) < _FEWEST or both["a"].nunique() < 2 or both["b"].nunique() < 2:
        return None
    return float(np.corrcoef(both["a"], both["b"])[0, 1])


def compare_evaluations(a: RankingRun, b: RankingRun) -> list[Yardstick]:
    """Return the agreement of the score with every reference that one of the runs has."""
    names = dict.fromkeys([*a.evaluations, *b.evaluations])
    return [
        row
        for name in names
        for part in PARTS
        for measure in ("spearman", "pearson")
        if (row := _yardstick(a, b, name, part, measure)) is not None
    ]


def _yardstick(a: RankingRun, b: RankingRun, name: str, part: str, measure: str) -> Yardstick | None:
    one, other = _agreement(a, name, part), _agreement(b, name, part)
    mine: Estimate = getattr(one, measure) or Estimate()
    theirs: Estimate = getattr(other, measure) or Estimate()
    if mine.value is None and theirs.value is None:
        return None
    title = (a.evaluations.get(name) or b.evaluations[name]).title
    difference = None if mine.value is None or theirs.value is None else theirs.value - mine.value
    ends = (mine.low, mine.high), (theirs.low, theirs.high)
    return Yardstick(
        name, title, part, measure, one.n, other.n, mine.value, theirs.value, *ends, difference, _apart(mine, theirs)
    )


def _agreement(run: RankingRun, name: str, part: str) -> Agreement:
    """Agreement of the score; empty where the run was not compared with the reference."""
    evaluation = run.evaluations.get(name)
    predictor = evaluation.predictors.get("score") if evaluation is not None else None
    return getattr(predictor, part, None) or Agreement()


def _apart(one: Estimate, other: Estimate) -> bool | None:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return None
    return one.high < other.low or other.high < one.low
