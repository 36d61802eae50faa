"""Forms in which providers answer: thoughts before the answer, content in parts, messages of errors, empty accounts."""

import asyncio
import hashlib
import json
from typing import Any

import httpx2
import pytest
from rankscape.foundation.errors import JudgeError
from rankscape.studies.ranking.judges.asking import SCORE_SCHEMA, read_score
from rankscape.studies.ranking.judges.client import open_judge
from rankscape.studies.ranking.judges.completions import (
    Completion,
    Secret,
    helping_setting,
    read_completion,
    read_refusal,
)
from rankscape.studies.ranking.judges.questions import Question, Reply, question_key, request_body
from rankscape.studies.ranking.judges.settings import JudgeSettings
from starlette.responses import JSONResponse

from ..conftest import Endpoint, completion

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


def test_a_limit_that_names_its_end_is_no_empty_account() -> None:
    said = "You exceeded your current quota, please check your plan and billing details."
    error = {"code": 429, "message": said, "status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "34s"}]}
    found = read_refusal(429, httpx2.Headers(), [{"error": error}], Secret(None))
    assert (found.closed, found.again, found.wait_s) == (None, True, 34.0)


def question(seed: int = 0) -> Question:
    return Question((b"image",), "How developed?", SCORE_SCHEMA, (1, seed), seed)


def ask(endpoint: Endpoint, count: int = 54, **changes: Any) -> list[Reply]:
    about = JudgeSettings(**{"model": "m", "base_url": endpoint.url, "attempts": 3, "concurrency": 4, **changes})

    async def run() -> list[Reply]:
        async with open_judge("anna", about) as judge:
            replies = await asyncio.gather(*(judge.ask(question(seed)) for seed in range(count)))
            judge.raise_if_closed()
            return list(replies)

    return asyncio.run(run())


def holds(value: Any, key: str) -> bool:
    """Whether a key is anywhere in a JSON value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (isinstance(value, dict) and key in value) or any(holds(one, key) for one in inner)


FORMS = [
    ("response_format", "This response_format type is unavailable now", {"answer_form": "text"}, "answer_form"),
    ("response_format", "response_format is not supported with this model", {"answer_form": "text"}, "answer_form"),
    ("seed", {"detail": EXTRA}, {"omit": ["seed"]}, "omit: [seed]"),
    ("temperature", "Unsupported parameter: 'temperature'", {"omit": ["temperature"]}, "omit: [temperature]"),
    ("detail", "Invalid image_url: unexpected key detail", {"omit": ["detail"]}, "omit: [detail]"),
    ("strict", "Unknown name 'strict'", {"omit": ["strict"]}, "omit: [strict]"),
    (
        "max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
        {"tokens_key": "max_completion_tokens"}, "tokens_key: max_completion_tokens",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("key", "message", "remedy", "advice"), FORMS)
@pytest.mark.parametrize("status", [400, 422])
def test_a_form_that_is_refused_ends_after_one_round_trip_and_the_setting_helps(
    endpoint: Endpoint, key: str, message: Any, remedy: dict[str, Any], advice: str, status: int
) -> None:
    def answer(number: int, body: dict[str, Any]) -> Any:
        refused = JSONResponse({"error": {"message": message}}, status)
        return refused if holds(body, key) else completion(SCORE)

    endpoint.answer = answer
    endpoint.delay_s = 0.05
    with pytest.raises(JudgeError, match=rf"HTTP {status}: .*{key}") as caught:
        ask(endpoint)
    assert advice in str(caught.value)
    assert "ranking.judges.anna" in str(caught.value)
    assert len(endpoint.bodies) == 4

    replies = ask(endpoint, **remedy)
    assert [read_score(one).value for one in replies] == [70] * 54


def test_one_refused_image_does_not_end_a_round(endpoint: Endpoint) -> None:
    def answer(number: int, body: dict[str, Any]) -> Any:
        refused = JSONResponse({"error": {"message": "this image cannot be read"}}, 400)
        return refused if body["seed"] == 0 else completion(SCORE)

    endpoint.answer = answer
    values = [read_score(one).value for one in ask(endpoint)]
    assert values == [None] + [70] * 53


def test_refusals_that_differ_only_in_the_name_of_the_request_are_alike(endpoint: Endpoint) -> None:
    endpoint.answer = lambda number, body: JSONResponse({"message": f"bad request (id req-{number}a7)"}, 400)
    with pytest.raises(JudgeError, match="answer_form, omit, extra or tokens_key"):
        ask(endpoint, concurrency=1)
    assert len(endpoint.bodies) == 2


def test_an_account_that_empties_in_the_middle_ends_the_round(endpoint: Endpoint) -> None:
    empty = JSONResponse({"error": {"message": "no", "code": "insufficient_quota"}}, 429)
    endpoint.answer = lambda number, body: completion(SCORE) if number <= 20 else empty
    with pytest.raises(JudgeError, match=r"The account is empty .*top it up"):
        ask(endpoint)
    assert 21 <= len(endpoint.bodies) <= 24


def test_stored_replies_of_the_usual_form_keep_their_names() -> None:
    usual = JudgeSettings(model="m")
    content = {
        "pictures": [hashlib.sha256(b"image").hexdigest()], "labels": (), "prompt": "How developed?",
        "schema": SCORE_SCHEMA, "number": (1, 0), "seed": 0, "model": "m", "endpoint": "https://api.openai.com/v1",
        "temperature": 1.0, "max_tokens": 256, "detail": "high",
    }  # fmt: skip
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert question_key(question(), usual) == hashlib.sha256(text.encode()).hexdigest()
    others = [{"answer_form": "text"}, {"omit": ("seed",)}, {"extra": {"top_p": 1}}]
    names = {question_key(question(), usual.model_copy(update=one)) for one in others}
    assert len(names - {question_key(question(), usual)}) == 3


def test_the_request_has_the_form_that_is_chosen() -> None:
    about = JudgeSettings(
        model="m", answer_form="json_object", omit=("seed", "max_tokens"), extra={"reasoning_effort": "low"},
        tokens_key="max_completion_tokens",
    )  # fmt: skip
    assert request_body([], question(), about) == {
        "model": "m",
        "messages": [],
        "temperature": 1.0,
        "response_format": {"type": "json_object"},
        "reasoning_effort": "low",
    }


@pytest.mark.parametrize(
    ("said", "setting"),
    [
        ("max_tokens is too large: 9000", "a smaller max_tokens"),
        ("Unrecognized request argument supplied: max_completion_tokens", "tokens_key: max_tokens"),
        ("'messages' must contain the word 'json'", "answer_form: text"),
        ("This model does not support image input", "a model that reads images (model)"),
        ("something else", ""),
    ],
)
def test_the_setting_that_would_help(said: str, setting: str) -> None:
    assert helping_setting(said) == setting
