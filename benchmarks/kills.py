"""Kill the whole workflow with `kill -9` at random moments and compare every output's bytes with an undisturbed run's.

`.venv/bin/python benchmarks/kills.py --kills 100` (20 to 60 minutes on 2 cores)

A small region, its scenes on a server and its judge at an endpoint, both on loopback. A chain makes it from nothing, is
killed (its whole process group), started again as docs/reference/workflow.md says, and so on until a run comes
through; then its files are compared, what was downloaded and asked twice is counted, and the next chain begins.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"


def main() -> None:
    sys.path.insert(0, str(TESTS))
    from killed_region import served
    from killing import Found, chain, undisturbed

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    found, chance, begin_s = Found(), random.Random(given.seed), time.monotonic()
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "served") as place:
        reference = undisturbed(place, Path(folder) / "undisturbed")
        while found.kills < given.kills and found.is_well:
            chain(place, reference, Path(folder) / f"chain-{found.chains}", found, given.kills, chance)
            print(f"{time.monotonic() - begin_s:.0f} s: {found}", file=sys.stderr)
    minutes = (time.monotonic() - begin_s) / 60
    print(f"Outputs compared a chain: {len(reference.hashes)}; undisturbed run: {reference.took_s:.0f} s.\n")
    print(
        "| kills | chains | minutes | differing outputs | whole assets downloaded again | replies asked again |", end=""
    )
    print(" under way when killed, sent again | jobs that outlived their group |")
    print("|---|---|---|---|---|---|---|---|")
    print(
        f"| {found.kills} | {found.chains} | {minutes:.0f} | {len(found.differing)} | {len(found.downloaded_again)}",
        end="",
    )
    print(f" | {found.asked_again} | {found.resent_bytes / 1000:.0f} kB, {found.resent_replies} replies", end="")
    print(f" | {found.outlived} |\n")
    print("| kills that met | " + " | ".join(verb for verb, _ in found.hit.most_common()) + " |")
    print("|---" * (len(found.hit) + 1) + "|")
    print("| times | " + " | ".join(str(count) for _, count in found.hit.most_common()) + " |")
    if not found.is_well:
        sys.exit("\n".join(["", *found.differing, *found.downloaded_again, *found.failed]))


if __name__ == "__main__":
    main()
