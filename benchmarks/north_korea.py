"""What each choice of the score model is worth on the published tiles of North Korea (Ahn et al. 2023).

Run `.venv/bin/python benchmarks/north_korea.py ../shared/data/north-korea` (about 25 minutes on two cores). 877 tiles
in 22 clusters, their order by ten experts, 266 tiles that all annotators call uninhabited, and 346 on which they
differ or which are inhabited. A fifth of each cluster (and of the labelled tiles) is held out; three splits; mean and
standard deviation. Every row changes one choice of the default. Backbones stay as they are; ridge regression gives the
score. Columns:

- of land: Spearman's correlation of held-out scores with the published level, tiles weighted by the land they stand for
  (31 % of it uninhabited, 61 % rural, 8 % urban, the clusters of each alike).
- tau-b: Kendall's, of held-out scores with the published level, tiles of the 22 clusters.
- within .07: share of held-out scores within 0.07 of their target (the report's measure), uninhabited tiles included.
- other looks: tau-b when held-out tiles look as on another date (gain, tint, haze, colours, blur), the others not.
- moved: mean |change of score| of held-out tiles between the two looks, as a share of the scores' deviation.
- inhabited: AUC of held-out labelled tiles of which most annotators say inhabited, against the others.
- urban: the same, urban against the rest.

Objectives that train a network: `benchmarks/objectives.py`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from published_tiles import BANDS, LEVELS, cluster_tiles, labelled_tiles, store
from rankscape.evaluation.correlation import weighted_correlation
from rankscape.evaluation.ranks import WeightedRanks
from rankscape.foundation.files import read_json
from rankscape.learning.augmentation import appearance
from rankscape.learning.filters import fit_filters
from rankscape.learning.folds import random_folds
from rankscape.learning.ridge import fit_ridge
from rankscape.models.backbones import create_backbone, published_statistics
from rankscape.models.convolutions import RandomConvolutions
from rankscape.models.preparation import Preparation, fit_preparation
from rankscape.studies.ranking.scoring.network import ScoreNetwork
from rankscape.studies.ranking.scoring.score_targets import by_level, by_rank, by_ridit
from scipy.stats import kendalltau
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

UNINHABITED = 22
SHARES = {c: (0.08 if c < 11 else 0.61) / 11 for c in range(UNINHABITED)} | {UNINHABITED: 0.31}
"""Share of all land of each cluster, as config/north-korea.yaml has it."""
SPLITS, FOLDS, HELD_OUT = 3, 5, 0.2
BATCH = 32
RESOLUTIONS, LITE = "tf_efficientnet_lite0+levels", "tf_efficientnet_lite0"
CONVOLUTIONS = "random-convolutions-3px-128-rms-log-standard"
COLUMNS = ("of land", "tau-b", "within .07", "other looks", "moved", "inhabited", "urban")


@dataclass(frozen=True)
class Tiles:
    """All tiles: those of the clusters first, then the labelled ones."""

    pixels: np.ndarray
    """uint8, shape (n, 256, 256, 3)."""
    cluster: np.ndarray
    """Cluster of each tile; 22 where all annotators say uninhabited, -1 of the other labelled ones, int64."""
    shares: np.ndarray
    """Share of annotators for urban, rural, uninhabited; NaN for tiles of clusters, float64, shape (n, 3)."""


@dataclass(frozen=True)
class Choice:
    """One way to make features, and what is fitted to them."""

    architecture: str = RESOLUTIONS
    weights: str = "packaged"
    normalisation: str = "each"
    colour: str = "rgb"
    copies: int = 1
    seeds: int = 5
    targets: str = "robust, ridit"
    representatives: bool = False


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with clusters/, labelled/, labelled.csv, orders/")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tiles, targets = read_tiles(arguments.folder), read_targets(arguments.folder)
    with threadpool_limits(arguments.threads):
        print_choices(Bench(tiles, targets))


def read_tiles(folder: Path) -> Tiles:
    """Read all tiles and their labels."""
    ranked, cluster = cluster_tiles(folder)
    labelled, shares = labelled_tiles(folder)
    empty = np.where(shares[:, 2] == 1, UNINHABITED, -1)
    unlabelled = np.full((len(ranked), 3), np.nan)
    return Tiles(
        np.concatenate([ranked, labelled]), np.concatenate([cluster, empty]), np.concatenate([unlabelled, shares])
    )


def read_targets(folder: Path) -> dict[str, dict[int, float]]:
    """Merge the experts' orders by several methods, and make targets of each."""
    found = {"published": by_level([*LEVELS, (UNINHABITED,)])}
    for method in ("robust", "welsch", "report", "mean"):
        with tempfile.TemporaryDirectory() as place:
            out = Path(place) / "order.json"
            settings = json.dumps({"method": method, "levels": 8})
            call = [
                "ranking",
                "ensemble",
                "--collection",
                str(folder / "orders" / "POG_collection.txt"),
                "--settings",
                settings,
            ]
            subprocess.run([sys.executable, "-m", "rankscape", *call, "--out", out], check=True, capture_output=True)
            order = read_json(out)
        found[f"{method}, levels"] = by_level([*order["levels"], [UNINHABITED]])
        found[f"{method}, ridit"] = by_ridit([*order["levels"], [UNINHABITED]], SHARES)
        ranks = {int(name): rank for name, rank in order["ranks"].items()}
        found[f"{method}, ranks"] = by_rank({**ranks, UNINHABITED: len(ranks) + 1.0}, "the experts")
    return found


class Bench:
    """Features of the tiles, computed once for each way to make them, and scores from them."""

    def __init__(self, tiles: Tiles, targets: dict[str, dict[int, float]]) -> None:
        self.tiles, self.targets = tiles, targets
        self._known: dict[tuple, np.ndarray] = {}

    def features(self, choice: Choice, strength: float, seed: int = 0) -> np.ndarray:
        """Features of all tiles, as they are or as on another date; float64, shape (n, dims)."""
        key = (choice.architecture, choice.weights, choice.normalisation, choice.colour, strength, seed)
        if key not in self._known:
            self._known[key] = self._features(choice, strength, seed)
        return self._known[key]

    def _features(self, choice: Choice, strength: float, seed: int) -> np.ndarray:
        preparation = prepared(choice)
        network = ScoreNetwork(self._backbone(choice, preparation), "clip").eval()
        network.use("bfloat16")
        light, seen = torch.Generator().manual_seed(100 + seed), []
        with torch.inference_mode():
            for start in range(0, len(self.tiles.pixels), BATCH):
                values = preparation.values(torch.from_numpy(self.tiles.pixels[start : start + BATCH]))
                images = preparation.normalised(appearance(values, light, strength))
                seen.append(network.features(images).double().numpy())
        print(f"  features: {choice.architecture}, {choice.weights}, {choice.normalisation}, {strength:g}", flush=True)
        return np.concatenate(seen)

    def _backbone(self, choice: Choice, preparation: Preparation) -> torch.nn.Module:
        backbone = create_backbone(choice.architecture, choice.weights, preparation.channels, 0)
        if isinstance(backbone, RandomConvolutions):
            chance = np.random.default_rng(7)
            fit_filters(backbone, [store(self.tiles.pixels)], preparation, chance, torch.device("cpu"))
        return backbone

    def scores(self, choice: Choice, split: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores of all tiles as they are and as on another date, by a model that saw those not held out."""
        train = np.flatnonzero(~held_out(self.tiles, split) & (self.tiles.cluster >= 0))
        target = self.targets[choice.targets]
        if choice.representatives:
            first = {target[cluster]: cluster for cluster in sorted(target, reverse=True)}
            train = train[np.isin(self.tiles.cluster[train], list(first.values()))]
        wanted = np.array([target[cluster] for cluster in self.tiles.cluster[train]])
        plain, other = self.features(choice, 0.0), self.features(choice, 1.0)
        rows = [plain[train], *(self.features(choice, 1.0, copy)[train] for copy in range(1, choice.copies))]
        centre, scale = rows[0].mean(0), rows[0].std(0).clip(1e-8)
        standard = [(some - centre) / scale for some in rows]
        found = []
        for seed in range(choice.seeds):
            chance = np.random.default_rng([split, seed])
            drawn = np.bincount(chance.integers(len(train), size=len(train)), minlength=len(train))
            weights = drawn if choice.seeds > 1 else np.ones(len(train))
            parts = np.tile(random_folds(len(train), chance, FOLDS), choice.copies)
            ridge = fit_ridge(
                np.concatenate(standard), np.tile(wanted, choice.copies), parts, weights=np.tile(weights, choice.copies)
            )
            found.append([ridge.predict((some - centre) / scale) for some in (plain, other)])
        plain_scores, other_scores = np.mean(found, axis=0)
        return plain_scores, other_scores, train


def prepared(choice: Choice) -> Preparation:
    """The preparation of a choice, at the tiles' own size."""
    published = published_statistics(choice.architecture)
    return fit_preparation(
        [], BANDS, input_px=256, colour=choice.colour, normalisation=choice.normalisation, published=published
    )


def held_out(tiles: Tiles, split: int) -> np.ndarray:
    """Hold out a fifth of each cluster and of the other labelled tiles; bool, shape (n,)."""
    chance, held = np.random.default_rng([split, 1]), np.zeros(len(tiles.cluster), bool)
    for cluster in np.unique(tiles.cluster):
        members = chance.permutation(np.flatnonzero(tiles.cluster == cluster))
        held[members[: round(HELD_OUT * len(members))]] = True
    return held


Scorer = Callable[[int], tuple[np.ndarray, np.ndarray]]
"""Scores of all tiles as they are and as on another date, for a split."""


def figures(bench: Bench, scorer: Scorer, targets: str) -> dict[str, str]:
    """Mean and deviation over the splits of every column."""
    rows = [_figures(bench, *scorer(split), held_out(bench.tiles, split), targets) for split in range(SPLITS)]
    return {
        name: f"{np.mean([r[name] for r in rows]):.3f} ± {np.std([r[name] for r in rows], ddof=1):.3f}"
        for name in COLUMNS
    }


def _figures(bench: Bench, plain: np.ndarray, other: np.ndarray, held: np.ndarray, targets: str) -> dict[str, float]:
    tiles, level, target = bench.tiles, bench.targets["published"], bench.targets[targets]
    clustered, aimed = (held & (tiles.cluster >= 0) & (tiles.cluster <= last) for last in (21, UNINHABITED))
    levels = [level[cluster] for cluster in tiles.cluster[clustered]]
    wanted = np.array([target[cluster] for cluster in tiles.cluster[aimed]])
    labelled = held & np.isfinite(tiles.shares[:, 0])
    places = [level[cluster] for cluster in tiles.cluster[aimed]]
    shares = tiles.shares[labelled]
    return {
        "of land": spearman_of_land(plain[aimed], np.array(places), tiles.cluster[aimed]),
        "tau-b": kendalltau(plain[clustered], levels).statistic,
        "within .07": float((np.abs(plain[aimed] - wanted) <= 0.07).mean()),
        "other looks": kendalltau(other[clustered], levels).statistic,
        "moved": float(np.abs(other - plain)[held].mean() / plain[held].std()),
        "inhabited": roc_auc_score(shares[:, 2] < 0.5, plain[labelled]),
        "urban": roc_auc_score(shares[:, 0] > 0.5, plain[labelled]),
    }


def spearman_of_land(scores: np.ndarray, levels: np.ndarray, cluster: np.ndarray) -> float:
    """Spearman's correlation where every tile counts as much as the land that it stands for."""
    weights = np.array([SHARES[one] for one in cluster]) / np.bincount(cluster)[cluster]
    first, second = (WeightedRanks(values).ranks(weights) for values in (scores, levels))
    return float(weighted_correlation(first, second, weights))


def mixed(bench: Bench, choices: Sequence[tuple[Choice, float]]) -> Scorer:
    """Weighted mean of the scores of several choices."""

    def score(split: int) -> tuple[np.ndarray, np.ndarray]:
        found = [(bench.scores(choice, split), weight) for choice, weight in choices]
        return tuple(sum(weight * one[place] for one, weight in found) for place in (0, 1))  # type: ignore[return-value]

    return score


def gradient(bench: Bench) -> Scorer:
    """Mean gradient magnitude of grey, a pixel statistic."""

    def steepness(pixels: np.ndarray) -> np.ndarray:
        grey = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
        return np.array([np.hypot(*np.gradient(one)).mean() for one in grey])

    light, chunks = torch.Generator().manual_seed(100), []
    for start in range(0, len(bench.tiles.pixels), BATCH):
        values = torch.from_numpy(bench.tiles.pixels[start : start + BATCH]).permute(0, 3, 1, 2).float() / 255
        chunks.append(appearance(values, light, 1.0).permute(0, 2, 3, 1).numpy() * 255)
    found = steepness(bench.tiles.pixels), steepness(np.concatenate(chunks))
    return lambda _: (found[0] / found[0].max(), found[1] / found[0].max())


def print_choices(bench: Bench) -> None:
    """Print the rows of the ablation."""
    base, auxiliary = Choice(), Choice(architecture=CONVOLUTIONS, weights="random", seeds=2)
    both = [(base, 0.8), (auxiliary, 0.2)]
    rows: list[tuple[str, Scorer, str]] = [
        ("gradient alone", gradient(bench), base.targets),
        ("**default: levels of EfficientNet-Lite0, with auxiliary model**", mixed(bench, both), base.targets),
        ("without auxiliary model", mixed(bench, [(base, 1.0)]), base.targets),
        ("auxiliary model alone (random convolutions)", mixed(bench, [(auxiliary, 1.0)]), base.targets),
        ("auxiliary model's share .35", mixed(bench, [(base, 0.65), (auxiliary, 0.35)]), base.targets),
        ("auxiliary model's share one half", mixed(bench, [(base, 0.5), (auxiliary, 0.5)]), base.targets),
    ]

    def alone(name: str, **changes: object) -> None:
        choice = replace(base, **changes)
        rows.append((f"without auxiliary model, {name}", mixed(bench, [(choice, 1.0)]), choice.targets))

    alone("last layer only", architecture=LITE)
    alone("random weights", weights="random")
    alone("normalisation `imagenet`", normalisation="imagenet")
    alone("grey", colour="grey")
    alone("one head from all tiles instead of five from draws", seeds=1)
    alone("three copies, two of them as on other dates", copies=3)
    alone("representatives of each level only", representatives=True)
    for method in ("robust, levels", "robust, ranks", "welsch, ridit", "report, ridit"):
        alone(f"targets: {method}", targets=method)
    lines = [f"| {name} | " + " | ".join(figures(bench, score, aim).values()) + " |" for name, score, aim in rows]
    print("| choice | " + " | ".join(COLUMNS) + " |")
    print("|---|" + "---|" * len(COLUMNS))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
