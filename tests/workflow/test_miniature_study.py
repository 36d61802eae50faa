"""A study is an addition: one that lies in a folder of its own runs to its page, and touches no other study."""

import json
import os
from pathlib import Path

import pytest
from miniature_study import GREY, write_study, write_synthetic_region
from workflow_copy import Project

PAGES = {"report report/index.html", "publish catalog.json"}
GRANULES = ("03TVG", "03TWG", "03TVF", "03TWF", "03TXG", "03TXG_2016")


def with_study(project: Project, folder: Path) -> Project:
    """The project where the miniature study is installed."""
    write_study(folder)
    return Project(project.folder, os.pathsep.join([str(folder), str(project.folder / "workflow")]))


@pytest.fixture
def small(fresh: Project, tmp_path: Path) -> Project:
    """The workflow as cloned with the study's synthetic region; no file of the clone is changed."""
    project = with_study(fresh, tmp_path / "installed")
    write_synthetic_region(project.folder)
    return project


def test_a_study_runs_to_its_page_without_a_change_of_any_file(small: Project) -> None:
    small.snakemake("--configfile", "small.yaml", "--set-resources", "tile:mpi=mpiexec", "tile:tasks=1")

    results = small.folder / "results/small"
    for name, grey in GREY.items():
        weight = json.loads((results / f"mini/weights/{name}.json").read_text())
        assert weight["brightness"] == grey
        assert weight["provenance"]["stage"] == "mini weigh"
    page = (results / "report/mini.html").read_text()
    assert "north has a brightness of 60.0" in page
    assert "Mean brightness" in (results / "report/index.html").read_text()
    catalogue = (results / "data-dictionary.md").read_text()
    assert "mini/weights" in catalogue
    assert small.planned("--configfile", "small.yaml") == set()


def test_its_settings_stage_and_template_rerun_what_they_must(small: Project, tmp_path: Path) -> None:
    arguments = ("--configfile", "small.yaml")
    small.pretend(*arguments)
    weighed = {f"weigh mini/weights/{name}.json" for name in GREY}
    assert small.planned(*arguments) == set()
    small.configure("small.yaml", mini={"weigh": {"factor": 2.0}})
    assert small.planned(*arguments) == weighed | PAGES
    small.configure("small.yaml", mini={"weigh": {"factor": 1.0}})
    installed = tmp_path / "installed/mini_study"
    (installed / "weights.html.j2").write_text("<p>Other words.</p>")
    assert small.planned(*arguments) == PAGES
    stage = installed / "weigh.py"
    stage.write_text(stage.read_text().replace(".mean()", ".max()"))
    assert weighed <= small.planned(*arguments)


def test_a_study_that_is_added_runs_its_own_jobs_page_and_catalogue_only(finished: Project, tmp_path: Path) -> None:
    project = with_study(finished, tmp_path / "installed")
    assert project.planned() == set(), "that it is installed changes nothing"

    project.configure(studies=["ranking", "mini"])

    assert project.planned() == {f"weigh mini/weights/{granule}.json" for granule in GRANULES} | PAGES


def test_a_study_with_its_own_acquisition_shares_the_downloads(finished: Project, tmp_path: Path) -> None:
    project = with_study(finished, tmp_path / "installed")
    colours = {"product": "reflectance", "bands": ["B04", "B03", "B02"]}
    project.configure(
        studies=["ranking", "mini"],
        acquisitions={"colours": colours},
        ranking={"acquisition": "sentinel-2"},
        mini={"acquisition": "colours"},
    )

    run = project.snakemake("--dry-run", "--printshellcmds")
    fetches = [line for line in (run.stdout + run.stderr).splitlines() if "rankscape fetch " in line]

    assert len(fetches) == len(GRANULES)
    assert all(" --assets results/demo/scenes/assets --out results/demo/scenes/colours/" in line for line in fetches)
    jobs = project.planned()
    assert {job.split(" ")[0] for job in jobs} == {"search", "fetch", "compose", "tile", "weigh", "report", "publish"}
    assert all("colours" in job for job in jobs if job.split(" ")[0] in {"search", "fetch", "compose", "tile"})


def test_a_study_may_lie_among_those_of_the_package(fresh: Project, tmp_path: Path) -> None:
    package = fresh.folder / "workflow/rankscape/studies/mini"
    write_study(tmp_path / "written")
    (tmp_path / "written/mini_study").rename(package)
    for path in (path for path in package.rglob("*") if path.suffix == ".py"):
        path.write_text(path.read_text().replace("mini_study", "rankscape.studies.mini"))
    project = Project(fresh.folder, str(fresh.folder / "workflow"))
    write_synthetic_region(project.folder)

    planned = project.planned("--configfile", "small.yaml")

    assert {f"weigh mini/weights/{name}.json" for name in GREY} < planned


def test_an_unknown_study_is_refused_before_any_job(fresh: Project) -> None:
    fresh.configure(studies=["ranking", "astrology"])

    run = fresh.snakemake("--dry-run", check=False)

    assert run.returncode != 0
    assert "studies: astrology is no known study; there are embeddings, ranking." in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
