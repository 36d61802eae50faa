"""The inspection sheets on the page, and what happens where they are missing."""

import html
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rankscape.foundation.errors import InputError
from rankscape.foundation.files import write_json
from rankscape.foundation.studies import find_study
from rankscape.products.report.reading import RunReader
from rankscape.products.report.section_registry import Fragment
from rankscape.stages.artifacts import artifacts_of
from rankscape.studies.ranking.page.contents import SECTIONS
from rankscape.studies.ranking.page.inspection_section import draw
from rankscape.studies.ranking.scoring.artifacts import INSPECTION_INDEX

from .conftest import record

ARTIFACTS = artifacts_of([find_study("ranking")])


def write_sheets(region_folder: Path) -> Path:
    """What `inspection-sheets` writes: one sheet, and one that could not be drawn."""
    patches = [{"patch_id": f"03TVF_0_{n}", "words": f"cluster {n} (target 0.20) scored 0.80"} for n in range(2)]
    sheets: list[dict[str, Any]] = [
        {"name": "spectrum", "title": "Low to high", "file": "spectrum.png", "reason": "", "patches": patches},
        {"name": "explained", "title": "Why", "file": None, "reason": "One place only.", "patches": []},
    ]
    path = INSPECTION_INDEX.of(region_folder)
    write_json(path, {"sheets": sheets, "note": "No proof.", "provenance": record("ranking inspection-sheets")})
    Image.fromarray(np.full((40, 60, 3), 99, np.uint8)).save(path.with_name("spectrum.png"))
    return path.parent


def drawn(region_folder: Path) -> Fragment:
    return draw(RunReader(region_folder, SECTIONS, ARTIFACTS))


def test_sheets_are_shown_with_their_patches(tmp_path):
    write_sheets(tmp_path)
    shown = str(drawn(tmp_path).html)
    assert 'width="60" height="40"' in shown
    assert "data:image/jpeg;base64," in shown
    assert "03TVF_0_1: cluster 1 (target 0.20) scored 0.80" in shown
    assert "One place only." in shown
    assert "No proof." in shown


def test_a_folder_of_something_else_is_refused(tmp_path):
    folder = write_sheets(tmp_path)
    (folder / "spectrum.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"spectrum.png is no whole PNG"):
        drawn(tmp_path)
    (folder / "spectrum.png").unlink()
    with pytest.raises(InputError, match=r"spectrum.png does not exist"):
        drawn(tmp_path)
    write_json(folder / "index.json", {"sheets": [{"title": "x"}]})
    with pytest.raises(InputError, match=r"was not written by `rankscape ranking inspection-sheets`"):
        drawn(tmp_path)


def test_the_page_shows_them_where_they_are_given_and_else_says_why_not(region, run, page):
    assert 'id="inspection"' not in page
    reason = "ranking/inspection is missing; make it with `rankscape ranking inspection-sheets`."
    assert f"Patches to judge the score by: {reason}" in html.unescape(page)
    made = region()
    write_sheets(made.folder)
    assert run(made.arguments())[0] == 0
    shown = made.page.read_text()
    assert '<a href="#inspection">Patches to judge the score by</a>' in shown
    assert '"ranking/inspection/index.json": "' in html.unescape(shown), "its hash is part of the page's record"
