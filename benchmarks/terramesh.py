"""How well embeddings predict labels of real places: R² in blocks of land, task by task.

Three places of TerraMesh, 14 x 14 cells of 160 m each; embeddings see Sentinel-2 alone. Labels are the mean elevation
and backscatter of a cell and the shares of its land cover. Cells are held out in blocks of 640 m, penalties are chosen
inside the other folds, and R² is pooled over all cells. `seeds` draws of filters and folds give the mean.

    .venv/bin/python benchmarks/terramesh.py ../shared/data/embeddings
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
import torch
from rankscape.evaluation.regression import r2
from rankscape.learning.folds import group_folds
from rankscape.learning.nested_ridge import fit_nested
from rankscape.learning.processes import use_device
from rankscape.models.backbones import create_backbone
from rankscape.models.convolutions import banks_of, whitened_filters

PLACES = ("38D_378R_2_3", "637U_59R_1_3", "282D_485L_3_3")
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
CELL_PX, BLOCK_CELLS = 16, 4
COVERS = {"water": 1, "trees": 2, "crops": 4}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of terramesh/ and galileo-nano/")
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    use_device(0, 1)
    pixels, labels, blocks = read_cells(chosen.data / "terramesh")
    found = {seed: scores(pixels, labels, blocks, seed, chosen.data) for seed in range(chosen.seeds)}
    print(f"| embedding | {' | '.join(labels)} |\n|---|{'--:|' * len(labels)}")
    for name in found[0]:
        mean = np.mean([found[seed][name] for seed in found], axis=0)
        print(f"| {name} | {' | '.join(f'{value:.2f}' for value in mean)} |")


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
        row, col = np.divmod(np.arange(len(optical)), 14)
        blocks.append(number * 100 + row // BLOCK_CELLS * 10 + col // BLOCK_CELLS)
    return np.concatenate(pixels), {name: np.concatenate(own) for name, own in labels.items()}, np.concatenate(blocks)


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
        found[name] = [r2(y[:, task], fit.predicted) for task, fit in enumerate(fits)]
    return found


def embeddings(pixels: np.ndarray, seed: int, data: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Convolutions with filters of the cells themselves, Galileo, and the statistics of bands."""
    images, chance = torch.from_numpy(pixels / 0.3), np.random.default_rng(seed)
    network = create_backbone("random-convolutions-3px-256", "random", len(BANDS), seed)
    (bank,) = banks_of(network)
    owner, top, left = chance.integers(len(pixels), size=256), *chance.integers(CELL_PX - 2, size=(2, 256))
    squares = [pixels[o, :, t : t + 3, u : u + 3] for o, t, u in zip(owner, top, left, strict=True)]
    bank.filters.copy_(torch.from_numpy(whitened_filters(np.stack(squares))))
    galileo = create_backbone("galileo-nano-8px", str(data / "galileo-nano/encoder.safetensors"), 12, 0, bands=BANDS)
    statistics = create_backbone("band-statistics", "random", len(BANDS), 0)
    with torch.inference_mode():
        for name, one in (("convolutions", network), ("galileo", galileo), ("statistics", statistics)):
            yield name, one(images).double().numpy()


if __name__ == "__main__":
    main()
