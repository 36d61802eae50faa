"""A finished demo in seconds: the real Snakefile and rules, whose jobs are recorded as done without being run.

What reruns depends on rules, params and code versions, all real here; only the files have no content.
"""

import shutil
from pathlib import Path

import pytest
from workflow_copy import Project, copy_workflow


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = copy_workflow(tmp_path_factory.mktemp("finished") / "project")
    project.pretend()
    return project.folder


@pytest.fixture
def finished(_finished: Path, tmp_path: Path) -> Project:
    """The demo with every file made; a copy that the test may change."""
    shutil.copytree(_finished, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


@pytest.fixture(scope="session")
def _planned_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, set[str]]:
    project = copy_workflow(tmp_path_factory.mktemp("fresh") / "project")
    return project, project.planned()


@pytest.fixture
def fresh(_planned_once: tuple[Project, set[str]], tmp_path: Path) -> Project:
    """The workflow as cloned, nothing made; its modules were compiled and read by an earlier plan, which is faster."""
    shutil.copytree(_planned_once[0].folder, tmp_path / "fresh")
    return Project(tmp_path / "fresh")


@pytest.fixture
def plain(_planned_once: tuple[Project, set[str]]) -> set[str]:
    """What the workflow as cloned plans."""
    return _planned_once[1]
