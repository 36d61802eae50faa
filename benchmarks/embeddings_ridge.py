"""Time nested ridge of many tasks against the Gram matrix of its features alone.

Seven tasks, nine penalties and five folds; seeded noise of few strong directions, as embeddings have them, float32 in a
file that is mapped into memory. Run with `OMP_NUM_THREADS=2 python benchmarks/embeddings_ridge.py [ROWS FEATURES]`; the
largest size, 50,000 rows of 8,192 features, takes ten minutes and 2 GB in the folder of temporary files.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rankscape.learning.nested_ridge import fit_nested
from scipy.linalg import blas

_TASKS, _FOLDS, _CHUNK = 7, 5, 4096


def main(rows: int = 10_000, features: int = 2048) -> None:
    """Print the CPU seconds of both, their ratio, the most memory that was used, and the error of a fold."""
    with tempfile.TemporaryDirectory() as folder:
        x, y = simulated(Path(folder) / "features.npy", rows, features)
        folds = np.random.default_rng(1).integers(0, _FOLDS, rows)
        begin = time.process_time()
        gram(x, np.ones(rows, bool))
        gram_s = time.process_time() - begin
        begin, begin_wall = time.process_time(), time.monotonic()
        fit = fit_nested(x, y, folds)[0]
        nested_s, wall_s = time.process_time() - begin, time.monotonic() - begin_wall
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        wanted = plain(x, y[:, 0], folds != 0, fit.folds[0].penalties[0])
        error = np.abs(fit.predicted[folds == 0] - wanted[folds == 0]).max() / np.abs(wanted).max()
    print("| rows | features | Gram alone, CPU s | nested, CPU s | ratio | nested, s | peak memory, GB | error |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|")
    cells = f"{gram_s:.1f} | {nested_s:.1f} | {nested_s / gram_s:.1f} | {wall_s:.0f} | {peak_gb:.1f} | {error:.0e}"
    print(f"| {rows:,} | {features:,} | {cells} |")


def simulated(path: Path, rows: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    """Write features, mapped from their file, and make labels of the first 64."""
    chance = np.random.default_rng(0)
    strong = chance.normal(size=(8, features)) * 0.3
    x = np.lib.format.open_memmap(path, "w+", np.float32, (rows, features))
    for start in range(0, rows, _CHUNK):
        part = x[start : start + _CHUNK]
        part[:] = chance.normal(size=part.shape) * np.arange(1, features + 1) ** -0.5
        part += chance.normal(size=(len(part), 8)) @ strong
    y = x[:, :64] @ chance.normal(size=(64, _TASKS)) + chance.normal(size=(rows, _TASKS))
    x.flush()
    return np.load(path, mmap_mode="r"), y


def gram(x: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Products of features over some rows, in double precision, block by block; the upper triangle."""
    total = np.zeros((x.shape[1],) * 2, order="F")
    for start in range(0, len(x), _CHUNK):
        part = slice(start, start + _CHUNK)
        total = blas.dsyrk(1.0, x[part][used[part]].astype(np.float64).T, beta=1.0, c=total, overwrite_c=True)
    return total


def plain(x: np.ndarray, y: np.ndarray, used: np.ndarray, penalty: float) -> np.ndarray:
    """Predict all rows by the textbook's ridge of standardised features of some rows."""
    mean, products = x[used].mean(0, dtype=np.float64), gram(x, used)
    products += np.triu(products, 1).T
    products -= used.sum() * np.outer(mean, mean)
    scale = np.sqrt(products.diagonal() / used.sum())
    centred = y - y[used].mean()
    aim = sum(x[s : s + _CHUNK].T.astype(float) @ (centred * used)[s : s + _CHUNK] for s in range(0, len(x), _CHUNK))
    weights = np.linalg.solve(products / scale / scale[:, None] + penalty * np.eye(len(mean)), aim / scale) / scale
    found = [x[s : s + _CHUNK] @ weights for s in range(0, len(x), _CHUNK)]
    return np.concatenate(found) + y[used].mean() - mean @ weights


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
