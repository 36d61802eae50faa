"""Pages of studies that the package does not know: sections, what they lack, and the page over all studies."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from markupsafe import Markup
from rankscape.foundation.errors import InputError
from rankscape.products.report.costs import RunCost, cost_of
from rankscape.products.report.cross_study import correlation_of, paired_places, render_index
from rankscape.products.report.page import StudyPage, draw_page, render
from rankscape.products.report.reading import RunReader
from rankscape.products.report.section_registry import (
    Fragment,
    PageSection,
    PlaceValues,
    Read,
    files_read,
    page_modules,
    sections_of,
)
from rankscape.products.report.settings import ReportSettings
from scipy.ndimage import gaussian_filter

from .miniature import Miniature

NOTHING = RunCost((), 0, 0)
RECORD = {"package": "0.1.0", "stage": "report", "code": "page", "settings": {}}


@pytest.fixture
def study() -> Iterator[Miniature]:
    with Miniature("towns").registered() as study:
        yield study


@pytest.fixture
def folder(tmp_path: Path, study: Miniature) -> Path:
    region = tmp_path / "somewhere"
    study.write(region, np.arange(16.0).reshape(4, 4))
    return region


def drawn(study: Miniature, folder: Path, names: dict[str, list[str]] | None = None) -> tuple[StudyPage, str]:
    run = study.run(folder, names)
    page = draw_page(study.study, study.sections, run)
    return page, render(page, run, NOTHING, RECORD)


def test_a_page_has_key_figures_sections_versions_and_cost(study, folder):
    shown = drawn(study, folder)[1]
    for words in (
        "People of Towns",
        "How many towns?",
        "<p>7 people.</p>",
        "What was counted.",
        "towns count",
        "people: 7",
    ):
        assert words in shown
    assert 'href="#note"' in shown or "Sections" not in shown, "three sections need no list"
    assert shown.index("The cost of the run") > shown.index("Settings and versions")
    assert "<script>" not in shown, "without a map there is none"
    assert "script-src" not in shown
    assert shown == drawn(study, folder)[1], "the same inputs give the same bytes"


def test_adding_a_section_touches_nothing_else(study, folder):
    more = PageSection("more", "One more", lambda run: Markup("<p>{} places</p>").format(len(run.read(study.table))),
                       (Read(study.table.path),), "open")  # fmt: skip
    study.add(more)
    assert sections_of(study.study)[-1] is more
    assert "<p>16 places</p>" in drawn(study, folder)[1]
    assert files_read(study.study, {}) == ["towns/note.json", "towns/values.parquet"]
    assert more.module in page_modules(study.study), "its module is part of the page's code version"


def test_an_optional_file_that_is_missing_leaves_the_section_out_and_says_why(study, folder):
    page, shown = drawn(study, folder, {"places": ["north"]})
    assert page.left_out == (("Remarks", "towns/remark-north.json is missing; make it with `rankscape towns remark`"),)
    assert "Remarks: towns/remark-north.json is missing; make it with `rankscape towns remark`." in shown
    assert 'id="remark"' not in shown


def test_a_section_that_draws_nothing_is_named(study, folder):
    study.add(PageSection("none", "Nothing here", lambda run: None))
    assert ("Nothing here", "this run has none") in drawn(study, folder)[0].left_out


def test_a_needed_file_that_is_missing_is_one_clear_line(study, folder):
    study.note.of(folder).unlink()
    with pytest.raises(InputError, match=r"note.json does not exist, and the section 'Key figures' needs it: make it"):
        drawn(study, folder)


def test_files_that_nobody_declared_cannot_be_read(study, folder):
    other = Miniature("other")
    with pytest.raises(KeyError, match=r"other/note\.json"):
        study.run(folder).read(other.note)


def test_paths_that_no_artifact_declares_are_refused(study, folder):
    study.add(PageSection("x", "X", lambda run: None, (Read("towns/nowhere.json"),)))
    with pytest.raises(InputError, match=r"Sections read \['towns/nowhere.json'\], which no artifact declares"):
        study.run(folder)


def test_planning_imports_nothing_heavy():
    """The workflow imports the sections of every study, at each start."""
    asked = "import sys, rankscape.products.report.section_registry as s, rankscape.foundation.studies as t\n"
    asked += "found = [s.files_read(one, {}) for one in t.find_studies()]\nassert any(found)\n"
    asked += "print([n for n in ('numpy', 'pandas', 'matplotlib', 'scipy', 'PIL') if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


def test_files_are_read_once(study, folder):
    run = study.run(folder)
    assert run.read(study.table) is run.read(study.table)
    calls = []

    def derive(_: RunReader) -> int:
        calls.append(1)
        return 3

    assert run.once(derive) == run.once(derive) == 3
    assert calls == [1]


def test_names_fill_the_wildcards_of_paths(study):
    names = {"places": ["north", "south"]}
    assert files_read(study.study, names)[-2:] == ["towns/remark-north.json", "towns/remark-south.json"]
    assert "towns/remark-north.json" not in files_read(study.study, {})


def test_scripts_are_allowed_by_their_hashes_and_data_is_safe(study, folder):
    def draw(_: RunReader) -> Fragment:
        return Fragment(Markup("<p>map</p>"), scripts=(Markup("let a = 1 < 2;"),), data={"d": {"x": "</script>"}})

    study.sections = (PageSection("map", "Map", draw, (), "first"),)
    shown = drawn(study, folder)[1]
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]+'; style-src", shown)
    assert '<script type="application/json" id="d">{"x":"\\u003c/script>"}</script>' in shown


def fields(correlated: bool) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(3)
    a, b = (gaussian_filter(chance.normal(size=(30, 30)), 1.5) for _ in range(2))
    return a, (a + 0.4 * b if correlated else b)


@pytest.fixture
def two(tmp_path: Path, study: Miniature) -> Iterator[tuple[Miniature, Miniature, Path]]:
    region = tmp_path / "both"
    with Miniature("people").registered() as other:
        a, b = fields(True)
        study.write(region, a)
        other.write(region, b)
        yield study, other, region


def test_the_page_over_two_studies_shows_maps_and_a_correlation_with_its_interval(two):
    study, other, region = two
    pages = [drawn(one, region)[0] for one in (study, other)]
    shown = render_index(pages, "both", ReportSettings(), NOTHING, RECORD)
    for one in (study, other):
        assert f'href="{one.study.name}.html"' in shown
        assert f"Map: {one.study.title} of places." in shown
    found = re.search(r"Spearman (0\.\d\d) \(95 % interval (0\.\d\d) to (0\.\d\d)\) over 900 places", shown)
    assert found, shown[shown.index("How far studies agree") :][:2000]
    value, low, high = map(float, found.groups())
    assert low < value < high
    assert high - low > 0.02, "autocorrelated places are worth fewer"
    assert "spatial blocks" in shown
    assert shown == render_index(pages, "both", ReportSettings(), NOTHING, RECORD)


def test_one_study_has_its_key_figure_and_its_link_alone(study, folder):
    shown = render_index([drawn(study, folder)[0]], "somewhere", ReportSettings(), NOTHING, RECORD)
    assert 'href="towns.html"' in shown
    assert "1 study" in shown
    assert "Maps side by side" not in shown
    assert "The cost of the run" in shown


def test_places_of_the_finer_study_are_averaged_over_the_coarser_ones(study, tmp_path):
    fine, coarse = np.arange(16.0).reshape(4, 4), np.array([[1.0, 2.0], [3.0, np.nan]])
    tables = []
    for name, values, side in (("fine", fine, 500.0), ("coarse", coarse, 1000.0)):
        study.write(tmp_path / name, values, side)
        tables.append(PlaceValues(name, study.table.read_geo(study.table.of(tmp_path / name))))
    joined = paired_places(*tables)
    assert joined["score"].tolist() == [2.5, 4.5, 10.5]
    assert joined["value"].tolist() == [1.0, 2.0, 3.0]
    turned = paired_places(*tables[::-1])
    assert turned["score"].tolist() == [1.0, 2.0, 3.0]


def test_unrelated_fields_have_an_interval_around_zero(study, tmp_path):
    tables = []
    for name, values in zip(("a", "b"), fields(False), strict=True):
        study.write(tmp_path / name, values)
        tables.append(PlaceValues(name, study.table.read_geo(study.table.of(tmp_path / name))))
    found = correlation_of(paired_places(*tables))
    assert found["spearman"]["low"] < 0 < found["spearman"]["high"]


def benchmark(path: Path, *rows: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time"
    path.write_text("\n".join([header, *rows, ""]))


def test_costs_are_added_up_by_rule(tmp_path):
    benchmark(tmp_path / "benchmarks/tile/a.tsv", "10\t0:00:10\t100\t1\t1\t1\t1\t1\t50\t20")
    benchmark(tmp_path / "benchmarks/tile/b.tsv", "20\t0:00:20\t300\t1\t1\t1\t1\t1\t50\tNA")
    benchmark(tmp_path / "benchmarks/train.tsv", "3600\t1:00:00\t2048\t1\t1\t1\t1\t1\t50\t7200")
    benchmark(tmp_path / "benchmarks/report.tsv", "3600\t1:00:00\t2048\t1\t1\t1\t1\t1\t50\t7200")
    (tmp_path / "scenes/a").mkdir(parents=True)
    asset = '{"href": "https://x/B04.tif", "bytes": 1000, "path": "B04.tif"}'
    (tmp_path / "scenes/a/download.json").write_text(f'{{"scenes": [{{"assets": {{"B04": {asset}}}}}]}}')
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples/a.npy").write_bytes(b"x" * 500)
    cost = cost_of(tmp_path)
    assert [(rule.rule, rule.jobs, rule.processor_s, rule.memory_mb) for rule in cost.rules] == [
        ("train", 1, 7200.0, 2048.0), ("tile", 2, 20.0, 300.0),
    ]  # fmt: skip
    assert cost.processor_h == pytest.approx(2 + 20 / 3600)
    assert cost.downloaded_bytes == 1000
    assert cost.disk_bytes == 500 + (tmp_path / "scenes/a/download.json").stat().st_size
    low, high = cost.energy_kwh
    assert low == pytest.approx(
        (12 * cost.processor_h + 0.3725 * (2 + (0.1 * 10 + 0.3 * 20) / 1.024 / 3600)) / 1000, rel=1e-3
    )
    assert high == pytest.approx(1.67 * low)


def test_a_run_without_benchmarks_costs_nothing_that_is_known(tmp_path):
    assert cost_of(tmp_path) == NOTHING
