"""What all modes of asking share: a question as it is shown, what a reply says, the quorum."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from rankscape.foundation.errors import JudgeError
from rankscape.studies.ranking.judges.questions import Reply
from rankscape.studies.ranking.judges.round_samples import RoundSample
from rankscape.studies.ranking.judges.settings import RateSettings

Answer = float | str | tuple[tuple[int, ...], ...]
"""A score; `first`, `second` or `tie`; or tiers of clusters, best first."""

_LARGEST_SEED = 0x7FFFFFFF
_REASONS_SHOWN = 3


@dataclass(frozen=True)
class Shown:
    """One question of a round, asked once or several times."""

    clusters: tuple[int, ...]
    """Clusters in the order shown."""
    patches: tuple[tuple[str, ...], ...]
    """Patches of each of these clusters."""
    seeds: tuple[int, ...]
    """Sampling seed of each reply wanted."""
    schema: dict[str, Any]
    """JSON schema of the answer."""
    paint: Callable[[], tuple[bytes, ...]] = field(compare=False)
    """Makes the images, PNG; made when they are sent, because all of a round at once can fill the memory."""
    labels: tuple[str, ...] = ()
    """Text before each image; empty, or one an image."""


@dataclass(frozen=True)
class Reading:
    """What a reply says, or the reason why it says nothing usable; exactly one of the two is given."""

    answer: Answer | None
    """What the judge said."""
    missing: str | None
    """Why there is no answer."""


@dataclass(frozen=True)
class Heard:
    """One question with its replies."""

    shown: Shown
    """What was shown."""
    replies: tuple[Reply, ...]
    """Replies as received."""
    readings: tuple[Reading, ...]
    """What each reply says."""
    keys: tuple[str, ...] = ()
    """Names of the questions in the store of replies."""

    @property
    def answers(self) -> list[Answer]:
        """Answers of the usable replies."""
        return [reading.answer for reading in self.readings if reading.answer is not None]


@dataclass(frozen=True)
class Mode:
    """A way of asking: every mode ends in a score of each cluster, from 0 to 100."""

    name: str
    """Name in settings and prompts."""
    form: Callable[[RateSettings], str]
    """What is put below a prompt, so that judges know what they see and how to answer; empty where prompts say it."""
    show: Callable[[RoundSample, RateSettings], list[Shown]]
    """The questions of a round."""
    read: Callable[[Reply, Shown], Reading]
    """Reads a reply."""
    score: Callable[[Sequence[Heard], str], dict[int, float]]
    """Scores the clusters of a round whose name, for messages, is the second argument."""


def reply_seeds(sample: RoundSample, replies: int, *place: int) -> tuple[int, ...]:
    """Return the sampling seeds of the replies to one question: other replies, questions and rounds have others.

    Args:
        sample: Seed and number of the round.
        replies: How many.
        place: Which question of the round, in one number or several.
    """
    words = np.random.SeedSequence([sample.seed, sample.number, *place]).generate_state(replies)
    return tuple(int(word) & _LARGEST_SEED for word in words)


def check_quorum(heard: Sequence[Heard], quorum: float, round_name: str) -> None:
    """Refuse a round in which too few of the replies about some cluster are usable.

    Args:
        heard: All questions with their replies.
        quorum: Share of the replies to questions that show a cluster.
        round_name: What the round is called in messages.

    Raises:
        JudgeError: The message names the clusters and the commonest reasons.
    """
    about: dict[int, list[Reading]] = {}
    for one in heard:
        for cluster in one.shown.clusters:
            about.setdefault(cluster, []).extend(one.readings)
    short = {cluster: readings for cluster, readings in sorted(about.items()) if _is_short(readings, quorum)}
    if short:
        named = ", ".join(f"{cluster} ({_usable(own)} of {len(own)})" for cluster, own in short.items())
        raise JudgeError(
            f"{round_name}: too few usable replies (quorum {quorum:g}) for the clusters {named}. "
            f"Commonest reasons: {_reasons(heard, short)}. {_advice(about)}Nothing was written."
        )


def _advice(about: Mapping[int, Sequence[Reading]]) -> str:
    if not any(reading.missing == CUT_OFF_THINKING for readings in about.values() for reading in readings):
        return ""
    return "A model that thinks needs room for its thoughts: raise the judge's max_tokens, to 4096 or more. "


def _is_short(readings: Sequence[Reading], quorum: float) -> bool:
    return _usable(readings) < max(1, quorum * len(readings))


def _usable(readings: Sequence[Reading]) -> int:
    return sum(reading.missing is None for reading in readings)


def _reasons(heard: Sequence[Heard], short: Mapping[int, Any]) -> str:
    """Reasons of the replies about those clusters, each reply counted once."""
    concerned = [one for one in heard if set(one.shown.clusters) & set(short)]
    counts = Counter(reading.missing for one in concerned for reading in one.readings if reading.missing is not None)
    return "; ".join(f"{reason} ({count})" for reason, count in counts.most_common(_REASONS_SHOWN))


T = TypeVar("T")

SCORE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"score": {"type": "number"}},
    "required": ["score"],
    "additionalProperties": False,
}
"""JSON schema of an answer. The range is not in it: some servers refuse bounds; it is checked here."""

LOWEST, HIGHEST = 0.0, 100.0


@dataclass(frozen=True)
class Score:
    """A score, or the reason why there is none; exactly one of the two is given."""

    value: float | None
    """Score from 0 to 100."""
    missing: str | None
    """Why there is no score."""


CUT_OFF_THINKING = "cut off at max_tokens before any answer"
_CUT_OFF = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
_THOUGHTS_BEGIN = re.compile(r"(?i)\s*<(think|thinking|thought|reasoning)>")
_THOUGHTS_END = re.compile(r"(?i)</(?:think|thinking|thought|reasoning)>")


class UnusableError(Exception):
    """A reply holds no single answer; the message is the reason."""


def read_score(reply: Reply) -> Score:
    """Read the score from a reply.

    A reply counts only if its text holds JSON objects `{"score": number}` that all give the same number from 0 to
    100; a code fence or other words around them do no harm. All else is missing: an endpoint's error, a refusal, an
    answer that was cut off, broken JSON, `"85/100"`, a number outside the range, two different scores.
    """
    try:
        return Score(single_value(reply, "score", _in_range), None)
    except UnusableError as reason:
        return Score(None, str(reason))


def single_value(reply: Reply, key: str, check: Callable[[Any], T]) -> T:
    """Return the value of a key in all JSON objects of a reply.

    Args:
        reply: The reply as received.
        key: The key that every object must have.
        check: Returns a value in its final, hashable form; raises `UnusableError` for one that is not allowed.

    Raises:
        UnusableError: If there is no answer, or the objects do not all say the same.
    """
    if reply.error is not None:
        raise UnusableError(reply.error)
    text = without_thoughts(reply.text)
    if reply.finish_reason.lower() in _CUT_OFF:
        raise UnusableError("cut off at max_tokens" if text.strip() else CUT_OFF_THINKING)
    if reply.finish_reason == "content_filter":
        raise UnusableError("withheld by the endpoint's content filter")
    if not text.strip():
        raise UnusableError("empty reply")
    found = {check(value) for pairs in _objects(text) for value in _values(pairs, key)}
    if not found:
        raise UnusableError("no JSON object in the reply")
    if len(found) > 1:
        raise UnusableError(f"several different {key if key.endswith('s') else key + 's'} in one reply")
    return found.pop()


def without_thoughts(text: str) -> str:
    """Return what follows the thoughts of a model that writes them before its answer; nothing if they do not end."""
    answer = _THOUGHTS_END.split(text)[-1]
    return "" if _THOUGHTS_BEGIN.match(answer) else answer


def _objects(text: str) -> list[list[tuple[str, Any]]]:
    """Outermost JSON objects in a text, each as its pairs, so that a key given twice is seen."""
    decoder = json.JSONDecoder(object_pairs_hook=_Pairs)
    found, start = [], text.find("{")
    while start >= 0:
        try:
            pairs, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            # Looking on inside a broken object could take a part of it for the answer.
            raise UnusableError("broken JSON in the reply") from None
        found.append(pairs)
        start = text.find("{", end)
    return found


class _Pairs(list[tuple[str, Any]]):
    """Keys and values of one JSON object, in the order given."""


def _values(pairs: list[tuple[str, Any]], key: str) -> list[Any]:
    values = [value for name, value in pairs if name == key]
    if not values:
        raise UnusableError(f"a JSON object without the key `{key}`")
    return values


def _in_range(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnusableError(f"the score is {kind_of(value)}, not a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise UnusableError("the score is not finite")
    if not LOWEST <= value <= HIGHEST:
        raise UnusableError(f"the score is outside {LOWEST:.0f} to {HIGHEST:.0f}")
    return float(value)


def kind_of(value: Any) -> str:
    """Say in words what kind of JSON value this is."""
    if isinstance(value, _Pairs):
        return "an object"
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", type(None): "null"}
    return names.get(type(value), "something else")
