"""Modes `scores` (a patch a question) and `tiers` (all clusters at once), and which mode a round asks in."""

from collections.abc import Callable, Mapping, Sequence
from itertools import count, islice, product
from string import ascii_uppercase
from typing import Any

import numpy as np

from rankscape.foundation.errors import InputError
from rankscape.studies.ranking.judges.asking import (
    SCORE_SCHEMA,
    Heard,
    Mode,
    Reading,
    Shown,
    UnusableError,
    kind_of,
    read_score,
    reply_seeds,
    single_value,
)
from rankscape.studies.ranking.judges.pairs import PAIRS
from rankscape.studies.ranking.judges.prompts import Prompt
from rankscape.studies.ranking.judges.questions import Reply
from rankscape.studies.ranking.judges.round_samples import RoundSample, montage
from rankscape.studies.ranking.judges.settings import RateSettings
from rankscape.studies.ranking.orders.partial_orders import PartialOrder


def show_patches(sample: RoundSample, settings: RateSettings) -> list[Shown]:
    """Show every patch by itself, `replies` times."""
    patches = [(cluster, patch, png) for cluster, own in sample.images.items() for patch, png in own.items()]
    return [
        Shown((cluster,), ((patch,),), reply_seeds(sample, settings.replies, place), SCORE_SCHEMA, _as_is(png))
        for place, (cluster, patch, png) in enumerate(patches)
    ]


def _as_is(png: bytes) -> Callable[[], tuple[bytes, ...]]:
    return lambda: (png,)


def read_patch_score(reply: Reply, shown: Shown) -> Reading:  # noqa: ARG001
    """Read a score."""
    found = read_score(reply)
    return Reading(found.value, found.missing)


def mean_scores(heard: Sequence[Heard], round_name: str) -> dict[int, float]:  # noqa: ARG001
    """Return by cluster the mean over its patches of the mean over each patch's usable replies."""
    means: dict[int, list[float]] = {}
    for one in heard:
        if answers := [float(answer) for answer in one.answers if isinstance(answer, float)]:
            means.setdefault(one.shown.clusters[0], []).append(float(np.mean(answers)))
    return {cluster: float(np.mean(values)) for cluster, values in means.items()}


def no_form(settings: RateSettings) -> str:  # noqa: ARG001
    """Add nothing: prompts for scores name the form of the answer themselves."""
    return ""


SCORES = Mode("scores", no_form, show_patches, read_patch_score, mean_scores)


_FORM = """Every picture shows one group of patches; the letter before it names the group. Sort all groups into tiers, \
the highest tier first. Groups between which you see no difference share a tier; make as many tiers as you can tell \
apart.
Answer with one JSON object and nothing else: its key is "tiers", and its value is a list with one list of letters for \
each tier, the highest first. Every letter stands in it exactly once."""


def show_tiers(sample: RoundSample, settings: RateSettings) -> list[Shown]:
    """Show all clusters at once, for every reply in another random order, so that no place is always the same one's.

    Raises:
        InputError: If there is only one cluster.
    """
    if len(sample.clusters) < 2:
        raise InputError(f"Mode tiers compares clusters, and only cluster {sample.clusters[0]} is shown: take scores.")
    return [_tiers_shown(sample, number) for number in range(settings.replies)]


def _tiers_shown(sample: RoundSample, number: int) -> Shown:
    chance = np.random.default_rng([sample.seed, sample.number, number])
    order = tuple(sample.clusters[place] for place in chance.permutation(len(sample.clusters)))
    letters = names(len(order))
    return Shown(
        clusters=order,
        patches=tuple(tuple(sample.images[cluster]) for cluster in order),
        seeds=reply_seeds(sample, 1, number),
        schema=tier_schema(letters),
        paint=lambda: tuple(montage(sample.images[cluster].values()) for cluster in order),
        labels=tuple(f"{letter}:" for letter in letters),
    )


def names(size: int) -> list[str]:
    """Return that many names: A to Z, then AA, AB and so on."""
    every = ("".join(letters) for length in count(1) for letters in product(ascii_uppercase, repeat=length))
    return list(islice(every, size))


def tier_schema(letters: Sequence[str]) -> dict[str, Any]:
    """Return the JSON schema of an answer; that each letter stands once is checked when the answer is read."""
    tier = {"type": "array", "items": {"type": "string", "enum": list(letters)}}
    return {
        "type": "object",
        "properties": {"tiers": {"type": "array", "items": tier}},
        "required": ["tiers"],
        "additionalProperties": False,
    }


def read_tiers(reply: Reply, shown: Shown) -> Reading:
    """Read tiers of clusters, best first; unless every letter stands in them exactly once, the answer is missing."""
    clusters = dict(zip(names(len(shown.clusters)), shown.clusters, strict=True))
    try:
        return Reading(single_value(reply, "tiers", lambda value: _tiers(value, clusters)), None)
    except UnusableError as reason:
        return Reading(None, str(reason))


def _tiers(value: Any, clusters: Mapping[str, int]) -> tuple[tuple[int, ...], ...]:
    if not isinstance(value, list) or not all(isinstance(tier, list) for tier in value):
        raise UnusableError("the tiers are no list of lists")
    letters = [letter for tier in value for letter in tier]
    _check_letters(letters, clusters)
    if not all(value):
        raise UnusableError("a tier is empty")
    return tuple(tuple(sorted(clusters[letter] for letter in tier)) for tier in value)


def _check_letters(letters: list[Any], clusters: Mapping[str, int]) -> None:
    for letter in letters:
        if not isinstance(letter, str):
            raise UnusableError(f"a tier holds {kind_of(letter)}, not a letter")
    if set(letters) - set(clusters):
        raise UnusableError("a tier holds a letter that was not shown")
    if len(letters) != len(set(letters)):
        raise UnusableError("a letter stands in the tiers twice")
    left_out = len(clusters) - len(letters)
    if left_out:
        raise UnusableError(f"{left_out} of {len(clusters)} letters are left out")


def tier_scores(heard: Sequence[Heard], round_name: str) -> dict[int, float]:  # noqa: ARG001
    """Return by cluster the mean over the replies of 100 (1 - (rank - 1)/(clusters - 1)), ranks averaged over ties."""
    clusters = sorted(heard[0].shown.clusters)
    tiers = [answer for one in heard for answer in one.answers if isinstance(answer, tuple)]
    ranks = np.mean([PartialOrder.from_levels(levels, clusters).ranks() for levels in tiers], axis=0)
    points = 100.0 * (1 - (ranks - 1) / (len(clusters) - 1))
    return {cluster: float(value) for cluster, value in zip(clusters, points, strict=True)}


def tier_form(settings: RateSettings) -> str:  # noqa: ARG001
    """Say what is seen and how to answer."""
    return _FORM


TIERS = Mode("tiers", tier_form, show_tiers, read_tiers, tier_scores)


MODES: dict[str, Mode] = {mode.name: mode for mode in (SCORES, PAIRS, TIERS)}
"""All modes by name."""


def mode_of(prompt: Prompt, settings: RateSettings) -> Mode:
    """Return the mode in which a prompt is asked."""
    return MODES[prompt.mode or settings.mode]
