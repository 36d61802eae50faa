import importlib.metadata
import os
import sys
from pathlib import Path

from rankscape.foundation import checkout
from rankscape.foundation.checkout import package_version, run_this_checkout


def test_jobs_find_this_package_and_this_python_first(monkeypatch, tmp_path):
    python = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join(["/usr/bin", python]))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    run_this_checkout(tmp_path)
    run_this_checkout(tmp_path)
    assert os.environ["PYTHONPATH"] == str(tmp_path)
    assert os.environ["PATH"].split(os.pathsep) == [python, "/usr/bin"]


def test_threads_of_jobs_do_not_spin_unless_somebody_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("KMP_BLOCKTIME", "200")
    run_this_checkout(tmp_path)
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    assert os.environ["KMP_BLOCKTIME"] == "200"


def test_the_version_is_the_installed_one():
    assert package_version() == importlib.metadata.version("rankscape")


def test_a_folder_that_was_never_installed_has_no_version(monkeypatch):
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(checkout, "version", missing)
    assert package_version() == "unknown"
