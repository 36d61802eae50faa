"""How long Snakemake takes to plan a region, and with how much memory, by the number of its granules; prints a table.

`.venv/bin/python benchmarks/planning.py` (some minutes)

The configuration is `config/sichuan.yaml` with a longer sheet: 60 granules to learn from, all others of role `apply`. A
plan is `snakemake -n` with nothing made yet, in a copy of the project.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
HEAD = "granule\trole\tstart\tend\tmax_cloud_percent\n"
FIT = 60


def main() -> None:
    """Print the table."""
    sys.path.insert(0, str(ROOT / "tests"))
    from workflow_copy import copy_workflow

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--granules", type=int, nargs="+", default=[60, 600, 3_000, 10_000])
    given = parser.parse_args()
    print("| granules | jobs | wall, s | processor, s | peak memory, MB |\n|--:|--:|--:|--:|--:|")
    for count in given.granules:
        with tempfile.TemporaryDirectory() as place:
            folder = copy_workflow(Path(place) / "project").folder
            config = yaml.safe_load((folder / "config/sichuan.yaml").read_text(encoding="utf-8"))
            (folder / config["granules"]).write_text(sheet(count))
            (folder / "config/many.json").write_text(json.dumps(config))
            plan(folder)  # the first plan reads all code
            jobs, wall_s, processor_s, peak_mb = plan(folder)
        print(f"| {count:,} | {jobs:,} | {wall_s:.1f} | {processor_s:.1f} | {peak_mb:.0f} |", flush=True)


def sheet(count: int) -> str:
    """A sheet of so many granules."""
    zones, bands, columns, rows = range(1, 61), "KLMNPQRSTU", "ABCDEFGH", "ABCDEFGHJKLMNPQRSTUV"
    names = (f"{zone:02d}{''.join(rest)}" for zone, *rest in itertools.product(zones, bands, columns, rows))
    lines = [
        f"{name}\t{'fit' if place < FIT else 'apply'}\t2023-06-01\t2023-09-30\t20\n"
        for place, name in enumerate(itertools.islice(names, count))
    ]
    return HEAD + "".join(lines)


def plan(folder: Path) -> tuple[int, float, float, float]:
    """Plan once; return jobs, wall and processor seconds, and the peak resident memory of the process in MB."""
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", "--configfile", "config/many.json"]
    begin = time.perf_counter()
    run = subprocess.Popen(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert run.stdout is not None
    said = run.stdout.read()
    _, status, usage = os.wait4(run.pid, 0)
    wall_s = time.perf_counter() - begin
    run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode:
        sys.exit(said)
    total = next(line for line in said.splitlines() if line.startswith("total"))
    return int(total.split()[1]), wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
