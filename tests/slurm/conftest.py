"""A cluster for each module of this folder, a region that runs on it, and the same region made without it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_cluster import DIES_WITH_US, Cluster, processes_of, running, why_not
from slurm_region import Start, two_granules
from workflow_copy import Project


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slurm)


@pytest.fixture(scope="session")
def installed() -> None:
    if reason := why_not():
        pytest.skip(f"no SLURM here ({reason})")


@pytest.fixture(scope="module")
def cluster(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes of one core each; they are up in two seconds, and gone with the tests that need them."""
    folder = tmp_path_factory.mktemp("slurm")
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends the tests lets the cluster end
    with running(folder) as found:
        yield found
    signal.signal(signal.SIGTERM, before)
    assert processes_of(folder) == []


@pytest.fixture(scope="session")
def made(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The region, made on this machine without SLURM."""
    project = two_granules(tmp_path_factory.mktemp("made") / "project")
    project.snakemake("--max-threads", "1")
    return project


@pytest.fixture
def copied(made: Project, tmp_path: Path) -> Project:
    shutil.copytree(made.folder, tmp_path / "project")
    return Project(tmp_path / "project")


@pytest.fixture
def start(cluster: Cluster) -> Iterator[Start]:
    """Start Snakemake with the repository's profile: `start(project, *arguments)`; what still runs is ended."""
    runs: list[subprocess.Popen[str]] = []

    def begin(project: Project, *arguments: str) -> "subprocess.Popen[str]":
        snakemake = [sys.executable, "-m", "snakemake", "--workflow-profile", "workflow/profiles/slurm"]
        with (project.folder / "run.log").open("w") as log:
            run = subprocess.Popen(
                [*DIES_WITH_US, *snakemake, *arguments],
                cwd=project.folder,
                env=cluster.environment,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        runs.append(run)
        return run

    yield begin
    for run in runs:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    if jobs := cluster.waiting_or_running():
        cluster.run("scancel", *jobs)
