"""The stages rank, transcribe and ensemble, as the command line runs them."""

import json
from pathlib import Path
from typing import Any

import pytest
from rankscape.__main__ import main
from rankscape.foundation.files import read_json, write_json

from ..conftest import Region, write_clusters


def run(verb: str, *arguments: Any, **options: Any) -> int:
    """Run a verb of the command line; return its exit status."""
    flags = [str(part) for name, value in options.items() for part in _flag(name, value)]
    with pytest.raises(SystemExit) as end:
        main([*verb.split(), *map(str, arguments), *flags])
    return int(end.value.code or 0)


def _flag(name: str, value: Any) -> list[Any]:
    text = [json.dumps(value)] if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return [f"--{name.replace('_', '-')}", *text]


def evidence(region: Region, **changes: Any) -> Path:
    document = {
        "judge": "anna",
        "prompt": "who",
        "round": 1,
        "model": "m",
        "stand_in": False,
        "questions": [],
        "scores": {"0": 30.0, "1": 22.0, "2": 14.0, "3": 6.0},
        "fingerprint": "f" * 64,
    }
    path = region.folder / "evidence.json"
    write_json(path, {**document, **changes})
    return path


@pytest.mark.parametrize(
    ("ties", "text", "levels"),
    [
        ("leader", "0=1>2=3", [[0, 1], [2, 3]]),
        ("chain", "0=1=2=3", [[0, 1, 2, 3]]),
        ("interval", "0>2\n0>3\n1>3\n0~1\n1~2\n2~3", None),
    ],
)
def test_rank(region: Region, ties: str, text: str, levels: Any) -> None:
    out = region.folder / "order.json"
    assert run("ranking rank", settings={"ties": ties}, evidence=evidence(region), summary=region.summary, out=out) == 0
    document = read_json(out)
    assert (document["text"], document["levels"]) == (text, levels)
    assert document["scores"]["0"] == 30.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fingerprint": "0" * 64}, "was made for other clusters (fingerprint 000000000000, now ffffffffffff)"),
        ({"scores": {"0": 1.0, "9": 2.0}}, "names the clusters [9], which do not exist"),
        ({"scores": {"0": 1.0}}, "lacks the clusters [1, 2, 3]"),
        ({"scores": {"x": 1.0}}, "was not written by `rankscape ranking rate` (scores.x"),
        ({"scores": None}, "was not written by `rankscape ranking rate` (scores"),
    ],
)
def test_rank_refuses(region: Region, capsys: Any, changes: dict[str, Any], said: str) -> None:
    out = region.folder / "order.json"
    assert run("ranking rank", settings={}, evidence=evidence(region, **changes), summary=region.summary, out=out) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_rank_writes_an_order_for_each_round_or_none(region: Region, capsys: Any) -> None:
    good = evidence(region)
    first, second = good.rename(region.folder / "1.json"), evidence(region, scores={"0": 1.0, "9": 2.0})
    outs = [region.folder / "order-1.json", region.folder / "order-2.json"]
    assert run("ranking rank", settings={}, evidence=[first, second], summary=region.summary, out=outs) == 2
    assert run("ranking rank", settings={}, evidence=[first], summary=region.summary, out=outs) == 2
    assert "--evidence names 1 rounds, --out 2 orders" in capsys.readouterr().err
    assert not any(map(Path.exists, outs))
    second = evidence(region, scores={"0": 1.0, "1": 30.0, "2": 60.0, "3": 90.0})
    assert run("ranking rank", settings={}, evidence=[first, second], summary=region.summary, out=outs) == 0
    assert [read_json(out)["scores"]["0"] for out in outs] == [30.0, 1.0]


def transcribe(region: Region, text: str | bytes) -> int:
    path = region.folder / "anna.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return run("ranking import-order", annotation=path, summary=region.summary, out=region.folder / "person--anna.json")


@pytest.mark.parametrize("text", ["1>0=3\n2", "1>0=3>4\n2>4", "0<1\n0=3\n4<0\n2", "\ufeff# Anna\r\n1>0=3\r\n2\r\n"])
def test_transcribe(region: Region, text: str) -> None:
    assert transcribe(region, text) == 0
    document = read_json(region.folder / "person--anna.json")
    assert document["source"] == {"kind": "person", "annotator": "anna"}
    assert document["clusters"] == [0, 1, 2, 3]
    assert document["text"] == "0=3\n1>0\n2"
    assert document["levels"] is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0>1>2", "lacks the clusters [3]"),
        ("0>1>2>3>8", "names the clusters [8], which do not exist"),
        ("0>1>2>3\n3>1", "anna.txt contradicts itself: 1 > 2 > 3 > 1"),
        ("0>4>1>2>3", "puts the uninhabited cluster 4 level with or above [1, 2, 3]"),
        ("4", "uninhabited cluster 4"),
        ("", "names no cluster"),
        ("best are 0 and 1", "line 1: 'best are 0 and 1' is no cluster number"),
        (b"\xff\xfe0>1", "is no UTF-8 text"),
    ],
)
def test_transcribe_refuses(region: Region, capsys: Any, text: str | bytes, said: str) -> None:
    assert transcribe(region, text) == 2
    assert said in capsys.readouterr().err
    assert not (region.folder / "person--anna.json").exists()


def test_transcribe_without_a_file(region: Region, capsys: Any) -> None:
    options = {"annotation": region.folder / "no.txt", "summary": region.summary, "out": region.folder / "o.json"}
    assert run("ranking import-order", **options) == 2
    assert "no.txt does not exist" in capsys.readouterr().err


def transcribe_line(region: Region, annotator: str, *more: Any) -> int:
    (region.folder / "poll.txt").write_text("# Ten people\n1>0=3>2\n\n3>2>1>0 # late\n0>1>2>3>8\n")
    out = region.folder / f"person--{annotator}.json"
    return run("ranking import-order", "--annotator", annotator, *more, annotation=region.folder / "poll.txt",
               summary=region.summary, out=out)  # fmt: skip


def test_transcribe_a_line_of_a_collection(region: Region) -> None:
    (region.folder / "names.txt").write_text("anna\nben\ncarl\n")
    assert transcribe_line(region, "ben", "--annotators", region.folder / "names.txt") == 0
    document = read_json(region.folder / "person--ben.json")
    assert document["source"] == {"kind": "person", "annotator": "ben"}
    assert document["text"] == "3>2>1>0"
    assert transcribe_line(region, "poll-02") == 0
    assert read_json(region.folder / "person--poll-02.json")["text"] == "1>0=3>2"


@pytest.mark.parametrize(
    ("annotator", "names", "said"),
    [
        ("carl", "anna\nben\ncarl", "poll.txt, line 5 (carl) names the clusters [8], which do not exist"),
        ("dora", "anna\nben\ncarl", "--annotator dora has no line in"),
        ("anna", "anna\nben", "names.txt names 2 people"),
        ("anna", "anna\nben\nanna", "names.txt, line 3: anna is named twice"),
        ("anna", "anna\nben lee\ncarl", "names.txt, line 2: 'ben lee' cannot be an annotator's name"),
    ],
)
def test_transcribe_refuses_a_line(region: Region, capsys: Any, annotator: str, names: str, said: str) -> None:
    (region.folder / "names.txt").write_text(names)
    assert transcribe_line(region, annotator, "--annotators", region.folder / "names.txt") == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert not (region.folder / f"person--{annotator}.json").exists()


def test_names_without_a_person_to_read(region: Region, capsys: Any) -> None:
    (region.folder / "poll.txt").write_text("1>0=3>2")
    files = {"annotation": region.folder / "poll.txt", "annotators": region.folder / "names.txt"}
    assert run("ranking import-order", summary=region.summary, out=region.folder / "o.json", **files) == 2
    assert "goes with --annotator" in capsys.readouterr().err


def order_file(region: Region, name: str, text: str, **changes: Any) -> Path:
    from rankscape.studies.ranking.orders.partial_orders import PartialOrder

    path = region.folder / name
    document = {**PartialOrder.parse(text).to_document(), "fingerprint": "f" * 64}
    write_json(path, {**document, **changes})
    return path


def ensemble(region: Region, *orders: Path, **settings: Any) -> int:
    out = region.folder / "order.json"
    return run("ranking ensemble", settings=settings, orders=list(orders), summary=region.summary, out=out)


def test_ensemble_of_one(region: Region) -> None:
    assert ensemble(region, order_file(region, "person--a.json", "0>1>2>3")) == 0
    document = read_json(region.folder / "order.json")
    assert document["intervals"] is None
    assert document["effective_judges"] == pytest.approx(1)
    assert document["levels"][-1] == [4]


def test_an_order_of_some_clusters_votes_on_those(region: Region) -> None:
    some = order_file(region, "person--a.json", "1>0")
    full = order_file(region, "person--b.json", "0>1>2>3")
    assert ensemble(region, some, full, full.rename(region.folder / "person--c.json"), levels=4) == 2
    full = order_file(region, "person--b.json", "0>1>2>3")
    other = order_file(region, "person--c.json", "0>1>2>3")
    assert ensemble(region, some, full, other, levels=4) == 0
    document = read_json(region.folder / "order.json")
    assert document["levels"] == [[0], [1], [2], [3], [4]]
    assert document["incomparable"] == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fingerprint": "1" * 64}, "was made for other clusters"),
        ({"clusters": [0, 1, 2, 3, 8]}, "names the clusters [8], which do not exist"),
        ({"relations": [[0, 1, "higher"], [1, 2, "higher"], [0, 2, "lower"]]}, "contradicts itself: 0 > 1 > 2 > 0"),
        ({"relations": [[0, 9, "higher"]]}, "names the clusters [9]"),
        ({"relations": 5}, "is no partial order"),
    ],
)
def test_ensemble_refuses(region: Region, capsys: Any, changes: dict[str, Any], said: str) -> None:
    good = order_file(region, "good.json", "0>1>2>3")
    bad = order_file(region, "bad.json", "0>1>2>3", **changes)
    assert ensemble(region, good, bad) == 2
    assert said in capsys.readouterr().err
    assert not (region.folder / "order.json").exists()


def test_two_orders_of_one_name(region: Region, capsys: Any) -> None:
    first = order_file(region, "anna.json", "0>1>2>3")
    (region.folder / "more").mkdir()
    second = (region.folder / "more" / "anna.json").write_bytes(first.read_bytes()) and region.folder / "more/anna.json"
    assert ensemble(region, first, second) == 2
    assert "Two orders are named anna" in capsys.readouterr().err


def test_summaries_that_cannot_be_ranked(region: Region, capsys: Any) -> None:
    order = order_file(region, "a.json", "0>1>2>3")
    write_json(
        region.summary,
        {"clusters": [{"cluster": 4, "category": "sea", "size": 1}], "uninhabited": 4, "fingerprint": "f"},
    )
    assert ensemble(region, order) == 2
    assert "has no cluster to rank" in capsys.readouterr().err
    write_json(region.summary, {"clusters": [{}]})
    assert ensemble(region, order) == 2
    assert "was not written by `rankscape ranking cluster` (clusters.0.cluster" in capsys.readouterr().err
    write_clusters(region.folder, region.tiles, region.ids)
    assert ensemble(region, order) == 0
