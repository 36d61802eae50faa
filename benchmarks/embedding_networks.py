"""Do features of a network tell as much as the network itself? R² at places that neither has seen.

Networks of several tasks and of one task learn from the training part of one split. Ridge on what their trunks compute
is compared with their own predictions, both at the test part. Ends with an error where ridge is worse by more than
0.02: then features would be computed in another way than they were learned, as happened elsewhere.

The synthetic region is that of the demo, once its samples and labels are made; real cells are those of TerraMesh:

    .venv/bin/python benchmarks/embedding_networks.py --demo results/embeddings-demo
    .venv/bin/python benchmarks/embedding_networks.py --terramesh ../shared/data/embeddings/terramesh
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from rankscape.evaluation.regression import r2
from rankscape.foundation.files import write_array
from rankscape.learning.adapted import embed_patches
from rankscape.learning.nested_ridge import fit_nested
from rankscape.learning.processes import ProcessGroup, use_device
from rankscape.learning.selection import open_stores
from rankscape.samples.patches import Grid, Patches, index_of, patch_id, write_index
from rankscape.studies.embeddings.artifacts import LABELS
from rankscape.studies.embeddings.network_settings import NetworkSettings
from rankscape.studies.embeddings.network_training import gather_labels, train_network
from rankscape.studies.embeddings.splitting import split_places
from shapely.geometry import box
from terramesh import BANDS, CELL_PX, COVERS, PLACES, cells

_WORSE = 0.02
_TEST = 5
SETTINGS = {
    "trunk": "test_resnet", "epochs": 40, "milestones": (20, 30), "learning_rate": 0.01, "weight_decay": 1e-3,
    "patience": 15, "l1": 0.001,
}  # fmt: skip


@dataclass(frozen=True)
class Region:
    """Patches, and labels at them."""

    stores: tuple[Patches, ...]
    labels: dict[str, pd.DataFrame]
    block_m: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", type=Path, help="results of the demo")
    parser.add_argument("--terramesh", type=Path, help="folder of TerraMesh's rasters")
    parser.add_argument("--tasks", nargs="+", help="tasks that are learned; default: three of each region")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--trunk", default=SETTINGS["trunk"])
    chosen = parser.parse_args()
    group, worse = ProcessGroup(use_device(0, 1)), []
    with tempfile.TemporaryDirectory() as folder:
        for name, region in regions(chosen, Path(folder)):
            print(
                f"\n| {name} | task | ridge on its features | the network itself | difference |\n|---|---|--:|--:|--:|"
            )
            for seed in range(chosen.seeds):
                for row in compare(region, chosen, seed, group):
                    print("| {} | {} | {:.3f} | {:.3f} | {:+.3f} |".format(*row, row[2] - row[3]), flush=True)
                    worse += [row[:2]] if row[2] < row[3] - _WORSE else []
    if worse:
        sys.exit(f"Ridge is worse than the network itself by more than {_WORSE}: {worse}")


def regions(chosen: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Region]]:
    """Yield the regions that were asked for."""
    if chosen.demo is not None:
        patches = sorted((chosen.demo / "samples").glob("*/*.npy"))
        labels = {path.stem: LABELS.read(path) for path in (chosen.demo / "embeddings/labels").glob("*.parquet")}
        tasks = chosen.tasks or ["built", "farmed", "water"]
        yield "synthetic region", Region(open_stores(patches), {task: labels[task] for task in tasks}, 1280)
    if chosen.terramesh is not None:
        yield "TerraMesh", real_cells(chosen.terramesh, folder, chosen.tasks or ["elevation", "vv", "trees"])


def compare(
    region: Region, chosen: argparse.Namespace, seed: int, group: ProcessGroup
) -> Iterator[tuple[str, str, float, float]]:
    """Train a network of all tasks and one of each; yield network, task, R² of ridge and of the network."""
    tasks = list(region.labels)
    labelled = set().union(*(table["patch_id"] for table in region.labels.values()))
    split = split_places([store.index for store in region.stores], labelled, region.block_m, seed)
    for own in [tasks, *([task] for task in tasks)]:
        settings = NetworkSettings(**{**SETTINGS, "trunk": chosen.trunk, "tasks": tuple(own), "seed": seed})
        labels = gather_labels(region.stores, region.labels, split, settings, "benchmark")
        made = train_network("+".join(own), settings, labels, group)
        features = np.concatenate([embed_patches(made.embedding, store, 128, group.device) for store in region.stores])
        ids = pd.Index(np.concatenate([store.index["patch_id"] for store in region.stores]))
        for task in own:
            yield "+".join(own), task, *scores(region.labels[task], split, task, made.predictions, features, ids)


def scores(
    table: pd.DataFrame, split: pd.DataFrame, task: str, predictions: pd.DataFrame, features: np.ndarray, ids: pd.Index
) -> tuple[float, float]:
    """R² at test places of ridge on features, its penalty chosen in the other parts, and of the network itself."""
    rows = table.merge(split[["patch_id", "part", "fold"]], on="patch_id")
    test, y = (rows["part"] == "test").to_numpy(), rows["label"].to_numpy(float)
    folds = np.where(test, _TEST, rows["fold"])
    (fit,) = fit_nested(
        features[ids.get_indexer(rows["patch_id"])], y[:, None], folds, standardise=False, held=[[_TEST]]
    )
    own = predictions[predictions["task"] == task].set_index("patch_id")["prediction"]
    itself = rows["patch_id"].map(own).to_numpy(float)
    return r2(y[test], fit.predicted[test]), r2(y[test], itself[test])


def real_cells(source: Path, folder: Path, tasks: list[str]) -> Region:
    """Cells of TerraMesh as patches, with the mean elevation, backscatter and cover of each."""
    paths, tables = [], []
    for place in PLACES:
        with rasterio.open(source / f"{place}.s2l2a.tif") as raster:
            where, crs = raster.transform, raster.crs
        optical, radar, height, cover = (
            cells(source / f"{place}.{kind}.tif") for kind in ("s2l2a", "s1rtc", "dem", "lulc")
        )
        order = [BANDS.index(name) for name in ("B04", "B03", "B02", "B08", "B11", "B12")]
        pixels = np.ascontiguousarray((optical[:, order] / 10_000).transpose(0, 2, 3, 1).astype(np.float32))
        side, rows = CELL_PX * where.a, int(np.sqrt(len(pixels)))
        places = [divmod(number, rows) for number in range(len(pixels))]
        boxes = [
            box(where.c + col * side, where.f - (row + 1) * side, where.c + (col + 1) * side, where.f - row * side)
            for row, col in places
        ]
        name = place.lower().replace("_", "-")
        index = gpd.GeoDataFrame({
            "patch_id": [patch_id(name, *one) for one in places], "granule": name,
            "row": np.array([r for r, _ in places], np.int32), "col": np.array([c for _, c in places], np.int32),
            "valid_fraction": np.float32(1), "cloud_fraction": np.float32(0), "usable": True,
        }, geometry=boxes, crs=crs)  # fmt: skip
        path = folder / f"{name}.npy"
        write_array(path, pixels)
        bands = tuple(BANDS[one] for one in order)
        grid = Grid(str(crs), tuple(where)[:6], rows * CELL_PX, rows * CELL_PX, CELL_PX, rows, rows, bands)
        write_index(index_of(path), index, grid, {"stage": "benchmark"})
        paths.append(path)
        means = {"elevation": height[:, 0], "vv": radar[:, 0], "vh": radar[:, 1]}
        means |= {kind: cover[:, 0] == code for kind, code in COVERS.items()}
        values = {key: one.mean((1, 2)) for key, one in means.items()}
        tables.append(pd.DataFrame({"patch_id": index["patch_id"], **values}))
    whole = pd.concat(tables, ignore_index=True)
    labels = {task: whole[["patch_id", task]].rename(columns={task: "label"}) for task in tasks}
    return Region(open_stores(paths), labels, 640)


if __name__ == "__main__":
    main()
