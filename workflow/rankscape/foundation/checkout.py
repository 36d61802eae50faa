"""Which Python and which package the jobs of the workflow run, and the version of the package."""

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PATIENT = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""Threads that wait for each other sleep. By default they spin, and a busy machine then does little else."""


def run_this_checkout(package_folder: Path) -> None:
    """Let the commands that this process starts run `package_folder`'s package with this process's Python.

    An environment that is activated later, such as conda's, still puts its own Python in front. What the user's
    environment says of waiting threads is kept.

    Args:
        package_folder: Folder that holds the package.
    """
    _put_first("PYTHONPATH", package_folder)
    _put_first("PATH", Path(sys.executable).parent)
    for variable, value in PATIENT.items():
        os.environ.setdefault(variable, value)


def _put_first(variable: str, folder: Path) -> None:
    rest = [part for part in os.environ.get(variable, "").split(os.pathsep) if part and part != str(folder)]
    os.environ[variable] = os.pathsep.join([str(folder), *rest])


def package_version() -> str:
    """Return the installed version of Rankscape, or `unknown` where it runs from a folder that was never installed."""
    try:
        return version("rankscape")
    except PackageNotFoundError:
        return "unknown"
