"""Do 95 % intervals hold the truth 95 times in 100, where neighbours resemble each other?

Gaussian fields on a square of places, exponentially correlated (.05 is left at the range), score and reference with a
known correlation of the population: of Pearson rho, of Spearman 6/pi asin(rho/2) (Kruskal 1958). Share of the draws
whose interval holds it: as `evaluate` computes it, with `block_m: auto`; percentiles of the same draws of blocks;
percentiles of places drawn one by one. Then how often the permutation test finds p < .05 between fields that have
nothing to do with each other, beside a test that takes places for independent.

    .venv/bin/python benchmarks/intervals.py --jobs 2
"""

import argparse
import functools
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from rankscape.evaluation.correlation import PairedSamples
from rankscape.evaluation.intervals import bootstrap_interval
from rankscape.spatial.autocorrelation import field_pairs, permutation_p, spatial_effects
from rankscape.spatial.blocks import choose_block, effective_blocks
from rankscape.spatial.geometry import spacing
from scipy.stats import pearsonr

STATISTICS = ("pearson", "spearman")


@dataclass(frozen=True)
class Case:
    """One kind of land."""

    side: int
    """Places along a side, a unit apart."""
    range_px: float
    """Range of what score and reference have in common."""
    own_range_px: float
    """Range of what the reference has for itself."""
    noise: float
    """Standard deviation of noise of the score that no neighbour shares."""
    rho: float
    """Correlation of the two, but for the noise."""

    def truth(self) -> dict[str, float]:
        """Correlation of the population."""
        pearson = self.rho / np.sqrt(1 + self.noise**2)
        return {"pearson": pearson, "spearman": 6 / np.pi * np.arcsin(pearson / 2)}


CASES = [
    Case(40, 6, 6, 0.0, 0.0),
    Case(40, 6, 6, 0.0, 0.7),
    Case(40, 12, 12, 0.0, 0.0),
    Case(40, 12, 12, 0.0, 0.7),
    Case(60, 10, 4, 0.5, 0.5),
    Case(60, 8, 8, 1.0, 0.9),
    Case(60, 20, 10, 0.5, 0.7),  # the range is a third of the side: too little land for what it is asked
]


def gaussian_fields(side: int, range_px: float, count: int, generator: np.random.Generator) -> np.ndarray:
    """Draw fields of variance 1, shape (count, side, side), by circulant embedding (Dietrich and Newsam 1997)."""
    wide = 2 * side
    away = np.minimum(np.arange(wide), wide - np.arange(wide))
    power = np.fft.fft2(np.exp(-3 * np.hypot(away[:, None], away) / range_px)).real.clip(0)
    noise = generator.normal(size=(2, count, wide, wide))
    fields = np.fft.fft2(np.sqrt(power) / wide * (noise[0] + 1j * noise[1])).real
    return np.asarray(fields[:, :side, :side])


def covers(case: Case, draws: int, seed: int) -> dict[tuple[str, str], bool]:
    """Whether each kind of interval of each statistic holds the truth, for one pair of fields."""
    generator = np.random.default_rng(seed)
    rows, cols = (axis.ravel() for axis in np.mgrid[: case.side, : case.side].astype(float))
    common, own = (
        gaussian_fields(case.side, size, 1, generator).ravel() for size in (case.range_px, case.own_range_px)
    )
    reference = case.rho * common + np.sqrt(1 - case.rho**2) * own
    score = common + case.noise * generator.normal(size=len(common))
    (pair,) = field_pairs(cols, rows, [score], reference, seed)
    numbered = functools.partial(blocks_of, rows, cols, generator.uniform(size=2))
    choice = choose_block(
        pair and pair.reference, pair and pair.predictor, spacing(cols, rows), lambda m: len(set(numbered(m))), 5
    )
    blocks = numbered(choice.block_m)
    (likeness,) = spatial_effects(cols, rows, blocks, [pair], seed)
    samples = PairedSamples(score[None], reference, reference)
    estimate, of_blocks = samples.estimate(), samples.bootstrap(blocks, draws, seed)
    of_places = samples.bootstrap(np.arange(len(score)), draws, seed)
    truth, found = case.truth(), {}
    for name in STATISTICS:
        value, drawn = float(getattr(estimate, name)[0, 0]), getattr(of_blocks, name)[:, 0]
        inflation = likeness.inflation if likeness else 1.0
        ends = {
            "evaluate": bootstrap_interval(value, drawn, 0.95, blocks=effective_blocks(blocks), inflation=inflation),
            "blocks": np.quantile(drawn, [0.025, 0.975]),
            "places": np.quantile(getattr(of_places, name)[:, 0], [0.025, 0.975]),
        }
        found |= {(kind, name): bool(low <= truth[name] <= high) for kind, (low, high) in ends.items()}
    return found


def blocks_of(rows: np.ndarray, cols: np.ndarray, origin: np.ndarray, side: float) -> np.ndarray:
    """Number the square blocks of a side; they start anywhere, as blocks of land do."""
    down, right = ((axis + part * side) // side for axis, part in zip((rows, cols), origin, strict=True))
    return np.asarray(down * 10_000 + right, np.int64)


def false_alarms(range_px: float, own_range_px: float, surrogates: int, seed: int) -> dict[str, bool]:
    """Whether each test finds p < .05 between two unrelated fields of 40 x 40 places."""
    generator = np.random.default_rng(seed)
    rows, cols = (axis.ravel() for axis in np.mgrid[:40, :40].astype(float))
    score, reference = (gaussian_fields(40, size, 1, generator).ravel() for size in (range_px, own_range_px))
    (pair,) = field_pairs(cols, rows, [score], reference, seed)
    if pair is None:
        raise RuntimeError("a field without a variogram")
    p = permutation_p(cols, rows, score[None], reference, pair.reference, surrogates, seed)[0]
    return {"permutation": bool(p < 0.05), "independent": bool(pearsonr(score, reference).pvalue < 0.05)}


def shares(measure: Callable[[int], dict], count: int, jobs: int) -> dict:
    """Share of the seeds for which each answer is yes."""
    with ProcessPoolExecutor(jobs) as pool:
        answers = list(pool.map(measure, range(count), chunksize=5))
    return {name: np.mean([answer[name] for answer in answers]) for name in answers[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=int, default=500, help="pairs of fields of each kind")
    parser.add_argument("--draws", type=int, default=200, help="bootstrap draws, and surrogates of a test")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    chosen = parser.parse_args()
    print("| places | range | own range | noise | rho | statistic | `evaluate` | percentiles, blocks | places |")
    print("|---|---|---|---|---|---|---|---|---|")
    for case in CASES:
        found = shares(functools.partial(covers, case, chosen.draws), chosen.fields, chosen.jobs)
        for name in STATISTICS:
            cells = " | ".join(f"{found[kind, name]:.1%}" for kind in ("evaluate", "blocks", "places"))
            land = f"{case.side}² | {case.range_px:g} | {case.own_range_px:g} | {case.noise:g} | {case.rho:g}"
            print(f"| {land} | {name} | {cells} |", flush=True)
    print("\n| range of the score | range of the reference | permutation test, p < .05 | independent places, p < .05 |")
    print("|---|---|---|---|")
    for ranges in ((6.0, 6.0), (12.0, 12.0), (12.0, 4.0)):
        measure = functools.partial(false_alarms, *ranges, max(99, chosen.draws - 1))
        found = shares(measure, chosen.fields, chosen.jobs)
        print(
            f"| {ranges[0]:g} | {ranges[1]:g} | {found['permutation']:.1%} | {found['independent']:.1%} |", flush=True
        )


if __name__ == "__main__":
    main()
