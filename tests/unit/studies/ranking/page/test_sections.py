"""Districts, change, regressions, surprises and methods on the page, and what is wrong with their files."""

import html
import json

import numpy as np
import pytest
from rankscape.foundation.files import write_array, write_json
from rankscape.foundation.studies import find_study
from rankscape.foundation.tables import read_geotable, write_table
from rankscape.products.report.reading import RunReader
from rankscape.stages.artifacts import artifacts_of
from rankscape.studies.ranking.page.contents import SECTIONS
from rankscape.studies.ranking.product_files import EVALUATION

from .synthetic_products import (
    add_change,
    add_districts,
    add_regression,
    add_responses,
    add_scenes,
    everything,
    map_data,
)
from .test_inspection import write_sheets


def written(made, run) -> str:
    status, said = run(made.arguments())
    assert status == 0, said
    return made.page.read_text()


def test_sections_stand_where_their_files_are_given(region, run, page):
    for name in ("districts", "change", "regressions"):
        assert f'id="{name}"' not in page
    made = region()
    everything(made)
    first = written(made, run)
    assert written(made, run) == first, "the same inputs give the same bytes"
    shown = html.unescape(first)
    for name in ("districts", "change", "regressions"):
        assert f'href="#{name}"' in shown
        assert f'id="{name}"' in shown
    assert "2 districts of 3 have a score, weighted by area." in shown
    assert "0.90 (0.80 to 0.95)" in shown
    assert "Of 108 patches seen at both dates, 8 changed significantly: 4 rose and 4 fell." in shown
    assert "−2.00e−04** (1.00e−04) [1.20e−04]" in shown
    assert ">Control<" not in shown, "controls are not shown"
    assert "1 district with score and value" in shown
    assert shown.count('class="pair"') == 2
    assert shown.count("One place only.") == 1
    assert 'alt="change 2: before"' in shown
    data = map_data(first)
    assert [district["score"] for district in data["districts"]] == [0.7, 0.3, None]
    assert {"change-0"} <= {layer["key"] for layer in data["layers"]}
    assert data["responses"]["cells"] == 3


def test_surprises_show_both_ends(page):
    assert "The most surprising against Night lights (nW)" in page
    assert "The most surprising against True development" not in page, "a known truth is no other opinion"
    assert page.count("Score is higher") == page.count("Score is lower") == 3


def test_methods_carry_this_runs_numbers(region, run):
    made = region()
    add_scenes(made)
    shown = html.unescape(written(made, run))
    for words in (
        "3 scenes of 3 granules from Sentinel-2A, taken between 2021-01-19 and 2021-03-19,",
        "3 granules were cut into 108 patches of 8 x 8 pixels (80 m on the ground)",
        "into 7 clusters: urban (3), rural (3) and wild (1)",
        "2 rounds of judges and 1 person",
        "2 networks learned a score between 0 and 1",
        "They saw 60 patches; 40 in other blocks",
        "bootstrap that draws spatial blocks of 20.0 km a side",
    ):
        assert words in shown, words


def test_baselines_and_their_differences_are_shown_where_they_were_measured(region, run, page):
    assert "Lead of the score" not in page
    made = region()
    document = made.document(EVALUATION, reference="lights")
    baseline = json.loads(json.dumps(document["predictors"]["gradient"]))
    baseline["apply"] |= {
        "difference": {"value": 0.21, "low": 0.1, "high": 0.32}, "kendall": {"value": 0.4, "low": None, "high": None},
        "test": {"p": 0.0005, "effective_n": 88.2},
    }  # fmt: skip
    baseline["apply"]["spearman"]["value"] = 0.99
    document["predictors"]["by-lights"], document["baselines"] = baseline, ["by-lights"]
    write_json(made.file(EVALUATION, reference="lights"), document)
    shown = html.unescape(written(made, run))
    assert "Lead of the score" in shown
    assert "0.21 (0.10 to 0.32)" in shown
    assert "< 0.001 (88 places)" in shown
    assert "best trivial measure, by-lights" not in shown, "a baseline model is no pixel statistic"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda made: add_districts(made).write_text("{"), "counties.json"),
        (lambda made: add_districts(made).with_suffix(".parquet").unlink(), "counties.parquet does not exist"),
        (lambda made: write_json(add_regression(made), {"title": "x", "models": []}), "rankscape ranking regress"),
    ],
)
def test_a_broken_file_is_named_in_one_line(region, run, spoil, words):
    made = region(granules=("03TUF",), references={})
    spoil(made)
    status, said = run(made.arguments())
    assert status == 2
    assert words in said


def test_a_table_of_change_without_its_columns_is_refused(region, run):
    made = region(granules=("03TUF",), references={})
    path = add_change(made)
    table = read_geotable(path.with_suffix(".parquet")).drop(columns="significant")
    write_table(path.with_suffix(".parquet"), table, {})
    status, said = run(made.arguments())
    assert status == 2
    assert "lacks the columns ['significant']" in said


def test_responses_of_other_patches_are_refused(region, run):
    made = region(granules=("03TUF",), references={})
    path = add_responses(made)[0]
    write_array(path.with_suffix(".npy"), np.zeros((5, 3, 3), np.uint8))
    status, said = run(made.arguments())
    assert status == 2
    assert "does not fit the patches of 03TUF" in said


def test_every_path_that_a_section_reads_is_declared():
    declared = {artifact.path for artifact in artifacts_of([find_study("ranking")])}
    assert {read.path for section in SECTIONS for read in section.reads} <= declared


def test_every_section_reads_only_what_it_declares(region):
    made = region()
    everything(made)
    write_sheets(made.folder)
    for section in SECTIONS:
        run = RunReader(made.folder, [section], artifacts_of([find_study("ranking")]), made.names)
        assert run.lacks(section) == ""
        assert section.drawer()(run) is not None, section.id


def test_without_names_all_files_that_are_found_are_shown(region, run):
    made = region(granules=("03TUF", "03TVF"), rounds=1, side=4)
    named = written(made, run)
    arguments = made.arguments()
    assert run(arguments[: arguments.index("--names")])[0] == 0
    assert made.page.read_text() == named
