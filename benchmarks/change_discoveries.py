"""False discoveries and power of the change between two dates, on invented land whose changes are known.

`.venv/bin/python benchmarks/change_discoveries.py` (three minutes). A land of 900 places is seen twice, 8 % of them are
built on between, the later date has another light; noise differs by row. For each way: the mean share of false
discoveries over the draws (0 where none is made) at a level of 5 %, and the share of true changes that are found.
`Rankscape` is the default, whose changes of at most .02 count for nothing; `any change` asks for those above 0.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

TESTS = Path(__file__).parents[1] / "tests"
NOISE: dict[str, dict[str, Any]] = {
    "independent, normal": {},
    "independent, heavy tails (t, 4)": {"tails": 4.0},
    "correlated over 2 places": {"correlation_places": 2.0},
    "correlated over 5 places": {"correlation_places": 5.0},
    "all of it seen in the looks": {"look_noise": 0.006, "error": 0.0},
    "the same light at both dates": {"light": None},
    "nothing changed": {"changed_share": 0.0},
}
WAYS: dict[str, dict[str, Any]] = {
    "Rankscape": {},
    "any change": {"least_change": 0.0},
    "any change, any dependence": {"least_change": 0.0, "correction": "benjamini-yekutieli"},
    "curve of scores alone": {"radiometry": False},
}
LEVEL = 0.05


def main() -> None:
    """Print the table."""
    sys.path.insert(0, str(TESTS))
    from synthetic_change import discoveries, synthetic_dates

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=100)
    given = parser.parse_args()
    names = [*WAYS, "difference, normal noise"]
    print("| noise | " + " | ".join(f"{name}: false | found" for name in names) + " |")
    print("|---|" + "---|---|" * len(names))
    for name, changes in NOISE.items():
        worlds = [synthetic_dates(seed, **changes) for seed in range(given.draws)]
        rows = [[discoveries(world, world.measured(**way)) for world in worlds] for way in WAYS.values()]
        rows.append([plain(world) for world in worlds])
        cells = [f"{np.mean([w for w, _ in row]):.3f} | {np.mean([p for _, p in row]):.2f}" for row in rows]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def plain(world: Any) -> tuple[float, float]:
    """What a plain difference of scores gives, with the deviation of all differences as normal noise."""
    frame = world.seen.frame
    change = (frame["score_after"] - frame["score_before"]).to_numpy()
    p = 2 * stats.norm.sf(np.abs(change) / (stats.median_abs_deviation(change, scale="normal")))
    found = stats.false_discovery_control(p) <= LEVEL
    power = float(found[world.changed].mean()) if world.changed.any() else float("nan")
    return float((found & ~world.changed).sum() / max(found.sum(), 1)), power


if __name__ == "__main__":
    main()
