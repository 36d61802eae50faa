"""Annotations carried over to clusters that were made anew, and the verbs `orders` and `transcribe`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rankscape.__main__ import main
from rankscape.foundation.files import read_json, write_json
from rankscape.studies.ranking.annotation.document import read_annotation
from rankscape.studies.ranking.annotation.session import PageChange, draft_of

from .conftest import Place, arranged, body, write_clusters

LEVELS = [[0], [1, 2], [3], [5]]
MARKS = [(4, 5, "higher")]


def run(*arguments: Any) -> int:
    """Run the command line; return its exit status."""
    with pytest.raises(SystemExit) as end:
        main([str(part) for part in arguments])
    return int(end.value.code or 0)


def annotate(place: Place, *, finish: bool = True) -> Path:
    session = place.session()
    session.change(
        PageChange.model_validate(body(session, arranged(session.annotation, LEVELS, (4,), marks=MARKS), seconds=75))
    )
    if not finish:
        return draft_of(session.path)
    session.finish("w1", session.annotation.revision)
    return session.path


def patches(clusters: int = 6, count: int = 16) -> dict[str, int]:
    return {f"03TVF_{c}_{k}": c for c in range(clusters) for k in range(count)}


def carry(place: Place, path: Path, *more: Any) -> int:
    return run("ranking", "orders", "carry", path, "--summary", place.summary, "--clusters", place.clusters, *more)


def transcribe(place: Place, path: Path) -> int:
    return run(
        "ranking",
        "import-order",
        "--annotation",
        path,
        "--summary",
        place.summary,
        "--out",
        place.folder / "order.json",
    )


def test_transcribe_reads_an_annotation(place: Place) -> None:
    assert transcribe(place, annotate(place)) == 0
    document = read_json(place.folder / "order.json")
    assert document["source"] == {"kind": "person", "annotator": "anna"}
    assert document["annotation"]["seconds"] == 75
    assert set(document["annotation"]["duplicate"]) == {"cluster", "cards", "tiers_apart", "ranks_apart"}
    assert [4, 5, "higher"] in document["relations"]
    assert [1, 2, "equal"] in document["relations"]
    assert [0, 4, "incomparable"] in document["relations"]
    assert document["fingerprint"] == read_json(place.summary)["fingerprint"]


def test_transcribe_refuses_what_is_not_finished(place: Place, capsys: Any) -> None:
    draft = annotate(place, finish=False)
    assert transcribe(place, draft.rename(place.orders / "anna.json")) == 2
    said = capsys.readouterr().err
    assert "anna.json is not finished (7 of 7 cards placed), so it is no order yet" in said
    assert "rankscape ranking annotate --region valley --annotator anna" in said


def test_transcribe_refuses_what_was_changed_by_hand_or_renamed(place: Place, capsys: Any) -> None:
    path = annotate(place)
    document = read_json(path)
    tiers = document["arrangement"]["tiers"]
    write_json(path, {**document, "arrangement": {**document["arrangement"], "tiers": tiers[::-1]}})
    assert transcribe(place, path) == 2
    assert "was changed by hand" in capsys.readouterr().err
    write_json(path, document)
    assert transcribe(place, path.rename(path.with_name("ben.json"))) == 2
    assert "ben.json is the annotation of anna: name the file anna.json" in capsys.readouterr().err
    assert not (place.folder / "order.json").exists()


def test_renumbered_clusters_are_refused_and_carried_over(place: Place, capsys: Any) -> None:
    path = annotate(place)
    write_clusters(place, {patch: (c + 2) % 6 for patch, c in patches().items()})
    assert transcribe(place, path) == 2
    said = capsys.readouterr().err
    assert "was made for other clusters" in said
    assert f"rankscape ranking orders carry {path} --summary clusters.json --clusters clusters.parquet" in said
    assert said.count("\n") == 1

    assert carry(place, path) == 0
    assert "0 is now 2, 1 is now 3" in capsys.readouterr().err
    assert transcribe(place, path) == 0
    document = read_json(place.folder / "order.json")
    assert [0, 1, "higher"] in document["relations"], "4 > 5 is now 0 > 1"
    assert [3, 4, "equal"] in document["relations"]
    step = read_annotation(path).carried[0]
    assert step.clusters == {"0": 2, "1": 3, "2": 4, "3": 5, "4": 0, "5": 1}
    assert set(step.shares.values()) == {1.0}
    assert place.session(resume=True).annotation.finished


def test_a_few_patches_may_move_and_the_rest_is_remembered(place: Place, capsys: Any) -> None:
    path = annotate(place)
    moved = {patch: (c + 1) % 6 if int(patch.rpartition("_")[2]) < 3 else c for patch, c in patches().items()}
    write_clusters(place, moved)
    assert carry(place, path, "--out", place.orders / "new.json") == 0
    assert "all clusters keep their numbers; least share 81%" in capsys.readouterr().err
    new = read_annotation(place.orders / "new.json")
    assert all(moved[patch] == card.cluster for card in new.cards for patch in card.patches)
    assert read_annotation(path).carried == ()


def test_drafts_are_carried_over_too(place: Place) -> None:
    draft = annotate(place, finish=False)
    write_clusters(place, {patch: 5 - c for patch, c in patches().items()})
    assert carry(place, draft) == 0
    session = place.session()
    assert session.annotation.arrangement == read_annotation(draft).arrangement
    assert session.annotation.result is None


def split(patch: str, c: int) -> int:
    return c if c or int(patch.rpartition("_")[2]) % 2 else 6


@pytest.mark.parametrize(
    ("clusters", "said"),
    [
        ({p: split(p, c) for p, c in patches().items()}, "the 16 known patches of cluster 0 are spread over new"),
        ({p: min(c, 4) for p, c in patches().items()}, "the clusters [4, 5] have become one, 4"),
        ({**patches(), "03TVG_0_0": 6}, "the new clusters [6] were no clusters before"),
        ({p.replace("03TVF_3", "03TVG_3"): c for p, c in patches().items()}, "of cluster 3, 0 of 16 known patches are"),
    ],
)
def test_ambiguous_maps_are_refused(place: Place, capsys: Any, clusters: dict[str, int], said: str) -> None:
    path = annotate(place)
    before = path.read_bytes()
    write_clusters(place, clusters)
    assert carry(place, path) == 2
    err = capsys.readouterr().err
    assert f"{path} cannot be carried over" in err
    assert said in err
    assert "Annotate the new clusters instead" in err
    assert path.read_bytes() == before


def test_a_cluster_that_became_uninhabited(place: Place, capsys: Any) -> None:
    path = annotate(place)
    write_clusters(place, patches(), uninhabited=5)
    write_json(place.summary, {**read_json(place.summary), "fingerprint": "0" * 64})
    assert carry(place, path) == 2
    assert "belong to different clusterings" in capsys.readouterr().err
    write_clusters(place, {**patches(), "03TVG_0_0": 5}, uninhabited=5)
    assert carry(place, path) == 2
    assert "cluster 5 has become the uninhabited cluster 5" in capsys.readouterr().err


def test_the_old_clusters_help_where_few_patches_were_shown(place: Place, capsys: Any) -> None:
    path = annotate(place)
    old = place.folder / "old.parquet"
    old.write_bytes(place.clusters.read_bytes())
    write_clusters(place, {patch: 5 - c for patch, c in patches().items()})
    document = read_json(path)
    for card in document["cards"]:
        card["patches"] = []
    write_json(path, document)
    assert carry(place, path) == 2
    assert "0 of 0 known patches" in capsys.readouterr().err
    assert carry(place, path, "--before", place.clusters) == 2
    assert "--before: " in capsys.readouterr().err
    assert carry(place, path, "--before", old) == 0
    assert read_annotation(path).carried[0].clusters["0"] == 5


def test_nothing_to_carry(place: Place, capsys: Any) -> None:
    path = annotate(place)
    before = path.read_bytes()
    assert carry(place, path) == 0
    assert "nothing to carry over" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_show_and_export(place: Place, capsys: Any) -> None:
    path = annotate(place)
    assert run("ranking", "orders", "show", path) == 0
    shown = capsys.readouterr().out
    assert "Annotator anna, region valley" in shown
    assert "7 of 7 cards placed, 1 pairs marked, 1 min 15 s spent." in shown
    assert "Consistency check: the two cards of cluster" in shown
    assert "6 clusters, 15 pairs: 1 tied, 4 not comparable." in shown
    assert run("ranking", "orders", "export", path) == 0
    text = capsys.readouterr().out
    assert shown.endswith(text)
    assert run("ranking", "orders", "export", path, "--out", place.folder / "anna.txt") == 0
    assert (place.folder / "anna.txt").read_text() == text
    assert run("ranking", "orders", "show", place.folder / "anna.txt") == 0
    assert capsys.readouterr().out.startswith("6 clusters, 15 pairs: 1 tied, 4 not comparable.")
    assert transcribe(place, path) == 0
    assert run("ranking", "orders", "export", place.folder / "order.json") == 0
    assert capsys.readouterr().out == text


def test_show_a_draft(place: Place, capsys: Any) -> None:
    session = place.session()
    session.change(PageChange.model_validate(body(session)))
    assert run("ranking", "orders", "show", draft_of(session.path)) == 0
    shown = capsys.readouterr().out
    assert "0 of 7 cards placed" in shown
    assert "Consistency" not in shown
    assert shown.endswith("Not finished: no order yet.\n")
    assert run("ranking", "orders", "export", draft_of(session.path)) == 2


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", "{", "no valid JSON"),
        ("a.json", "[1]", "holds a JSON list"),
        ("a.json", "{}", "is no partial order"),
        ("a.txt", "0>1>0", "contradicts itself"),
        ("a.txt", "", "names no cluster"),
    ],
)
def test_files_that_hold_no_order(place: Place, capsys: Any, name: str, content: str, said: str) -> None:
    path = place.folder / name
    path.write_text(content)
    for verb in ("show", "export"):
        assert run("ranking", "orders", verb, path) == 2
        err = capsys.readouterr().err
        assert said in err
        assert err.count("\n") == 1


def import_(place: Place, text: str, out: str = "ben.json") -> int:
    path = place.folder / "ben.txt"
    path.write_text(text)
    options = ("--summary", place.summary, "--clusters", place.clusters, "--region", "valley")
    return run("ranking", "orders", "import", path, *options, "--out", place.orders / out)


@pytest.mark.parametrize("text", ["5>3=4>2>0=1", "5>3\n3=4\n4>2\n0\n1", "0>1\n2~3\n4\n5"])
def test_text_comes_in_and_goes_out_the_same(place: Place, capsys: Any, text: str) -> None:
    assert import_(place, text) == 0
    assert "Take" in capsys.readouterr().err
    assert run("ranking", "orders", "export", place.orders / "ben.json") == 0
    exported = capsys.readouterr().out
    assert run("ranking", "orders", "export", place.folder / "ben.txt") == 0
    assert capsys.readouterr().out == exported
    assert transcribe(place, place.orders / "ben.json") == 0
    annotation = read_annotation(place.orders / "ben.json")
    assert all(len(card.patches) > 7 and not card.duplicate for card in annotation.cards)


def test_an_imported_order_is_carried_over(place: Place) -> None:
    assert import_(place, "5>3=4>2>0=1") == 0
    write_clusters(place, {patch: 5 - c for patch, c in patches().items()})
    assert carry(place, place.orders / "ben.json") == 0
    assert read_json(place.orders / "ben.json")["result"]["order"]["text"] == "0>1=2>3>4=5"


@pytest.mark.parametrize(
    ("text", "out", "said"),
    [
        ("0>1>2>3>4", "ben.json", "lacks the clusters [5]"),
        ("0>1>2>3>4>5>9", "ben.json", "names the clusters [9], which do not exist"),
        ("0>1>0", "ben.json", "contradicts itself"),
        ("0>1>2>3>4>5", "ben.txt", "give the name of a .json file that does not exist yet"),
        ("0>1>2>3>4>5", "ben lee.json", "cannot be an annotator's name"),
    ],
)
def test_texts_that_are_not_imported(place: Place, capsys: Any, text: str, out: str, said: str) -> None:
    assert import_(place, text, out) == 2
    assert said in capsys.readouterr().err
    assert not (place.orders / out).exists()


def test_an_annotation_is_not_overwritten(place: Place, make_place: Callable[..., Place]) -> None:
    assert import_(place, "5>3=4>2>0=1") == 0
    assert import_(place, "0>1>2>3>4>5") == 2
