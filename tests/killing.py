"""Kill the workflow with `kill -9` at random moments, start it again as the documents say, and compare what it made.

A chain makes the region from nothing and is killed until a run comes through: each kill falls at a random moment of a
run that goes on where the one before was killed, so that moments spread over all rules in proportion to their time.
"""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from killed_region import CONCURRENCY, REGION, Place, small_region
from workflow_copy import PATIENCE_S, Project

LEAST_S, SHARE = 0.5, 0.4
"""A run is killed after `LEAST_S` at the earliest; later at most by this share of the time of the undisturbed run."""
RESULTS = Path("results") / REGION
APART = ("logs/", "benchmarks/", "ranking/replies/")
"""No results, and full of times: logs, Snakemake's benchmarks, the store of replies."""
OF_TIMES = (
    "ranking/times/", "ranking/audit.json", "report/", "catalog.json", "catalog/collection.json",
    "catalog/items/region.json", "ranking/maps/patches.parquet",
)  # fmt: skip
"""How long replies took, what shows it, and what names the hashes of that."""
OF_COSTS = ("report/", "catalog.json", "catalog/collection.json")
"""Pages end with what the run has cost, and the catalogue names their hashes."""


@dataclass
class Found:
    """What kills did."""

    kills: int = 0
    chains: int = 0
    """Regions that were finished."""
    hit: Counter[str] = field(default_factory=Counter)
    """Kills that met each verb at work; `none` where no job was: Snakemake planned, or began or ended jobs."""
    outlived: int = 0
    """Kills after which a job was still alive a fifth of a second later: MPI puts ranks in groups of their own."""
    differing: list[str] = field(default_factory=list)
    """Outputs that are not the bytes of the undisturbed run, are missing, or should not be."""
    downloaded_again: list[str] = field(default_factory=list)
    """Assets that were whole, and were asked for again."""
    asked_again: int = 0
    """Replies given more often than once, beyond those that were under way when a round was killed."""
    resent_bytes: int = 0
    """Bytes of assets that were sent more often than once: under way when a download was killed."""
    resent_replies: int = 0
    """Replies that were given more often than once: under way when a round was killed."""
    failed: list[str] = field(default_factory=list)
    """What runs that nobody killed ended with."""

    @property
    def is_well(self) -> bool:
        """Whether nothing was found that must not be."""
        return not (self.differing or self.downloaded_again or self.asked_again or self.failed)


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody killed."""

    project: Project
    hashes: dict[str, str]
    took_s: float


def hashes(project: Project) -> dict[str, str]:
    """SHA-256 of every file of the results, by its path; those of `APART` are left out."""
    root = project.folder / RESULTS
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    return {
        name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in names if not name.startswith(APART)
    }


def undisturbed(place: Place, folder: Path) -> Undisturbed:
    """Make the region in one run."""
    place.forget()
    project, begin_s = small_region(place, folder), time.monotonic()
    project.snakemake("--rerun-incomplete")
    took_s = time.monotonic() - begin_s
    assert place.resent_bytes == 0
    assert set(place.judge.accepted.values()) == {1}
    return Undisturbed(project, hashes(project), took_s)


def start(project: Project, *arguments: str) -> subprocess.Popen[bytes]:
    """Start the workflow in a process group of its own, as a shell does."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--rerun-incomplete", *arguments]
    with (project.folder / "said.txt").open("ab") as said:
        return subprocess.Popen(command, cwd=project.folder, start_new_session=True, stdout=said, stderr=said)


def jobs_of(run: subprocess.Popen[bytes]) -> dict[int, str]:
    """Verbs that a run has at work, by process; the ranks of MPI are found, too, wherever they were put."""
    parents: dict[int, int] = {}
    verbs: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = (folder / "cmdline").read_bytes().decode().split("\0")
        except (OSError, IndexError):
            continue  # it has ended
        if words[1:3] == ["-m", "rankscape"]:
            verbs[int(folder.name)] = words[4] if words[3] == "ranking" else words[3]
    return {number: verb for number, verb in verbs.items() if _descends(number, run.pid, parents)}


def _descends(number: int, ancestor: int, parents: dict[int, int]) -> bool:
    while number not in {0, 1, ancestor}:
        number = parents.get(number, 0)
    return number == ancestor


def kill_at(run: subprocess.Popen[bytes], after_s: float, found: Found) -> set[str] | None:
    """Kill a run's process group; return the verbs that were at work, None if the run had ended before."""
    try:
        run.wait(timeout=after_s)
    except subprocess.TimeoutExpired:
        jobs = jobs_of(run)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        found.kills += 1
        found.hit.update(set(jobs.values()) or {"none"})
        found.outlived += _outlive(jobs, 0.2)
        return set(jobs.values())
    except BaseException:
        os.killpg(run.pid, signal.SIGKILL)  # whoever stops this program means the run, too
        raise
    return None


def _outlive(jobs: Iterable[int], long_s: float) -> bool:
    """Whether any of the processes is alive after so long."""
    end_s = time.monotonic() + long_s
    while is_alive := any(map(_is_alive, jobs)):
        if time.monotonic() > end_s:
            break
        time.sleep(0.005)
    return is_alive


def _is_alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def chain(place: Place, reference: Undisturbed, folder: Path, found: Found, most: int, chance: random.Random) -> None:
    """Make the region from nothing, killed at random moments until a run comes through or `most` kills are done.

    Args:
        place: The servers.
        reference: The undisturbed run.
        folder: Where to; it is removed when all is well.
        found: What was found so far; what this chain finds is added.
        most: Kills in all, those before this chain included.
        chance: Source of the moments.
    """
    place.forget()
    project = small_region(place, folder)
    whole: dict[str, int] = {}
    met: Counter[str] = Counter()
    while True:
        run = start(project)
        longest_s = LEAST_S + SHARE * reference.took_s if found.kills < most else PATIENCE_S
        verbs = kill_at(run, chance.uniform(LEAST_S, longest_s) if found.kills < most else longest_s, found)
        if verbs is None:
            break
        met.update(verbs)
        for path in whole_assets(project):
            whole.setdefault(path, place.assets.fetched(path))
    found.chains += 1
    if run.returncode != 0:
        found.failed.append(f"{folder.name}: {(project.folder / 'said.txt').read_text()[-2000:]}")
        return
    found.downloaded_again += [path for path, times in whole.items() if place.assets.fetched(path) > times]
    found.resent_bytes += place.resent_bytes
    again = sum(count - 1 for count in place.judge.accepted.values())
    found.resent_replies += again
    found.asked_again += max(0, again - CONCURRENCY * met["rate"])
    found.differing += [f"{folder.name}: {name}" for name in differing(project, reference)]
    if found.is_well:
        shutil.rmtree(folder)


def whole_assets(project: Project) -> list[str]:
    """Paths at the server of the assets that a run has brought and verified."""
    notes = project.folder.glob(f"{RESULTS}/scenes/assets/*/*.tif.json")
    return [f"/sentinel-2-l2a/{note.parent.name}/{note.stem}" for note in notes]


def differing(project: Project, reference: Undisturbed) -> list[str]:
    """Names of outputs that differ from the undisturbed run's, or that only one of the two has.

    What shows how long replies took is made again with the undisturbed run's times, and must then be the same bytes.
    """
    made = hashes(project)
    names = [name for name in _unlike(made, reference.hashes) if not name.startswith(OF_TIMES)]
    times = RESULTS / "ranking/times"
    shutil.copytree(reference.project.folder / times, project.folder / times, dirs_exist_ok=True)
    for path in (project.folder / times).rglob("*.json"):
        path.touch()
    project.snakemake("--rerun-incomplete")
    again = [name for name in _unlike(hashes(project), reference.hashes) if not name.startswith(OF_COSTS)]
    return sorted({*names, *again})


def _unlike(some: dict[str, str], others: dict[str, str]) -> list[str]:
    return [name for name in {**some, **others} if some.get(name) != others.get(name)]
