"""Locks that a killed run left are removed; those of a run that is alive, or of another machine, are not."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rankscape.foundation import locks
from rankscape.foundation.locks import release_stale_locks

RUN = """
import sys, time
from pathlib import Path
from rankscape.foundation.locks import release_stale_locks
folder = Path(sys.argv[1])
print(release_stale_locks(folder), flush=True)
(folder / "locks").mkdir(exist_ok=True)
(folder / "locks/0.output.lock").write_text("a.txt")
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _short_lived(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What this process holds ends with the test, as it ends with a run."""
    held: list[int] = []
    monkeypatch.setattr(locks, "_HELD", held)
    yield
    for handle in held:
        os.close(handle)


def started(folder: Path) -> subprocess.Popen[str]:
    """Start a run that locks and works on; return it when it has locked."""
    run = subprocess.Popen([sys.executable, "-c", RUN, str(folder)], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stdout.readline() == "False\n"
    while not (folder / "locks/0.output.lock").exists():
        assert run.poll() is None
    return run


def test_locks_of_a_killed_run_are_removed_and_of_one_alive_are_not(tmp_path: Path) -> None:
    folder = tmp_path / ".snakemake"
    run = started(folder)
    lock = folder / "locks/0.output.lock"
    assert not release_stale_locks(folder)
    assert lock.exists(), "its run is alive"
    run.send_signal(signal.SIGKILL)
    run.wait()
    os.close(locks._HELD.pop())
    assert release_stale_locks(folder)
    assert not lock.exists()
    assert not release_stale_locks(folder)


def test_locks_of_a_run_of_another_machine_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = started(tmp_path)
    run.kill()
    run.wait()
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    assert not release_stale_locks(tmp_path)
    assert not release_stale_locks(tmp_path)
    assert (tmp_path / "locks/0.output.lock").exists()


def test_locks_that_nobody_noted_stay(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/0.input.lock").write_text("a.txt")
    assert not release_stale_locks(tmp_path)
    assert (tmp_path / "locks/0.input.lock").exists()


def test_a_file_system_without_locks_and_a_folder_that_cannot_be_made_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    assert not release_stale_locks(tmp_path / "file" / ".snakemake")
    run = started(tmp_path / "here")
    run.kill()
    run.wait()

    def unsupported(handle: int, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(locks.fcntl, "flock", unsupported)
    assert not release_stale_locks(tmp_path / "here")
    assert (tmp_path / "here/locks/0.output.lock").exists()
