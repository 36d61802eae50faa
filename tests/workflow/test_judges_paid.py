"""Judges that are paid for, with the real rules and an endpoint on loopback: budgets hold, and keys leak nowhere."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asked_region import asked_region, orders, read_round
from judge_server import JudgeServer, completion, content, running, status
from workflow_copy import Project

CANARY = "sk-canary-5f2c81d7e9a04b36"
ONE_REPLY = (150 * 1000 + 7 * 1000) / 1e6
"""What a reply of the endpoint costs at a price of 1000 a million tokens."""


@pytest.fixture
def endpoint() -> Iterator[JudgeServer]:
    with running(JudgeServer()) as server:
        yield server


@pytest.fixture(scope="module")
def _drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    judge = {"model": "tester", "price_in": 1000.0, "price_out": 1000.0, "budget": 0.9, "max_tokens": 16}
    about = {**judge, "base_url": "http://127.0.0.1:9/v1", "attempts": 3, "concurrency": 2}
    project = asked_region(tmp_path_factory.mktemp("paid") / "project", {"anna": about})
    project.snakemake("results/small/ranking/samples/1.parquet")
    return project.folder


@pytest.fixture
def project(_drawn: Path, tmp_path: Path, endpoint: JudgeServer) -> Project:
    """A region whose pictures are drawn, and a judge at the endpoint, with a key."""
    shutil.copytree(_drawn, tmp_path / "project")
    copied = Project(tmp_path / "project")
    copied.edit("config/config.yaml", "http://127.0.0.1:9/v1", endpoint.url)
    return copied


def said(project: Project) -> str:
    log = (project.folder / "results/small/logs/ranking_rate/anna/roads/1.log").read_text()
    return next(line for line in log.splitlines() if line.startswith("rankscape:"))


def test_a_budget_stops_a_round_and_a_higher_one_goes_on(project: Project, endpoint: JudgeServer) -> None:
    run = project.snakemake(*orders("anna"), check=False)

    assert run.returncode != 0
    paid = sum(endpoint.accepted.values())
    assert 0 < paid < 8
    assert paid * ONE_REPLY <= 0.9, "the budget is not exceeded"
    line = said(project)
    assert "Judge anna has a budget of 0.9 USD: " in line
    assert re.search(r"0\.\d+ is spent, \S+ may be under way, and one more request may cost 0\.\d+", line)
    assert "raise ranking.judges.anna.budget and run again" in line
    assert list((project.folder / "results/small/ranking").glob("rounds/**/*.json")) == []

    project.edit("config/config.yaml", "budget: 0.9", "budget: 5")
    project.snakemake(*orders("anna"))

    assert sum(endpoint.accepted.values()) == 8, "what was paid is not asked again"
    assert max(endpoint.accepted.values()) == 1
    assert read_round(project, "anna")["usage"]["cost"] == pytest.approx(8 * ONE_REPLY)

    project.edit("config/config.yaml", "budget: 5", "budget: 9\n      requests_per_minute: 30\n      timeout_s: 9")
    project.edit("config/config.yaml", "price_in: 1000.0", "price_in: 7.0\n      currency: EUR")
    project.edit("config/config.yaml", "concurrency: 2", "concurrency: 3")
    assert project.planned(*orders("anna")) == set()

    project.edit("config/config.yaml", "max_tokens: 16", "max_tokens: 32")
    assert project.planned(*orders("anna")) == {
        "rate ranking/rounds/anna/roads/1.json",
        "rank ranking/orders/anna--roads--1.json",
    }


def test_a_canary_key_is_in_no_file_and_no_message(
    project: Project, endpoint: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANNA_KEY", CANARY)
    project.edit("config/config.yaml", "budget: 0.9", "budget: 9\n      key_variable: ANNA_KEY")
    echo = f"header Authorization: Bearer {CANARY} of the request"
    endpoint.faults = [
        status(429, echo, retry_after="0.1"),
        content(echo.encode(), 502, "text/plain"),
        status(400, echo),
    ]

    def answer(number: int, body: dict[str, Any]) -> Any:
        return completion(f'{{"score": {number}}} {echo}', refusal=echo if number == 6 else None)

    endpoint.answer = answer

    run = project.snakemake("--show-failed-logs", "--printshellcmds", *orders("anna"))

    assert {headers["authorization"] for headers in endpoint.headers} == {f"Bearer {CANARY}"}
    found = read_round(project, "anna")
    reasons = [reply["missing"] for one in found["questions"] for reply in one["replies"] if reply["missing"]]
    assert any("[redacted]" in reason for reason in reasons)
    assert CANARY not in run.stdout + run.stderr
    files = [path for path in project.folder.rglob("*") if path.is_file()]
    assert any(".snakemake" in path.parts for path in files)
    assert any(path.suffix == ".jsonl" and b"[redacted]" in path.read_bytes() for path in files)
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        (
            "      budget: 0.9",
            "      key_variable: ANNA_KEY",
            ["Judge anna needs its key in the environment variable ANNA_KEY, which is not set"],
        ),
        ("{url}", "http://127.0.0.1:9/v1", ["Judge anna cannot be asked at http://127.0.0.1:9/v1", "no connection"]),
        (
            "model: tester",
            "model: other",
            [
                "Judge anna cannot be asked at {url} (model other",
                "The endpoint has the models tester",
                "mend ranking.judges.anna.model",
            ],
        ),
    ],
)
def test_one_line_says_what_to_mend(
    project: Project, endpoint: JudgeServer, old: str, new: str, parts: list[str]
) -> None:
    endpoint.answer = lambda number, body: (
        status(404, "The model `other` does not exist") if body["model"] == "other" else completion('{"score": 1}')
    )
    project.edit("config/config.yaml", old.replace("{url}", endpoint.url), new)

    run = project.snakemake(*orders("anna"), check=False)

    assert run.returncode != 0
    assert all(part.replace("{url}", endpoint.url) in said(project) for part in parts), said(project)
