"""The published North Korea study as a region: no place, no map, and what reruns when something is added.

The pictures and orders are invented; they lie where the example paths of `config/north-korea.yaml` say.
"""

import os
import re
import shutil
from pathlib import Path

import pytest
from workflow_copy import Project, copy_workflow

CONFIG = ("--configfile", "config/north-korea.yaml")
LEARNED = {
    "adapt",
    "embed",
    "categorize",
    "cluster",
    "contact-sheets",
    "import-order",
    "ensemble",
    "audit",
    "train",
    "predict",
}
MERGED = {"ensemble ranking/order.json", "audit ranking/audit.json", "train ranking/model/score.safetensors"}
SCORED = {
    "predict ranking/scores/clusters.parquet",
    "predict ranking/scores/labelled.parquet",
    "inspection-sheets ranking/inspection",
    "report report/index.html",
}


def invent(folder: Path) -> Path:
    """Write three clusters, two labelled pictures, and the orders of two people."""
    for name in ("clusters/00/1.webp", "clusters/00/2.webp", "clusters/01/1.webp", "clusters/11/1.webp"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (folder / "labelled").mkdir()
    for number in (1, 2):
        (folder / f"labelled/000{number}.webp").write_text("picture")
    (folder / "labelled.csv").write_text("image_id,urban,rural,uninhabited\n1,1,0,0\n2,0,0,1\n")
    (folder / "orders").mkdir()
    (folder / "orders/POG_collection.txt").write_text("0>1>11\n1>0>11\n")
    (folder / "orders/POG_annotators.txt").write_text("sat1\nloc1\n")
    return folder


@pytest.fixture
def study(tmp_path: Path) -> tuple[Project, Path]:
    """The workflow as cloned, and the data beside it."""
    project = tmp_path / "project"
    project.mkdir()
    return copy_workflow(project), invent(tmp_path / "shared/data/north-korea")


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    invent(folder / "shared/data/north-korea")
    (folder / "project").mkdir()
    project = copy_workflow(folder / "project")
    project.pretend(*CONFIG)
    return folder


@pytest.fixture
def made(_made: Path, tmp_path: Path) -> tuple[Project, Path]:
    """The same with every file made; a copy that the test may change."""
    shutil.copytree(_made, tmp_path / "study", symlinks=True)
    return Project(tmp_path / "study/project"), tmp_path / "study/shared/data/north-korea"


def verbs(jobs):
    return {job.split(" ", 1)[0] for job in jobs}


def test_a_region_without_coordinates_asks_for_no_map(study):
    project, _ = study
    jobs = project.planned(*CONFIG)
    assert verbs(jobs) == LEARNED | {"tile", "label", "inspection-sheets", "report"}
    assert {job for job in jobs if job.startswith("import-order ")} == {
        "import-order ranking/orders/person--sat1.json",
        "import-order ranking/orders/person--loc1.json",
    }


def test_commands_of_pictures_and_lines(study):
    project, _ = study
    run = project.snakemake("--dry-run", "--printshellcmds", *CONFIG)
    commands = re.findall(r"-m rankscape (?:\w+ )?(\w[\w-]*) (--.*)", run.stdout + run.stderr)
    of = {verb: " ".join(text.split()) for verb, text in commands}
    assert "--source ../shared/data/north-korea/" in of["tile"]
    assert " --images=True --granule " in of["tile"]
    assert "--quality --beside --places --images" in of["tile"]
    assert "--labels results/north-korea/ranking/categories/labels.parquet" in of["cluster"]
    assert re.search(r"--annotator (sat1|loc1) --annotators \S+POG_annotators.txt", of["import-order"])
    assert "mosaic" not in of


def test_a_finished_study_has_nothing_to_do_whatever_its_files_times(made):
    project, data = made
    assert project.planned(*CONFIG) == set()
    (data / "clusters/README.txt").write_text("no picture")
    for path in (data / "clusters/00/1.webp", data / "clusters", data / "orders/POG_collection.txt"):
        os.utime(path)
    assert project.planned(*CONFIG) == set()


def test_another_persons_line_reads_that_line_only(made):
    project, data = made
    with (data / "orders/POG_collection.txt").open("a") as handle:
        handle.write("11>1>0\n")
    with (data / "orders/POG_annotators.txt").open("a") as handle:
        handle.write("eco1\n")
    assert project.planned(*CONFIG) == {"import-order ranking/orders/person--eco1.json"} | MERGED | SCORED


def test_a_persons_other_line_reads_that_line_only(made):
    project, data = made
    (data / "orders/POG_collection.txt").write_text("0>1>11\n0=1>11\n")
    assert project.planned(*CONFIG) == {"import-order ranking/orders/person--loc1.json"} | MERGED | SCORED


def test_another_picture_cuts_its_own_folder_only(made):
    project, data = made
    (data / "clusters/01/2.webp").write_text("new")
    jobs = project.planned(*CONFIG)
    assert {job for job in jobs if job.startswith("tile ")} == {"tile samples/default/clusters.npy"}
    assert verbs(jobs) >= LEARNED


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: (data / "clusters/05").mkdir(), "cluster folder 05 holds no image"),
        (lambda data: (data / "clusters/00").rename(data / "clusters/town"), "the folder town of town/1.webp is no"),
        (lambda data: (data / "orders/POG_annotators.txt").write_text("sat1\n"), "names 1 people, "),
        (lambda data: (data / "orders/POG_collection.txt").unlink(), "POG_collection.txt does not exist"),
        (lambda data: shutil.rmtree(data / "labelled"), "labelled is no folder"),
    ],
)
def test_wrong_data_is_one_clear_line_and_no_job(study, spoil, said):
    project, data = study
    spoil(data)
    run = project.snakemake("--dry-run", *CONFIG, check=False)
    output = run.stdout + run.stderr
    assert run.returncode != 0
    assert any(said in line for line in output.splitlines()), output
    assert "Traceback" not in output


def test_references_without_places_are_refused(study):
    project, _ = study
    project.configure(CONFIG[1], references={"lights": {"path": "l.tif", "title": "Lights"}})
    run = project.snakemake("--dry-run", *CONFIG, check=False)
    assert "references = ['lights']: no granule of config/granules/north-korea.tsv" in run.stdout + run.stderr
