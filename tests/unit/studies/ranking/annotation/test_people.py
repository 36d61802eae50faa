"""Names of annotators, and the files of a folder."""

from pathlib import Path

import pytest
from rankscape.foundation.errors import OrderError
from rankscape.studies.ranking.orders.people import PersonOrder, annotation_files, check_annotator, orders_of_people
from rankscape.studies.ranking.orders.settings import PeopleSettings


@pytest.mark.parametrize("name", ["anna", "Li-Wei", "expert_2", "a-b-c", "7"])
def test_names(name: str) -> None:
    assert check_annotator(name, "here") == name


@pytest.mark.parametrize(
    "name", ["", "anna lee", "anna--b", "-anna", "anna-", "../anna", "安娜", "a.b", "x" * 65, "a\n"]
)
def test_odd_names_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(OrderError, match=r"--annotator: .* cannot be an annotator's name: .* such as anna or li-wei"):
        check_annotator(name, "--annotator")


def test_both_kinds_of_files_are_taken_and_hidden_ones_are_not(tmp_path: Path) -> None:
    hidden = (".carl.draft.json", ".dora.txt", ".anna.secret", "._ben.txt", "Thumbs.db", "desktop.ini", "~$ben.txt")
    for name in ("ben.TXT", "anna.Json", *hidden):
        (tmp_path / name).touch()
    (tmp_path / "@eaDir").mkdir()
    assert annotation_files(tmp_path) == {"anna": str(tmp_path / "anna.Json"), "ben": str(tmp_path / "ben.TXT")}


@pytest.mark.parametrize("name", ["notes.md", "carl.txt.gz", "carl", "carl.docx", "carl.txt~", "older/"])
def test_what_is_visible_is_read_or_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "anna.txt").touch()
    (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    with pytest.raises(OrderError, match=rf"{name.rstrip('/')} is no order: .* end in \.txt or \.json"):
        annotation_files(tmp_path)


def test_annotators_that_differ_only_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "Anna.txt").write_text("1>0")
    (tmp_path / "anna.TXT").write_text("1>0")
    with pytest.raises(OrderError, match="Anna and anna differ only in capitals: rename one"):
        annotation_files(tmp_path)


def test_two_annotators_of_one_name(tmp_path: Path) -> None:
    for name in ("anna.txt", "anna.json"):
        (tmp_path / name).touch()
    with pytest.raises(OrderError, match=r"anna\.json and .*anna\.txt are orders of one annotator, anna"):
        annotation_files(tmp_path)


def test_a_name_that_the_workflow_cannot_take(tmp_path: Path) -> None:
    (tmp_path / "anna lee.txt").touch()
    with pytest.raises(OrderError, match=r"anna lee\.txt: 'anna lee' cannot be"):
        annotation_files(tmp_path)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "holds no .txt or .json file of an order: add some"),
        ([".anna.draft.json", ".ben.draft.json"], "only unfinished annotations of anna, ben: finish one"),
    ],
)
def test_nothing_to_take(tmp_path: Path, files: list[str], said: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(OrderError, match=said):
        annotation_files(tmp_path)


def test_files_and_lines_vote_together(tmp_path: Path) -> None:
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders/ben.txt").write_text("1>0")
    poll = tmp_path / "poll.txt"
    poll.write_text("0>1\n0=1\n")
    settings = {"folder": str(tmp_path / "orders"), "collection": str(poll)}
    ben, first, second = (
        PersonOrder(str(tmp_path / "orders/ben.txt")),
        *(PersonOrder(str(poll), s) for s in ("0>1", "0=1")),
    )
    assert orders_of_people(PeopleSettings(**settings)) == {"ben": ben, "poll-01": first, "poll-02": second}
    (tmp_path / "names.txt").write_text("anna\nben\n")
    with pytest.raises(OrderError, match=r"ben\.txt and .*poll\.txt, line 2, are orders of one annotator, ben"):
        orders_of_people(PeopleSettings(**settings, annotators=str(tmp_path / "names.txt")))


@pytest.mark.parametrize(("text", "said"), [("# nobody\n", "holds no order"), (None, "does not exist")])
def test_a_collection_without_orders(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "poll.txt").write_text(text)
    with pytest.raises(OrderError, match=said):
        orders_of_people(PeopleSettings(collection=str(tmp_path / "poll.txt")))


def test_the_ten_experts_have_their_names(shared: Path) -> None:
    orders = shared / "data/north-korea/orders"
    settings = {"collection": f"{orders}/POG_collection.txt", "annotators": f"{orders}/POG_annotators.txt"}
    found = orders_of_people(PeopleSettings(**settings))
    assert list(found) == ["sat1", "sat2", "sat3", "loc1", "loc2", "loc3", "eco1", "eco2", "eco3", "eco4"]
    assert str(found["sat1"].line).startswith("3=4=6>1=2=7>0")
