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


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """The workflow as cloned, nothing made."""
    (tmp_path / "fresh").mkdir()
    return copy_workflow(tmp_path / "fresh")
