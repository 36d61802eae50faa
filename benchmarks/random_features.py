"""Random convolutional features with ridge: seconds, equality with the paper's construction, memory, and worth.

Seconds are CPU seconds of one thread, since other work on a machine changes them less. Features are those of the
auxiliary model's default architecture unless said otherwise. `fit` is the choice of the penalty among nine by five
parts and the final ridge. The plain construction (Rolf et al., Nature Communications 2021) is written here with NumPy
loops. Memory is the largest resident set of a child process, above that after imports, while
61,440 synthetic patches of 64 px are turned into features and a ridge; the patches are made as they are asked for.
Kendall's tau-b compares predictions of tiles held out, a fifth of each cluster in turn, with the mean rank that ten
experts gave to the tile's cluster. The tiles have no coordinates, so neighbours may stand on both sides.

    .venv/bin/python benchmarks/random_features.py ../shared/data/north-korea
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from published_tiles import cluster_tiles
from rankscape.learning.augmentation import augment
from rankscape.learning.feature_buffer import FeatureBuffer
from rankscape.learning.folds import Resample, even_parts
from rankscape.learning.processes import use_device
from rankscape.learning.ridge import fit_ridge
from rankscape.models.convolutions import RandomConvolutions, form_of, whitened_filters
from rankscape.models.preparation import Preparation
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.scoring.ridging import buffered, fit_drawn
from rankscape.studies.ranking.scoring.settings import AuxiliarySettings, TrainSettings
from rankscape.studies.ranking.scoring.training import ScoreTask
from scipy.stats import kendalltau
from threadpoolctl import threadpool_limits

ARCHITECTURE = AuxiliarySettings().architecture
CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of clusters/ and orders/")
    parser.add_argument("--tiles", type=int, default=1000, help="tiles to time; shown again where there are fewer")
    parser.add_argument("--patches", type=int, default=61_440, help="synthetic patches to stream")
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 4], help="copies a tile whose worth is measured")
    parser.add_argument("--room-mb", type=float, default=32.0, help="MB of features that may stay in memory")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    chosen = parser.parse_args()
    use_device(0, 1)
    with threadpool_limits(1, "blas"):
        for part in chosen.parts:
            PARTS[part](chosen)


def speed(chosen: argparse.Namespace) -> None:
    """Print seconds to compute the features of tiles and to fit."""
    tiles, ranks, _ = read_tiles(chosen.data)
    shown = np.arange(chosen.tiles) % len(tiles)
    print("| input | features a tile | tiles | features, CPU s | ms a tile | fit, CPU s |\n|---|--:|--:|--:|--:|--:|")
    for side in (128, 256):
        network, preparation = fitted(tiles, side)
        features, took = features_of(network, preparation, tiles[shown])
        parts = np.arange(len(shown)) % 5
        start = time.process_time()
        fit_ridge(features, ranks[shown], parts)
        fit = time.process_time() - start
        cells = (f"{side} px", network.num_features, len(shown), f"{took:.1f}", f"{1000 * took / len(shown):.1f}")
        print("| " + " | ".join(map(str, (*cells, f"{fit:.2f}"))) + " |")


def equality(chosen: argparse.Namespace) -> None:
    """Print the largest difference from the plain construction."""
    tiles, ranks, _ = read_tiles(chosen.data)
    preparation = Preparation(64, "rgb", "none", (0.0,) * 3, (1.0,) * 3, ("B04", "B03", "B02"))
    images = preparation.tensor(tiles[:300:5])
    squares = np.stack([image[:, 20:23, 30:33] for image in images.numpy()])
    form = form_of(f"random-convolutions-3px-{len(squares)}")
    assert form is not None
    network = RandomConvolutions(form, 3)
    network.filters.copy_(torch.from_numpy(whitened_filters(squares)))
    with torch.inference_mode():
        ours = network(images).numpy()
    theirs = plain_features(images.numpy(), plain_filters(squares))
    labels, parts = ranks[:300:5], np.arange(len(images)) % 5
    predicted = [fit_ridge(features, labels, parts).predict(features) for features in (ours, theirs)]
    rows = np.random.default_rng(0).normal(size=(2000, 256)).astype(np.float32)
    aim = rows @ np.random.default_rng(1).normal(size=256) + np.random.default_rng(2).normal(size=2000)
    draw = Resample(np.arange(2000) % 5, np.ones(2000), 2000)
    with FeatureBuffer(256, room_mb=0.1) as buffer:
        buffer.append(rows)
        summed = fit_drawn(buffer, (np.zeros(256), np.ones(256)), aim, draw)
    direct = fit_ridge(rows, aim, draw.parts)
    print("\n| compared | largest value | largest difference |\n|---|--:|--:|")
    print(
        f"| features, {len(images)} tiles of 64 px, {len(squares)} filters | {theirs.max():.3f} | {far(ours, theirs)} |"
    )
    print(f"| predictions of the ridge on both | {predicted[1].max():.1f} | {far(*predicted)} |")
    size = np.abs(direct.weights).max()
    print(f"| weights from sums of products, 2,000 x 256 | {size:.1f} | {far(summed.weights, direct.weights)} |")


def far(first: np.ndarray, second: np.ndarray) -> str:
    """Write the largest difference."""
    return f"{np.abs(first - second).max():.0e}"


def memory(chosen: argparse.Namespace) -> None:
    """Print the peak memory of streaming."""
    print("\n| patches | features, float32 MB | room_mb | peak above imports, MB | CPU s |\n|--:|--:|--:|--:|--:|")
    for patches in (chosen.patches // 8, chosen.patches):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            size, peak, took = pool.apply(stream, (patches, chosen.room_mb))
        print(f"| {patches:,} | {size:.0f} | {chosen.room_mb:.0f} | {peak:.0f} | {took:.0f} |")


def worth(chosen: argparse.Namespace) -> None:
    """Print Kendall's tau-b of tiles held out."""
    tiles, ranks, clusters = read_tiles(chosen.data)
    print("\n| input | copies a tile | Kendall tau-b on held-out tiles, three seeds: mean (spread) |\n|---|--:|--:|")
    for copies in chosen.copies:
        taus = [held_out_tau(tiles, ranks, clusters, copies, seed) for seed in range(3)]
        print(f"| 128 px | {copies} | {np.mean(taus):.3f} ({np.std(taus, ddof=1):.3f}) |")


def held_out_tau(tiles: np.ndarray, ranks: np.ndarray, clusters: np.ndarray, copies: int, seed: int) -> float:
    """Predict every tile from the other four fifths of its cluster."""
    network, preparation = fitted(tiles, 128, seed)
    light = torch.Generator().manual_seed(seed)
    looks = [
        features_of(network, preparation, tiles, (lambda seen: augment(seen, light)) if number else None)[0]
        for number in range(copies)
    ]
    part, chance = np.zeros(len(tiles), int), np.random.default_rng(seed)
    for cluster in np.unique(clusters):
        own = chance.permutation(np.flatnonzero(clusters == cluster))
        part[own] = np.arange(len(own)) % 5
    predicted = np.zeros(len(tiles))
    for fold in range(5):
        train = part != fold
        inner = even_parts(np.ones(train.sum()), chance)
        rows = np.concatenate([look[train] for look in looks])
        ridge = fit_ridge(rows, np.tile(ranks[train], copies), np.tile(inner, copies))
        predicted[~train] = ridge.predict(looks[0][~train])
    return float(kendalltau(predicted, ranks).statistic)


def read_tiles(data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read all tiles of the ranked clusters, the experts' mean rank of each, and its cluster."""
    lines = (data / "orders" / "POG_collection.txt").read_text(encoding="utf-8").split()
    orders = [PartialOrder.parse(line) for line in lines]
    mean = dict(zip(orders[0].clusters, np.mean([order.ranks() for order in orders], axis=0), strict=True))
    tiles, clusters = cluster_tiles(data)
    return tiles, np.array([mean[cluster] for cluster in clusters.tolist()]), clusters


def fitted(tiles: np.ndarray, side: int, seed: int = 0) -> tuple[RandomConvolutions, Preparation]:
    """Make the auxiliary model's features with filters from the tiles, and their preparation."""
    preparation = Preparation(side, "rgb", "each", (0.0,) * 3, (1.0,) * 3, ("B04", "B03", "B02"))
    form, chance = form_of(ARCHITECTURE), np.random.default_rng(seed)
    assert form is not None
    network = RandomConvolutions(form, 3)
    drawn = chance.integers(len(tiles), size=form.filters)
    top, left = chance.integers(side - 2, size=(2, form.filters))
    pictures = [preparation.tensor(tiles[one][None])[0].numpy() for one in drawn]
    squares = [p[:, y : y + 3, x : x + 3] for p, y, x in zip(pictures, top, left, strict=True)]
    network.filters.copy_(torch.from_numpy(whitened_filters(np.stack(squares))))
    seen = features_of(network, preparation, tiles[:: max(1, len(tiles) // 200)])[0]
    network.centre.copy_(torch.from_numpy(seen.mean(0)))
    network.scale.copy_(torch.from_numpy(seen.std(0)))
    return network, preparation


def features_of(
    network: RandomConvolutions,
    preparation: Preparation,
    tiles: np.ndarray,
    change: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> tuple[np.ndarray, float]:
    """Compute features, 16 tiles at a time, and the seconds that it took."""
    start, found = time.process_time(), []
    with torch.inference_mode():
        for first in range(0, len(tiles), 16):
            images = preparation.tensor(tiles[first : first + 16])
            found.append(network(images if change is None else change(images)).numpy())
    return np.concatenate(found), time.process_time() - start


def plain_filters(squares: np.ndarray) -> np.ndarray:
    """Whiten squares as the paper says: P W W with W = V (L + 0.001)^(-1/2) V'."""
    rows = squares.reshape(len(squares), -1).astype(np.float64)
    rows = rows - rows.mean(1, keepdims=True)
    norms = np.sqrt((rows**2).sum(1, keepdims=True))
    rows = rows / np.where(norms < 1e-8, 1, norms)
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    whitening = vectors @ np.diag((values + 1e-3) ** -0.5) @ vectors.T
    return np.asarray((rows @ whitening @ whitening).reshape(squares.shape))


def plain_features(images: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Mean of relu(I * f) and of relu(-I * f) of every filter, by sums over shifted images."""
    side = images.shape[-1] - 2
    found = np.empty((len(images), 2 * len(filters)))
    for number, kernel in enumerate(filters):
        answer = np.zeros((len(images), side, side))
        for channel, row, col in np.ndindex(*kernel.shape):
            shifted = images[:, channel, row : row + side, col : col + side].astype(np.float64)
            answer += kernel[channel, row, col] * shifted
        found[:, number] = np.maximum(answer, 0).mean((1, 2))
        found[:, len(filters) + number] = np.maximum(-answer, 0).mean((1, 2))
    return found


@dataclass
class Invented:
    """Patches that exist only while they are looked at."""

    count: int
    """Number of patches."""
    side: int = 64
    """Side of a patch."""

    def __len__(self) -> int:
        return self.count

    def pixels(self, chosen: np.ndarray) -> np.ndarray:
        """Make patches, the same each time."""
        chance = np.random.default_rng(int(chosen[0]))
        return chance.integers(1, 256, (len(chosen), self.side, self.side, 3), np.uint8)


def stream(patches: int, room_mb: float) -> tuple[float, float, float]:
    """Fit a ridge to invented patches; MB of features, peak MB above the start, and seconds."""
    use_device(0, 1)
    pool: Any = Invented(patches)
    network, preparation = fitted(pool.pixels(np.arange(64)), 64)
    before, start = peak_mb(), time.process_time()
    task = ScoreTask(pool, pool, preparation, TrainSettings(batch_size=64), CPU)
    targets = np.random.default_rng(0).random(patches)
    draw = Resample(np.arange(patches) % 5, np.ones(patches), patches)
    with buffered(network, task, 1, 0, room_mb) as buffer:
        fit_drawn(buffer, buffer.statistics(), targets, draw)
    return patches * network.num_features * 4 / 2**20, peak_mb() - before, time.process_time() - start


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


PARTS = {"speed": speed, "equality": equality, "worth": worth, "memory": memory}

if __name__ == "__main__":
    main()
