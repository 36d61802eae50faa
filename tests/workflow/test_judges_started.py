"""Judges that the workflow starts, with the real rules and a small local server as the command."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from asked_region import asked_region, orders, read_round
from workflow_copy import PATIENCE_S, ROOT, Project

SERVER = ROOT / "tests/served_judge.py"
LIMITS = "".join(
    f"      {line}\n"
    for line in ("budget: 3", "price_in: 1", "price_out: 2", "requests_per_minute: 60", "start_timeout_s: 99")
)


COMMAND = f"exec {sys.executable} {SERVER} {{port}} {{model}} --asked asked.txt"


def asked(project: Project) -> int:
    return len((project.folder / "asked.txt").read_text().splitlines())


def running_in(folder: Path) -> list[int]:
    """Processes that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve().is_relative_to(folder):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def until(condition: Callable[[], bool], longest_s: float = PATIENCE_S) -> bool:
    deadline = time.monotonic() + longest_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One finished round of one served judge."""
    judge = {"model": "tester/bright", "concurrency": 1, "command": COMMAND}
    project = asked_region(tmp_path_factory.mktemp("served") / "project", {"own": judge})
    project.snakemake(*orders("own"))
    return project


@pytest.fixture
def copied(region: Project, tmp_path: Path) -> Project:
    shutil.copytree(region.folder, tmp_path / "project")
    return Project(tmp_path / "project")


def test_a_started_judge_is_asked_once_and_leaves_nothing_behind(region: Project) -> None:
    scores = read_round(region, "own")["scores"]
    assert asked(region) == 8
    assert sorted(scores, key=scores.__getitem__) == ["0", "1", "2", "3"]
    assert not (region.folder / "results/small/ranking/services/own.json").exists()
    assert until(lambda: running_in(region.folder) == [])
    assert region.planned(*orders("own")) == set(), "a finished round starts no judge"


def test_how_a_judge_is_started_and_limited_asks_nothing_again(copied: Project) -> None:
    copied.edit("config/config.yaml", "      command: exec", LIMITS + "      command: FOO=1 exec")
    assert copied.planned(*orders("own")) == set()


def test_a_changed_prompt_asks_that_prompt(copied: Project) -> None:
    path = copied.folder / "config/prompts/roads.md"
    path.write_text(path.read_text() + "Look at bridges.\n")
    assert copied.planned(*orders("own")) == {
        "build-requests ranking/requests/own/roads.json",
        "serve ranking/services/own.json",
        "collect-replies ranking/collected/own.json",
        "rate ranking/rounds/own/roads/1.json",
        "rank ranking/orders/own--roads--1.json",
    }


def test_a_new_prompt_asks_its_own_rounds_only(copied: Project) -> None:
    copied.edit("config/config.yaml", "  - roads", "  - roads\n  - roofs")
    assert copied.planned(*orders("own", prompts=2)) == {
        "build-requests ranking/requests/own/roofs.json",
        "serve ranking/services/own.json",
        "collect-replies ranking/collected/own.json",
        "rate ranking/rounds/own/roofs/1.json",
        "rank ranking/orders/own--roofs--1.json",
    }


def test_a_new_round_is_asked_and_finished_ones_are_left_alone(copied: Project) -> None:
    copied.edit("config/config.yaml", "rounds: 1", "rounds: 2")
    finished = copied.folder / "results/small/ranking/rounds/own/roads/1.json"
    before = finished.stat().st_mtime_ns
    wanted = orders("own", rounds=2)

    planned = copied.planned(*wanted)
    copied.snakemake(*wanted)

    assert planned == {
        "sample ranking/samples/2.parquet",
        "serve ranking/services/own.json",
        "collect-replies ranking/collected/own.json",
        "rate ranking/rounds/own/roads/2.json",
        "rank ranking/orders/own--roads--1.json",
    }
    assert asked(copied) == 2 * 8, "every reply of two rounds once"
    assert finished.stat().st_mtime_ns == before
    assert copied.planned(*wanted) == set()


def test_a_judge_that_dies_is_quoted_and_asked_on_later(copied: Project) -> None:
    shutil.rmtree(copied.folder / "results/small/ranking/replies")
    (copied.folder / "results/small/ranking/collected/own.json").unlink()
    (copied.folder / "asked.txt").unlink()
    copied.edit("config/config.yaml", "--asked asked.txt", "--asked asked.txt --misbehave die-asked")
    goal = "results/small/ranking/collected/own.json"

    run = copied.snakemake(goal, check=False)

    log = (copied.folder / "results/small/logs/ranking_collect_replies/own.log").read_text()
    assert run.returncode != 0
    line = next(line for line in log.splitlines() if line.startswith("rankscape:"))
    assert "The command of judge own ended with status 7. Its last words:" in line
    assert "out of memory" in line
    assert until(lambda: running_in(copied.folder) == [])
    assert asked(copied) == 6

    copied.edit("config/config.yaml", " --misbehave die-asked", "")
    copied.snakemake(goal)

    assert asked(copied) == 6 + 3, "five answers are kept; the question that killed it is asked again"


def test_killed_snakemake_leaves_nothing_running(copied: Project) -> None:
    (copied.folder / "results/small/ranking/collected/own.json").unlink()
    copied.edit("config/config.yaml", "--asked asked.txt", "--asked asked.txt --misbehave stubborn --delay 60")
    log = copied.folder / "results/small/logs/ranking_serve/own-command.log"
    log.unlink()
    run = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "2", "results/small/ranking/collected/own.json"],
        cwd=copied.folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert until(lambda: log.exists() and "serving" in log.read_text())
    assert len(running_in(copied.folder)) >= 4

    os.kill(run.pid, signal.SIGKILL)
    run.wait()

    assert until(lambda: running_in(copied.folder) == [])
