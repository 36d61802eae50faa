"""How well ensembles withstand bad judges, measured on ten real human orders.

Three of the ten are spoilt, all 120 choices, and the merged ranks are compared with the mean rank of the honest seven
by Kendall's tau-b: mean over the choices, and the worst choice in brackets. Reversed judges say the opposite of what
they said; random judges say a random permutation, and both numbers are means over several draws, since the worst of one
draw varies by some hundredths. `report` merges and is compared in the report's own ranks. Effective
judges are those of the ten unspoilt orders. The last row is a former default: `robust` with alpha = exp(-e²/mean(e²)).

    .venv/bin/python benchmarks/ensemble_robustness.py ../shared/data/north-korea/orders/POG_collection.txt
"""

import argparse
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from rankscape.studies.ranking.orders.ballots import Merged
from rankscape.studies.ranking.orders.ensembles import (
    ROBUST,
    bradley_terry,
    half_quadratic,
    kemeny,
    mean,
    report,
    robust,
    welsch,
)
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from scipy.stats import kendalltau


def wider(ranks: np.ndarray) -> Merged:
    """Merge as `robust`, with the exponential of the plain square."""
    return half_quadratic(
        ranks, replace(ROBUST, exponents=lambda squares, mean_square, _: -squares / mean_square, slack=0.0)
    )


METHODS: dict[str, Callable[[np.ndarray], Merged]] = {
    "robust": robust,
    "welsch": welsch,
    "mean": mean,
    "kemeny": kemeny,
    "bradley_terry": bradley_terry,
    "report": report,
    "robust, exp(-e²/mean(e²))": wider,
}
SPOILT = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("orders", type=Path, help="annotators' lines, one order a line")
    parser.add_argument("--draws", type=int, default=20, help="draws of random judges")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS), help="rows to measure")
    chosen = parser.parse_args()
    orders = [PartialOrder.parse(line) for line in chosen.orders.read_text(encoding="utf-8").split()]
    print("| method | reversed: mean (worst) | random: mean (worst) | effective judges |")
    print("|---|---|---|---|")
    for name in chosen.methods:
        method = METHODS[name]
        ranks = np.array([order.report_ranks() if name == "report" else order.ranks() for order in orders])
        cells = [measure(method, ranks, "reversed", 1), measure(method, ranks, "random", chosen.draws)]
        print(f"| `{name}` | {cells[0]} | {cells[1]} | {method(ranks).effective_judges:.1f} |")


def measure(method: Callable[[np.ndarray], Merged], ranks: np.ndarray, kind: str, draws: int) -> str:
    runs = np.array([list(taus(method, ranks, kind, seed)) for seed in range(draws)])
    return f"{runs.mean():.4f} ({runs.min(axis=1).mean():.4f})"


def taus(method: Callable[[np.ndarray], Merged], ranks: np.ndarray, kind: str, seed: int) -> Iterator[float]:
    generator = np.random.default_rng(seed)
    clusters = ranks.shape[1]
    for choice in itertools.combinations(range(len(ranks)), SPOILT):
        mixed = ranks.copy()
        for judge in choice:
            own = ranks[judge]
            mixed[judge] = own.max() + own.min() - own if kind == "reversed" else generator.permutation(clusters) + 1
        honest = np.delete(ranks, choice, axis=0).mean(axis=0)
        yield float(kendalltau(method(mixed).ranks, honest).statistic)


if __name__ == "__main__":
    main()
