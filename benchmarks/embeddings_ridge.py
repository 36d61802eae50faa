"""Time nested ridge of many tasks against the Gram matrix of its features alone.

Seven tasks, nine penalties and five folds; seeded noise of few strong directions, as embeddings have them. Run with
`OMP_NUM_THREADS=1 python benchmarks/embeddings_ridge.py [ROWS FEATURES]`.
"""

import resource
import sys
import time

import numpy as np
from rankscape.learning.nested_ridge import fit_nested

_TASKS, _FOLDS = 7, 5


def main(rows: int = 10_000, features: int = 2048) -> None:
    """Print the CPU seconds of both, their ratio and the most memory that was used."""
    chance = np.random.default_rng(0)
    spectrum = np.arange(1, features + 1) ** -0.5
    x = chance.normal(size=(rows, features)) * spectrum
    x += chance.normal(size=(rows, 8)) @ chance.normal(size=(8, features)) * 0.3
    y = x[:, :64] @ chance.normal(size=(64, _TASKS)) + chance.normal(size=(rows, _TASKS))
    x = x.astype(np.float32)
    folds = chance.integers(0, _FOLDS, rows)
    begin = time.process_time()
    wide = x.astype(np.float64)
    wide.T @ wide
    gram_s = time.process_time() - begin
    del wide
    begin = time.process_time()
    fit_nested(x, y, folds, penalties=np.logspace(-4, 3, 9).tolist())
    nested_s = time.process_time() - begin
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print("| rows | features | Gram alone, CPU s | nested ridge, CPU s | ratio | peak memory, GB |")
    print("|--:|--:|--:|--:|--:|--:|")
    print(f"| {rows} | {features} | {gram_s:.1f} | {nested_s:.1f} | {nested_s / gram_s:.1f} | {peak_gb:.1f} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
