"""Judges: a real endpoint on loopback that fails in every way."""

import asyncio
import base64
import logging
import socket
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from rankscape.foundation.errors import JudgeError, SecretError, SettingsError
from rankscape.studies.ranking.judges.asking import SCORE_SCHEMA
from rankscape.studies.ranking.judges.client import open_judge
from rankscape.studies.ranking.judges.completions import retry_after_s
from rankscape.studies.ranking.judges.judge import Judge
from rankscape.studies.ranking.judges.questions import Question, Reply
from rankscape.studies.ranking.judges.settings import JudgeSettings
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from ..conftest import Endpoint, completion

CANARY = "sk-canary-7f3d9e5b1c"
PICTURE = b"\x89PNG image"


def ask(judge_settings: JudgeSettings, count: int = 1, name: str = "anna") -> tuple[list[Reply], Judge]:
    async def run() -> tuple[list[Reply], Judge]:
        async with open_judge(name, judge_settings) as judge:
            questions = [
                judge.ask(Question((PICTURE,), "How developed?", SCORE_SCHEMA, (seed,), seed)) for seed in range(count)
            ]
            return list(await asyncio.gather(*questions)), judge

    return asyncio.run(run())


def settings(endpoint: Endpoint, **changes: Any) -> JudgeSettings:
    return JudgeSettings(**{"model": "tester", "base_url": endpoint.url, "attempts": 4, **changes})


def in_turn(*outcomes: Any) -> Callable[[int, dict[str, Any]], Any]:
    """Answer requests with the outcomes in turn, and well after the last."""

    def answer(number: int, body: dict[str, Any]) -> Any:
        return outcomes[number - 1] if number <= len(outcomes) else completion('{"score": 50}')

    return answer


def test_a_question_and_its_answer(endpoint: Endpoint) -> None:
    (reply,), _ = ask(settings(endpoint, temperature=0.5, max_tokens=64))
    assert (reply.text, reply.finish_reason, reply.error) == ('{"score": 50}', "stop", None)
    assert (reply.prompt_tokens, reply.completion_tokens) == (150, 7)
    assert reply.seconds > 0
    (body,) = endpoint.bodies
    assert {key: body[key] for key in ("model", "temperature", "max_tokens", "seed")} == {
        "model": "tester",
        "temperature": 0.5,
        "max_tokens": 64,
        "seed": 0,
    }
    text, image = body["messages"][0]["content"]
    assert text == {"type": "text", "text": "How developed?"}
    assert image["image_url"]["detail"] == "high"
    assert image["image_url"]["url"] == "data:image/png;base64," + base64.b64encode(PICTURE).decode()
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["strict"] is True
    assert body["response_format"]["json_schema"]["schema"] == SCORE_SCHEMA


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_tried_again(endpoint: Endpoint, status: int) -> None:
    endpoint.answer = in_turn(*[JSONResponse({"error": {"message": "later"}}, status)] * 2)
    (reply,), _ = ask(settings(endpoint))
    assert reply.error is None
    assert len(endpoint.bodies) == 3


def test_retry_after_is_honoured_by_all_requests(endpoint: Endpoint) -> None:
    endpoint.answer = in_turn(JSONResponse({"error": {"message": "slow down"}}, 429, {"Retry-After": "0.4"}))
    replies, _ = ask(settings(endpoint, concurrency=1), count=3)
    assert [reply.error for reply in replies] == [None] * 3
    assert endpoint.arrivals_s[1] - endpoint.arrivals_s[0] >= 0.4
    assert len(endpoint.bodies) == 4


def test_too_long_a_pause_is_not_waited_for(endpoint: Endpoint) -> None:
    endpoint.answer = lambda number, body: JSONResponse({}, 429, {"Retry-After": "86400"})
    (reply,), _ = ask(settings(endpoint))
    assert "asks to wait 86400 s" in str(reply.error)
    assert len(endpoint.bodies) == 1


@pytest.mark.parametrize("status", [400, 413, 422])
def test_not_tried_again(endpoint: Endpoint, status: int) -> None:
    endpoint.answer = lambda number, body: JSONResponse({"error": {"message": "no such parameter: seed"}}, status)
    (reply,), judge = ask(settings(endpoint))
    assert reply.error == f"HTTP {status}: no such parameter: seed"
    assert len(endpoint.bodies) == 1
    judge.raise_if_closed()


def test_attempts_end(endpoint: Endpoint) -> None:
    endpoint.answer = lambda number, body: PlainTextResponse("boom", 500)
    replies, judge = ask(settings(endpoint, attempts=3), count=2)
    assert all("HTTP 500" in str(reply.error) and reply.text == "" for reply in replies)
    assert len(endpoint.bodies) == 6
    judge.raise_if_closed()


def test_time_out(endpoint: Endpoint) -> None:
    endpoint.delay_s = 0.8
    (reply,), _ = ask(settings(endpoint, timeout_s=0.2, attempts=2))
    assert reply.error == "no reply within 0.2 s"
    assert len(endpoint.bodies) == 2


def test_slow_drops_end_too(endpoint: Endpoint) -> None:
    async def drops() -> Any:
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    endpoint.answer = lambda number, body: StreamingResponse(drops(), media_type="application/json")
    (reply,), _ = ask(settings(endpoint, timeout_s=0.3, attempts=1))
    assert reply.error == "no reply within 0.3 s"


def test_half_a_body(endpoint: Endpoint) -> None:
    endpoint.answer = in_turn(Response(b'{"choices": [', headers={"Content-Type": "application/json"}))
    (reply,), _ = ask(settings(endpoint))
    assert "no chat completion" in str(reply.error)


def test_concurrency_is_bounded(endpoint: Endpoint) -> None:
    endpoint.delay_s = 0.03
    replies, _ = ask(settings(endpoint, concurrency=3), count=12)
    assert len(replies) == 12
    assert endpoint.most_under_way == 3
    assert sorted(body["seed"] for body in endpoint.bodies) == list(range(12))


@pytest.mark.parametrize(
    "outcome",
    [
        PlainTextResponse("<html>welcome</html>"),
        {},
        {"choices": []},
        {"choices": "many"},
        {"choices": [None]},
        [1, 2],
        "text",
        None,
    ],
)
def test_no_chat_completion(endpoint: Endpoint, outcome: Any) -> None:
    endpoint.answer = lambda number, body: outcome if isinstance(outcome, Response) else JSONResponse(outcome)
    (reply,), _ = ask(settings(endpoint))
    assert "no chat completion" in str(reply.error)
    assert reply.text == ""


@pytest.mark.parametrize(
    "choice", [{"message": None}, {"message": {"content": None}}, {"message": {"content": [1]}, "finish_reason": 3}]
)
def test_a_choice_without_text(endpoint: Endpoint, choice: dict[str, Any]) -> None:
    endpoint.answer = lambda number, body: {"choices": [choice], "usage": {"prompt_tokens": "many"}}
    (reply,), _ = ask(settings(endpoint))
    assert (reply.text, reply.finish_reason, reply.prompt_tokens, reply.error) == ("", "", 0, None)


def test_refusal_and_truncation(endpoint: Endpoint) -> None:
    endpoint.answer = in_turn(completion("", refusal="I cannot judge places."), completion('{"sco', "length"))
    replies, _ = ask(settings(endpoint, concurrency=1), count=2)
    assert replies[0].error == "refused: I cannot judge places."
    assert (replies[1].text, replies[1].finish_reason, replies[1].error) == ('{"sco', "length", None)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_closed_endpoint_is_asked_no_further(endpoint: Endpoint, status: int) -> None:
    endpoint.answer = lambda number, body: JSONResponse({"error": {"message": "no such model"}}, status)
    replies, judge = ask(settings(endpoint, concurrency=2), count=20)
    assert all(reply.error == f"HTTP {status}: no such model" for reply in replies)
    assert len(endpoint.bodies) <= 2
    with pytest.raises(JudgeError, match=f"Judge anna cannot be asked at {endpoint.url}.*HTTP {status}"):
        judge.raise_if_closed()


def test_one_answer_keeps_an_endpoint_open(endpoint: Endpoint) -> None:
    endpoint.answer = lambda number, body: completion("{}") if number == 1 else JSONResponse({}, 404)
    replies, judge = ask(settings(endpoint, concurrency=1), count=4)
    assert [reply.error is None for reply in replies] == [True, False, False, False]
    assert len(endpoint.bodies) == 4
    judge.raise_if_closed()


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    replies, judge = ask(JudgeSettings(model="m", base_url=url, attempts=2, concurrency=2), count=10)
    assert all(str(reply.error).startswith("no connection") for reply in replies)
    with pytest.raises(JudgeError, match=f"{url}.*no connection.*start the endpoint"):
        judge.raise_if_closed()


def test_a_connection_that_breaks_once(endpoint: Endpoint) -> None:
    endpoint.answer = in_turn(
        StreamingResponse(iter([b'{"choices"']), headers={"Content-Length": "500", "Content-Type": "application/json"})
    )
    (reply,), _ = ask(settings(endpoint))
    assert reply.error is None
    assert len(endpoint.bodies) == 2


def test_the_key_goes_to_the_endpoint_and_nowhere_else(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    monkeypatch.setenv("TESTER_KEY", f" {CANARY}\n")
    caplog.set_level(logging.DEBUG)
    keyed = settings(endpoint, key_variable="TESTER_KEY", attempts=1)
    echo = f"Incorrect API key provided: {CANARY}, header Bearer {CANARY}, partly sk-can****1c"
    endpoint.answer = in_turn(
        JSONResponse({"error": {"message": echo}}, 400),
        PlainTextResponse(echo, 502),
        completion(f"your key is {CANARY}"),
        completion("", refusal=echo),
        JSONResponse({"error": {"message": echo}}, 401),
    )
    replies, _ = ask(keyed.model_copy(update={"concurrency": 1}), count=4)
    assert {headers["authorization"] for headers in endpoint.headers} == {f"Bearer {CANARY}"}
    assert "[redacted]" in str(replies[0].error)
    assert "sk-can****" not in str(replies[0].error)
    assert replies[2].text == "your key is [redacted]"
    closed, judge = ask(keyed)
    with pytest.raises(JudgeError) as error:
        judge.raise_if_closed()
    out, err = capfd.readouterr()
    for text in (*map(str, [*replies, *closed]), str(error.value), caplog.text, out, err):
        assert CANARY not in text


@pytest.mark.parametrize("value", [None, "", "  \n"])
def test_a_missing_key(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("TESTER_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("TESTER_KEY", value)
    with pytest.raises(SecretError, match="Judge anna needs its key in the environment variable TESTER_KEY"):
        ask(settings(endpoint, key_variable="TESTER_KEY"))
    assert endpoint.bodies == []


def test_a_key_that_is_none(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTER_KEY", "schlüssel\nzwei")
    with pytest.raises(SecretError, match="holds characters that no key has") as error:
        ask(settings(endpoint, key_variable="TESTER_KEY"))
    assert "schl" not in str(error.value)


def test_without_key_variable_no_key_is_sent(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    ask(settings(endpoint))
    assert CANARY not in str(endpoint.headers)


@pytest.mark.parametrize("url", ["", "localhost:8000/v1", "ftp://judge/v1", "http://[::1"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(SettingsError, match=r"judges\.anna\.base_url is no address"):
        ask(JudgeSettings(model="m", base_url=url))


def test_messages_show_no_password_of_the_address() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://user:{CANARY}@127.0.0.1:{free.getsockname()[1]}/v1?key={CANARY}"
    _, judge = ask(JudgeSettings(model="m", base_url=url, attempts=1))
    with pytest.raises(JudgeError) as error:
        judge.raise_if_closed()
    assert CANARY not in str(error.value)


def test_a_stand_in_needs_its_application() -> None:
    with pytest.raises(JudgeError, match="Judge anna is a stand-in"):
        ask(JudgeSettings(model="m", kind="stand-in"))


def test_a_stand_in_answers_in_process() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await JSONResponse(completion('{"score": 3}'))(scope, receive, send)

    async def run() -> tuple[Reply, str]:
        about = JudgeSettings(model="m", kind="stand-in", base_url="http://127.0.0.1:9/never-asked")
        async with open_judge("anna", about, transport=httpx2.ASGITransport(app=app)) as judge:
            return await judge.ask(Question((PICTURE,), "?", SCORE_SCHEMA, (1,), 1)), judge.endpoint

    reply, endpoint_name = asyncio.run(run())
    assert reply.text == '{"score": 3}'
    assert endpoint_name == "the demo's own application"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "Retry-After": "9"}, 1.5),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(httpx2.Headers(headers)) == seconds
