"""Kill the judges' client with `kill -9` at random moments of its work and count what that costs; prints a table.

`.venv/bin/python benchmarks/judge_kills.py` (about a minute)

The client asks 60 questions of an endpoint on loopback (50 to 400 ms), notes every answer as soon as it has it, is
killed, started again on the same store, and so on until all is answered; then the next 60 with an empty store.
"""

import argparse
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"


def main() -> None:
    sys.path.insert(0, str(TESTS))
    from judge_client import killed_at_random
    from judge_server import JudgeServer, running

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with running(JudgeServer(latency_s=(0.05, 0.4))) as server, tempfile.TemporaryDirectory() as folder:
        found = killed_at_random(server, Path(folder), given.kills, given.seed)
    print("| kills | acknowledged and lost | acknowledged and paid twice | under way when killed, paid again |")
    print("|---|---|---|---|")
    print(f"| {found.kills} | {found.lost} | {found.paid_twice} | {found.under_way} |")


if __name__ == "__main__":
    main()
