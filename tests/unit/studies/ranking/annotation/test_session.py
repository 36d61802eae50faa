"""Dealing, saving, finishing and opening again."""

import json
import time
from collections.abc import Callable
from multiprocessing import Pipe, get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from rankscape.foundation.errors import InputError, OrderError, TableError
from rankscape.foundation.files import read_json, write_json
from rankscape.foundation.tables import read_table, write_table
from rankscape.samples.patches import open_patches
from rankscape.samples.rendering import PatchLookup
from rankscape.studies.ranking.annotation.cards import OFFERED, deal_cards, read_region
from rankscape.studies.ranking.annotation.document import Annotation, read_annotation
from rankscape.studies.ranking.annotation.placing import read_finished
from rankscape.studies.ranking.annotation.session import OutdatedError, PageChange, Session, draft_of
from rankscape.studies.ranking.orders.partial_orders import PartialOrder

from .conftest import Place, arranged, body, write_clusters

LEVELS = [[0], [1, 2], [3], [5]]


def change(session: Session, *args: Any, **more: Any) -> None:
    session.change(PageChange.model_validate(body(session, *args, **more)))


def finish(session: Session, levels: list[list[int]] | None = None, **more: Any) -> None:
    change(session, arranged(session.annotation, levels or LEVELS, (4,), **more), seconds=61.0)
    session.finish("w1", session.annotation.revision)


MEMBERS = {cluster: [f"g_{cluster}_{k}" for k in range(150)] for cluster in range(23)}


def test_every_cluster_has_a_card_and_one_comes_again_late_with_other_patches() -> None:
    for name in ("anna", "ben", "li-wei", "7"):
        cards = deal_cards(MEMBERS, name)
        assert [card.card for card in cards] == list(range(1, 25))
        assert {card.cluster for card in cards} == set(MEMBERS)
        (second,) = [card for card in cards if card.duplicate]
        first = next(card for card in cards if card.cluster == second.cluster)
        assert second.card - first.card >= 7
        assert not set(first.patches) & set(second.patches)
        assert all(len(card.patches) == len(set(card.patches)) == OFFERED for card in cards)


def test_the_order_is_the_annotators_own_and_the_same_every_time() -> None:
    assert deal_cards(MEMBERS, "anna") == deal_cards({c: MEMBERS[c][::-1] for c in reversed(range(23))}, "anna")
    starts = {tuple(card.cluster for card in deal_cards(MEMBERS, name)) for name in ("anna", "ben", "carl", "Anna")}
    assert len(starts) == 4


def test_small_clusters_show_all_they_have() -> None:
    cards = deal_cards({**{c: MEMBERS[c] for c in range(6)}, 6: ["one"]}, "anna")
    assert next(card for card in cards if card.cluster == 6).patches == ("one",)
    assert not any(card.duplicate for card in deal_cards({c: ["a", "b"] for c in range(9)}, "anna"))


def test_what_was_done_is_there_again(place: Place) -> None:
    session = place.session()
    laid = arranged(session.annotation, [[0, 1], [2, 3], [5]], (4,), marks=[(4, 5, "higher")])
    change(session, laid, seen={1: 8, 2: 999}, seconds=12.34, view={"category": False, "size": "large"})
    again = place.session().annotation
    assert again == session.annotation
    assert again.arrangement == laid
    assert [card.seen for card in again.cards[:3]] == [8, len(again.cards[1].patches), 0]
    assert (again.seconds, again.view.category, again.view.size) == (12.3, False, "large")
    assert not (place.orders / "anna.json").exists()


def test_a_page_sends_again_what_it_got_no_answer_to(place: Place) -> None:
    session = place.session()
    sent = PageChange.model_validate(body(session, seconds=5))
    session.change(sent)
    session.change(sent)
    assert session.annotation.revision == 2
    assert session.annotation.seconds == 5


def test_two_windows_do_not_overwrite_each_other(place: Place) -> None:
    session = place.session()
    old = PageChange.model_validate(body(session, window="w2"))
    change(session, window="w1")
    with pytest.raises(OutdatedError, match="changed in another window: reload"):
        session.change(old)
    change(session, window="w2", seconds=3)
    change(session, window="w1", seconds=4)
    assert session.annotation.seconds == 7


@pytest.mark.parametrize(
    ("arrangement", "said"),
    [
        ({"tiers": [[1]]}, "do not lie in exactly one place"),
        ({"deck": [1, 2, 3, 4, 5, 6, 7, 7]}, r"the cards \[7\]"),
        ({"deck": [1, 2, 3, 4, 5, 6, 7, 99]}, r"the cards \[99\]"),
        ({"deck": [1, 2, 3, 4, 5, 6, 7], "marks": [{"a": 1, "b": 1, "relation": "equal"}]}, "two cards"),
        ({"deck": [1, 2, 3, 4, 5, 6, 7], "marks": [{"a": 1, "b": 9, "relation": "equal"}]}, r"\[\[1, 9\]\]"),
        (
            {"deck": [1, 2, 3, 4, 5, 6, 7], "marks": [{"a": a, "b": 3 - a, "relation": "equal"} for a in (1, 2)]},
            "marked twice",
        ),
    ],
)
def test_cards_that_are_not_where_they_can_be(place: Place, arrangement: dict[str, Any], said: str) -> None:
    session = place.session()
    given = {**body(session), "arrangement": arrangement}
    with pytest.raises(ValueError, match=said):
        session.change(PageChange.model_validate(given))
    assert session.annotation.revision == 0
    assert not draft_of(session.path).exists()


def test_finishing_writes_an_order_and_takes_the_draft_away(place: Place) -> None:
    session = place.session()
    finish(session, marks=[(4, 5, "higher")])
    assert not draft_of(session.path).exists()
    annotation, order = read_finished(session.path)
    assert order.relation(4, 5) == "higher"
    assert order.restricted([0, 1, 2, 3, 5]) == PartialOrder.parse("0>1=2>3>5")
    document = read_json(session.path)
    assert document["result"]["order"]["text"] == order.to_text()
    assert document["result"]["seconds"] == 61.0
    assert document["result"]["duplicate"]["tiers_apart"] in (0, None)
    assert (document["region"], document["annotator"], document["finished"]) == ("valley", "anna", True)
    assert document["clusters"][2] == {"cluster": 2, "category": "highland", "size": 16, "medoid": "03TVF_2_0"}
    assert annotation.started <= str(annotation.ended)


def test_what_cannot_be_finished(place: Place) -> None:
    session = place.session()
    with pytest.raises(OrderError, match="are not placed yet"):
        session.finish("w1", 0)
    change(session, arranged(session.annotation, LEVELS, (4,), marks=[(0, 1, "lower")]))
    with pytest.raises(OrderError, match=r"the tiers say otherwise.*1 contradictions in all"):
        session.finish("w1", session.annotation.revision)
    with pytest.raises(OutdatedError):
        session.finish("w2", 0)
    assert not session.path.exists()


def test_a_finished_annotation_is_opened_on_request_and_stays_until_it_is_finished_again(place: Place) -> None:
    finish(place.session())
    with pytest.raises(OrderError, match=r"anna\.json is finished: .* --continue; another person needs another"):
        place.session()
    session = place.session(resume=True)
    change(session)
    assert session.annotation.finished
    assert not draft_of(session.path).exists()
    change(session, arranged(session.annotation, [[5], [0], [1, 2], [3]], (4,)))
    assert not session.annotation.finished
    assert read_finished(session.path)[1].relation(0, 5) == "higher"
    session = place.session()
    session.finish("w1", session.annotation.revision)
    assert read_finished(session.path)[1].relation(5, 0) == "higher"


def test_another_annotator_of_that_name_who_wrote_text(place: Place) -> None:
    place.orders.mkdir(parents=True)
    (place.orders / "anna.txt").write_text("0>1")
    with pytest.raises(OrderError, match=r"anna\.txt is the order of an annotator of that name"):
        place.session()


def test_drafts_of_others(place: Place) -> None:
    session = place.session()
    change(session)
    draft = draft_of(session.path)
    draft.rename(draft.with_name(".ben.draft.json"))
    with pytest.raises(OrderError, match="is the annotation of anna in region valley, not of ben in valley"):
        place.session("ben")


def test_a_draft_made_for_other_clusters_says_how_to_carry_it_over(place: Place) -> None:
    change(place.session())
    write_clusters(place, {f"03TVF_{c}_{k}": (c + 1) % 6 for c in range(6) for k in range(16)})
    with pytest.raises(
        OrderError, match=r"other clusters \(fingerprint .*rankscape ranking orders carry .*anna\.draft\.json"
    ):
        place.session()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"format": "other"}, "is no annotation: its `format` is 'other'"),
        ({"version": 2}, "version: Input should be 1"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"finished": True}, "called finished, but the cards"),
        ({"clusters": []}, r"do not stand for the clusters \[\]"),
        ({"cards": []}, "do not stand for the clusters"),
        ({"arrangement": {"tiers": [[77]]}}, "77"),
    ],
)
def test_files_that_are_not_whole(place: Place, values: dict[str, Any], said: str) -> None:
    session = place.session()
    change(session)
    path = draft_of(session.path)
    write_json(path, {**read_json(path), **values})
    with pytest.raises(OrderError, match=said):
        read_annotation(path)


def test_a_card_of_an_unknown_cluster(place: Place) -> None:
    document = place.session().annotation.model_dump(mode="json")
    document["cards"][0]["cluster"] = 88
    with pytest.raises(ValidationError, match=r"unknown: \[88\]"):
        Annotation.model_validate(document)
    document["cards"][1] = document["cards"][0]
    with pytest.raises(ValidationError, match="stands twice"):
        Annotation.model_validate(document)


def test_broken_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(OrderError, match=r"is no valid JSON .* mend it, or take it away"):
        read_annotation(tmp_path / "a.json")
    with pytest.raises(OrderError, match="does not exist"):
        read_annotation(tmp_path / "b.json")


def test_the_region_that_is_annotated(make_place: Callable[..., Place]) -> None:
    region = make_place(uninhabited=5).region()
    assert region.ranked.clusters == (0, 1, 2, 3, 4)
    assert [len(region.members[c]) for c in region.ranked.clusters] == [16] * 5
    assert [path.name for path in region.tiles] == ["03TVF.npy"]


def test_regions_that_cannot_be_annotated(place: Place) -> None:
    with pytest.raises(InputError, match=r"hills does not exist: mend --region \(there are \['valley'\]\), or run"):
        read_region(place.results, "hills")
    (place.results / "coast").mkdir()
    with pytest.raises(
        InputError, match=r"coast has no clusters yet .*run `snakemake .*coast/ranking/clusters/clusters\.json`"
    ):
        read_region(place.results, "coast")
    document = json.loads(place.summary.read_text())
    write_json(place.summary, {**document, "clusters": [{"cluster": 0}]})
    with pytest.raises(InputError, match=r"clusters\.0\.category"):
        place.region()
    document["clusters"][0]["size"] = 3
    write_json(place.summary, document)
    with pytest.raises(TableError, match="different clusterings"):
        place.region()


def test_pictures(place: Place) -> None:
    region = place.region()
    album = PatchLookup(map(open_patches, region.tiles), ["03TVF_0_0", "03TVF_5_15"])
    assert album.png("03TVF_5_15", 96).startswith(b"\x89PNG")
    assert album.png("03TVF_0_0", 96) != album.png("03TVF_5_15", 96)
    with pytest.raises(TableError, match=r"Patch 03TVG_0_0 \(and 0 more\) is in none"):
        PatchLookup(map(open_patches, region.tiles), ["03TVG_0_0"])
    region.tiles[0].unlink()
    with pytest.raises(InputError, match=r"03TVF\.npy does not exist"):
        PatchLookup(map(open_patches, region.tiles), ["03TVF_0_0"])


def _save_for_ever(place: Place, told: Any) -> None:
    session = place.session()
    while True:
        change(session, seconds=session.annotation.revision)
        told.send(session.annotation.revision)


def test_a_killed_server_loses_nothing_that_it_acknowledged(place: Place) -> None:
    rng = np.random.default_rng(0)
    for _ in range(12):
        here, there = Pipe(duplex=False)
        process = get_context("fork").Process(target=_save_for_ever, args=(place, there))
        process.start()
        acknowledged = here.recv()
        time.sleep(rng.uniform(0, 0.02))
        process.kill()
        process.join()
        there.close()
        while here.poll():
            try:
                acknowledged = here.recv()
            except EOFError:
                break
        on_disk = read_annotation(draft_of(place.orders / "anna.json"))
        assert on_disk.revision - acknowledged in (0, 1)


def test_a_region_lies_in_the_results_and_its_granules_in_the_region(make_place: Callable[..., Place]) -> None:
    place = make_place()
    with pytest.raises(InputError, match=r"--region '\.\./work' is no name of a region"):
        read_region(place.results, "../work")
    write_table(place.clusters, read_table(place.clusters).assign(granule="../../x"), {"rankscape": {}})
    with pytest.raises(TableError, match=r"'\.\./\.\./x' is no granule id"):
        place.region()
