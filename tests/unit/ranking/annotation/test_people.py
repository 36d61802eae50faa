"""Names of annotators, and the files of a folder."""

from pathlib import Path

import pytest
from rankscape.foundation.errors import OrderError
from rankscape.ranking.people import annotation_files, check_annotator


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
    for name in ("ben.txt", "anna.json", ".carl.draft.json", ".dora.txt", ".anna.secret", "notes.md"):
        (tmp_path / name).touch()
    assert annotation_files(tmp_path) == {"anna": str(tmp_path / "anna.json"), "ben": str(tmp_path / "ben.txt")}


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
