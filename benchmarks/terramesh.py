"""How well embeddings predict labels of real places: R² in blocks of land, task by task.

Three places of TerraMesh, 14 x 14 cells of 160 m each; embeddings see Sentinel-2 alone, convolutions red, green, blue
and near infrared of it. Labels are the mean elevation and backscatter of a cell and the shares of its land cover. Cells
are held out in blocks of 640 m of the UTM grid, penalties are chosen inside the other folds, predictions are cut to the
range of the labels trained on, and R² is pooled over all cells. `seeds` draws of filters and folds give the mean, and
the lowest and highest value. Ends with an error where both embeddings together are worse than the better one by more
than 0.01, or a mean and all draws miss a published value by more than 0.02.

    .venv/bin/python benchmarks/terramesh.py ../shared/data/embeddings
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
import torch
from rankscape.evaluation.regression import r2
from rankscape.learning.folds import group_folds
from rankscape.learning.nested_ridge import fit_nested
from rankscape.learning.processes import use_device
from rankscape.models.backbones import create_backbone
from rankscape.models.convolutions import banks_of, whitened_filters

PLACES = ("38D_378R_2_3", "637U_59R_1_3", "282D_485L_3_3")
NAMES = ("tanzania", "denmark", "brazil")
"""Names of the places in `config/granules/terramesh.tsv`."""
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
CELL_PX = 16
COVERS = {"water": 1, "trees": 2, "crops": 4}
VISIBLE = [BANDS.index(name) for name in ("B04", "B03", "B02", "B08")]
BLOCK_M = 640
PUBLISHED = {
    "convolutions": (0.93, 0.81, 0.84, 0.89, 0.82, 0.51),
    "galileo": (0.96, 0.89, 0.88, 0.93, 0.86, 0.52),
    "both": (0.97, 0.90, 0.89, 0.95, 0.88, 0.56),
    "statistics": (0.53, 0.29, 0.30, 0.85, 0.19, 0.51),
}
"""R² that others measured on these cells, in the order of the labels."""
NOT_REPRODUCED = "statistics"
"""No choice of bands, scaling, penalties and intercept gives its published row, but for water and crops."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of terramesh/ and galileo-nano/")
    parser.add_argument("--labels", type=Path, help="write the labels of all cells (.csv) and end")
    parser.add_argument("--seeds", type=int, default=8)
    chosen = parser.parse_args()
    use_device(0, 1)
    pixels, labels, blocks = read_cells(chosen.data / "terramesh")
    if chosen.labels:
        ids = [f"{name}_{cell // 14}_{cell % 14}" for name in NAMES for cell in range(14**2)]
        table = pd.DataFrame({name.lower(): values for name, values in labels.items()})
        table.insert(0, "patch_id", ids)
        table.to_csv(chosen.labels, index=False)
        return
    found = [scores(pixels, labels, blocks, seed, chosen.data) for seed in range(chosen.seeds)]
    print(f"| embedding | {' | '.join(labels)} |\n|---|{'--:|' * len(labels)}")
    faults = []
    for name, published in PUBLISHED.items():
        drawn = np.array([one[name] for one in found])
        print(f"| {name} | {' | '.join(map(cell, drawn.T))} |")
        print(f"| published | {' | '.join(f'{value:.2f}' for value in published)} |")
        missed = np.maximum(drawn.min(0) - published, published - drawn.max(0)).clip(0)
        missed = np.minimum(missed, np.abs(drawn.mean(0) - published))
        if name != NOT_REPRODUCED:
            faults += [
                f"{name}, {label}: {miss:.3f} off" for label, miss in zip(labels, missed, strict=True) if miss > 0.02
            ]
    means = {name: np.mean([one[name] for one in found], axis=0) for name in PUBLISHED}
    lost = np.maximum(means["convolutions"], means["galileo"]) - means["both"]
    faults += [f"both, {label}: {loss:.3f} lost" for label, loss in zip(labels, lost, strict=True) if loss > 0.01]
    if faults:
        sys.exit("; ".join(faults))


def cell(drawn: np.ndarray) -> str:
    """Mean, lowest and highest value of the draws."""
    return f"{drawn.mean():.2f} ({drawn.min():.2f} to {drawn.max():.2f})"


def read_cells(folder: Path) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Reflectance of every cell, its labels, and the number of its block."""
    pixels, blocks = [], []
    labels: dict[str, list[np.ndarray]] = {name: [] for name in ("elevation", "VV", "VH", *COVERS)}
    for number, place in enumerate(PLACES):
        optical, radar, height, cover = (
            cells(folder / f"{place}.{kind}.tif") for kind in ("s2l2a", "s1rtc", "dem", "lulc")
        )
        pixels.append(optical / 10_000)
        for name, values in (("elevation", height[:, 0]), ("VV", radar[:, 0]), ("VH", radar[:, 1])):
            labels[name].append(values.mean((1, 2)))
        for name, code in COVERS.items():
            labels[name].append((cover[:, 0] == code).mean((1, 2)))
        blocks.append(number * 10**9 + blocks_of(folder / f"{place}.s2l2a.tif", len(optical)))
    return np.concatenate(pixels), {name: np.concatenate(own) for name, own in labels.items()}, np.concatenate(blocks)


def blocks_of(path: Path, count: int) -> np.ndarray:
    """Number of the block that the middle of every cell lies in."""
    with rasterio.open(path) as raster:
        row, col = np.divmod(np.arange(count), raster.width // CELL_PX)
        x, y = raster.transform @ ((col + 0.5) * CELL_PX, (row + 0.5) * CELL_PX)
    return np.asarray(np.floor(x / BLOCK_M) * 30_000 + np.floor(y / BLOCK_M), np.int64)


def cells(path: Path) -> np.ndarray:
    """Cut a raster into cells, float32, shape (cells, bands, 16, 16)."""
    with rasterio.open(path) as raster:
        values = raster.read().astype(np.float32)
    rows, cols = (side // CELL_PX for side in values.shape[1:])
    cut = values.reshape(len(values), rows, CELL_PX, cols, CELL_PX)
    return np.ascontiguousarray(cut.transpose(1, 3, 0, 2, 4).reshape(-1, len(values), CELL_PX, CELL_PX))


def scores(
    pixels: np.ndarray, labels: dict[str, np.ndarray], blocks: np.ndarray, seed: int, data: Path
) -> dict[str, list[float]]:
    """R² of every embedding, task by task."""
    folds = group_folds(blocks, np.random.default_rng(seed))
    y = np.stack(list(labels.values()), 1)
    features = dict(embeddings(pixels, seed, data))
    features["both"] = np.hstack([features["convolutions"], features["galileo"]])
    found = {}
    for name, x in features.items():
        widths = [features[part].shape[1] for part in ("convolutions", "galileo")] if name == "both" else ()
        fits = fit_nested(x, y, folds, blocks=widths)
        found[name] = [r2(y[:, task], cut(fit.predicted, y[:, task], folds)) for task, fit in enumerate(fits)]
    return found


def cut(predicted: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Cut the predictions of every fold to the range of the labels of the others."""
    others = [labels[folds != fold] for fold in range(folds.max() + 1)]
    return np.clip(predicted, *(np.array([end(own) for own in others])[folds] for end in (np.min, np.max)))


def embeddings(pixels: np.ndarray, seed: int, data: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Convolutions with filters of the cells themselves, Galileo, and the statistics of bands."""
    images, chance = torch.from_numpy(pixels / 0.3), np.random.default_rng(seed)
    visible = np.ascontiguousarray(pixels[:, VISIBLE])
    network = create_backbone("random-convolutions-3px-256", "random", len(VISIBLE), seed)
    (bank,) = banks_of(network)
    owner, top, left = chance.integers(len(pixels), size=256), *chance.integers(CELL_PX - 2, size=(2, 256))
    squares = [visible[o, :, t : t + 3, u : u + 3] for o, t, u in zip(owner, top, left, strict=True)]
    bank.filters.copy_(torch.from_numpy(whitened_filters(np.stack(squares))))
    galileo = create_backbone("galileo-nano-8px", str(data / "galileo-nano/encoder.safetensors"), 12, 0, bands=BANDS)
    statistics = create_backbone("band-statistics", "random", len(VISIBLE), 0)
    seen = {"convolutions": (network, images[:, VISIBLE]), "galileo": (galileo, images)}
    with torch.inference_mode():
        for name, (one, given) in (seen | {"statistics": (statistics, images[:, VISIBLE])}).items():
            yield name, one(given).double().numpy()


if __name__ == "__main__":
    main()
