"""Replies: what counts as a score, and that nothing else becomes one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rankscape.studies.ranking.judges.asking import SCORE_SCHEMA, read_score
from rankscape.studies.ranking.judges.questions import Reply


def reply(text: str, finish_reason: str = "stop", error: str | None = None) -> Reply:
    return Reply(text, finish_reason, 1, 1, 0.1, error)


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ('{"score": 85}', 85.0),
        ('{"score": 0}', 0.0),
        ('{"score": 100.0}', 100.0),
        ('{"score": 12.5, "why": "fields {and} roads"}', 12.5),
        ('```json\n{"score": 40}\n```', 40.0),
        ('Here you are: {"score": 40} I hope it helps.', 40.0),
        ('{"score": 40}\n{"score": 40.0}', 40.0),
        ('  {\n "score" :7e1 }\n', 70.0),
    ],
)
def test_scores(text: str, score: float) -> None:
    found = read_score(reply(text))
    assert (found.value, found.missing) == (score, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty reply"),
        ("  \n\t ", "empty reply"),
        ("85", "no JSON object"),
        ("85/100", "no JSON object"),
        ("八十五", "no JSON object"),
        ("[85]", "no JSON object"),
        ("I cannot rate this image.", "no JSON object"),
        ('{"score": "85"}', "is text, not a number"),
        ('{"score": "85/100"}', "is text, not a number"),
        ('{"score": true}', "is true or false"),
        ('{"score": null}', "is null"),
        ('{"score": [85]}', "is a list"),
        ('{"score": {"value": 85}}', "is an object"),
        ('{"score": NaN}', "not finite"),
        ('{"score": Infinity}', "not finite"),
        ('{"score": 1e999}', "not finite"),
        ('{"score": 101}', "outside 0 to 100"),
        ('{"score": -1}', "outside 0 to 100"),
        ('{"score": 1' + "0" * 5000 + "}", "broken JSON"),
        ('{"score": 1' + "0" * 400 + "}", "outside 0 to 100"),
        ('{"score": 85} no, {"score": 20}', "several different scores"),
        ('{"score": 10, "score": 90}', "several different scores"),
        ('{"score": 85} {"other": 1}', "without the key"),
        ('{"Score": 85}', "without the key"),
        ('{"result": {"score": 85}}', "without the key"),
        ('{"score": 10, "other": {"score": 90}', "broken JSON"),
        ('{"score": 8', "broken JSON"),
        ("{score: 85}", "broken JSON"),
        ('{"score": ８５}', "broken JSON"),
        ("{" * 100_000, "broken JSON"),
        ('{"a":' * 100_000 + "1", "broken JSON"),
    ],
)
def test_what_is_missing(text: str, reason: str) -> None:
    found = read_score(reply(text))
    assert found.value is None
    assert reason in str(found.missing)


@pytest.mark.parametrize(
    ("given_reply", "reason"),
    [
        (reply('{"score": 85}', finish_reason="length"), "cut off at max_tokens"),
        (reply('{"score": 85}', finish_reason="content_filter"), "content filter"),
        (reply('{"score": 85}', error="refused: no"), "refused: no"),
        (reply("", finish_reason="", error="HTTP 500: boom"), "HTTP 500: boom"),
    ],
)
def test_a_score_counts_only_from_a_whole_reply(given_reply: Reply, reason: str) -> None:
    found = read_score(given_reply)
    assert found.value is None
    assert reason in str(found.missing)


def test_the_schema_is_strict() -> None:
    assert SCORE_SCHEMA["additionalProperties"] is False
    assert SCORE_SCHEMA["required"] == list(SCORE_SCHEMA["properties"])


@given(st.text() | st.from_regex(r"[\{\}\"score:, 0-9.\-eNa\[\]]{0,40}"))
def test_no_text_crashes_or_becomes_a_number_by_itself(text: str) -> None:
    found = read_score(reply(text))
    assert (found.value is None) != (found.missing is None)
    if found.value is not None:
        assert 0 <= found.value <= 100
        assert '"score"' in text


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_only_numbers_in_range_are_scores(value: object) -> None:
    found = read_score(reply(json.dumps({"score": value})))
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100
    assert found.value == (value if good else None)
