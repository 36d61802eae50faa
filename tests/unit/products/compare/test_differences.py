"""What two runs of any study differ in, from their declared files alone."""

import pandas as pd
import pytest
from rankscape.artifacts import Column, Document, DocumentKeys, Table
from rankscape.foundation.errors import InputError
from rankscape.products.compare.comparison import ComparedStudy, compare_runs, document_of, render, rows_of
from rankscape.products.compare.differences import number_differences, open_runs


class Weighed(DocumentKeys):
    """What was weighed."""

    title: str
    """Title."""
    total: dict[str, float]
    """Totals."""


STONES = Table(
    "scale/{place}.parquet", "scale weigh", "Stones", row="one stone",
    columns=(Column("stone", "text", "", "Name"), Column("weight_g", "number", "g", "Weight")),
)  # fmt: skip
WEIGHED = Document("scale/{place}.json", "scale weigh", "What was weighed", model=Weighed)


def write_run(folder, weights, *, settings=None, total=3.0):
    record = {"stage": "scale weigh", "package": "0", "code": "abc", "settings": settings or {}, "seed": None}
    STONES.write(STONES.of(folder, place="here"), pd.DataFrame(weights.items(), columns=["stone", "weight_g"]), record)
    WEIGHED.write(WEIGHED.of(folder, place="here"), {"title": "T", "total": {"weight": total, "n": 2}}, record)


@pytest.fixture
def two(tmp_path):
    write_run(tmp_path / "a", {"p": 1.0, "q": 2.0, "only-a": 9.0}, settings={"unit": "g"})
    write_run(tmp_path / "b", {"q": 2.5, "p": 1.0, "only-b": 7.0}, settings={"unit": "kg"}, total=3.5)
    return open_runs([tmp_path / "a", tmp_path / "b"], [STONES, WEIGHED])


def test_numbers_of_documents_and_of_common_rows(two):
    found = {(one.file, one.name): (one.a, one.b, one.largest, one.n) for one in number_differences(*two)}
    assert found == {
        ("scale/here.parquet", "weight_g"): (1.5, 1.75, 0.5, 2),
        ("scale/here.json", "total.weight"): (3.0, 3.5, 0.5, 1),
    }


def test_a_run_and_itself_differ_in_nothing(two):
    found = compare_runs(two[0], two[0], [])
    assert not [*found.settings, *found.scenes, *found.numbers, *found.versions]
    assert rows_of(found).empty


def test_the_comparison_as_document_rows_and_page(two):
    own = ComparedStudy("scale", "Lead.", [("Weight", "1.5", "g")], [], document={"x": float("nan")}, rows=[])
    found = compare_runs(*two, [own])
    document = document_of(found, {"stage": "compare"})
    assert document["settings"] == [{"name": "scale weigh.unit", "a": "g", "b": "kg"}]
    assert document["scale"] == {"x": None}
    assert set(rows_of(found)["section"]) == {"settings", "numbers"}
    page = render(found, {"stage": "compare"})
    assert "Lead." in page
    assert "total.weight" in page
    assert page == render(found, {"stage": "compare"})


def test_a_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere is no folder \(give results/<region>\)"):
        open_runs([tmp_path, tmp_path / "nowhere"], [])
