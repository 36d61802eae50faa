"""How much of the published order frozen features tell: random weights, self-supervised ones, ImageNet's.

Run `.venv/bin/python benchmarks/pretraining.py ../shared/data/north-korea` (half an hour on one shared core; `--help`
shows what can be changed). Pre-training sees the 877 tiles of the clusters and the 612 labelled ones, without any
label. Then features are frozen, and a ridge regression on the published level of a tile's cluster is fitted to four
fifths of the 877 tiles and scores the rest, by three splits. `domain shift`: the tiles to be scored look as on other
dates (gain, tint, haze, colours, blur; another seed than in training), while the fitted ones are as they are.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from published_tiles import LEVELS, cluster_tiles, labelled_tiles, store
from rankscape.learning.adapted import Adapted
from rankscape.learning.adapting import prepare
from rankscape.learning.augmentation import appearance
from rankscape.learning.folds import random_folds
from rankscape.learning.pretraining import pretrain_backbone
from rankscape.learning.processes import use_device
from rankscape.learning.ridge import fit_ridge
from rankscape.learning.selection import select_usable
from rankscape.learning.settings import AdaptSettings, PretrainSettings
from rankscape.models.backbones import create_backbone
from rankscape.samples.patches import Patches
from scipy.stats import kendalltau
from threadpoolctl import threadpool_limits

SPLITS, FOLDS = 3, 5
STRENGTH = 1.0
BATCH = 64


def read_tiles(folder: Path) -> tuple[Patches, Patches, np.ndarray]:
    """Read the tiles of the clusters, the labelled ones, and the level of each of the first, best 1, worst 0."""
    level = {cluster: 1 - place / (len(LEVELS) - 1) for place, tied in enumerate(LEVELS) for cluster in tied}
    tiles, clusters = cluster_tiles(folder)
    labelled, _ = labelled_tiles(folder)
    return store(tiles, "clusters"), store(labelled, "labelled"), np.array([level[one] for one in clusters.tolist()])


def features(adapted: Adapted, tiles: Patches, strength: float) -> np.ndarray:
    """Compute features of tiles as they are, or as on another date."""
    light = torch.Generator().manual_seed(5)
    adapted.backbone.to(memory_format=torch.channels_last)
    seen = []
    with torch.inference_mode():
        for start in range(0, len(tiles.array), BATCH):
            resized = adapted.preparation.resized(tiles.array[start : start + BATCH])
            values = adapted.preparation.values(torch.from_numpy(resized))
            looks = appearance(values, light, strength) if strength else values
            pictures = adapted.preparation.normalised(looks).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                seen.append(adapted.backbone(pictures).float().numpy())
    return np.concatenate(seen)


def agreement(fitted: np.ndarray, scored: np.ndarray, level: np.ndarray) -> list[float]:
    """Kendall's tau-b of predictions with the level, by split; `scored` are features of the same tiles."""
    taus = []
    for split in range(SPLITS):
        chance = np.random.default_rng(split)
        part, predicted = random_folds(len(level), chance, FOLDS), np.empty(len(level))
        for held in (part == number for number in range(FOLDS)):
            centre, scale = fitted[~held].mean(0), fitted[~held].std(0) + 1e-6
            ridge = fit_ridge(
                (fitted[~held] - centre) / scale, level[~held], random_folds(int((~held).sum()), chance, FOLDS),
                tuple(np.logspace(0, 5, 11)),
            )  # fmt: skip
            predicted[held] = ridge.predict((scored[held] - centre) / scale)
        taus.append(float(kendalltau(predicted, level).statistic))
    return taus


def as_it_came(architecture: str, weights: str, settings: AdaptSettings, tiles: Patches) -> Adapted:
    """A backbone with the weights that it starts from."""
    preparation = prepare(settings, select_usable([tiles]), np.random.default_rng(0))
    backbone = create_backbone(architecture, weights, preparation.channels, 0)
    return Adapted(architecture, backbone, preparation, None, (), None)


def print_row(name: str, adapted: Adapted, tiles: Patches, level: np.ndarray, seconds: float) -> None:
    plain = features(adapted, tiles, 0)
    same, other = (agreement(plain, seen, level) for seen in (plain, features(adapted, tiles, STRENGTH)))
    cells = " | ".join(f"{np.mean(taus):.3f} ± {np.std(taus):.3f}" for taus in (same, other))
    print(f"| {name} | {cells} | {seconds:.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with clusters/ and labelled/")
    parser.add_argument("--architecture", default="resnet10t")
    parser.add_argument("--input-px", type=int, default=64)
    parser.add_argument("--scored-px", type=int, default=128, help="side of tiles that features are computed of")
    parser.add_argument("--normalisation", default="each")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--smallest-crop", type=float, default=0.3)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--skip-given", action="store_true", help="leave out random and packaged weights")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    device = use_device(0, given.threads)
    threadpool_limits(given.threads)
    clusters, labelled, level = read_tiles(given.folder)
    network = AdaptSettings(
        architecture=given.architecture, normalisation=given.normalisation, input_px=given.scored_px
    )
    print("| weights | as they are | domain shift | pre-training, s |\n|---|---|---|---|", flush=True)
    if not given.skip_given:
        for architecture, weights in ((given.architecture, "random"), ("tf_efficientnet_lite0", "packaged")):
            start = as_it_came(architecture, weights, network, clusters)
            print_row(f"`{architecture}`, `{weights}`", start, clusters, level, 0)
    settings = PretrainSettings(
        epochs=given.epochs, input_px=given.input_px, batch_size=given.batch_size,
        strength=given.strength, smallest_crop=given.smallest_crop, learning_rate=given.learning_rate,
        precision="bfloat16",
    )  # fmt: skip
    began = time.perf_counter()
    taught, _ = pretrain_backbone(settings, network, [clusters, labelled], device)
    preparation = as_it_came(given.architecture, "random", network, clusters).preparation
    taught = Adapted(taught.architecture, taught.backbone, preparation, None, (), None)
    print_row(f"`{given.architecture}`, `vicreg`", taught, clusters, level, time.perf_counter() - began)


if __name__ == "__main__":
    main()
