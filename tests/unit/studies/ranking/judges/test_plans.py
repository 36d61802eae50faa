"""What judges will cost: counted before anything is spent, then against what the store has."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rankscape.__main__ import main
from rankscape.config import check_config
from rankscape.foundation.errors import InputError
from rankscape.samples.rendering import as_png
from rankscape.stages.region import RegionSettings
from rankscape.studies.ranking.judges.needs import (
    LATENCY_S,
    PAINTED,
    Need,
    blank_sample,
    most_clusters,
    need_of,
    verdict,
)
from rankscape.studies.ranking.judges.plans import basis_of
from rankscape.studies.ranking.judges.prompts import Prompt
from rankscape.studies.ranking.judges.questions import Reply, image_tokens, question_tokens, text_tokens
from rankscape.studies.ranking.judges.round_samples import round_sample_table, write_round_sample
from rankscape.studies.ranking.judges.settings import JudgeSettings, RateSettings, SampleSettings
from rankscape.studies.ranking.orders.order_files import Ranked
from rankscape.studies.ranking.settings import RankingSettings

from ..conftest import Endpoint

PROMPT = Prompt("roads", "How good are the roads?", "0" * 64)
RANKING: dict[str, Any] = {
    "judges": {
        "anna": {"model": "tester", "price_in": 1.0, "price_out": 4.0, "budget": 0.01, "max_tokens": 16},
        "bert": {"model": "tester"},
    },
    "prompts": ["roads"],
    "sample": {"images_per_cluster": 2},
    "rate": {"rounds": 2, "replies": 3},
    "cluster": {"k": {"land": 5}},
}


def region(**changes: Any) -> tuple[RegionSettings, RankingSettings]:
    config = check_config({"region": "small", "granules": "granules.tsv", "ranking": RANKING | changes}, "test")
    return config, config.ranking  # type: ignore[attr-defined]


def need(**changes: Any) -> Need:
    values = {
        "judge": "anna",
        "prompt": "roads",
        "mode": "scores",
        "requests": 120,
        "stored": 20,
        "prompt_tokens": 100_000,
        "completion_tokens": 1_000,
        "most_completion_tokens": 10_000,
        "latency_s": 6.0,
        "measured": False,
    }
    return Need(**{**values, **changes})


@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    [(224, 224, 66), (343, 343, 146), (28, 28, 3), (1, 1, 3), (56, 280, 22)],
)
def test_tokens_of_images(width: int, height: int, tokens: int) -> None:
    assert image_tokens(width, height) == tokens


def test_tokens_of_text() -> None:
    assert text_tokens("") == 0
    assert text_tokens("twelve chars") == 3
    assert text_tokens("你好abcd") == 3
    assert question_tokens("abcd", "", [(28, 28), (28, 28)]) == 20 + 1 + 3 + 3


@pytest.mark.parametrize(
    ("limits", "minutes"),
    [
        ({"concurrency": 1}, 10.0),
        ({"concurrency": 10}, 1.0),
        ({"concurrency": 10, "requests_per_minute": 4}, 25.0),
        ({"concurrency": 10, "tokens_per_minute": 2_020}, 50.0),
    ],
)
def test_the_narrowest_limit_sets_the_time(limits: dict[str, Any], minutes: float) -> None:
    assert need().minutes(JudgeSettings(model="m", **limits)) == pytest.approx(minutes)


def test_cost() -> None:
    priced = JudgeSettings(model="m", price_in=2.0, price_out=10.0)
    assert need().cost(priced) == pytest.approx(0.21)
    assert need().cost(priced, most=True) == pytest.approx(0.3)
    assert need().cost(JudgeSettings(model="m")) is None
    assert need().cost(JudgeSettings(model="m", price_in=2.0)) is None


@pytest.mark.parametrize(
    ("budget", "spent", "said"),
    [
        (None, 9.0, "no budget"),
        (0.7, 0.1, "suffices"),
        (0.7, 0.2, "suffices if answers are short"),
        (0.5, 0.2, "does not suffice"),
    ],
)
def test_budgets(budget: float | None, spent: float, said: str) -> None:
    judge = JudgeSettings(model="m", price_in=2.0, price_out=10.0, budget=budget)
    assert verdict([need(), need(prompt="roofs")], judge, spent) == said


@pytest.mark.parametrize(
    ("mode", "settings", "requests"),
    [
        ("scores", {"replies": 3}, 5 * 2 * 3),
        ("pairs", {"replies": 1}, 5 * 4),
        ("pairs", {"replies": 2, "pairs_per_cluster": 2}, 5 * 2 * 2),
        ("tiers", {"replies": 4}, 4),
    ],
)
def test_every_mode_is_counted(mode: str, settings: dict[str, Any], requests: int) -> None:
    samples = [blank_sample(number, 5, 32, SampleSettings(images_per_cluster=2)) for number in (1, 2)]
    asking = RateSettings(mode=mode, **settings)

    found = need_of("anna", JudgeSettings(model="m"), PROMPT, samples, asking)

    assert (found.mode, found.requests, found.stored, found.missing) == (mode, 2 * requests, 0, 2 * requests)
    assert found.latency_s == LATENCY_S
    assert not found.measured
    assert found.prompt_tokens > found.requests * 60
    assert found.completion_tokens < found.most_completion_tokens == found.requests * 256


def test_a_prompt_names_its_own_mode() -> None:
    tiers = Prompt("sort", "Sort.", "0" * 64, mode="tiers")
    found = need_of(
        "anna",
        JudgeSettings(model="m"),
        tiers,
        [blank_sample(1, 5, 32, SampleSettings(images_per_cluster=2))],
        RateSettings(replies=1),
    )
    assert (found.mode, found.requests) == ("tiers", 1)


def test_stored_replies_are_measured() -> None:
    samples, keys = [blank_sample(1, 5, 32, SampleSettings(images_per_cluster=2))], []

    def lookup(key: str) -> Reply | None:
        keys.append(key)
        return Reply("{}", "stop", 1000, 10, 2.0, None, stored=True) if len(keys) <= 6 else None

    found = need_of("anna", JudgeSettings(model="m"), PROMPT, samples, RateSettings(replies=3), lookup)

    assert len(set(keys)) == 30
    assert (found.stored, found.missing, found.measured) == (6, 24, True)
    assert (found.prompt_tokens, found.completion_tokens, found.latency_s) == (24_000, 240, 2.0)


def test_a_few_pairs_of_a_round_stand_for_all() -> None:
    first: set[str] = set()

    def lookup(key: str) -> Reply | None:
        first.add(key)
        return Reply('{"answer": "tie"}', "stop", 500, 8, 1.0, None) if len(first) <= 2 * PAINTED else None

    samples = [blank_sample(number, 5, 32, SampleSettings(images_per_cluster=2)) for number in (1, 2)]
    found = need_of("anna", JudgeSettings(model="m"), PROMPT, samples, RateSettings(mode="pairs", replies=2), lookup)

    assert len(first) == 2 * 2 * PAINTED
    assert (found.requests, found.stored, found.missing) == (80, 40, 40)


def test_most_clusters() -> None:
    assert most_clusters(region()[1]) == 5
    labels = {"source": "file", "file": "x.csv", "categories": ["urban", "rural", "sea"], "uninhabited": "sea"}
    ranking = region(label=labels, cluster={"k": {"urban": 4}, "k_max": 9})[1]
    assert most_clusters(ranking) == 13


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config/prompts").mkdir(parents=True)
    (tmp_path / "config/prompts/roads.md").write_text(PROMPT.text)
    write_config(tmp_path)
    return tmp_path


def write_config(folder: Path, **changes: Any) -> None:
    (folder / "config/config.yaml").write_text(
        yaml.safe_dump({"region": "small", "granules": "granules.tsv", "ranking": RANKING | changes})
    )


def write_draws(folder: Path, rounds: int, clusters: int = 3) -> None:
    sample = {cluster: [f"{cluster}-a", f"{cluster}-b"] for cluster in range(clusters)}
    for number in range(1, rounds + 1):
        images = {
            patch: as_png(np.full((40, 40, 3), 10 * number + ord(patch[-1]) + int(patch[0]), np.uint8))
            for own in sample.values()
            for patch in own
        }
        path = folder / f"results/small/ranking/samples/{number}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        ranked = Ranked(tuple(range(clusters)), None, "f" * 64)
        write_round_sample(path, round_sample_table(sample, images), ranked, SampleSettings().seed, number, {})


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main(["ranking", "judges", *arguments])
    captured = capsys.readouterr()
    assert not caught.value.code, captured.err
    return captured.out


def test_a_plan_without_results(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = run(capsys, "plan")
    assert "Region small: 5 clusters (from the configuration, as the most that there can be), 2 rounds, none" in shown
    anna = next(line.split() for line in shown.splitlines() if line.startswith("anna  "))
    assert anna[:6] == ["anna", "roads", "scores", "60", "0", "60"]
    assert anna[-1] == "USD"
    assert anna[6].startswith("~")
    assert "anna: 60 of 60 requests to ask, 0.6 minutes or more, about 0.015 USD, at most 0.016; 0.00 spent" in shown
    assert "of the budget of 0.01 USD: it does not suffice." in shown
    assert "bert: 60 of 60 requests to ask, 0.6 minutes or more, no prices." in shown
    assert not (project / "results").exists()

    assert json.loads(run(capsys, "plan", "--clusters", "9", "--json"))["needs"][0]["requests"] == 9 * 2 * 3 * 2


def test_a_plan_from_a_summary(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = project / "elsewhere/ranking/clusters/clusters.json"
    summary.parent.mkdir(parents=True)
    entries = [{"cluster": number, "category": "land", "size": 9} for number in range(4)]
    summary.write_text(json.dumps({"clusters": entries, "uninhabited": 3, "fingerprint": "f"}))
    plan = json.loads(run(capsys, "plan", "--results", "elsewhere", "--json"))
    assert (plan["clusters"], plan["clusters_from"]) == (3, "elsewhere/ranking/clusters/clusters.json")


def test_a_plan_counts_what_is_stored(project: Path, endpoint: Endpoint, capsys: pytest.CaptureFixture[str]) -> None:
    anna = {**RANKING["judges"]["anna"], "base_url": endpoint.url, "budget": 1.0}
    write_config(project, judges={"anna": anna})
    write_draws(project, rounds=1)
    settings = json.loads(RateSettings(rounds=2, replies=3).canonical())
    words = [
        "ranking",
        "rate",
        "--settings",
        json.dumps(settings),
        "--judge",
        "anna",
        "--judge-settings",
        json.dumps(anna),
    ]
    words += [
        "--prompt",
        "config/prompts/roads.md",
        "--round",
        "1",
        "--sample",
        "results/small/ranking/samples/1.parquet",
    ]
    with pytest.raises(SystemExit) as caught:
        main([*words, "--store", "results/small/ranking/replies", "--out", "1.json"])
    assert not caught.value.code
    capsys.readouterr()

    partly = json.loads(run(capsys, "plan", "--json"))

    assert (partly["clusters"], partly["clusters_from"], partly["sampled"], partly["exact"]) == (
        3,
        "the samples",
        1,
        False,
    )
    (one,) = partly["needs"]
    assert (one["requests"], one["stored"], one["missing"], one["measured"]) == (36, 18, 18, True)
    assert (one["prompt_tokens"], one["completion_tokens"]) == (18 * 150, 18 * 7)
    (total,) = partly["judges"]
    assert total["spent"] == pytest.approx(18 * (150 * 1.0 + 7 * 4.0) / 1e6)
    assert total["cost"] == pytest.approx(total["spent"])
    assert total["verdict"] == "suffices"

    write_draws(project, rounds=2)
    shown = run(capsys, "plan", "--samples", *map(str, sorted(Path("results/small/ranking/samples").iterdir())))
    assert "3 clusters (from the samples), 2 rounds, all sampled." in shown
    assert "18 of 36 requests to ask" in shown
    assert "of the budget of 1.00 USD: it suffices." in shown
    assert len(endpoint.bodies) == 18, "planning asks nothing"


def test_labels_are_planned_until_there_are_some(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label = {"source": "judge", "judge": "bert", "categories": ["urban", "rural"], "sample": 50, "replies": 2}
    write_config(project, label=label, cluster={"k": {"urban": 2, "rural": 2}})
    rows = json.loads(run(capsys, "plan", "--json"))["needs"]
    assert [(row["judge"], row["prompt"]) for row in rows][-1] == ("bert", "(land categories)")
    assert rows[-1]["requests"] == 100

    labels = project / "results/small/ranking/categories/labels.parquet"
    labels.parent.mkdir(parents=True)
    labels.touch()
    assert len(json.loads(run(capsys, "plan", "--json"))["needs"]) == 2


def test_a_draw_of_no_round(project: Path) -> None:
    with pytest.raises(InputError, match=r"first\.parquet is no sample of a round: these are named after their rounds"):
        basis_of(*region(), [project / "first.parquet"], project / "clusters.json")


def check(capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    with pytest.raises(SystemExit) as caught:
        main(["ranking", "judges", "check"])
    code = caught.value.code
    return (code if isinstance(code, int) else 0), capsys.readouterr().out.splitlines()


def test_checking_asks_for_models_only(
    project: Path, endpoint: Endpoint, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANNA_KEY", "sk-anna-0815")
    judges = {
        "anna": {"model": "tester", "base_url": endpoint.url, "key_variable": "ANNA_KEY"},
        "demo": {"model": "stand-in", "kind": "stand-in"},
        "own": {"model": "m", "command": "CUDA_VISIBLE_DEVICES=0 exec sh serve {model} {port}"},
    }
    write_config(project, judges=judges)
    status, lines = check(capsys)
    assert status == 0
    assert lines == [
        f"anna: {endpoint.url} has tester",
        "demo: answers in process; nothing to check",
        "own: is started by the workflow: sh is on this machine",
    ]
    assert endpoint.bodies == []


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"model": "other"}, 1, "Judge anna: {url} has no model 'other'; it has: tester."),
        (
            {"base_url": "http://127.0.0.1:9/v1"},
            1,
            "Judge anna at http://127.0.0.1:9/v1, no key_variable: no connection",
        ),
        (
            {"key_variable": "NO_KEY"},
            2,
            "Judge anna needs its key in the environment variable NO_KEY, which is not set",
        ),
        ({"command": "no-such-program {port}"}, 1, "no-such-program is not on this machine"),
    ],
)
def test_checking_says_what_is_wrong(
    project: Path,
    endpoint: Endpoint,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    status: int,
    said: str,
) -> None:
    given = {"model": "tester", "base_url": endpoint.url} | changes
    given = {key: value.replace("{url}", endpoint.url) for key, value in given.items()}
    write_config(project, judges={"anna": given, "demo": {"model": "stand-in", "kind": "stand-in"}})
    found, lines = check(capsys)
    assert found == status
    assert lines[0].startswith("anna: WRONG. ")
    assert said.replace("{url}", endpoint.url) in lines[0]
    assert lines[1].startswith("demo: answers")
