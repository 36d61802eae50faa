"""Forms in which providers answer: thoughts before the answer, content in parts, messages of errors, empty accounts."""

import json
from typing import Any

import httpx2
import pytest
from rankscape.studies.ranking.judges.asking import read_score
from rankscape.studies.ranking.judges.completions import Completion, Secret, read_completion, read_refusal
from rankscape.studies.ranking.judges.questions import Reply

SCORE = '{"score": 70}'


def reply(text: str, finish_reason: str = "stop") -> Reply:
    return Reply(text, finish_reason, 1, 1, 0.1, None)


@pytest.mark.parametrize(
    "text",
    [
        f'<think>\nFormat {{"score": 0-100}}. Maybe {{"score": 55}}?</think>\n\n{SCORE}',
        f"The form is {{score}}.\n</think>\n{SCORE}",
        f"<think>a</think><think>{{</think>{SCORE}",
        f"<Thinking>{{</Thinking>{SCORE}",
    ],
)
def test_thoughts_are_dropped_and_the_answer_is_read(text: str) -> None:
    assert read_score(reply(text)).value == 70


@pytest.mark.parametrize(
    ("text", "finish_reason", "missing"),
    [
        (f"<think>maybe {SCORE}", "stop", "empty reply"),
        (f"<think>maybe {SCORE}", "length", "cut off at max_tokens before any answer"),
        ('<think>a</think>{"score": 70} {"score": 71}', "stop", "several different scores in one reply"),
    ],
)
def test_after_thoughts_an_answer_is_read_strictly(text: str, finish_reason: str, missing: str) -> None:
    found = read_score(reply(text, finish_reason))
    assert (found.value, found.missing) == (None, missing)


def test_content_in_parts_is_its_text() -> None:
    thoughts = {"type": "thinking", "thinking": [{"type": "text", "text": '{"score": 1}'}]}
    message = {"content": [thoughts, {"type": "text", "text": SCORE}, "odd"]}
    found = read_completion(json.dumps({"choices": [{"message": message}]}).encode(), Secret(None))
    assert isinstance(found, Completion)
    assert found.text == SCORE


EXTRA = [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"object": "error", "message": {"detail": EXTRA}}, "seed: Extra inputs are not permitted"),
        ({"detail": EXTRA}, "seed: Extra inputs are not permitted"),
        ({"detail": "no images"}, "no images"),
        ([{"error": {"message": "no key"}}], "no key"),
        ({"error": "wrong"}, "wrong"),
        ("<html><style>a {}</style><h1>Not  here</h1></html>", "Not here"),
    ],
)
def test_the_message_of_an_error_is_found(body: Any, said: str) -> None:
    assert read_refusal(422, httpx2.Headers(), body, Secret(None)).reason == f"HTTP 422: {said}"


@pytest.mark.parametrize(
    ("status", "body", "closed"),
    [
        (429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}, "account"),
        (402, {"error": {"message": "Insufficient Balance"}}, "account"),
        (429, {"error": {"message": "Rate limit reached"}}, None),
    ],
)
def test_an_empty_account_is_not_asked_again(status: int, body: Any, closed: str | None) -> None:
    found = read_refusal(status, httpx2.Headers(), body, Secret(None))
    assert (found.closed, found.again) == (closed, closed is None)
