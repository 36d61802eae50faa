"""The whole workflow on a small synthetic region: made, made again alike, broken in one place, killed half-way."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pystac
import pytest
import yaml
from pystac.validation import validate_dict
from rankscape.artifacts import Table
from rankscape.foundation.files import sha256
from rankscape.foundation.studies import find_studies
from rankscape.stages.artifacts import artifacts_of
from small_region import results, small_region
from workflow_copy import PATIENCE_S, ROOT, Project

pytestmark = pytest.mark.timeout(PATIENCE_S)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = small_region(tmp_path_factory.mktemp("made") / "project")
    project.snakemake()
    return project


@pytest.fixture
def copied(made: Project, tmp_path: Path) -> Project:
    shutil.copytree(made.folder, tmp_path / "project")
    return Project(tmp_path / "project")


def test_everything_is_made_and_then_nothing_is_to_be_done(made: Project) -> None:
    demo = made.folder / "results/demo"

    again = made.snakemake()

    assert "Nothing to be done" in again.stdout + again.stderr
    assert (demo / "report/ranking.html").stat().st_size > 50_000
    assert len(list(demo.glob("ranking/maps/*-patches.tif"))) == 6
    leftovers = [path for path in demo.rglob("*") if path.name.startswith(".") and ".part" in path.name]
    assert leftovers == []


def test_outputs_travel_whole_and_every_column_is_described(made: Project, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made.folder / "results/demo", tmp_path / "a stick/demo"))
    catalogue = pystac.Catalog.from_file(str(copy / "catalog.json"))
    items = list(catalogue.get_items(recursive=True))

    assert len(items) >= 6
    for one in (*catalogue.get_children(), *items):
        assert validate_dict(one.to_dict(transform_hrefs=False), extensions=[])
        for asset in one.assets.values():
            assert asset.extra_fields["file:checksum"] == "1220" + sha256(Path(asset.get_absolute_href()))
    tables = [one for one in artifacts_of(find_studies()) if isinstance(one, Table)]
    for path in (path for path in copy.rglob("*") if path.name.endswith((".parquet", ".csv", ".csv.gz"))):
        name = path.relative_to(copy).as_posix()
        table = next((one for one in tables if one.match(name) is not None), None)
        assert table, f"{name} is not declared"
        unknown = [column for column in table.names(path) if table.column(column) is None]
        assert not unknown, f"{name}: {unknown} are not declared"
    assert ",unknown" not in (copy / "data-dictionary.csv").read_text()


def test_rivals_learn_from_references_and_leave_the_score_alone(copied: Project) -> None:
    demo = copied.folder / "results/demo"
    order = json.loads((demo / "ranking/baselines/lights-order/order.json").read_text())
    assert list(order["weights"]) == ["data--lights"]
    assert len(list(demo.glob("ranking/baselines/lights-order/scores/*.parquet"))) == 5
    assert not list(demo.glob("ranking/orders/data--*.json")), "the order of a baseline votes with judges"
    model = demo / "ranking/model/score.safetensors"
    before = model.stat().st_mtime_ns
    path = copied.folder / "config/config.yaml"
    config = yaml.safe_load(path.read_text())
    people = {"kind": "regression", "reference": "population", "train": {"objective": "ridge"}}
    config["ranking"]["baselines"]["people"] = people
    path.write_text(yaml.safe_dump(config, allow_unicode=True))

    copied.snakemake("results/demo/ranking/baselines/people/scores/03TXG.parquet")

    scores = pd.read_parquet(demo / "ranking/baselines/people/scores/03TXG.parquet")
    values = pd.read_parquet(demo / "samples/references/sentinel-2/population/03TXG.parquet")
    joined = scores.merge(values, on="patch_id").dropna()
    assert {"patch_id", "score", "score_std"} <= set(scores)
    assert joined["score"].corr(joined["value"], method="spearman") > 0.3
    record = json.loads((demo / "ranking/baselines/people/model/score.json").read_text())
    assert (record["learned"], record["objective"]) == ("values", "ridge")
    assert model.stat().st_mtime_ns == before


def test_snakemakes_own_report_is_written(copied: Project) -> None:
    copied.snakemake("--report", "report.html")

    assert (copied.folder / "report.html").stat().st_size > 100_000


def test_broken_scene_is_named_and_other_granules_are_unharmed(copied: Project) -> None:
    catalogue = copied.folder / "results/demo/simulated"
    bands = list(catalogue.rglob("*03TXG*/B03.tif"))
    assert bands
    for broken in bands:
        broken.write_bytes(broken.read_bytes()[:20_000])
    scenes = [f"results/demo/scenes/sentinel-2/{granule}/scene.tif" for granule in ("03TXG", "03TVG")]
    for scene in scenes:
        shutil.rmtree((copied.folder / scene).parent)

    run = copied.snakemake("--keep-going", *scenes, check=False)

    assert run.returncode != 0
    log = (copied.folder / "results/demo/logs/fetch/sentinel-2/03TXG.log").read_text()
    line = next(line for line in log.splitlines() if line.startswith("rankscape:"))
    assert "B03" in line
    assert "03TXG" in line
    assert "Traceback" not in log
    assert not (copied.folder / "results/demo/scenes/sentinel-2/03TXG/download.json").exists()
    assert (copied.folder / "results/demo/scenes/sentinel-2/03TVG/scene.tif").exists()


def test_a_second_run_from_scratch_that_is_killed_goes_on_to_the_same_result(made: Project, tmp_path: Path) -> None:
    project = small_region(tmp_path / "project")
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    run = subprocess.Popen(
        command, cwd=project.folder, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + PATIENCE_S
    while not list(project.folder.glob("results/demo/ranking/features/*.npy")) and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()

    project.snakemake("--rerun-incomplete")

    assert results(project) == results(made)


def test_no_path_of_the_machine_in_any_document(made: Project) -> None:
    demo = made.folder / "results/demo"
    for path in [*demo.rglob("*.json"), *demo.rglob("*.html"), *demo.rglob("*.geojson")]:
        found = re.search(re.escape(str(made.folder)), path.read_text())
        assert found is None, path


def _blocks(page: str, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", (ROOT / "docs/tutorials" / page).read_text(), re.MULTILINE | re.DOTALL
    )


def test_the_tutorials_do_what_they_say(copied: Project) -> None:
    """Their commands and programs, one after the other; the region is that of the tests, so nothing is made again."""
    shutil.copy2(ROOT / "config/config.yaml", copied.folder / "config/config.yaml")
    plan, run, maps, again, prompt, added = _blocks("first-map.md", "sh")
    said = [_shell(copied, command) for command in (plan, run, maps, again)]
    _shell(copied, prompt)

    assert all("Nothing to be done" in text for text in (said[0], said[1], said[3]))
    assert {"region.tif", "region.qml"} <= set(said[2].split())
    planned = _shell(copied, added)
    assert "prompt roads-en" in planned
    assert not re.search(r"^rule (fetch|tile|ranking_cluster):", planned, re.MULTILINE)
    program = copied.folder / "tutorial.py"
    program.write_text("\n".join(_blocks("notebook.md", "python")))
    subprocess.run([sys.executable, program.name], cwd=copied.folder, check=True, timeout=PATIENCE_S)


def _shell(project: Project, command: str) -> str:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    run = subprocess.run(
        ["bash", "-ec", command], cwd=project.folder, text=True, capture_output=True, check=False, env=environment
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr
