"""What a judge's reply says: a score from 0 to 100, or the reason why it is missing. Never a guess."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from rankscape.studies.ranking.judges.questions import Reply

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
    """Return what stands under a key in all JSON objects of a reply.

    Args:
        reply: The reply as received.
        key: The key that every object must have.
        check: Returns a value in its final, hashable form; raises `UnusableError` for one that is not allowed.

    Raises:
        UnusableError: If there is no answer, or the objects do not all say the same.
    """
    if reply.error is not None:
        raise UnusableError(reply.error)
    if reply.finish_reason == "length":
        raise UnusableError("cut off at max_tokens")
    if reply.finish_reason == "content_filter":
        raise UnusableError("withheld by the endpoint's content filter")
    if not reply.text.strip():
        raise UnusableError("empty reply")
    found = {check(value) for pairs in _objects(reply.text) for value in _values(pairs, key)}
    if not found:
        raise UnusableError("no JSON object in the reply")
    if len(found) > 1:
        raise UnusableError(f"several different {key if key.endswith('s') else key + 's'} in one reply")
    return found.pop()


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
