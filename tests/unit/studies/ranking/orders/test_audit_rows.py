"""The audit: faults of invented judges are found, and the stage holds together."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from invented_rounds import Temper, invented_round
from rankscape.__main__ import main
from rankscape.foundation.files import read_json, write_json
from rankscape.studies.ranking.judges.round_records import RoundRecord
from rankscape.studies.ranking.orders.audit_rows import agreement_document, group_taus, judge_rows, round_rows
from rankscape.studies.ranking.orders.judge_measures import (
    answers_in_both_orders,
    consistency,
    drift,
    place_bias,
    position_bias,
    share_of,
    spread,
)
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.orders.settings import AuditSettings

from ..conftest import Region

TRUTH = {cluster: 10.0 + 80.0 * cluster / 11 for cluster in range(12)}
SETTINGS = AuditSettings()


def rounds(count: int = 4, mode: str = "scores", judge: str = "seer", **temper: Any) -> list[RoundRecord]:
    made = (invented_round(judge, "expert", n, TRUTH, mode, Temper(**temper)) for n in range(1, count + 1))
    return [RoundRecord.model_validate(document) for document in made]


def test_wilson_by_hand() -> None:
    found = share_of(5, 10, 0.95)
    assert found is not None
    assert (found.share, found.low, found.high) == pytest.approx((0.5, 0.23659, 0.76341), abs=1e-5)
    assert share_of(0, 0, 0.95) is None


@given(st.integers(1, 500), st.floats(0, 1), st.floats(0.5, 0.99))
def test_wilson_holds_the_share(count: int, part: float, confidence: float) -> None:
    hits = round(count * part)
    found = share_of(hits, count, confidence)
    assert found is not None
    assert 0 <= found.low <= hits / count <= found.high <= 1


def test_a_judge_who_likes_the_first_is_found() -> None:
    fair, leaning = (position_bias(rounds(2, "pairs", leaning=points), 0.95) for points in (0.0, 15.0))
    assert fair is not None
    assert leaning is not None
    assert fair.low < 0.5 < fair.high
    assert leaning.low > 0.55
    alike, apart = (consistency(rounds(2, "pairs", leaning=points), 0.95) for points in (0.0, 15.0))
    assert alike is not None
    assert apart is not None
    assert apart.share < alike.share - 0.1


def test_pairs_need_both_orders_and_both_answers() -> None:
    def question(clusters: list[int], *answers: str | None) -> dict[str, Any]:
        return {"clusters": clusters, "replies": [{"answer": answer} for answer in answers]}

    asked = RoundRecord.model_validate({
        "judge": "j", "prompt": "p", "round": 1, "mode": "pairs",
        "questions": [
            question([1, 2], "first", None, "tie"), question([2, 1], "second", "first", "tie"),
            question([1, 3], "first"), question([4], "first"),
        ],
    })  # fmt: skip
    assert answers_in_both_orders(asked) == [("first", "second"), ("tie", "tie")]
    bias, alike = position_bias([asked], 0.95), consistency([asked], 0.95)
    assert bias is not None
    assert (bias.count, bias.share) == (2, 0.5)
    assert alike is not None
    assert (alike.count, alike.share) == (2, 1.0)
    assert position_bias(rounds(), 0.95) is None


def test_tiers_that_follow_the_order_shown_are_found() -> None:
    fair, leaning = (place_bias(rounds(6, "tiers", leaning=points), 0.95) for points in (0.0, 4.0))
    assert fair is not None
    assert leaning is not None
    assert fair.low is not None
    assert fair.high is not None
    assert leaning.low is not None
    assert fair.low < 0 < fair.high
    assert leaning.mean > leaning.low > 0.15
    assert leaning.count == 18
    assert place_bias(rounds(), 0.95) is None
    flat: dict[str, Any] = {"judge": "j", "prompt": "p", "round": 1, "mode": "tiers"}
    flat["questions"] = [{"clusters": [0, 1], "replies": [{"answer": [[0, 1]]}]}]
    assert place_bias([RoundRecord.model_validate(flat)], 0.95) is None
    flat["questions"][0]["replies"][0]["answer"] = [[0], [1]]
    single = place_bias([RoundRecord.model_validate(flat)], 0.95)
    assert single is not None
    assert (single.mean, single.low) == (1.0, None)


def test_drift_is_measured() -> None:
    steady, rising = (drift(rounds(6, drift=points), 500, 0.95, 0) for points in (0.0, 1.5))
    assert steady is not None
    assert rising is not None
    assert steady.low < 0 < steady.high
    assert rising.per_round == pytest.approx(1.5, abs=0.3)
    assert rising.low > 0.5
    assert (rising.rounds, rising.clusters) == (6, 12)
    assert drift(rounds(1), 500, 0.95, 0) is None
    assert drift(rounds(4, "pairs"), 500, 0.95, 0) is None


def test_spread_of_replies() -> None:
    found = spread(rounds(4, noise=6.0))
    assert found is not None
    assert found.mean_deviation == pytest.approx(6 * 0.886, rel=0.15)
    assert found.questions == 4 * 36
    assert spread(rounds(2, "pairs")) is None


def test_judges_are_described() -> None:
    heard = [*rounds(3, lost=0.2, repaired=0.3, price=0.001), *rounds(2, "pairs", judge="rival")]
    rival, seer = judge_rows(heard, {"seer--expert": 0.8}, SETTINGS)
    assert (seer["judge"], seer["rounds"], seer["mode"], seer["tau_between_rounds"]) == ("seer", 3, "scores", 0.8)
    assert seer["replies"] == 3 * 36 * 3
    assert seer["missing"] == {"refused": seer["replies"] - seer["usable"]}
    assert seer["usable_share"] == pytest.approx(0.8, abs=0.06)
    assert 0.2 * seer["replies"] < seer["repaired"] < 0.4 * seer["replies"]
    assert seer["cost"] == pytest.approx(0.001 * seer["replies"])
    assert seer["distribution"]["of"] == "replies"
    assert sum(seer["distribution"]["counts"]) == seer["usable"]
    assert rival["cost"] is None
    assert rival["drift"] is None
    assert rival["distribution"]["of"] == "clusters"
    assert sum(rival["distribution"]["counts"]) == 2 * 12
    taken = round_rows(heard)
    assert [(row["judge"], row["round"]) for row in taken] == [
        ("rival", 1),
        ("rival", 2),
        ("seer", 1),
        ("seer", 2),
        ("seer", 3),
    ]
    assert sum(row["seconds"] for row in taken if row["judge"] == "seer") == pytest.approx(seer["seconds"])


def test_taus_of_groups_leave_an_order_itself_out() -> None:
    tau = np.array([[1, 0.8, 0.4], [0.8, 1, 0.2], [0.4, 0.2, 1]])
    names, between = group_taus(["a", "a", "b"], tau)
    assert names == ["a", "b"]
    assert between[0].tolist() == pytest.approx([0.8, 0.3])
    assert np.isnan(between[1, 1])


FACTS: dict[str, dict[str, Any]] = {
    "j--p--1": {"kind": "round", "judge": "j", "prompt": "p", "round": 1},
    "j--p--2": {"kind": "round", "judge": "j", "prompt": "p", "round": 2},
    "person--ada": {"kind": "person", "annotator": "ada"},
}


def test_agreement_of_sources() -> None:
    texts = ["0>1>2", "0>1>2", "2>1>0"]
    orders = {name: PartialOrder.parse(text) for name, text in zip(FACTS, texts, strict=True)}
    left_out = {name: {"0": 1.0, "1": 2.0, "2": 3.0} for name in FACTS}
    merged = {"weights": {"j--p--1": 0.4, "j--p--2": 0.5, "person--ada": 0.1}, "leave_one_out": left_out}
    found = agreement_document(orders, FACTS, merged)
    assert found["tau"] == {"groups": ["j--p", "person--ada"], "matrix": [[1.0, -1.0], [-1.0, None]]}
    judge, person = found["groups"]
    assert (judge["orders"], judge["weight"], judge["tau_to_rest"]) == (2, pytest.approx(0.9), 1.0)
    assert (person["kind"], person["mean_tau"], person["tau_to_rest"]) == ("person", -1.0, -1.0)
    assert found["kendall_w"]["round"] == pytest.approx(1.0)
    assert found["kendall_w"]["person"] is None
    assert found["pairs"]["above"][0] == [None, pytest.approx(2 / 3, abs=1e-5), pytest.approx(2 / 3, abs=1e-5)]
    assert found["pairs"]["nobody"] == []


def test_pairs_that_nobody_orders() -> None:
    order = PartialOrder.parse("0>1\n2")
    found = agreement_document({"person--ada": order}, FACTS, {})
    assert found["pairs"]["nobody"] == [[0, 2], [1, 2]]
    assert found["pairs"]["above"][2] == [None, None, None]
    assert found["sources"][0]["weight"] is found["sources"][0]["tau_to_rest"] is found["mean_tau"] is None


def files(region: Region) -> dict[str, Any]:
    """Two rounds, their orders, a person's order, and the merged one."""
    truth = {cluster: 80.0 - 20 * cluster for cluster in region.ranked}
    made: dict[str, Any] = {"rounds": [], "orders": []}
    sources = {f"seer--expert--{n}": {"kind": "round", "judge": "seer", "prompt": "expert", "round": n} for n in (1, 2)}
    for number in (1, 2):
        made["rounds"].append(region.folder / "rounds" / "seer" / "expert" / f"{number}.json")
        write_json(made["rounds"][-1], invented_round("seer", "expert", number, truth))
    for name, source in {**sources, "person--ada": {"kind": "person", "annotator": "ada"}}.items():
        made["orders"].append(region.folder / "orders" / f"{name}.json")
        document = PartialOrder.parse("0>1>2>3").to_document()
        write_json(made["orders"][-1], {"source": source, **document, "fingerprint": "f" * 64})
    merged = {"method": "mean", "levels": [], "ranks": {}, "weights": {}, "fingerprint": "f" * 64}
    write_json(region.folder / "order.json", merged)
    return made


def audit(region: Region, made: dict[str, Any], **settings: Any) -> int:
    options = {"summary": region.summary, "order": region.folder / "order.json", "out": region.folder / "audit.json"}
    words = [part for name, path in options.items() for part in (f"--{name}", str(path))]
    words += [f"--{name}={path}" for name, paths in made.items() for path in paths]
    with pytest.raises(SystemExit) as end:
        main(["ranking", "audit", "--settings", json.dumps(settings), *words])
    return int(end.value.code or 0)


def test_the_stage(region: Region) -> None:
    made = files(region)
    assert audit(region, made) == 0
    first = (region.folder / "audit.json").read_bytes()
    found = json.loads(first)
    assert [judge["tau_between_rounds"] for judge in found["judges"]] == [1.0]
    assert len(found["rounds"]) == 2
    assert found["fingerprint"] == "f" * 64
    assert {"order", "summary", "orders/person--ada", "rounds/seer--expert--1"} <= set(found["provenance"]["inputs"])
    made["rounds"].reverse()
    assert audit(region, made) == 0
    assert json.loads((region.folder / "audit.json").read_bytes())["judges"] == found["judges"]


def test_times_are_taken_from_their_own_files(region: Region) -> None:
    made = files(region)
    for path in made["rounds"]:
        document = read_json(path)
        del document["usage"]["seconds"]
        write_json(path, document)
    about = {"judge": "seer", "prompt": "expert", "fingerprint": "f" * 64, "replies": []}
    made["times"] = [region.folder / "times" / "seer" / "expert" / f"{number}.json" for number in (2, 1)]
    for path, number in zip(made["times"], (2, 1), strict=True):
        write_json(path, {**about, "round": number, "seconds": 10.0 * number})
    assert audit(region, made) == 0
    found = read_json(region.folder / "audit.json")
    assert [row["seconds"] for row in found["rounds"]] == [10.0, 20.0]
    assert found["judges"][0]["seconds"] == 30.0
    assert "times/seer--expert--2" in found["provenance"]["inputs"]
    made["times"].pop()
    assert audit(region, made) == 0
    found = read_json(region.folder / "audit.json")
    assert [row["seconds"] for row in found["rounds"]] == [None, 20.0]
    assert found["judges"][0]["seconds"] is None, "a sum of the rest would be too low"


def test_without_rounds(region: Region) -> None:
    made = files(region)
    assert audit(region, {"orders": made["orders"][-1:]}) == 0
    found = read_json(region.folder / "audit.json")
    assert found["judges"] == found["rounds"] == []
    assert [group["group"] for group in found["groups"]] == ["person--ada"]


def spoil(path: Path, **changes: Any) -> None:
    write_json(path, {**read_json(path), **changes})


def test_wrong_inputs_are_named(region: Region, capsys: Any) -> None:
    made = files(region)
    spoil(made["rounds"][0], fingerprint="0" * 64)
    assert audit(region, made) == 2
    assert "1.json was made for other clusters" in capsys.readouterr().err
    made = files(region)
    document = read_json(made["rounds"][1])
    write_json(made["rounds"][1], {"images": document["questions"]})
    assert audit(region, made) == 2
    assert "2.json was not written by `rankscape ranking rate` (judge: Field required)" in capsys.readouterr().err
    made = files(region)
    made["times"] = [region.folder / "times.json"]
    write_json(made["times"][0], {"judge": "seer", "prompt": "expert", "round": 1, "seconds": "long"})
    assert audit(region, made) == 2
    assert "times.json was not written by `rankscape ranking rate` (seconds: " in capsys.readouterr().err
    made = files(region)
    spoil(made["orders"][2], fingerprint="0" * 64)
    assert audit(region, made) == 2
    assert "person--ada.json was made for other clusters" in capsys.readouterr().err
    made = files(region)
    assert audit(region, {"orders": [made["orders"][0], made["orders"][0]]}) == 2
    assert "Two orders are named seer--expert--1" in capsys.readouterr().err
    spoil(region.folder / "order.json", fingerprint="0" * 64)
    assert audit(region, made) == 2
    assert audit(region, made, confidence=2) == 2


def verb(name: str, *, settings: dict[str, Any], **options: Any) -> None:
    words = [part for key, value in options.items() for part in (f"--{key.replace('_', '-')}", str(value))]
    with pytest.raises(SystemExit) as end:
        main(["ranking", name, "--settings", json.dumps(settings), *words])
    assert not end.value.code, name


@pytest.mark.parametrize("mode", ["scores", "pairs", "tiers"])
def test_real_rounds_are_read(region: Region, mode: str) -> None:
    """From the draw to the audit, with the stand-in as the judge."""
    folder = region.folder
    prompt = folder / "roads.md"
    prompt.write_text(f"---\nmode: {mode}\n---\nHow good are the roads?")
    shown = {"patches": region.tiles, "clusters": region.clusters, "summary": region.summary}
    made: dict[str, Any] = {"rounds": [], "times": [], "orders": []}
    for number in (1, 2):
        draw, heard = folder / f"{number}.parquet", folder / "rounds" / "mimic" / "roads" / f"{number}.json"
        order = folder / "orders" / f"mimic--roads--{number}.json"
        verb("sample", settings={"images_per_cluster": 2}, round=number, out=draw, **shown)
        about = json.dumps({"kind": "stand-in", "model": "stand-in"})
        verb(
            "rate",
            settings={"replies": 2},
            judge="mimic",
            judge_settings=about,
            prompt=prompt,
            round=number,
            sample=draw,
            out=heard,
            times=folder / "times" / "mimic" / "roads" / f"{number}.json",
        )
        verb("rank", settings={}, evidence=heard, summary=region.summary, out=order)
        made["rounds"].append(heard)
        made["times"].append(folder / "times" / "mimic" / "roads" / f"{number}.json")
        made["orders"].append(order)
    words = [f"--orders={path}" for path in made["orders"]]
    with pytest.raises(SystemExit) as end:
        main(
            [
                "ranking",
                "ensemble",
                "--settings",
                "{}",
                *words,
                "--summary",
                str(region.summary),
                "--out",
                str(folder / "order.json"),
            ]
        )
    assert not end.value.code
    assert audit(region, made) == 0
    (judge,) = read_json(folder / "audit.json")["judges"]
    assert (judge["mode"], judge["rounds"], judge["usable_share"], judge["stand_in"]) == (mode, 2, 1.0, True)
    assert (judge["position_bias"] is not None, judge["place_bias"] is not None) == (mode == "pairs", mode == "tiers")
    assert (judge["drift"] is not None, judge["spread"] is not None) == (mode == "scores", mode == "scores")
    assert judge["seconds"] is not None
