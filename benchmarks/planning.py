"""How long the workflow plans, and with how much memory, for 60, 600 and 10,000 granules, whole and in shards.

A copy of the workflow in a temporary folder gets a synthetic granule table: 60 granules to learn from, the others only
to be scored, ids of real form. Measured is `snakemake --dry-run` from its start to its end; of several runs the
median. CPU seconds stand beside, which other work on the machine does not stretch as it does time. The last column
divides them by those of a Snakefile with one rule, planned in turns with the same command line. Planned is the
whole region with nothing made yet; the first of its shards (`--config shard=1/n`), with nothing made yet either, which
is the largest plan that a shard can have; and the joining of all shards (`--config shard=join`), with empty files in
place of what they make.

    .venv/bin/python benchmarks/planning.py
    .venv/bin/python benchmarks/planning.py --granules 10000 --ways whole --repeats 1     # minutes, 1.5 GB
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice, product
from pathlib import Path
from typing import NamedTuple

from rankscape.foundation.errors import GranuleError
from rankscape.scenes.mgrs import granule

ROOT = Path(__file__).parents[1]
FIT = 60
PER_GRANULE = (
    "samples/sentinel-2/{}.npy", "samples/sentinel-2/{}.parquet", "ranking/features/{}.npy",
    "ranking/features/{}.json", "ranking/scores/{}.parquet", "ranking/maps/{}.tif", "ranking/maps/{}.json",
    "ranking/saliency/{}.json", "ranking/saliency/{}.npy",
)  # fmt: skip


class Plan(NamedTuple):
    """What one dry run took."""

    jobs: float
    seconds: float
    cpu_s: float
    peak_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--granules", type=int, nargs="+", default=[60, 600, 10_000])
    parser.add_argument("--config", default="config/sichuan.yaml")
    parser.add_argument("--ways", nargs="+", default=["whole", "shard", "join"], choices=["whole", "shard", "join"])
    parser.add_argument("--shard-granules", type=int, default=500, help="granules of a shard")
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    print(
        "| granules | plan | jobs | s | CPU, s | peak memory, MB | CPU, times one rule |\n|---|---|---|---|---|---|---|"
    )
    for count in chosen.granules:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            copy(folder, chosen.config, count)
            (folder / "one").mkdir()
            (folder / "one/Snakefile").write_text('rule all:\n    input: "Snakefile"\n')
            for way in chosen.ways:
                shards = -(-count // chosen.shard_granules)
                if way == "join":
                    make_empty(folder, Path(chosen.config).stem, count)
                part = {"whole": [], "shard": [f"shard=1/{shards}"], "join": ["shard=join"]}[way]
                flags = ["--configfile", chosen.config, *(["--config", *part] if part else [])]
                plan(folder, *flags)  # compiles the modules and notes what they import
                pairs = [(plan(folder / "one", "--forceall"), plan(folder, *flags)) for _ in range(chosen.repeats)]
                one, own = (Plan(*map(statistics.median, zip(*runs, strict=True))) for runs in zip(*pairs, strict=True))
                name = f"shard 1/{shards}" if way == "shard" else way
                figures = f"{own.seconds:.1f} | {own.cpu_s:.1f} | {own.peak_mb:.0f} | {own.cpu_s / one.cpu_s:.1f}"
                print(f"| {count:,} | {name} | {own.jobs:,.0f} | {figures} |", flush=True)


def copy(folder: Path, configuration: str, count: int) -> None:
    """Copy the workflow, and give its configuration a table of so many granules."""
    for name in ("rules", "workflow", "config", "envs", "resources"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy2(ROOT / "Snakefile", folder)
    rows = [
        f"{name}\t{'fit' if number < FIT else 'apply'}\t2022-01-01\t2022-12-31\t10"
        for number, name in enumerate(granules(count))
    ]
    sheet = "\n".join(["granule\trole\tstart\tend\tmax_cloud_percent", *rows, ""])
    (folder / "config/granules/many.tsv").write_text(sheet)
    file = folder / configuration
    named = re.sub(r"^granules: .*", "granules: config/granules/many.tsv", file.read_text(), flags=re.MULTILINE)
    file.write_text(named)


def granules(count: int) -> list[str]:
    """List granule ids of squares that exist."""
    letters = product(range(1, 61), "CDEFGHJKLMNPQRSTUVWX", "ABCDEFGHJKLMNPQRSTUVWXYZ", "ABCDEFGHJKLMNPQRSTUV")
    ids = (f"{zone:02d}{band}{column}{row}" for zone, band, column, row in letters if not {column, row} & {"I", "O"})
    return list(islice(filter(_exists, ids), count))


def _exists(identifier: str) -> bool:
    try:
        granule(identifier)
    except GranuleError:
        return False
    return True


def make_empty(folder: Path, region: str, count: int) -> None:
    """Make empty files in place of what the shards would make; a region is called as its configuration."""
    for name in granules(count):
        for file in PER_GRANULE:
            path = folder / "results" / region / file.format(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


def plan(folder: Path, *flags: str) -> Plan:
    """Run Snakemake as a user does, and measure it."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "2",
        "--dry-run",
        "--quiet",
        "rules",
        *flags,
    ]
    start = time.perf_counter()
    with (folder / "plan.txt").open("w") as said:
        process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    text = (folder / "plan.txt").read_text()
    total = re.search(r"^total\s+(\d+)", text, re.MULTILINE)
    if status or total is None:
        raise SystemExit(text[-2000:])
    return Plan(int(total[1]), seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
