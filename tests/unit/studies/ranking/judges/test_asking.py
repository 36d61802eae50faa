"""How a judge is asked: nothing twice, within its limits, mended where it can be; and what to do where it cannot."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from judge_server import Bucket, completion, digest, hang, status
from rankscape.foundation.errors import BudgetError, DiskError, JudgeError, SecretError
from rankscape.studies.ranking.judges.asking import SCORE_SCHEMA, read_score
from rankscape.studies.ranking.judges.client import network, open_judge
from rankscape.studies.ranking.judges.judge import Judge
from rankscape.studies.ranking.judges.questions import Question, Reply
from rankscape.studies.ranking.judges.reply_store import ReplyStore
from rankscape.studies.ranking.judges.settings import JudgeSettings

from ..conftest import Endpoint

CANARY = "sk-canary-31d7aa02ee"


def question(seed: int = 0) -> Question:
    return Question((b"image",), "How developed?", SCORE_SCHEMA, (1, seed), seed)


def settings(endpoint: Endpoint, **changes: Any) -> JudgeSettings:
    return JudgeSettings(**{"model": "tester", "base_url": endpoint.url, "attempts": 4, **changes})


def read(reply: Reply) -> str | None:
    return read_score(reply).missing


def ask(
    about: JudgeSettings,
    questions: list[Question],
    store: ReplyStore | None = None,
    read: Callable[[Reply], str | None] | None = None,
) -> tuple[list[Reply], Judge]:
    async def run() -> tuple[list[Reply], Judge]:
        async with open_judge("anna", about, store) as judge:
            return list(await asyncio.gather(*(judge.ask(one, read) for one in questions))), judge

    return asyncio.run(run())


def test_a_repeated_round_asks_for_what_is_missing_alone(endpoint: Endpoint, tmp_path: Path) -> None:
    questions = [question(seed) for seed in range(12)]
    ask(settings(endpoint), questions[:5], ReplyStore(tmp_path))
    replies, judge = ask(settings(endpoint), questions, ReplyStore(tmp_path))
    assert [reply.stored for reply in replies] == [True] * 5 + [False] * 7
    assert set(endpoint.accepted.values()) == {1}
    assert len(endpoint.accepted) == 12
    assert ReplyStore(tmp_path).keys() == {judge.key(one) for one in questions}


def test_a_replay_needs_neither_endpoint_nor_key(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANNA_KEY", CANARY)
    about = settings(endpoint, key_variable="ANNA_KEY")
    first, _ = ask(about, [question()], ReplyStore(tmp_path))
    monkeypatch.delenv("ANNA_KEY")
    endpoint.answer = lambda number, body: status(500)
    (again,), judge = ask(about, [question()], ReplyStore(tmp_path))
    assert (again.text, again.seconds, again.stored) == (first[0].text, first[0].seconds, True)
    assert len(endpoint.arrivals_s) == 1
    judge.raise_if_closed()
    with pytest.raises(SecretError, match="export ANNA_KEY"):
        ask(about, [question(), question(1)], ReplyStore(tmp_path))


def test_the_same_question_at_the_same_time_is_asked_once(endpoint: Endpoint) -> None:
    endpoint.delay_s = 0.05
    replies, _ = ask(settings(endpoint), [question()] * 5)
    assert len(endpoint.arrivals_s) == 1
    assert {reply.text for reply in replies} == {'{"score": 50}'}


def test_a_stand_in_is_always_asked_because_its_code_may_change(tmp_path: Path) -> None:
    asked: list[Any] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200, json=completion('{"score": 3}'))

    async def run() -> None:
        about = JudgeSettings(model="m", kind="stand-in")
        async with open_judge("anna", about, ReplyStore(tmp_path), httpx2.MockTransport(answer)) as judge:
            await judge.ask(question())

    asyncio.run(run())
    asyncio.run(run())
    assert len(asked) == 2
    assert list(tmp_path.iterdir()) == []


def test_no_key_in_what_is_kept(endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNA_KEY", CANARY)
    endpoint.answer = lambda number, body: {**completion(f"key {CANARY}"), "headers": [f"Bearer {CANARY}"], CANARY: 1}
    limits = {"requests_per_minute": 600, "tokens_per_minute": 1e6, "budget": 5, "price_in": 1, "price_out": 1}
    ask(settings(endpoint, key_variable="ANNA_KEY", **limits), [question()], ReplyStore(tmp_path))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".jsonl", ".json"}
    assert all(CANARY.encode() not in path.read_bytes() for path in files)


def test_an_answer_that_cannot_be_read_is_mended(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.answer = lambda number, body: completion(["eighty-five", '{"score": 85}'][len(body["messages"]) // 2])
    priced = settings(endpoint, price_in=1, price_out=2)
    (reply,), _ = ask(priced, [question()], ReplyStore(tmp_path), read)
    assert (reply.text, reply.repairs, reply.attempts) == ('{"score": 85}', 1, 2)
    assert (reply.prompt_tokens, reply.completion_tokens) == (300, 14)
    assert reply.cost == pytest.approx((300 + 2 * 14) / 1e6)
    said, wish = endpoint.bodies[1]["messages"][1:]
    assert said == {"role": "assistant", "content": "eighty-five"}
    assert "no JSON object" in wish["content"]
    (again,), _ = ask(priced, [question()], ReplyStore(tmp_path), read)
    assert (again.stored, again.repairs, again.text) == (True, 1, '{"score": 85}')
    assert len(endpoint.arrivals_s) == 2


@pytest.mark.parametrize("repairs", [0, 2])
def test_repairs_end(endpoint: Endpoint, repairs: int) -> None:
    endpoint.answer = lambda number, body: completion(f"no {number}")
    (reply,), _ = ask(settings(endpoint, repairs=repairs), [question()], None, read)
    assert (reply.text, reply.repairs) == (f"no {repairs + 1}", repairs)
    assert len(endpoint.bodies) == repairs + 1


def test_a_repair_that_fails_leaves_the_first_answer(endpoint: Endpoint) -> None:
    endpoint.answer = lambda number, body: completion("eighty") if number == 1 else status(400)
    (reply,), _ = ask(settings(endpoint), [question()], None, read)
    assert (reply.text, reply.error, reply.repairs) == ("eighty", None, 0)


def test_refusals_are_not_asked_to_be_mended(endpoint: Endpoint) -> None:
    endpoint.answer = lambda number, body: completion(None, refusal="No.")
    ask(settings(endpoint), [question()], None, read)
    assert len(endpoint.bodies) == 1


def test_what_the_settings_say_of_the_request(endpoint: Endpoint) -> None:
    ask(settings(endpoint, detail="auto", tokens_key="max_completion_tokens", max_tokens=33), [question()])
    (body,) = endpoint.bodies
    assert body["max_completion_tokens"] == 33
    assert "max_tokens" not in body
    assert body["messages"][0]["content"][1]["image_url"]["detail"] == "auto"
    assert endpoint.headers[0]["accept-encoding"] == "identity"


def test_a_budget_is_never_exceeded_and_what_was_answered_is_kept(endpoint: Endpoint, tmp_path: Path) -> None:
    # A reply costs 150 + 7 millionths; at most 16 tokens of answer are allowed for.
    priced = settings(endpoint, price_in=1.0, price_out=1.0, max_tokens=16, concurrency=2, budget=0.002)
    store = ReplyStore(tmp_path)
    with pytest.raises(BudgetError, match=r"Judge anna has a budget of 0\.002 USD") as caught:
        ask(priced, [question(seed) for seed in range(40)], store)
    assert "raise ranking.judges.anna.budget" in str(caught.value)
    spent = ReplyStore(tmp_path).spent("anna")
    assert 0.0015 < spent <= 0.002
    assert len(ReplyStore(tmp_path)) == sum(endpoint.accepted.values()) == round(spent * 1e6 / 157)
    with pytest.raises(BudgetError):
        ask(priced, [question(99)], ReplyStore(tmp_path))
    more = priced.model_copy(update={"budget": 1.0})
    replies, judge = ask(more, [question(seed) for seed in range(40)], ReplyStore(tmp_path))
    assert all(reply.error is None for reply in replies)
    assert set(endpoint.accepted.values()) == {1}
    assert judge.spent == pytest.approx(40 * 157e-6)


def test_without_prices_nothing_is_known_of_money(endpoint: Endpoint) -> None:
    (reply,), judge = ask(settings(endpoint), [question()])
    assert (reply.cost, judge.spent) == (None, None)
    (reply,), judge = ask(settings(endpoint, price_in=2.0), [question()])
    assert reply.cost == judge.spent == pytest.approx(300e-6)


def test_an_endpoint_that_does_not_count_is_taken_to_charge(endpoint: Endpoint) -> None:
    endpoint.answer = lambda number, body: {**completion("x"), "usage": None}
    (reply,), _ = ask(settings(endpoint, price_in=1.0, price_out=1.0, max_tokens=100), [question()])
    assert reply.cost is not None
    assert reply.cost > 100e-6


def test_what_is_under_way_is_kept_when_all_is_given_up(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.delay_s = 0.3

    async def run() -> None:
        async with open_judge("anna", settings(endpoint, concurrency=3), ReplyStore(tmp_path)) as judge:
            asking = [asyncio.ensure_future(judge.ask(question(seed))) for seed in range(9)]
            while len(endpoint.bodies) < 3:
                await asyncio.sleep(0.01)
            for one in asking:
                one.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            raise KeyError

    with pytest.raises(KeyError):
        asyncio.run(run())
    assert len(ReplyStore(tmp_path)) == len(endpoint.bodies) == 3


def test_what_is_not_sent_holds_no_money(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.delay_s = 0.2
    given = {"requests_per_minute": 60, "budget": 1.0, "price_in": 1, "price_out": 1}

    async def run() -> None:
        async with open_judge("anna", settings(endpoint, **given), ReplyStore(tmp_path)) as judge:
            asking = [asyncio.ensure_future(judge.ask(question(seed))) for seed in range(3)]
            await asyncio.sleep(0.1)
            asking[1].cancel()
            asking[2].cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    asyncio.run(run())
    assert len(endpoint.bodies) == 1
    assert json.loads((tmp_path / "limits" / "anna.json").read_text())["held"] == {}


def test_a_reply_that_cannot_be_kept_ends_the_round(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int, data: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rankscape.studies.ranking.judges.reply_store.os.write", full)
    with pytest.raises(DiskError, match="No disk space left"):
        ask(settings(endpoint), [question()], ReplyStore(tmp_path))


def test_a_limit_that_is_not_stated_costs_refusals_and_no_reply(endpoint: Endpoint) -> None:
    endpoint.bucket, endpoint.latency_s = Bucket(rate=60, burst=5), (0.01, 0.05)
    replies, _ = ask(settings(endpoint, concurrency=32, attempts=2), [question(seed) for seed in range(120)])
    assert [reply.error for reply in replies if reply.error] == []
    assert set(endpoint.accepted.values()) == {1}
    assert len(endpoint.accepted) == 120
    assert endpoint.refused < 400


def test_a_limit_that_is_known_is_kept(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.bucket = Bucket(rate=50, burst=55)
    about = settings(endpoint, requests_per_minute=3000, concurrency=16)
    errors: list[str] = []

    def one(part: int) -> None:
        replies, _ = ask(about, [question(seed) for seed in range(part, 120, 2)], ReplyStore(tmp_path))
        errors.extend(reply.error for reply in replies if reply.error)

    begin = time.monotonic()
    rounds = [threading.Thread(target=one, args=(part,)) for part in (0, 1)]
    for each in rounds:
        each.start()
    for each in rounds:
        each.join()
    assert errors == []
    assert len(endpoint.accepted) == 120
    # Two at once keep one limit; a few may meet it, because two do not take their turns in the order of arrival.
    assert endpoint.refused <= 20
    assert time.monotonic() - begin > 70 / 50 - 0.1


def test_a_limit_that_lets_nothing_through_ends(endpoint: Endpoint) -> None:
    endpoint.answer = lambda number, body: status(429, "You exceeded your current quota")
    replies, judge = ask(settings(endpoint, attempts=3, concurrency=1), [question(seed) for seed in range(3)])
    assert {reply.error for reply in replies} == {"HTTP 429: You exceeded your current quota"}
    # One at a time: a try that meets congestion while an earlier request is under way does not count.
    assert len(endpoint.arrivals_s) == 9
    judge.raise_if_closed()


def closed(about: JudgeSettings, count: int = 3) -> str:
    _, judge = ask(about, [question(seed) for seed in range(count)])
    with pytest.raises(JudgeError) as caught:
        judge.raise_if_closed()
    return str(caught.value)


@pytest.mark.parametrize(
    "refusal",
    [
        status(404, "The model `tester` does not exist."),
        status(400, "Model does not exist. Please check it carefully."),
        status(400, "No such model: tester"),
    ],
)
def test_a_model_that_the_endpoint_does_not_have(endpoint: Endpoint, refusal: Any) -> None:
    endpoint.models = ("qwen2-vl-7b", "qwen2-vl-72b")
    endpoint.answer = lambda number, body: refusal
    said = closed(settings(endpoint, concurrency=1))
    assert said.startswith(f"Judge anna cannot be asked at {endpoint.url} (model tester, no key_variable): HTTP 40")
    assert said.endswith(
        "The endpoint has the models qwen2-vl-7b, qwen2-vl-72b: mend ranking.judges.anna.model, and run again."
    )
    assert len(endpoint.bodies) == 1


def test_many_models_are_not_all_listed(endpoint: Endpoint) -> None:
    endpoint.models = tuple(f"m{number}" for number in range(50))
    endpoint.answer = lambda number, body: status(404, "no model")
    assert "m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, …: mend" in closed(settings(endpoint))


def test_nothing_there_at_all(endpoint: Endpoint) -> None:
    endpoint.answer = lambda number, body: status(404)
    assert "Mend ranking.judges.anna.base_url, which mostly ends in /v1, or ranking.judges.anna.model" in closed(
        settings(endpoint)
    )


@pytest.mark.parametrize(
    ("variable", "advice"),
    [
        (None, "Name the variable of its key in ranking.judges.anna.key_variable"),
        ("ANNA_KEY", "Mend the key in ANNA_KEY"),
    ],
)
def test_a_key_that_is_refused(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, variable: str | None, advice: str
) -> None:
    monkeypatch.setenv("ANNA_KEY", CANARY)
    endpoint.answer = lambda number, body: status(401, f"bad key {CANARY}")
    said = closed(settings(endpoint, key_variable=variable))
    assert advice in said
    assert CANARY not in said or variable is None


def test_an_endpoint_that_is_down() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    said = closed(JudgeSettings(model="m", base_url=url, attempts=2))
    assert "no connection" in said
    assert said.endswith("Mend ranking.judges.anna.base_url or start the endpoint, and run again.")


def test_an_endpoint_that_hangs_is_not_waited_for_at_the_end(endpoint: Endpoint) -> None:
    endpoint.answer = lambda number, body: hang
    begin = time.monotonic()
    (reply,), _ = ask(settings(endpoint, timeout_s=0.3, attempts=1), [question()])
    assert reply.error == "no reply within 0.3 s"
    assert time.monotonic() - begin < 20


def test_environments_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:3128")
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    through = network(httpx2.URL("http://judge.example/v1"), 2)
    straight = network(httpx2.URL("http://127.0.0.1:8000/v1"), 2)
    assert "Proxy" in type(through._pool).__name__
    assert "Proxy" not in type(straight._pool).__name__


def test_the_log_of_the_server_tells_requests_apart(endpoint: Endpoint) -> None:
    ask(settings(endpoint), [question(1), question(2)])
    assert set(endpoint.accepted) == {digest(body) for body in endpoint.bodies}
    assert len(endpoint.accepted) == 2
    assert json.dumps(endpoint.accepted)
