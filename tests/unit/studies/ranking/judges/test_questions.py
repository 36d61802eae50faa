"""Questions: what names them in the store, and how they are put."""

import base64
import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rankscape.studies.ranking.judges.questions import (
    Question,
    endpoint_name,
    estimated_prompt_tokens,
    first_messages,
    image_size_px,
    question_key,
    repair_key,
    repair_messages,
    request_body,
)
from rankscape.studies.ranking.judges.settings import JudgeSettings

SCHEMA = {"type": "object", "properties": {"score": {"type": "number"}}}
QUESTION = Question((b"one", b"two"), "Which?", SCHEMA, (1, 2), 7, ("A:", "B:"))
JUDGE = JudgeSettings(model="m", base_url="http://127.0.0.1:1/v1")


def png(width: int, height: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(content, "PNG")
    return content.getvalue()


def test_the_name_of_a_question_never_changes() -> None:
    assert question_key(QUESTION, JUDGE) == "7427145a57fc26393d7f0b6c999811c5ed6a25eda0c8210418546d28f89dec63"


@pytest.mark.parametrize(
    "change",
    [
        {"images": (b"two", b"one")}, {"images": (b"one",)}, {"prompt": "Which? "}, {"schema": {}},
        {"number": (1, 3)}, {"number": (12,)}, {"seed": 8}, {"labels": ()}, {"labels": ("A:", "C:")},
    ],
)  # fmt: skip
def test_another_question_has_another_name(change: dict[str, Any]) -> None:
    assert question_key(replace(QUESTION, **change), JUDGE) != question_key(QUESTION, JUDGE)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"model": "n"}, False), ({"base_url": "http://127.0.0.1:2/v1"}, False), ({"temperature": 0.1}, False),
        ({"max_tokens": 64}, False), ({"detail": "low"}, False), ({"kind": "stand-in"}, False),
        ({"base_url": "http://me:secret@127.0.0.1:1/v1?key=hidden"}, True),
        ({"concurrency": 1, "attempts": 1, "timeout_s": 1, "requests_per_minute": 5, "price_in": 1}, True),
        ({"key_variable": "K", "repairs": 0, "tokens_key": "max_completion_tokens"}, True),
    ],
)  # fmt: skip
def test_what_of_the_judge_counts(change: dict[str, Any], same: bool) -> None:
    other = JudgeSettings(**{**JUDGE.model_dump(), **change})
    assert (question_key(QUESTION, other) == question_key(QUESTION, JUDGE)) is same


def test_a_judge_of_its_own_command_has_one_name_whatever_its_port() -> None:
    first, second = (
        JudgeSettings(model="m", command="serve --port {port}", base_url=f"http://127.0.0.1:{port}/v1")
        for port in (1, 2)
    )
    assert endpoint_name(first) == endpoint_name(second)
    assert question_key(QUESTION, first) == question_key(QUESTION, second)


def test_the_name_of_a_repair_depends_on_the_answer() -> None:
    keys = {repair_key("a", "b", "c"), repair_key("a", "b", "d"), repair_key("a", "x", "c"), repair_key("b", "b", "c")}
    assert len(keys) == 4
    assert all(len(key) == 64 for key in keys)


def test_images_follow_the_text_each_with_its_label() -> None:
    (message,) = first_messages(QUESTION, JudgeSettings(model="m", detail="low"))
    parts = message["content"]
    assert [part.get("text") for part in parts] == ["Which?", "A:", None, "B:", None]
    assert parts[2]["image_url"] == {
        "url": "data:image/png;base64," + base64.b64encode(b"one").decode(), "detail": "low",
    }  # fmt: skip
    (plain,) = first_messages(replace(QUESTION, labels=()), JUDGE)
    assert [part["type"] for part in plain["content"]] == ["text", "image_url", "image_url"]
    with pytest.raises(ValueError, match="zip"):
        first_messages(replace(QUESTION, labels=("A:",)), JUDGE)


def test_the_longest_reply_has_two_names() -> None:
    body = request_body([], QUESTION, JudgeSettings(model="m", tokens_key="max_completion_tokens", max_tokens=99))
    assert body["max_completion_tokens"] == 99
    assert "max_tokens" not in body


def test_a_repair_shows_the_answer_the_reason_and_the_form() -> None:
    said, wish = repair_messages(QUESTION, "eighty", "no JSON object in the reply")
    assert (said["role"], said["content"]) == ("assistant", "eighty")
    assert "no JSON object in the reply" in wish["content"]
    assert json.dumps(SCHEMA, sort_keys=True) in wish["content"]
    assert repair_messages(QUESTION, "", "empty reply")[0]["content"] == "(no answer)"
    assert len(repair_messages(QUESTION, "x" * 10_000, "x")[0]["content"]) == 2000


def test_sizes_are_read_from_the_image() -> None:
    assert image_size_px(png(343, 120)) == (343, 120)
    assert image_size_px(b"no image") == image_size_px(b"\x89PNG\r\n\x1a\n") == (512, 512)


def test_more_is_estimated_to_take_more_tokens() -> None:
    small = estimated_prompt_tokens(Question((png(224, 224),), "Which?", SCHEMA, (1,), 1))
    large = estimated_prompt_tokens(Question((png(686, 686),), "Which?", SCHEMA, (1,), 1))
    assert 60 < small < 200
    assert large > small + 400
    more = repair_messages(QUESTION, "x" * 400, "no JSON")
    assert estimated_prompt_tokens(QUESTION, more) > estimated_prompt_tokens(QUESTION) + 100
