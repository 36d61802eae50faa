"""How fast orders are merged, against the two ways in which the Sichuan report's method is usually written.

The yardsticks are written for this benchmark from the report's formulas (Gong, Zheng & Xie 2024), once as loops over
judges and clusters (`loop`) and once with numpy matrices (`matrix`); for `robust` and `welsch` they are the same two
programs with those methods' weights. All are given the same ranks, of judges who see one truth through noise, a tenth
of them at random, and stop by the same rule. A cell is the shortest of several runs in seconds; loops that would take
more than a minute are not run (`--longest`), nor compared: matrices are always faster there. Results must agree to
1e-9; on a thousand orders and more `welsch` has alphas too small for a float, and the plain
programs divide 0 by 0.

Memory is the largest resident set of a fresh process that makes a million orders and merges them, less that of one
that imports the same and merges ten, as a multiple of the input.

    .venv/bin/python benchmarks/ensemble_speed.py
    .venv/bin/python benchmarks/ensemble_speed.py --methods report --sizes 10x22 1000x22
"""

import argparse
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rankscape.studies.ranking.orders import ensembles
from scipy.stats import rankdata

SIZES = ("10x22", "100x22", "1000x22", "10000x22", "100000x22", "1000000x22", "10x10000")
METHODS = ("report", "robust", "welsch")
MOST = 1000
SIGMA, TOLERANCE = 20.0, 1e-6
LARGEST_DIFFERENCE = 1e-9
_LOOPS_SLOWER = 250
"""How many times slower than matrices loops are on many orders, roughly."""


@dataclass(frozen=True)
class Timed:
    """One program on one size."""

    seconds: float
    ranks: np.ndarray


def invented(judges: int, clusters: int) -> np.ndarray:
    """Ranks with ties, shape (judges, clusters): noisy views of one truth, a tenth of them random."""
    rng = np.random.default_rng([judges, clusters])
    ranks = np.empty((judges, clusters))
    for start in range(0, judges, 100_000):
        block = ranks[start : start + 100_000]
        noise = np.where(rng.random((len(block), 1)) < 0.1, 100.0, 0.15)
        seen = np.linspace(0, 1, clusters) + noise * rng.normal(size=block.shape)
        block[:] = rankdata(np.round(seen * 1.5 * min(clusters, 1000)), axis=1)
    return ranks


def alpha_of(method: str, square: float, mean_square: float, judges: int, clusters: int) -> float:
    """Weight of one judge, before division by the sum."""
    if method == "report":
        return 1 - math.exp(-square / SIGMA**2)
    if method == "robust":
        return math.exp(-((square / (mean_square + clusters)) ** 2))
    return math.exp(-square / (2 * (mean_square / (2 * judges)) ** 2))


def loop(ranks: np.ndarray, method: str) -> np.ndarray:
    """Python loops over judges and clusters."""
    rows = ranks.tolist()
    judges, clusters = len(rows), len(rows[0])
    start = 0.0 if method == "welsch" else 1.0
    merged = [start * sum(row[c] for row in rows) / judges for c in range(clusters)]
    before = [0.0] * judges
    for _ in range(MOST):
        squares = [sum((row[c] - merged[c]) ** 2 for c in range(clusters)) for row in rows]
        mean_square = sum(squares) / judges
        alpha = [alpha_of(method, square, mean_square, judges, clusters) for square in squares]
        total = sum(alpha) or math.nan
        new = [sum(alpha[m] / total * rows[m][c] for m in range(judges)) for c in range(clusters)]
        moves = [abs(a - b) for a, b in zip(new, merged, strict=True)]
        turned = math.sqrt(sum((a - b) ** 2 for a, b in zip(alpha, before, strict=True)))
        merged, before = new, alpha
        if math.isnan(total) or settled(method, max(moves), math.sqrt(sum(move**2 for move in moves)), turned):
            break
    return np.array(merged)


def matrix(ranks: np.ndarray, method: str) -> np.ndarray:
    """Plain numpy over the whole matrix."""
    merged = np.zeros(ranks.shape[1]) if method == "welsch" else ranks.mean(axis=0)
    before = np.zeros(len(ranks))
    for _ in range(MOST):
        squares = ((ranks - merged) ** 2).sum(axis=1)
        if method == "report":
            alpha = 1 - np.exp(-squares / SIGMA**2)
        elif method == "robust":
            alpha = np.exp(-((squares / (squares.mean() + ranks.shape[1])) ** 2))
        else:
            alpha = np.exp(-squares / (2 * (squares.sum() / (2 * len(ranks) ** 2)) ** 2))
        new = (alpha / alpha.sum()) @ ranks
        if method == "report":
            done = np.abs(new - merged).max() <= TOLERANCE
        else:
            done = settled(method, 0, float(np.linalg.norm(new - merged)), float(np.linalg.norm(alpha - before)))
        merged, before = new, alpha
        if done or math.isnan(merged[0]):
            break
    return merged


def settled(method: str, largest: float, moved: float, turned: float) -> bool:
    if method == "report":
        return largest <= TOLERANCE
    return moved < ensembles.TOLERANCE and turned < ensembles.TOLERANCE


def ours(ranks: np.ndarray, method: str) -> np.ndarray:
    """Rankscape."""
    return {"report": ensembles.report, "robust": ensembles.robust, "welsch": ensembles.welsch}[method](ranks).ranks


def timed(programs: Sequence[Callable[..., np.ndarray]], ranks: np.ndarray, method: str) -> list[Timed]:
    """Run programs in turns, so that a slow moment of the machine meets all; the shortest run of each counts.

    They take about two seconds each together, with at least one turn and 2,000 at most.
    """
    best, found, begin, turns = [math.inf] * len(programs), [ranks[0]] * len(programs), time.perf_counter(), 0
    while turns == 0 or (turns < 2000 and time.perf_counter() - begin + sum(best) < 2.0 * len(programs)):
        for number, program in enumerate(programs):
            start = time.perf_counter()
            found[number] = program(ranks, method)
            best[number] = min(best[number], time.perf_counter() - start)
        turns += 1
    return [Timed(*one) for one in zip(best, found, strict=True)]


def row(size: str, method: str, longest_s: float) -> str:
    """Measure one size; ends the program if results differ."""
    judges, clusters = map(int, size.split("x"))
    ranks = invented(judges, clusters)
    found, plain = timed([ours, matrix], ranks, method)
    if not np.isfinite(plain.ranks).all():
        return f"| {judges:,} x {clusters:,} | 0/0 | 0/0 | {found.seconds:.2g} | | |"
    looped = timed([loop], ranks, method)[0] if plain.seconds * _LOOPS_SLOWER < longest_s else None
    others = [plain, *([looped] if looped else [])]
    difference = max(float(np.abs(other.ranks - found.ranks).max()) for other in others)
    if difference > LARGEST_DIFFERENCE:
        raise SystemExit(f"{method}, {size}: results differ by {difference:g}")
    better = min(other.seconds for other in others)
    shown = f"{looped.seconds:.2g}" if looped else f"> {longest_s:g}"
    times = f"{shown} | {plain.seconds:.2g} | {found.seconds:.2g} | {better / found.seconds:.1f}"
    return f"| {judges:,} x {clusters:,} | {times} | {difference:.0e} |"


def memory(method: str) -> str:
    """Peak memory of merging a million orders, as a multiple of the input."""
    peaks = []
    for judges in (10, 1_000_000):
        command = [sys.executable, __file__, "--peak", method, "--judges", str(judges)]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return f"{(peaks[1] - peaks[0]) * 1024 / (1_000_000 * 22 * 8):.2f}"


def peak_kib(method: str, judges: int) -> int:
    """Merge in this process and return its largest resident set."""
    ours(np.random.default_rng(0).random((judges, 22)), method)
    # Not getrusage: what the parent held when it started this process would count too.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--sizes", nargs="+", default=SIZES, help="judges x clusters, such as 10x22")
    parser.add_argument("--longest", type=float, default=60.0, help="seconds above which loops are not run")
    parser.add_argument("--peak", choices=METHODS, help=argparse.SUPPRESS)
    parser.add_argument("--judges", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.peak:
        print(peak_kib(chosen.peak, chosen.judges))
        return
    np.seterr(divide="ignore", invalid="ignore")
    print(f"{len(os.sched_getaffinity(0))} cores, OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'not set')}")
    for method in chosen.methods:
        print(f"\n`{method}`, peak memory for a million orders: {memory(method)} times the input\n")
        print("| orders x clusters | loop, s | matrix, s | rankscape, s | times faster than the better | difference |")
        print("|---|---|---|---|---|---|")
        for size in chosen.sizes:
            print(row(size, method, chosen.longest), flush=True)


if __name__ == "__main__":
    main()
