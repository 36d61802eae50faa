"""What endpoints send back, in all the forms that were seen; and the key that must not stay in it."""

import json
import time
from email.utils import formatdate
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge_server import completion
from rankscape.studies.ranking.judges.completions import (
    Completion,
    Failure,
    Secret,
    read_completion,
    read_refusal,
    retry_after_s,
)

KEY = "sk-canary-5e1f0a9b7c"
NONE = Secret(None)


def read(body: Any, secret: Secret = NONE) -> Completion | Failure:
    return read_completion(body if isinstance(body, bytes) else json.dumps(body).encode(), secret)


def test_a_completion() -> None:
    found = read(completion('{"score": 50}'))
    assert isinstance(found, Completion)
    assert (found.text, found.finish_reason, found.refusal) == ('{"score": 50}', "stop", None)
    assert (found.prompt_tokens, found.completion_tokens) == (150, 7)
    assert found.body == completion('{"score": 50}')


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b'{"choices": [', b"[]", b"null", b'"text"', b"\xff", b"[" * 100_000, b"9" * 5000,
        {}, {"choices": []}, {"choices": {}}, {"choices": [1]}, {"choices": None}, {"error": None}, {"error": "busy"},
        {"error": {"message": ["no"], "code": "x"}},
    ],
)  # fmt: skip
def test_what_is_no_completion_is_not_asked_again(body: Any) -> None:
    found = read(body)
    assert isinstance(found, Failure)
    assert "no chat completion" in found.reason
    assert not found.again
    assert found.closed == ("address" if body == b"<html>" else None)


@pytest.mark.parametrize(("code", "again"), [(429, True), (502, True), (400, False)])
def test_an_error_that_comes_with_status_200(code: int, again: bool) -> None:
    found = read({"error": {"code": code, "message": "upstream said no"}})
    assert isinstance(found, Failure)
    assert (found.reason, found.again, found.congested) == (f"HTTP {code}: upstream said no", again, code == 429)


@pytest.mark.parametrize(
    "usage",
    [None, [], {"prompt_tokens": -1}, {"prompt_tokens": True}, {"prompt_tokens": 1e9}, {"prompt_tokens": 1 << 50}],
)
def test_counts_that_are_none(usage: Any) -> None:
    found = read({**completion("x"), "usage": usage})
    assert isinstance(found, Completion)
    assert (found.prompt_tokens, found.completion_tokens) == (0, 0)


def test_texts_can_always_be_written() -> None:
    found = read(b'{"choices": [{"message": {"content": "a\\ud800b \\ud83d\\ude00"}}]}')
    assert isinstance(found, Completion)
    assert found.text == "a?b 😀"
    assert json.dumps(found.body, ensure_ascii=False).encode()


def test_the_key_is_in_nothing_that_is_kept() -> None:
    secret = Secret(KEY)
    body = {**completion(f"your key {KEY}", KEY, refusal=f"no {KEY}"), KEY: {"deep": [KEY, {"er": f"x{KEY}x"}]}}
    found = read(body, secret)
    assert isinstance(found, Completion)
    assert KEY not in json.dumps(found.body)
    assert KEY not in str(found)
    assert found.text == "your key [redacted]"
    for said in (KEY, {"error": {"message": KEY}}, {"message": KEY}, {"error": KEY}):
        assert KEY not in str(read_refusal(400, httpx2.Headers(), said, secret))
    assert "[redacted]" in NONE.reason("header Bearer abcdefgh and sk-abc***xyz at ?key=hidden&x=1")
    assert Secret("key").blank("the key is a word") == "the key is a word"


def test_reasons_are_one_short_line() -> None:
    reason = NONE.reason("a\n\n  b\tc " + "x" * 1000)
    assert reason.startswith("a b c xxx")
    assert len(reason) == 200


@pytest.mark.parametrize(
    ("status", "body", "again", "closed", "congested"),
    [
        (400, {"error": {"message": "bad image"}}, False, "request", False),
        (400, {"error": {"message": "x", "code": "model_not_found"}}, False, "model", False),
        (400, {"code": 20012, "message": "Model does not exist. Please check it carefully."}, False, "model", False),
        (404, {"error": {"message": "The model `x` does not exist."}}, False, "model", False),
        (404, {"object": "error", "message": "No such model: x", "code": 404}, False, "model", False),
        (404, {"detail": "Not Found"}, False, "address", False),
        (405, None, False, "address", False),
        (307, None, False, "address", False),
        (422, None, False, "request", False),
        (400, {"error": {"message": "x", "code": "content_filter"}}, False, None, False),
        (404, "<html>nginx</html>", False, "address", False),
        (401, {"error": {"message": "who?"}}, False, "key", False),
        (403, "", False, "key", False),
        (408, None, True, None, False),
        (409, None, True, None, False),
        (429, {"error": {"message": "model is not available, slow down"}}, True, None, True),
        (500, None, True, None, False),
        (503, None, True, None, True),
        (529, None, True, None, False),
        (413, None, False, None, False),
    ],
)
def test_refusals(status: int, body: Any, again: bool, closed: str | None, congested: bool) -> None:
    found = read_refusal(status, httpx2.Headers(), body, NONE)
    assert (found.again, found.closed, found.congested) == (again, closed, congested)
    assert found.reason.startswith(f"HTTP {status}")


def test_pauses() -> None:
    short = read_refusal(429, httpx2.Headers({"Retry-After": "7"}), None, NONE)
    assert (short.wait_s, short.again) == (7.0, True)
    long = read_refusal(429, httpx2.Headers({"Retry-After": "4000"}), None, NONE)
    assert (long.wait_s, long.again, long.reason) == (None, False, "HTTP 429; the server asks to wait 4000 s")


def test_a_date_to_come_back_at() -> None:
    wait_s = retry_after_s(httpx2.Headers({"Retry-After": formatdate(time.time() + 30, usegmt=True)}))
    assert wait_s is not None
    assert 28 < wait_s <= 30


@pytest.mark.parametrize("text", ["soon", "-1", "1e9", "٣", "Wed, 99 Foo 2015", "Fri, 31 Dec 99999 23:59:59 GMT", ""])
def test_a_time_that_is_none(text: str) -> None:
    assert retry_after_s(httpx2.Headers([(b"Retry-After", text.encode())])) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.sampled_from(["choices", "message", "content", "usage", "error", "refusal", "whole"]))
def test_no_document_crashes_the_reader(value: Any, place: str) -> None:
    body: Any = completion("x")
    if place == "whole":
        body = value
    elif place == "message":
        body["choices"][0]["message"] = value
    elif place in {"content", "refusal"}:
        body["choices"][0]["message"][place] = value
    else:
        body[place] = value
    found = read(body, Secret(KEY))
    assert isinstance(found, Completion | Failure)
    read_refusal(400, httpx2.Headers(), body, NONE)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(content: bytes) -> None:
    assert isinstance(read(content), Completion | Failure)
