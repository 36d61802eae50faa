"""Mode `pairs`: two clusters a question, in both orders of showing; the judge names the higher one, or a tie."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy.sparse.csgraph import connected_components

from rankscape.foundation.errors import InputError, JudgeError
from rankscape.studies.ranking.judges.asking import (
    Heard,
    Mode,
    Reading,
    Shown,
    UnusableError,
    kind_of,
    reply_seeds,
    single_value,
)
from rankscape.studies.ranking.judges.questions import Reply
from rankscape.studies.ranking.judges.round_samples import RoundSample, montage, side_by_side
from rankscape.studies.ranking.judges.settings import RateSettings
from rankscape.studies.ranking.orders.paired import fit_davidson

Pair = tuple[int, int]


def pair_design(clusters: tuple[int, ...], pairs_per_cluster: int | None, seed: tuple[int, ...]) -> list[Pair]:
    """Choose pairs of clusters.

    A few pairs make a cyclic design (David, Journal of the Australian Mathematical Society 1963): clusters stand in a
    random circle, and each is compared with those at certain distances along it. Distance 1 is among these, so that
    comparisons join all clusters; the others are drawn. Other seeds give other circles, so that rounds compare other
    pairs.

    Args:
        clusters: Two or more clusters.
        pairs_per_cluster: Pairs that every cluster is in, 2 or more; where that number and the number of clusters are
            both odd, one more. None gives all pairs.
        seed: Seed of the circle and of the distances.

    Returns:
        Pairs with the smaller cluster first, sorted.
    """
    size = len(clusters)
    if pairs_per_cluster is None or pairs_per_cluster >= size - 1:
        return sorted(combinations(sorted(clusters), 2))
    chance = np.random.default_rng(seed)
    circle = [clusters[place] for place in chance.permutation(size)]
    distances = _distances(size, pairs_per_cluster, chance)
    pairs = {(circle[place], circle[(place + distance) % size]) for distance in distances for place in range(size)}
    return sorted({(min(pair), max(pair)) for pair in pairs})


def _distances(size: int, pairs_per_cluster: int, chance: np.random.Generator) -> list[int]:
    """Distances along the circle: each joins a cluster with two others, half of an even circle with one."""
    half = size // 2 if size % 2 == 0 and pairs_per_cluster % 2 else None
    wanted = pairs_per_cluster // 2 if half or pairs_per_cluster % 2 == 0 else pairs_per_cluster // 2 + 1
    others = chance.permutation(np.arange(2, (size - 1) // 2 + 1))[: wanted - 1]
    return [1, *(int(distance) for distance in others), *([half] if half else [])]


FIRST, SECOND, TIE = ANSWERS = ("first", "second", "tie")
PAIR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": list(ANSWERS)}},
    "required": ["answer"],
    "additionalProperties": False,
}
"""JSON schema of an answer."""
_SEEN = {
    "side-by-side": 'The picture shows two groups of patches, parted by a wide gap: the group titled "first" on the '
    'left, the group titled "second" on the right.',
    "two": "There are two pictures, and each shows a group of patches: the first picture the first group, the second "
    "picture the second group.",
}
_ASKED = """Compare the two groups, each as a whole.
Answer with one JSON object and nothing else: {"answer": "first"} if the first group stands higher, \
{"answer": "second"} if the second group stands higher, {"answer": "tie"} if you see no difference."""


def form(settings: RateSettings) -> str:
    """Say what is seen and how to answer."""
    return f"{_SEEN[settings.pair_images]} {_ASKED}"


def show(sample: RoundSample, settings: RateSettings) -> list[Shown]:
    """Show pairs of clusters, each pair in both orders, so that a liking for the first place cancels out.

    Raises:
        InputError: If there is only one cluster.
    """
    if len(sample.clusters) < 2:
        raise InputError(f"Mode pairs compares clusters, and only cluster {sample.clusters[0]} is shown: take scores.")
    design = pair_design(sample.clusters, settings.pairs_per_cluster, (sample.seed, sample.number))
    shown = [both for one, other in design for both in ((one, other), (other, one))]
    return [_shown(sample, pair, settings) for pair in shown]


def _shown(sample: RoundSample, pair: tuple[int, int], settings: RateSettings) -> Shown:
    own = sample.images[pair[0]], sample.images[pair[1]]
    return Shown(
        clusters=pair,
        patches=tuple(tuple(patches) for patches in own),
        seeds=reply_seeds(sample, settings.replies, *pair),
        schema=PAIR_SCHEMA,
        paint=_painter(*own, alone=settings.pair_images == "two"),
        labels=("first:", "second:") if settings.pair_images == "two" else (),
    )


def _painter(
    first: Mapping[str, bytes], second: Mapping[str, bytes], *, alone: bool
) -> Callable[[], tuple[bytes, ...]]:
    if alone:
        return lambda: (montage(first.values()), montage(second.values()))
    return lambda: (side_by_side(first.values(), second.values(), (FIRST, SECOND)),)


def read(reply: Reply, shown: Shown) -> Reading:  # noqa: ARG001
    """Read which group stands higher: `first`, `second` or `tie` under the key `answer`; all else is missing."""
    try:
        return Reading(single_value(reply, "answer", _allowed), None)
    except UnusableError as reason:
        return Reading(None, str(reason))


def _allowed(value: Any) -> str:
    if not isinstance(value, str):
        raise UnusableError(f"the answer is {kind_of(value)}, not first, second or tie")
    if value not in ANSWERS:
        raise UnusableError("the answer is none of first, second and tie")
    return value


def score(heard: Sequence[Heard], round_name: str) -> dict[int, float]:
    """Return by cluster 100 times its expected share of wins against all others, a tie half a win.

    Strengths come from the Bradley-Terry model with ties after Davidson (ranking/paired.py); every usable reply is one
    comparison.

    Raises:
        JudgeError: If the usable replies do not join all clusters: then nothing says how the parts compare.
    """
    clusters = sorted({cluster for one in heard for cluster in one.shown.clusters})
    wins, ties = counts(heard, clusters)
    _check_joined(wins + wins.T + ties, clusters, round_name)
    shares = fit_davidson(wins, ties).expected_shares()
    return {cluster: 100.0 * float(share) for cluster, share in zip(clusters, shares, strict=True)}


def counts(heard: Sequence[Heard], clusters: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Count wins and ties.

    Args:
        heard: Questions with their replies.
        clusters: Clusters in the order of the matrices.

    Returns:
        Two float64 matrices, shape (clusters, clusters): how often the row's cluster won against the column's; and how
        often the two were tied, symmetric.
    """
    place = {cluster: number for number, cluster in enumerate(clusters)}
    wins, ties = np.zeros((len(place), len(place))), np.zeros((len(place), len(place)))
    for one in heard:
        first, second = (place[cluster] for cluster in one.shown.clusters)
        for answer in one.answers:
            wins[first, second] += answer == FIRST
            wins[second, first] += answer == SECOND
            ties[first, second] += answer == TIE
            ties[second, first] += answer == TIE
    return wins, ties


def _check_joined(compared: np.ndarray, clusters: Sequence[int], round_name: str) -> None:
    parts, labels = connected_components(compared > 0, directed=False)
    if parts > 1:
        apart = [
            cluster for cluster, label in zip(clusters, labels, strict=True) if label != np.bincount(labels).argmax()
        ]
        raise JudgeError(
            f"{round_name}: no usable reply compares the clusters {apart} with the others, so they cannot be ranked "
            "together. Nothing was written; raise pairs_per_cluster or replies."
        )


PAIRS = Mode("pairs", form, show, read, score)
