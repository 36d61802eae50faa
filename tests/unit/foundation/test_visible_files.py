"""What people put into a folder, and what machines leave behind in it."""

import json
from pathlib import Path

import pytest
from rankscape.foundation.errors import InputError
from rankscape.foundation.provenance import provenance
from rankscape.foundation.visible_files import has_suffix, is_passed_over, same_but_for_case, visible, visible_below
from rankscape.samples.listing import list_images
from rankscape.studies.ranking.annotation.conversions import order_in
from rankscape.studies.ranking.judges.reply_store import ReplyStore
from rankscape.studies.ranking.orders.partial_orders import PartialOrder

LEFT = (
    ".DS_Store", "._anna.txt", "Thumbs.db", "THUMBS.DB", "desktop.ini", "~$votes.xlsx", "@eaDir", ".hidden", "#recycle",
    "Icon\r", "__MACOSX",
)  # fmt: skip


@pytest.mark.parametrize("name", LEFT)
def test_what_machines_leave_behind_is_passed_over(name):
    assert is_passed_over(name)


@pytest.mark.parametrize("name", ["anna.txt", "thumbs.png", "desktop.png", "~anna.txt", "eaDir", "a.DS_Store", "$x"])
def test_other_files_are_not(name):
    assert not is_passed_over(name)


def fill(folder: Path) -> None:
    (folder / "sub").mkdir(parents=True)
    (folder / "@eaDir").mkdir()
    for name in ("b.PNG", "a.png", "sub/c.png", "@eaDir/d.png", "._a.png", "Thumbs.db"):
        (folder / name).touch()


def test_visible_files_are_sorted(tmp_path):
    fill(tmp_path)
    assert [path.name for path in visible(tmp_path)] == ["a.png", "b.PNG", "sub"]
    assert [path.relative_to(tmp_path).as_posix() for path in visible_below(tmp_path)] == [
        "a.png",
        "b.PNG",
        "sub/c.png",
    ]
    assert visible(tmp_path / "none") == []
    assert list_images(tmp_path) == ["a.png", "b.PNG", "sub/c.png"]


def test_suffixes_in_capitals():
    assert has_suffix(Path("ANNA.TXT"), ".json", ".txt")
    assert not has_suffix(Path("anna.txt~"), ".txt")


def test_names_that_differ_only_in_capitals():
    assert same_but_for_case(["a", "b", "c"]) is None
    assert same_but_for_case(["a", "Straße", "STRASSE"]) == ("Straße", "STRASSE")


def test_a_folders_provenance_does_not_know_what_machines_leave_behind(tmp_path):
    def of_folder():
        return provenance("tile", None, {"folder": tmp_path / "f"})["inputs"]["folder"]

    fill(tmp_path / "f")
    before = of_folder()
    (tmp_path / "f/.DS_Store").write_text("x")
    assert of_folder() == before
    (tmp_path / "f/new.png").write_text("x")
    assert of_folder() != before


def test_replies_are_read_or_refused_by_name(tmp_path):
    fields = {"text": "5", "finish_reason": "stop", "prompt_tokens": 1, "completion_tokens": 1, "seconds": 1.0}
    record = {"key": "a" * 64, "judge": "j", "error": None, "attempts": 1, "cost": 0.5, **fields}
    (tmp_path / "OLD.JSONL").write_text(json.dumps(record) + "\n")
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "limits").mkdir()
    assert ReplyStore(tmp_path).spent("j") == 0.5
    (tmp_path / "more.jsonl.gz").touch()
    with pytest.raises(InputError, match=r"more\.jsonl\.gz is no file of replies"):
        ReplyStore(tmp_path)


def test_an_order_in_json_is_one_in_capitals_too(tmp_path):
    path = tmp_path / "ORDER.JSON"
    path.write_text(json.dumps(PartialOrder.parse("1>0").to_document()))
    assert order_in(path).to_text() == order_in(path.rename(tmp_path / "order.json")).to_text()
