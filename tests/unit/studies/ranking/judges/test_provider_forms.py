"""Forms in which providers answer: thoughts before the answer, content in parts, messages of errors, empty accounts."""

import asyncio
import hashlib
import json
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from rankscape.foundation.errors import JudgeError
from rankscape.studies.ranking.judges.asking import SCORE_SCHEMA, Heard, Reading, Shown, check_quorum, read_score
from rankscape.studies.ranking.judges.client import open_judge
from rankscape.studies.ranking.judges.completions import (
    Completion,
    Secret,
    allowance_pause_s,
    helping_setting,
    read_completion,
    read_refusal,
)
from rankscape.studies.ranking.judges.questions import Question, Reply, question_key, request_body
from rankscape.studies.ranking.judges.services import check_judge
from rankscape.studies.ranking.judges.settings import JudgeSettings
from starlette.responses import HTMLResponse, JSONResponse

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


@pytest.mark.parametrize(
    ("headers", "tokens", "pause_s"),
    [
        ({"remaining-requests": "0", "reset-requests": "1s"}, 100, 1.0),
        ({"remaining-requests": "0", "reset-requests": "6m0s"}, 100, 360.0),
        ({"remaining-requests": "0", "reset-requests": "20ms"}, 100, 0.02),
        ({"remaining-requests": "0", "reset-requests": "1h2m3.5s"}, 100, 3723.5),
        ({"remaining-requests": "0", "reset-requests": "12"}, 100, 12.0),
        ({"remaining-tokens": "99", "reset-tokens": "2s"}, 100, 2.0),
        ({"remaining-tokens": "100", "reset-tokens": "2s"}, 100, 0.0),
        ({"remaining-requests": "5", "reset-requests": "1s"}, 100, 0.0),
        ({"remaining": "0", "reset": "3"}, 100, 3.0),
        ({"remaining-requests": "0", "reset-requests": "soon"}, 100, 0.0),
        ({"remaining-requests": "0"}, 100, 0.0),
        ({"remaining-requests": "none", "reset-requests": "1s"}, 100, 0.0),
        ({}, 100, 0.0),
    ],
)
def test_what_an_endpoint_says_of_its_limits(headers: dict[str, str], tokens: int, pause_s: float) -> None:
    given = httpx2.Headers({f"x-ratelimit-{name}": value for name, value in headers.items()})
    assert allowance_pause_s(given, tokens) == pytest.approx(pause_s)


def test_a_moment_of_the_clock_ends_a_pause() -> None:
    for moment in (time.time() + 20, (time.time() + 20) * 1000):
        given = httpx2.Headers({"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{moment:.0f}"})
        assert allowance_pause_s(given, 1) == pytest.approx(20, abs=2)


@pytest.mark.parametrize("status", [200, 429])
def test_headers_of_limits_set_the_pace(endpoint: Endpoint, status: int) -> None:
    spent = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "400ms"}
    first = JSONResponse(completion(SCORE), status, spent)
    endpoint.answer = lambda number, body: first if number == 1 else completion(SCORE)
    replies = ask(endpoint, 2, concurrency=1)
    assert [read_score(one).value for one in replies] == [70, 70]
    assert endpoint.arrivals_s[1] - endpoint.arrivals_s[0] >= 0.4


def test_a_key_in_a_header_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setenv("AZURE_KEY", "canary-0815")

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append((str(request.url), dict(request.headers)))
        return httpx2.Response(200, json=completion(SCORE))

    url = "https://own.invalid/openai/deployments/gpt?api-version=2024-10-21"
    about = JudgeSettings(model="gpt", base_url=url, key_variable="AZURE_KEY", key_header="api-key")

    async def run() -> Reply:
        async with open_judge("anna", about, None, httpx2.MockTransport(answer)) as judge:
            return await judge.ask(question())

    assert read_score(asyncio.run(run())).value == 70
    ((address, headers),) = seen
    assert address == "https://own.invalid/openai/deployments/gpt/chat/completions?api-version=2024-10-21"
    assert headers["api-key"] == "canary-0815"
    assert "authorization" not in headers
    assert "without a list of models" in check_judge("anna", about)


def test_a_page_of_the_web_ends_a_round_with_advice(endpoint: Endpoint) -> None:
    endpoint.answer = lambda number, body: HTMLResponse("<!doctype html><title>Open WebUI</title>")
    with pytest.raises(JudgeError, match=r"page of the web: Open WebUI.*base_url, which mostly ends in /v1"):
        ask(endpoint, model="tester")
    assert len(endpoint.bodies) <= 4


def test_an_address_that_has_too_much(endpoint: Endpoint) -> None:
    endpoint.answer = lambda number, body: JSONResponse({"detail": "Not Found"}, 404)
    with pytest.raises(JudgeError, match=r"base_url ends before /chat/completions: leave that out"):
        ask(endpoint, base_url=f"{endpoint.url}/chat/completions")


def test_a_slash_at_the_end_of_an_address_does_no_harm(endpoint: Endpoint) -> None:
    assert read_score(ask(endpoint, 1, base_url=f"{endpoint.url}/")[0]).value == 50


class SecureAnswer(BaseHTTPRequestHandler):
    """Answers every question."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(completion(SCORE)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_an_authority_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge's certificate is signed by an authority that only SSL_CERT_FILE knows."""
    key, certificate = tmp_path / "key.pem", tmp_path / "authority.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    server = HTTPServer(("127.0.0.1", 0), SecureAnswer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    about = JudgeSettings(model="m", base_url=f"https://127.0.0.1:{server.server_port}/v1", concurrency=1)

    async def run() -> Reply:
        async with open_judge("anna", about) as judge:
            reply = await judge.ask(question())
            judge.raise_if_closed()
            return reply

    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with pytest.raises(JudgeError, match=r"CERTIFICATE_VERIFY_FAILED.* in the environment variable SSL_CERT_FILE"):
        asyncio.run(run())
    with pytest.raises(JudgeError, match="SSL_CERT_FILE"):
        check_judge("anna", about)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert read_score(asyncio.run(run())).value == 70
    with pytest.raises(JudgeError, match="HTTP 501"):
        check_judge("anna", about)
    server.shutdown()
    thread.join()
    server.server_close()


def test_thoughts_that_the_answer_does_not_count_are_counted() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 1107}
    body = {"choices": [{"message": {"content": SCORE}}], "usage": usage}
    found = read_completion(json.dumps(body).encode(), Secret(None))
    assert isinstance(found, Completion)
    assert (found.prompt_tokens, found.completion_tokens) == (100, 1007)


def test_a_model_that_thinks_too_long_gets_advice() -> None:
    shown = Shown((0,), (("0-0",),), (1,), SCORE_SCHEMA, lambda: ())
    found = read_score(reply("", "length"))
    heard = [Heard(shown, (reply("", "length"),), (Reading(None, found.missing),))]
    with pytest.raises(
        JudgeError, match=r"before any answer \(1\)\. A model that thinks .* raise the judge's max_tokens"
    ):
        check_quorum(heard, 0.5, "Round 1")
