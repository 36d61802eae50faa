"""Interviews: all that a started judge lacks is asked while it runs; rounds then replay the store."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from judge_server import completion, hang, status
from rankscape.__main__ import main
from rankscape.foundation.errors import InputError
from rankscape.foundation.files import read_json
from rankscape.studies.ranking.judges.requests import read_requests
from rankscape.studies.ranking.judges.services import Address
from rankscape.studies.ranking.judges.settings import SERVED, JudgeSettings, RateSettings

from ..conftest import Endpoint
from .test_plans import write_draws

ABOUT = JudgeSettings(model="tester", command="vllm serve {model} --port {port}", base_url="http://x.invalid/v1")
SETTINGS = RateSettings(replies=1).canonical()
STORE = "results/small/ranking/replies"


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    code = caught.value.code
    return code if isinstance(code, int) else 0


def requested(prompt: str, judge: str = "own", about: JudgeSettings = ABOUT) -> int:
    words = ["ranking", "build-requests", "--settings", SETTINGS, "--judge", judge, "--judge-settings", about.asked]
    return run(*words, "--prompt", f"{prompt}.md", "--out", f"requests/{prompt}.json")


def interview(*prompts: str, rounds: int = 1, limits: dict[str, Any] | None = None) -> int:
    words = [
        "ranking",
        "collect-replies",
        "--judge",
        "own",
        "--address",
        "own.json",
        "--store",
        STORE,
        "--out",
        "collected.json",
    ]
    words += ["--limits", json.dumps({"attempts": 1} | (limits or {}))]
    samples = [f"results/small/ranking/samples/{number}.parquet" for number in range(1, rounds + 1)]
    return run(*words, "--requests", *(f"requests/{prompt}.json" for prompt in prompts), "--samples", *samples)


def rate(prompt: str, number: int = 1) -> int:
    words = [
        "ranking",
        "rate",
        "--settings",
        SETTINGS,
        "--judge",
        "own",
        "--judge-settings",
        ABOUT.asked,
        "--store",
        STORE,
    ]
    words += ["--prompt", f"{prompt}.md", "--round", str(number), "--out", f"{prompt}-{number}.json"]
    return run(*words, "--sample", f"results/small/ranking/samples/{number}.parquet")


@pytest.fixture(autouse=True)
def asked(tmp_path: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """Two sampled rounds of three clusters with two patches each, two prompts, and a judge that answers."""
    monkeypatch.chdir(tmp_path)
    write_draws(tmp_path, rounds=2)
    for name in ("roads", "roofs"):
        Path(f"{name}.md").write_text(f"How good are the {name}?")
        assert requested(name) == 0
    Address("ready", os.getpid(), endpoint.url).write(Path("own.json"))
    return endpoint


def test_what_the_replies_do_not_depend_on_is_in_no_brief() -> None:
    document = read_json(Path("requests/roads.json"))
    assert document["text"] == "How good are the roads?"
    assert document["mode"] == "scores"
    assert document["judge_settings"]["command"] == SERVED
    assert "x.invalid" not in json.dumps(document)
    found = read_requests(Path("requests/roads.json"))
    assert (found.judge, found.prompt.name, found.about.asked) == ("own", "roads", ABOUT.asked)


def test_an_interview_asks_what_is_missing_and_rounds_replay_it(asked: Endpoint) -> None:
    assert interview("roads") == 0
    assert len(asked.bodies) == 6
    assert rate("roads") == 0

    assert interview("roads", "roofs", rounds=2) == 0
    assert len(asked.bodies) == 4 * 6
    assert [one["stored"] for one in read_json(Path("collected.json"))["rounds"]] == [6, 0, 0, 0]

    assert [rate(prompt, number) for prompt in ("roads", "roofs") for number in (1, 2)] == [0] * 4
    assert interview("roads", "roofs", rounds=2) == 0
    assert len(asked.bodies) == 4 * 6, "neither a replay nor a second interview asks anything"
    document = read_json(Path("roads-1.json"))
    assert document["endpoint"] == "started by the workflow"
    assert document["usage"]["usable"] == 6


def test_another_port_is_the_same_judge(asked: Endpoint) -> None:
    assert interview("roads") == 0
    Address("ready", os.getpid(), asked.url.replace("127.0.0.1", "localhost")).write(Path("own.json"))
    assert interview("roads") == 0
    assert len(asked.bodies) == 6


def test_a_round_without_its_interview_asks_nobody(asked: Endpoint, capsys: pytest.CaptureFixture[str]) -> None:
    assert rate("roads") == 1
    said = capsys.readouterr().err
    assert "Round 1 of judge own with prompt roads: too few usable replies" in said
    assert "judge own is started for its interview only, and no reply to this question is stored" in said
    assert asked.bodies == []


def test_every_round_is_tried_before_one_fails_the_interview(
    asked: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    asked.answer = lambda number, body: status(413, "too bright") if number <= 6 else completion('{"score": 1}')
    assert interview("roads", "roofs") == 1
    assert "Round 1 of judge own with prompt roads: too few usable replies" in capsys.readouterr().err
    assert len(asked.bodies) == 12
    assert not Path("collected.json").exists()

    assert interview("roads", "roofs") == 0
    assert len(asked.bodies) == 18


def test_a_budget_ends_an_interview(asked: Endpoint, capsys: pytest.CaptureFixture[str]) -> None:
    assert interview("roads", limits={"price_in": 1000, "price_out": 1000, "budget": 0.6}) == 1
    assert "Judge own has a budget of 0.6 USD" in capsys.readouterr().err
    kept = len(asked.bodies)
    assert 0 < kept < 6
    assert interview("roads", limits={"price_in": 1000, "price_out": 1000, "budget": 6}) == 0
    assert len(asked.bodies) == 6


def test_a_judge_that_ends_meanwhile_ends_the_interview(asked: Endpoint, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(number: int, body: dict[str, Any]) -> Any:
        Address("failed", os.getpid(), reason="The command of judge own ended with status 9.").write(Path("own.json"))
        return hang

    asked.answer = answer
    assert interview("roads", limits={"timeout_s": 3, "attempts": 20}) == 1
    assert "rankscape: The command of judge own ended with status 9." in capsys.readouterr().err


def test_briefs_of_two_judges(capsys: pytest.CaptureFixture[str]) -> None:
    assert requested("roofs", about=ABOUT.model_copy(update={"model": "other"})) == 0
    assert interview("roads", "roofs") == 2
    assert "The requests are not all of one judge own" in capsys.readouterr().err


def test_files_that_are_no_requests_or_samples(capsys: pytest.CaptureFixture[str]) -> None:
    Path("requests/other.json").write_text('{"judge": "own"}')
    with pytest.raises(InputError, match="holds no requests to a judge"):
        read_requests(Path("requests/other.json"))
    Path("x.parquet").touch()
    words = [
        "ranking",
        "collect-replies",
        "--judge",
        "own",
        "--address",
        "own.json",
        "--store",
        STORE,
        "--out",
        "collected.json",
    ]
    assert run(*words, "--requests", "requests/roads.json", "--samples", "x.parquet") == 2
    assert "x.parquet is no sample" in capsys.readouterr().err
