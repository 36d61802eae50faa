"""How long Snakemake takes to find that nothing is to be done, on the finished demo; prints a table.

`.venv/bin/python benchmarks/noop.py` (about a minute)

The demo's files are made up and recorded as made, as the tests of the workflow do. The same command on a
Snakefile of one rule with one input tells what Snakemake's own start takes.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"


def timed(folder: Path) -> tuple[float, float]:
    """Run Snakemake once; return seconds by the clock and of processor time."""
    before, begin_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    run = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    assert "Nothing to be done" in run.stdout + run.stderr, run.stderr
    took_s, after = time.monotonic() - begin_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    sys.path.insert(0, str(TESTS))
    from workflow_copy import copy_workflow

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        demo, empty = Path(folder) / "demo", Path(folder) / "empty"
        copy_workflow(demo).pretend()
        empty.mkdir()
        (empty / "Snakefile").write_text('rule all:\n    input: "Snakefile"\n')
        # In turns, so that other work on the machine meets both.
        pairs = [(timed(empty), timed(demo)) for _ in range(given.runs)]
    print(f"Load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.\n")
    print("| | seconds, median (least) | processor seconds, median (least) |\n|---|---|---|")
    for place, name in enumerate(("one rule", "finished demo")):
        wall, processor = zip(*(pair[place] for pair in pairs), strict=True)
        cells = [f"{statistics.median(values):.1f} ({min(values):.1f})" for values in (wall, processor)]
        print(f"| {name} | {cells[0]} | {cells[1]} |")
    ratio = statistics.median(full[1] / bare[1] for bare, full in pairs)
    print(f"\nProcessor time of the finished demo over that of one rule: {ratio:.1f}.")


if __name__ == "__main__":
    main()
