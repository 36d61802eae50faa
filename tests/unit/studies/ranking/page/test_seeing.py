"""The sheets of `review` on the page."""

import html

import numpy as np
import pytest
from PIL import Image
from rankscape.foundation.errors import InputError
from rankscape.foundation.files import write_json
from rankscape.studies.ranking.page.seeing import read_review


@pytest.fixture
def folder(tmp_path):
    """What `review` writes: one sheet, and one that could not be drawn."""
    patches = [{"patch_id": f"03TVF_0_{n}", "words": f"cluster {n} (target 0.20) scored 0.80"} for n in range(2)]
    sheets = [
        {"name": "spectrum", "title": "Low to high", "file": "spectrum.png", "reason": "", "patches": patches},
        {"name": "explained", "title": "Why", "file": None, "reason": "One place only.", "patches": []},
    ]
    record = {
        "package": "0.1.0",
        "stage": "ranking inspection-sheets",
        "code": "0123",
        "settings": {},
        "settings_sha256": "9" * 64,
    }
    record |= {"inputs": {}, "seed": None, "backend": "cpu"}
    write_json(tmp_path / "review/index.json", {"sheets": sheets, "note": "No proof.", "provenance": record})
    Image.fromarray(np.full((40, 60, 3), 99, np.uint8)).save(tmp_path / "review/spectrum.png")
    return tmp_path / "review"


def test_sheets_are_read_with_their_patches(folder):
    review = read_review(folder)
    first, second = review.sheets
    assert (first.width_px, first.height_px) == (60, 40)
    assert first.uri.startswith("data:image/jpeg;base64,")
    assert first.patches[1] == ("03TVF_0_1", "cluster 1 (target 0.20) scored 0.80")
    assert (second.uri, second.reason) == ("", "One place only.")


def test_a_folder_of_something_else_is_refused(folder):
    (folder / "spectrum.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"spectrum.png is no whole PNG"):
        read_review(folder)
    (folder / "spectrum.png").unlink()
    with pytest.raises(InputError, match=r"spectrum.png does not exist"):
        read_review(folder)
    write_json(folder / "index.json", {"sheets": [{"title": "x"}]})
    with pytest.raises(InputError, match=r"was not written by `rankscape ranking inspection-sheets`"):
        read_review(folder)


def test_the_page_shows_them_where_they_are_given(region, run, page, folder):
    assert "Seeing why" not in page
    made = region()
    assert run([*made.arguments(), "--review", str(folder)])[0] == 0
    shown = made.page.read_text()
    assert '<a href="#seeing">Seeing why</a>' in shown
    assert "03TVF_0_1: cluster 1 (target 0.20) scored 0.80" in shown
    assert "One place only." in shown
    assert "No proof." in shown
    assert '"review": "' in html.unescape(shown), "its hash stands in the page's record"
