"""The whole workflow under what happens to it: kills, a full disk, two starts at once, Ctrl-C, a clock that jumps.

One small region is made undisturbed; whatever happens, a start after it ends with the same bytes.
"""

import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from killed_region import FIT, Place, served
from killing import RESULTS, Found, Undisturbed, chain, hashes, jobs_of, start, undisturbed
from workflow_copy import PATIENCE_S, Project

pytestmark = pytest.mark.timeout(PATIENCE_S)

DAY_S = 86_400
SCORES = f"{RESULTS}/ranking/scores/{FIT}.parquet"
LEFT = ["Training the score", f"Scoring granule {FIT}"]
"""What is left to do to make them when the model is gone, too."""
ROOM_BYTES = 12_288
"""Room that is left on a full disk: for no output."""
OUTPUTS = {
    "fetch": [f"scenes/sentinel-2/{FIT}/download.json", f"scenes/assets/*_T{FIT}_*/*"],
    "compose": [f"scenes/sentinel-2/{FIT}/scene.tif", f"scenes/sentinel-2/{FIT}/quality.tif"],
    "tile": [f"samples/sentinel-2/{FIT}.*"],
    "embed": [f"ranking/features/{FIT}.*"],
    "rasterize": [f"ranking/maps/{FIT}.*", f"ranking/maps/{FIT}-patches.*"],
}
"""Files of the granule to learn from that a stage makes."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with served(tmp_path_factory.mktemp("served")) as place:
        yield place


@pytest.fixture(scope="module")
def made(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return undisturbed(place, tmp_path_factory.mktemp("made") / "project")


@pytest.fixture
def copied(made: Undisturbed, tmp_path: Path) -> Project:
    shutil.copytree(made.project.folder, tmp_path / "project")
    return Project(tmp_path / "project")


def without_scores(project: Project) -> Project:
    """Take away the model and scores: to make `SCORES`, two jobs are left to do."""
    for path in [*(project.folder / RESULTS / "ranking/model").glob("score*"), project.folder / SCORES]:
        path.unlink()
    return project


def said(project: Project) -> str:
    """What runs that were started said."""
    return (project.folder / "said.txt").read_text()


def begun(project: Project) -> list[str]:
    """Messages of the jobs that these runs began."""
    return re.findall(r"^Job \d+: (.*)$", said(project), re.MULTILINE)


def started(project: Project, *targets: str) -> subprocess.Popen[bytes]:
    """Start a run and wait until it trains."""
    run = start(project, *targets)
    while "train" not in jobs_of(run).values():
        assert run.poll() is None, said(project)
        time.sleep(0.05)
    return run


def test_five_kills(place: Place, made: Undisturbed, tmp_path: Path) -> None:
    found, chance = Found(), random.Random(5)

    for number in itertools.count():
        chain(place, made, tmp_path / str(number), found, 5, chance)
        if found.kills == 5 or not found.is_well:
            break

    assert found.differing == []
    assert found.downloaded_again == []
    assert found.asked_again == 0
    assert found.failed == []
    assert found.kills == 5


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty disk of 200 MiB; a download wants 64 to be free."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no leave to mount a small disk: this test needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def commands(project: Project) -> dict[str, str]:
    """Command lines as the workflow runs them, by verb, for the granule to learn from."""
    run = project.snakemake("--dry-run", "--printshellcmds", "--forceall")
    lines = [line.partition("Shell command: ")[2] for line in (run.stdout + run.stderr).splitlines()]
    words = [line.partition("python -m rankscape ")[2].removeprefix("ranking ").split() for line in lines]
    return {found[0]: line for found, line in zip(words, lines, strict=True) if f"/{FIT}." in line}


def logged(results: Path, verb: str) -> str:
    """What the job of the granule to learn from said."""
    return next(results.glob(f"logs/*{verb}/**/{FIT}.log")).read_text()


def shell(project: Project, line: str) -> int:
    """Run a command line as the workflow does; return its status."""
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = {**os.environ, "PATH": os.pathsep.join(paths), "PYTHONPATH": str(project.folder / "workflow")}
    return subprocess.run(["bash", "-c", line], cwd=project.folder, env=environment, check=False).returncode


def leave_room(folder: Path, room_bytes: int) -> Path:
    """Fill a disk up to so many bytes; return the file that fills it."""
    filler = folder / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free - room_bytes)
    return filler


def test_full_disk(copied: Project, made: Undisturbed, small_disk: Path) -> None:
    """Stages say in one line which disk is full, leave nothing, and make the same bytes when there is room."""
    lines = commands(copied)
    shutil.move(copied.folder / "results", small_disk / "results")
    logs = small_disk / "results" / Path(RESULTS).name / "logs"
    shutil.move(logs, copied.folder / "logs")
    logs.symlink_to(copied.folder / "logs")  # a log that finds no room either says nothing
    (copied.folder / "results").symlink_to(small_disk / "results")
    results = copied.folder / RESULTS
    for verb, names in OUTPUTS.items():
        for path in [path for name in names for path in results.glob(name)]:
            path.unlink()
        left = set(hashes(copied))
        filler = leave_room(small_disk, ROOM_BYTES)

        status = shell(copied, lines[verb])

        log = logged(results, verb)
        complaints = [line for line in log.splitlines() if line.startswith("rankscape: ")]
        assert status == 1, log
        assert len(complaints) == 1, log
        assert re.search(r"No disk space left|could not be written whole|make room", complaints[0]), log
        assert f"{RESULTS}/{names[0].partition('/')[0]}" in complaints[0], log
        assert "Traceback" not in log
        assert {name for name in set(hashes(copied)) - left if ".part" not in name} == set(), verb
        filler.unlink()
        assert shell(copied, lines[verb]) == 0, logged(results, verb)
    assert hashes(copied) == made.hashes


def test_a_second_start_is_refused_and_does_no_damage(copied: Project, made: Undisturbed) -> None:
    first = started(without_scores(copied), SCORES)

    second = copied.snakemake("--rerun-incomplete", SCORES, check=False)

    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout + second.stderr
    assert first.wait(timeout=PATIENCE_S) == 0, said(copied)
    assert hashes(copied) == made.hashes


def test_two_processes_that_write_the_same_outputs_leave_whole_ones(copied: Project, made: Undisturbed) -> None:
    line = commands(copied)["rasterize"]
    (copied.folder / RESULTS / f"ranking/maps/{FIT}.tif").unlink()

    with ThreadPoolExecutor() as pool:
        statuses = list(pool.map(lambda _: shell(copied, line), range(2)))

    assert statuses == [0, 0]
    assert hashes(copied) == made.hashes


@pytest.mark.parametrize(("sent", "to_group"), [(signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGTERM, False)])
def test_a_run_that_is_told_to_stop_goes_on_later(
    copied: Project, made: Undisturbed, sent: signal.Signals, to_group: bool
) -> None:
    run = started(without_scores(copied), SCORES)

    (os.killpg if to_group else os.kill)(run.pid, sent)

    assert run.wait(timeout=PATIENCE_S) != 0
    assert list((copied.folder / ".snakemake/locks").glob("*")) == []
    assert not (copied.folder / SCORES).exists()
    copied.snakemake("--rerun-incomplete", SCORES)
    assert hashes(copied) == made.hashes


def shift(project: Project, days: int) -> None:
    """Let all files look as if the clock had been so many days off when they were made."""
    for path in [project.folder, *project.folder.rglob("*")]:
        if not path.is_symlink():
            found = path.stat()
            os.utime(path, (found.st_atime, found.st_mtime + days * DAY_S))


def test_a_clock_that_was_behind_or_has_jumped_ahead_makes_nothing_again(copied: Project, made: Undisturbed) -> None:
    shift(without_scores(copied), -1)

    run = start(copied, SCORES)

    assert run.wait(timeout=PATIENCE_S) == 0, said(copied)
    assert begun(copied) == LEFT
    assert hashes(copied) == made.hashes


def test_a_clock_that_was_ahead_is_told_and_mended_as_the_documents_say(copied: Project, made: Undisturbed) -> None:
    shift(without_scores(copied), 1)
    documents = (Path(__file__).parents[2] / "docs/reference/workflow.md").read_text()
    (mending,) = re.findall(r"^ +(find results .*)$", documents, re.MULTILINE)

    refused = start(copied, SCORES)

    assert refused.wait(timeout=PATIENCE_S) != 0
    assert "clock skew" in said(copied)
    assert not (copied.folder / SCORES).exists()
    assert shell(copied, mending) == 0
    (copied.folder / "said.txt").write_text("")
    run = start(copied, SCORES)
    assert run.wait(timeout=PATIENCE_S) == 0, said(copied)
    assert begun(copied) == LEFT
    assert hashes(copied) == made.hashes
