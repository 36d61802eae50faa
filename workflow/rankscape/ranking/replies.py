"""What a judge's reply says: a score from 0 to 100, or the reason why it is missing. Never a guess."""

import json
import math
from dataclasses import dataclass
from typing import Any

from rankscape.ranking.judges import Reply

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


class _UnusableError(Exception):
    """The text holds no single score; the message is the reason."""


def read_score(reply: Reply) -> Score:
    """Read the score from a reply.

    A reply counts only if its text holds JSON objects `{"score": number}` that all give the same number from 0 to
    100; a code fence or other words around them do no harm. All else is missing: an endpoint's error, a refusal, an
    answer that was cut off, broken JSON, `"85/100"`, a number outside the range, two different scores.
    """
    if reply.error is not None:
        return Score(None, reply.error)
    if reply.finish_reason == "length":
        return Score(None, "cut off at max_tokens")
    if reply.finish_reason == "content_filter":
        return Score(None, "withheld by the endpoint's content filter")
    try:
        return Score(_single_score(reply.text), None)
    except _UnusableError as reason:
        return Score(None, str(reason))


def _single_score(text: str) -> float:
    if not text.strip():
        raise _UnusableError("empty reply")
    scores = {_in_range(value) for found in _objects(text) for value in _values(found)}
    if not scores:
        raise _UnusableError("no JSON object in the reply")
    if len(scores) > 1:
        raise _UnusableError("several different scores in one reply")
    return scores.pop()


def _objects(text: str) -> list[list[tuple[str, Any]]]:
    """Outermost JSON objects in a text, each as its pairs, so that a key given twice is seen."""
    decoder = json.JSONDecoder(object_pairs_hook=_Pairs)
    found, start = [], text.find("{")
    while start >= 0:
        try:
            pairs, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            # Looking on inside a broken object could take a part of it for the answer.
            raise _UnusableError("broken JSON in the reply") from None
        found.append(pairs)
        start = text.find("{", end)
    return found


class _Pairs(list[tuple[str, Any]]):
    """Keys and values of one JSON object, in the order given."""


def _values(pairs: list[tuple[str, Any]]) -> list[Any]:
    values = [value for key, value in pairs if key == "score"]
    if not values:
        raise _UnusableError("a JSON object without the key `score`")
    return values


def _in_range(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _UnusableError(f"the score is {_kind(value)}, not a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise _UnusableError("the score is not finite")
    if not LOWEST <= value <= HIGHEST:
        raise _UnusableError(f"the score is outside {LOWEST:.0f} to {HIGHEST:.0f}")
    return float(value)


def _kind(value: Any) -> str:
    if isinstance(value, _Pairs):
        return "an object"
    names = {bool: "true or false", str: "text", list: "a list", type(None): "null"}
    return names.get(type(value), "something else")
