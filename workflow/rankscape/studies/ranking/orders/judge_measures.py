"""How far judges can be trusted: position bias, consistency, drift and spread of their rounds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from rankscape.evaluation.intervals import share_interval
from rankscape.studies.ranking.judges.round_records import QuestionRecord, RoundRecord

_OTHER = {"first": "second", "second": "first", "tie": "tie"}


@dataclass(frozen=True)
class Share:
    """A share of counted cases with its interval."""

    count: int
    """Cases that could be counted."""
    share: float
    """Share of them, in [0, 1]."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""


@dataclass(frozen=True)
class Mean:
    """A mean over replies with its interval."""

    count: int
    """Replies that could be counted."""
    mean: float
    low: float | None
    """Lower end of the interval; None for a single reply."""
    high: float | None
    """Upper end of the interval."""


@dataclass(frozen=True)
class Drift:
    """How scores move from round to round."""

    per_round: float
    """Mean over clusters of the change a round, in points of the score."""
    low: float
    """Lower end of the bootstrap interval over clusters."""
    high: float
    """Upper end."""
    rounds: int
    clusters: int


@dataclass(frozen=True)
class Spread:
    """How far replies to the same question lie apart."""

    mean_deviation: float
    """Mean over questions of the standard deviation of the replies, in points."""
    questions: int
    """Questions with two usable replies at least."""


def share_of(hits: int, count: int, confidence: float) -> Share | None:
    """Return a share with Wilson's score interval; None without cases.

    The cases count as independent; replies about one pair are not quite, so that the interval is somewhat too narrow.
    """
    return Share(count, hits / count, *share_interval(hits, count, confidence)) if count else None


def position_bias(rounds: Iterable[RoundRecord], confidence: float) -> Share | None:
    """Return the share of decided pairs that went to the cluster shown first; one half is no bias.

    Every pair is shown in both orders, so that clusters' own strengths cancel out. Only pairs count of which both
    orders got a usable reply of the same number.
    """
    both = [answer for one in rounds for pair in answers_in_both_orders(one) for answer in pair]
    decided = [answer for answer in both if answer != "tie"]
    return share_of(decided.count("first"), len(decided), confidence)


def consistency(rounds: Iterable[RoundRecord], confidence: float) -> Share | None:
    """Return the share of pairs that were answered alike in both orders of showing."""
    both = [pair for one in rounds for pair in answers_in_both_orders(one)]
    return share_of(sum(_OTHER[one] == other for one, other in both), len(both), confidence)


def answers_in_both_orders(asked: RoundRecord) -> list[tuple[str, str]]:
    """Return what was answered to (a, b) and to (b, a) of a round, reply by reply; only where both are usable."""
    seen = {question.clusters: question for question in asked.questions if len(question.clusters) == 2}
    pairs = [(seen[a, b], seen[b, a]) for a, b in sorted(seen) if a < b and (b, a) in seen]
    replies = [both for one, other in pairs for both in zip(one.replies, other.replies, strict=False)]
    answers = [(one.answer, other.answer) for one, other in replies]
    return [(str(one), str(other)) for one, other in answers if one in _OTHER and other in _OTHER]


def place_bias(rounds: Iterable[RoundRecord], confidence: float) -> Mean | None:
    """Return how far tiers follow the order in which clusters were shown: mean Kendall tau-b over replies.

    Above 0, what is shown early is put high; orders of showing are drawn by chance, so that 0 is no bias. The interval
    is that of Student's t.
    """
    taus = [
        tau
        for asked in rounds
        for question in asked.questions
        for reply in question.replies
        if isinstance(reply.answer, list) and (tau := _tau_with_place(question, reply.answer)) is not None
    ]
    return _mean(np.array(taus), confidence) if taus else None


def _mean(values: np.ndarray, confidence: float) -> Mean:
    middle, count = float(values.mean()), len(values)
    if count < 2:
        return Mean(count, middle, None, None)
    half = float(student.ppf((1 + confidence) / 2, count - 1) * values.std(ddof=1) / np.sqrt(count))
    return Mean(count, middle, middle - half, middle + half)


def _tau_with_place(question: QuestionRecord, tiers: Sequence[Sequence[int]]) -> float | None:
    tier_of = {cluster: number for number, tier in enumerate(tiers) for cluster in tier}
    tiers_shown = np.array([tier_of[cluster] for cluster in question.clusters if cluster in tier_of], float)
    first, second = np.triu_indices(len(tiers_shown), k=1)
    signs = np.sign(tiers_shown[second] - tiers_shown[first])
    decided = float((signs**2).sum())
    return float(signs.sum() / np.sqrt(decided * len(signs))) if decided else None


def drift(rounds: Sequence[RoundRecord], draws: int, confidence: float, seed: int) -> Drift | None:
    """Return the mean change of the clusters' scores from round to round.

    A line is fitted to each cluster's scores over the rounds' numbers; the slopes are averaged, and clusters drawn with
    replacement for the interval. All clusters of a round share its chance, so a drift over few rounds may be chance
    although its interval leaves out 0. Only scores can drift: those of pairs and tiers have a fixed mean.

    Returns:
        The drift; None for other modes than scores, and where fewer than two rounds have scores.
    """
    slopes = _slopes({one.round: one.scores for one in rounds if one.mode == "scores"})
    numbers = {one.round for one in rounds if one.mode == "scores"}
    if not slopes:
        return None
    values = np.array(slopes)
    generator = np.random.default_rng([seed, len(values)])
    means = values[generator.integers(len(values), size=(draws, len(values)))].mean(axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Drift(float(values.mean()), float(low), float(high), len(numbers), len(values))


def _slopes(scores: Mapping[int, Mapping[int, float | None]]) -> list[float]:
    """Least-squares slope over the rounds of each cluster that has scores in two of them, clusters ascending."""
    slopes = []
    for cluster in sorted({cluster for own in scores.values() for cluster in own}):
        given = [(number, own[cluster]) for number, own in sorted(scores.items()) if own.get(cluster) is not None]
        if len(given) > 1:
            number, score = np.array(given, float).T
            slopes.append(float(((number - number.mean()) * score).sum() / ((number - number.mean()) ** 2).sum()))
    return slopes


def spread(rounds: Iterable[RoundRecord]) -> Spread | None:
    """Return how far scores of the same image lie apart; None where no image has two usable replies."""
    deviations = [
        float(np.std(scores, ddof=1))
        for asked in rounds
        for question in asked.questions
        if len(scores := [r.answer for r in question.replies if isinstance(r.answer, float)]) > 1
    ]
    return Spread(float(np.mean(deviations)), len(deviations)) if deviations else None
