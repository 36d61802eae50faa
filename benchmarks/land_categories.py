"""How well land categories are told on real labelled tiles: labels alone, or Mean Teacher on unlabelled tiles too.

The folder holds `labelled/<number>.webp`, `labelled.csv` (image_id and the share of annotators for urban, rural,
uninhabited) and `clusters/<number>/*.webp`, the tiles without a label. For every seed a fifth of the labelled tiles, of
every category alike, is held out tile by tile: the tiles have no coordinates. Unlabelled tiles that are
byte-identical to a labelled one are left out. Mean and standard deviation over the seeds on the held-out tiles;
accuracy is that of unanimous tiles, AUC that of tiles on which all annotators agree against all others, and in brackets
that of the majority. The gradient is the mean gradient magnitude of grey, on the same tiles.

    .venv/bin/python benchmarks/land_categories.py ../shared/data/north-korea
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from published_tiles import CATEGORIES, cluster_tiles, labelled_tiles, store
from rankscape.evaluation.classification import auc
from rankscape.learning.adapting import fit_by, prepare, task_of
from rankscape.learning.fitting import assess
from rankscape.learning.labels import shares_of
from rankscape.learning.processes import use_device
from rankscape.learning.selection import Selection
from rankscape.learning.settings import AdaptSettings
from rankscape.learning.targets import TargetTable
from rankscape.models.backbones import create_backbone
from rankscape.samples.pixel_statistics import patch_statistics
from sklearn.model_selection import train_test_split

KINDS = ("urban", "inhabited")
HELD_OUT = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with labelled/, labelled.csv and clusters/")
    parser.add_argument("--architecture", default="resnet10t")
    parser.add_argument("--weights", default="random", help="as adapt.weights")
    parser.add_argument("--input-px", type=int, default=64)
    parser.add_argument("--colour", default="rgb", choices=["rgb", "grey"])
    parser.add_argument("--normalisation", default="patches", choices=["imagenet", "patches", "each", "none"])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--fitted", default="all", choices=["all", "head"], help="as adapt.fitted")
    parser.add_argument("--weight-decay", type=float, default=1e-2)
    parser.add_argument("--consistency-weight", type=float, default=12.5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=["supervised", "mean_teacher"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--gpus", type=int, default=0)
    chosen = parser.parse_args()
    device = use_device(chosen.gpus, chosen.threads)
    patches = read(chosen.folder)
    print("| method | accuracy, unanimous | Brier | log loss | AUC urban | AUC inhabited | minutes |")
    print("|---|---|---|---|---|---|---|")
    gradient = patch_statistics(patches.stores[0].array, np.ones(len(patches), bool))["gradient"].to_numpy()
    print(row("gradient", [by_gradient(gradient, shares_of(patches), seed) for seed in chosen.seeds]), flush=True)
    for method in chosen.methods:
        settings = AdaptSettings(
            architecture=chosen.architecture,
            weights=chosen.weights,
            input_px=chosen.input_px,
            fitted=chosen.fitted,
            weight_decay=chosen.weight_decay,
            colour=chosen.colour,
            normalisation=chosen.normalisation,
            epochs=chosen.epochs,
            learning_rate=chosen.learning_rate,
            consistency_weight=chosen.consistency_weight,
            method=method,
        )
        print(row(f"`{method}`", [measure(settings, patches, seed, device) for seed in chosen.seeds]), flush=True)


def read(folder: Path) -> Selection:
    """Read labelled tiles as the first store and unlabelled ones, of other bytes, as the second."""
    labelled, shares = labelled_tiles(folder)
    others, _ = cluster_tiles(folder)
    known = {tile.tobytes() for tile in labelled}
    others = others[[tile.tobytes() not in known for tile in others]]
    rows = np.arange(len(labelled))
    stores = store(labelled, "labelled"), store(others, "others")
    return Selection(stores, np.zeros_like(rows), rows, TargetTable.of(dict(zip(CATEGORIES, shares.T, strict=True))))


def split(shares: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which labelled tiles are fitted to, and which are held out."""
    rows = np.arange(len(shares))
    fitted, held = train_test_split(rows, test_size=HELD_OUT, random_state=seed, stratify=shares.argmax(1))
    return np.sort(fitted), np.sort(held)


def by_gradient(gradient: np.ndarray, shares: np.ndarray, seed: int) -> dict[str, float]:
    """Measure the gradient as a score of either kind of land, on the held-out tiles."""
    held = split(shares, seed)[1]
    found = {}
    for kind, share in zip(KINDS, (shares[held, 0], 1 - shares[held, 2]), strict=True):
        found[f"{kind}, unanimous"] = auc(share > 1 - 1e-6, gradient[held])
        found[f"{kind}, majority"] = auc(share[share != 0.5] > 0.5, gradient[held][share != 0.5])
    return found


def measure(settings: AdaptSettings, patches: Selection, seed: int, device: torch.device) -> dict[str, float]:
    """Fit to four fifths of the labelled tiles, and measure on the others."""
    start, settings = time.perf_counter(), settings.model_copy(update={"seed": seed})
    fitted, held = (patches.take(rows) for rows in split(shares_of(patches), seed))
    preparation = prepare(settings, fitted, np.random.default_rng(seed))
    backbone = create_backbone(settings.architecture, settings.weights, preparation.channels, seed).to(device)
    task = task_of(settings, fitted, preparation, patches)
    head = fit_by(backbone, task, settings, device, np.random.default_rng([seed, 0])).head
    found = assess(backbone, head, preparation, held, settings.batch_size, device, CATEGORIES, "uninhabited")
    return {
        "accuracy": found["unanimous"]["accuracy"],
        "brier": found["brier"],
        "loss": found["loss"],
        **{f"{kind}, unanimous": found["auc_unanimous"][kind] for kind in KINDS},
        **{f"{kind}, majority": found["auc"][kind] for kind in KINDS},
        "minutes": (time.perf_counter() - start) / 60,
    }


def row(name: str, runs: Sequence[dict[str, float]]) -> str:
    """Print means and standard deviations of the runs as one line of the table."""
    table = pd.DataFrame(runs)

    def cell(key: str) -> str:
        return f"{table[key].mean():.3f} ± {table[key].std(ddof=0):.3f}" if key in table else ""

    areas = [f"{cell(f'{kind}, unanimous')} ({table[f'{kind}, majority'].mean():.3f})" for kind in KINDS]
    minutes = f"{table['minutes'].mean():.1f}" if "minutes" in table else ""
    return f"| {' | '.join([name, cell('accuracy'), cell('brier'), cell('loss'), *areas, minutes])} |"


if __name__ == "__main__":
    main()
