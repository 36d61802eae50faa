"""What an earlier date of a place reruns, and what it does not."""

import pytest
from workflow_copy import CONFIG, Project

EARLIER = "03TWG_2016\tapply\t2016-01-01\t2016-12-31\t60\t2016\t03TWG\n"
OWN = {
    "search scenes/sentinel-2/03TWG_2016/candidates.json",
    "fetch scenes/sentinel-2/03TWG_2016/download.json",
    "compose scenes/sentinel-2/03TWG_2016/scene.tif",
    "tile samples/sentinel-2/03TWG_2016.npy",
    "predict ranking/scores/03TWG_2016.parquet",
    "rasterize ranking/maps/03TWG_2016.tif",
}
"""All that is done for an earlier date itself: it is scored and mapped, and compared with no reference."""
PAGES = {"report report/index.html", "publish catalog.json"}
"""What shows a change."""
CHANGED = {"change ranking/change/2016--2022.parquet", "regress ranking/regressions/growth.json"}
"""The change, and what explains it."""
SHEET = "config/granules/demo.tsv"


def without_periods(project: Project) -> None:
    """Make the demo's sheet what it was before there were periods, and explain no change."""
    rows = [line.split("\t")[:5] for line in (project.folder / SHEET).read_text().splitlines() if "_2016" not in line]
    (project.folder / SHEET).write_text("".join("\t".join(row) + "\n" for row in rows))
    config = (project.folder / CONFIG).read_text()
    growth = config[config.index("    growth:") : config.index("  label:\n")]
    project.edit(CONFIG, growth, "")


def test_an_earlier_date_of_a_place_reruns_its_own_chain_and_the_change_alone(finished):
    sheet = finished.folder / SHEET
    sheet.write_text(sheet.read_text() + EARLIER)

    assert finished.planned() == OWN | CHANGED | PAGES


def test_a_sheet_without_periods_measures_no_change_and_reruns_nothing(finished):
    without_periods(finished)

    assert finished.planned() == PAGES
    assert not [job for job in finished.planned("--forceall") if job.startswith("change ")]


def test_a_second_place_with_both_dates_searches_what_the_sheet_says(finished):
    sheet = finished.folder / SHEET
    sheet.write_text(sheet.read_text() + EARLIER)

    run = finished.snakemake("--dry-run", "--printshellcmds")

    assert '"granule":"03TWG","max_cloud_percent":60.0,"start":"2016-01-01"' in run.stdout + run.stderr
    assert "--places 03TWG 03TXG" in run.stdout + run.stderr


def test_references_teach_nothing_about_an_earlier_date_that_is_learned_from(fresh):
    """Lights of one year say little of the same place six years before."""
    sheet = fresh.folder / SHEET
    sheet.write_text(sheet.read_text() + EARLIER.replace("apply", "fit"))
    fresh.edit(CONFIG, "kind: order\n", "kind: regression\n")

    run = fresh.snakemake("--dry-run", "--printshellcmds")

    plan = run.stdout + run.stderr
    assert "features/03TWG_2016.npy" in plan, "it is clustered as every row to learn from"
    assert "references/sentinel-2/lights/03TWG.parquet" in plan
    assert "references/sentinel-2/lights/03TWG_2016.parquet" not in plan


def test_more_periods_compare_each_with_the_next_and_the_ends_or_those_asked_for(fresh):
    sheet = fresh.folder / SHEET
    sheet.write_text(sheet.read_text() + "03TXG_2019\tapply\t2019-01-01\t2019-12-31\t60\t2019\t03TXG\n")

    changes = {job for job in fresh.planned() if job.startswith("change ")}
    assert changes == {f"change ranking/change/{pair}.parquet" for pair in ("2016--2019", "2019--2022", "2016--2022")}
    fresh.configure(ranking={"change": {"pairs": ["2016--2019"]}})
    fresh.edit(CONFIG, "places: 2016--2022", "places: 2016--2019")
    assert {job for job in fresh.planned() if job.startswith("change ")} == {"change ranking/change/2016--2019.parquet"}


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ("2016--2030", ["2016--2030", "no place of the granule table has both"]),
        ("2022--2016", ["2022--2016", "the earlier period comes first"]),
        ("before--after", ["change.pairs", "before--after"]),
    ],
)
def test_pairs_that_cannot_be_compared_are_refused_before_any_job(fresh, pairs, said):
    fresh.configure(ranking={"change": {"pairs": [pairs]}})

    run = fresh.snakemake("--dry-run", check=False)

    assert run.returncode != 0
    assert all(words in run.stdout + run.stderr for words in said)


def test_a_regression_of_a_change_that_nobody_measures_is_refused_before_any_job(fresh):
    fresh.edit(CONFIG, "places: 2016--2022", "places: 2016--2030")

    run = fresh.snakemake("--dry-run", check=False)

    assert run.returncode != 0
    assert "ranking.regressions.growth.places = '2016--2030': config/granules/demo.tsv and" in run.stdout + run.stderr


def test_the_settings_of_change_rerun_change_alone(finished):
    finished.configure(ranking={"change": {"level": 0.1}})

    assert finished.planned() == CHANGED | PAGES
