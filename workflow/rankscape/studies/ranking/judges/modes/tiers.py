"""Mode `tiers`: all clusters in one question, a sheet each under a letter; the judge sorts them into tiers."""

from collections.abc import Mapping, Sequence
from itertools import count, islice, product
from string import ascii_uppercase
from typing import Any

import numpy as np

from rankscape.foundation.errors import InputError
from rankscape.studies.ranking.judges.draws import Draw
from rankscape.studies.ranking.judges.modes.asking import Heard, Mode, Reading, Shown, reply_seeds
from rankscape.studies.ranking.judges.modes.sheets import sheet
from rankscape.studies.ranking.judges.questions import Reply
from rankscape.studies.ranking.judges.replies import UnusableError, kind_of, single_value
from rankscape.studies.ranking.orders.orders import PartialOrder
from rankscape.studies.ranking.settings.judges import RateSettings

_FORM = """Every picture shows one group of patches; the letter before it names the group. Sort all groups into tiers, \
the highest tier first. Groups between which you see no difference share a tier; make as many tiers as you can tell \
apart.
Answer with one JSON object and nothing else: its key is "tiers", and its value is a list with one list of letters for \
each tier, the highest first. Every letter stands in it exactly once."""


def show(draw: Draw, settings: RateSettings) -> list[Shown]:
    """Show all clusters at once, for every reply in another random order, so that no place is always the same one's.

    Raises:
        InputError: If there is only one cluster.
    """
    if len(draw.clusters) < 2:
        raise InputError(f"Mode tiers compares clusters, and only cluster {draw.clusters[0]} is drawn: take scores.")
    return [_shown(draw, number) for number in range(settings.replies)]


def _shown(draw: Draw, number: int) -> Shown:
    chance = np.random.default_rng([draw.seed, draw.number, number])
    order = tuple(draw.clusters[place] for place in chance.permutation(len(draw.clusters)))
    letters = names(len(order))
    return Shown(
        clusters=order,
        patches=tuple(tuple(draw.pictures[cluster]) for cluster in order),
        seeds=reply_seeds(draw, 1, number),
        schema=tier_schema(letters),
        paint=lambda: tuple(sheet(draw.pictures[cluster].values()) for cluster in order),
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


def read(reply: Reply, shown: Shown) -> Reading:
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


def score(heard: Sequence[Heard], round_name: str) -> dict[int, float]:  # noqa: ARG001
    """Return by cluster the mean over the replies of 100 (1 - (rank - 1)/(clusters - 1)), ranks averaged over ties."""
    clusters = sorted(heard[0].shown.clusters)
    tiers = [answer for one in heard for answer in one.answers if isinstance(answer, tuple)]
    ranks = np.mean([PartialOrder.from_levels(levels, clusters).ranks() for levels in tiers], axis=0)
    points = 100.0 * (1 - (ranks - 1) / (len(clusters) - 1))
    return {cluster: float(value) for cluster, value in zip(clusters, points, strict=True)}


def form(settings: RateSettings) -> str:  # noqa: ARG001
    """Say what is seen and how to answer."""
    return _FORM


TIERS = Mode("tiers", form, show, read, score)
