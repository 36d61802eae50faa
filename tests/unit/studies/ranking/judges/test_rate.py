"""The stage `rate` as the command line runs it: from images to scores, in every mode."""

import ast
import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rankscape.foundation.code_version import ROOT, code_version
from rankscape.foundation.files import read_json
from starlette.responses import JSONResponse

from ..conftest import Endpoint, Region, completion
from .test_stages import run

CANARY = "sk-canary-0a1b2c3d4e"
STAND_IN = {"kind": "stand-in", "model": "stand-in"}


def rate(region: Region, endpoint: Endpoint, **changes: Any) -> int:
    prompt = region.folder / "who.md"
    prompt.write_text("How developed?", encoding="utf-8")
    judge = {"model": "tester", "base_url": endpoint.url, **changes.pop("judge_settings", {})}
    number = changes.get("round", 1)
    sampled = region.folder / f"sample-{number}.parquet"
    assert sample(region, number, sampled) == 0
    options = {
        "settings": {"replies": 2},
        "judge": "anna",
        "judge_settings": judge,
        "prompt": prompt,
        "round": number,
        "sample": sampled,
        "out": region.folder / "round.json",
    }
    return run("ranking rate", **{**options, **changes})


def sample(region: Region, number: int, out: Path, **settings: Any) -> int:
    files = {"patches": [region.tiles], "clusters": region.clusters, "summary": region.summary, "out": out}
    return run("ranking sample", settings={"images_per_cluster": 2, **settings}, round=number, **files)


def images(body: dict[str, Any]) -> list[np.ndarray]:
    """Images of a request."""
    urls = [part["image_url"]["url"] for part in body["messages"][0]["content"] if part["type"] == "image_url"]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))) for url in urls]


def by_brightness(number: int, body: dict[str, Any]) -> dict[str, Any]:
    """Answer by brightness what the schema asks for; paper is not looked at."""

    def light(image: np.ndarray) -> float:
        return float(image[image.min(-1) < 250].mean())

    form = body["response_format"]["json_schema"]["schema"]["properties"]
    shown = images(body)
    if "score" in form:
        return completion(json.dumps({"score": round(float(shown[0].mean()) / 2.55, 1)}))
    if "answer" in form:
        middle = shown[0].shape[1] // 2
        halves = shown if len(shown) == 2 else [shown[0][:, :middle], shown[0][:, middle:]]
        return completion(json.dumps({"answer": "first" if light(halves[0]) > light(halves[1]) else "second"}))
    letters = form["tiers"]["items"]["items"]["enum"]
    order = sorted(zip(map(light, shown), letters, strict=True), reverse=True)
    return completion(json.dumps({"tiers": [[letter] for _, letter in order]}))


def test_from_images_to_the_merged_order(region: Region, endpoint: Endpoint) -> None:
    endpoint.answer = by_brightness
    orders = []
    for number in (1, 2):
        evidence, order = region.folder / f"{number}.json", region.folder / f"anna--who--{number}.json"
        assert rate(region, endpoint, round=number, out=evidence) == 0
        assert run("ranking rank", settings={"margin": 5}, evidence=evidence, summary=region.summary, out=order) == 0
        orders.append(order)
    found = read_json(evidence)
    assert (found["judge"], found["prompt"], found["round"], found["stand_in"]) == ("anna", "who", 2, False)
    assert (found["mode"], found["detail"], found["language"]) == ("scores", "high", None)
    assert list(found["scores"]) == ["0", "1", "2", "3"]
    assert (found["usage"]["questions"], found["usage"]["usable"]) == (8, 16)
    assert found["fingerprint"] == "f" * 64
    assert found["provenance"]["stage"] == "ranking rate"
    assert set(found["provenance"]["inputs"]) == {"prompt", "sample"}
    document = read_json(orders[0])
    assert document["text"] == "0>1>2>3"
    assert document["levels"] == [[0], [1], [2], [3]]
    assert document["source"]["kind"] == "round"
    assert document["relations"][0] == [0, 1, "higher"]
    out = region.folder / "order.json"
    assert run("ranking ensemble", settings={"levels": 4}, orders=orders, summary=region.summary, out=out) == 0
    merged = read_json(out)
    assert merged["levels"] == [[0], [1], [2], [3], [4]]
    assert merged["edges"] == [[0, 1], [1, 2], [2, 3], [3, 4]]
    assert merged["weights"] == {"anna--who--1": 0.5, "anna--who--2": 0.5}
    assert (merged["method"], merged["uninhabited"]) == ("robust", 4)
    assert set(merged["provenance"]["inputs"]) == {"summary", "order/anna--who--1", "order/anna--who--2"}


@pytest.mark.parametrize(
    ("settings", "questions", "usable"),
    [
        ({"mode": "pairs", "replies": 1}, 12, 12),
        ({"mode": "pairs", "replies": 2, "pair_images": "two"}, 12, 24),
        ({"mode": "tiers", "replies": 2}, 2, 2),
    ],
)
def test_pairs_and_tiers_end_in_the_same_order(
    region: Region, endpoint: Endpoint, settings: dict[str, Any], questions: int, usable: int
) -> None:
    endpoint.answer = by_brightness
    evidence, order = region.folder / "round.json", region.folder / "order.json"
    assert rate(region, endpoint, settings=settings) == 0
    found = read_json(evidence)
    assert (found["mode"], found["usage"]["questions"], found["usage"]["usable"]) == (
        settings["mode"], questions, usable,
    )  # fmt: skip
    question = found["questions"][0]
    assert [len(own) for own in question["patches"]] == [2] * len(question["clusters"])
    assert all(set(own) <= set(region.ids[c]) for c, own in zip(question["clusters"], question["patches"], strict=True))
    assert run("ranking rank", settings={"margin": 5}, evidence=evidence, summary=region.summary, out=order) == 0
    assert read_json(order)["text"] == "0>1>2>3"


def test_a_prompt_says_its_own_mode_and_language(region: Region, endpoint: Endpoint) -> None:
    endpoint.answer = by_brightness
    prompt = region.folder / "zh.md"
    prompt.write_text("---\nmode: tiers\nlanguage: zh\n---\n哪里更发达？", encoding="utf-8")
    assert rate(region, endpoint, prompt=prompt) == 0
    found = read_json(region.folder / "round.json")
    assert (found["mode"], found["language"], found["prompt"]) == ("tiers", "zh", "zh")
    text = endpoint.bodies[0]["messages"][0]["content"][0]["text"]
    assert text.startswith("哪里更发达？\n\nEvery picture shows one group")


def test_all_judges_see_the_same_patches_and_a_rerun_repeats_the_round(region: Region, endpoint: Endpoint) -> None:
    endpoint.answer = by_brightness
    outs = [region.folder / name for name in ("a.json", "b.json", "c.json")]
    assert rate(region, endpoint, out=outs[0]) == 0
    slow = {"concurrency": 1, "attempts": 1, "timeout_s": 5}
    assert rate(region, endpoint, out=outs[1], judge="berta", limits=slow) == 0
    assert rate(region, endpoint, out=outs[2]) == 0
    assert outs[0].read_bytes() == outs[2].read_bytes(), "the same replies give the same bytes"
    documents = [read_json(out) for out in outs]
    assert documents[0]["images_sha256"] == documents[1]["images_sha256"]
    assert documents[1]["judge"] == "berta"


def test_times_stand_beside_the_round(region: Region, endpoint: Endpoint) -> None:
    endpoint.answer = by_brightness
    times = region.folder / "times.json"
    assert rate(region, endpoint, times=times) == 0
    found, document = read_json(times), read_json(region.folder / "round.json")
    assert (found["judge"], found["prompt"], found["round"]) == ("anna", "who", 1)
    assert found["fingerprint"] == document["fingerprint"]
    keys = [reply["key"] for question in document["questions"] for reply in question["replies"]]
    assert [reply["key"] for reply in found["replies"]] == keys
    assert found["seconds"] > 0


def test_what_the_store_has_is_not_asked_again(region: Region, endpoint: Endpoint) -> None:
    endpoint.answer = by_brightness
    out, store = region.folder / "round.json", region.folder / "replies"
    assert rate(region, endpoint, store=store) == 0
    first = out.read_bytes()
    assert len(endpoint.bodies) == 16
    out.unlink()
    assert rate(region, endpoint, store=store) == 0
    assert len(endpoint.bodies) == 16
    assert out.read_bytes() == first, "a replay gives the same bytes"


def test_the_stand_in_of_the_demo(region: Region, endpoint: Endpoint) -> None:
    store = region.folder / "replies"
    assert rate(region, endpoint, judge_settings=STAND_IN, store=store) == 0
    document = read_json(region.folder / "round.json")
    assert document["stand_in"] is True
    assert document["stand_in_code"] == code_version("rankscape.synthetic.stand_in")
    assert document["endpoint"] == "the demo's own application"
    assert document["usage"]["usable"] >= 12
    assert endpoint.bodies == []
    assert not store.exists(), "its replies follow its code, and cost nothing"


def test_rounds_of_real_judges_do_not_depend_on_the_stand_in() -> None:
    seen, todo = set(), ["rankscape.studies.ranking.stages.rate"]
    while todo:
        name = todo.pop()
        path = ROOT.joinpath(*name.split(".")).with_suffix(".py")
        if name in seen or not path.is_file():
            continue
        seen.add(name)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                todo += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    assert "rankscape.studies.ranking.judges.client" in seen
    assert not [name for name in seen if name.startswith("rankscape.synthetic")]


@pytest.mark.parametrize(
    ("answer", "said", "status"),
    [
        (lambda number, body: completion("no idea"), "no JSON object in the reply", 1),
        (lambda number, body: JSONResponse({"error": {"message": "who are you"}}, 401), "HTTP 401: who are you", 1),
    ],
)
def test_a_failed_round_writes_nothing(
    region: Region, endpoint: Endpoint, capsys: Any, answer: Any, said: str, status: int
) -> None:
    endpoint.answer = answer
    before = sorted(region.folder.rglob("*"))
    assert rate(region, endpoint) == status
    assert said in capsys.readouterr().err
    after = sorted(path for path in region.folder.rglob("*") if path.name not in {"who.md", "sample-1.parquet"})
    assert after == before


def test_a_missing_key_and_a_canary(
    region: Region, endpoint: Endpoint, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANNA_KEY", raising=False)
    keyed = {"key_variable": "ANNA_KEY"}
    assert rate(region, endpoint, judge_settings=keyed) == 2
    assert "Judge anna needs its key in the environment variable ANNA_KEY" in capsys.readouterr().err
    monkeypatch.setenv("ANNA_KEY", CANARY)
    endpoint.answer = lambda number, body: completion('{"score": 5}', reasoning=f"key {CANARY}")
    assert rate(region, endpoint, judge_settings=keyed, store=region.folder / "replies") == 0
    captured = capsys.readouterr()
    files = [path.read_bytes() for path in region.folder.rglob("*") if path.is_file()]
    assert all(CANARY.encode() not in content for content in files)
    assert CANARY not in captured.err + captured.out


def test_settings_and_prompt_mistakes(region: Region, endpoint: Endpoint, capsys: Any) -> None:
    for changes, said in (
        ({"settings": {"replys": 3}}, "rate.replys is no known key"),
        ({"settings": {"mode": "duels"}}, "rate.mode = 'duels' is refused"),
        ({"settings": {"pairs_per_cluster": 1}}, "rate.pairs_per_cluster = 1 is refused"),
        ({"settings": {"images_per_cluster": 3}}, "rate.images_per_cluster is no known key"),
        ({"judge_settings": {"temperature": 9}}, "judges.anna.temperature = 9 is refused"),
        ({"limits": {"concurency": 9}}, "ranking.judges.anna.concurency is no known key"),
        ({"prompt": region.folder / "nobody.md"}, "nobody.md does not exist"),
        ({"sample": region.clusters}, "has no metadata `sample`"),
    ):
        assert rate(region, endpoint, **changes) == 2
        assert said in capsys.readouterr().err
    assert endpoint.bodies == []


def test_a_draw_of_another_round(region: Region, endpoint: Endpoint, capsys: Any) -> None:
    assert sample(region, 2, region.folder / "2.parquet") == 0
    assert rate(region, endpoint, sample=region.folder / "2.parquet") == 2
    assert "was sampled for round 2, not for round 1" in capsys.readouterr().err
