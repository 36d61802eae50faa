import os
import sys
from pathlib import Path

from rankscape.foundation.checkout import run_this_checkout


def test_jobs_find_this_package_and_this_python_first(monkeypatch, tmp_path):
    python = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join(["/usr/bin", python]))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    run_this_checkout(tmp_path)
    run_this_checkout(tmp_path)
    assert os.environ["PYTHONPATH"] == str(tmp_path)
    assert os.environ["PATH"].split(os.pathsep) == [python, "/usr/bin"]
