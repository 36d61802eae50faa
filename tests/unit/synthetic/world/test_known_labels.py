"""Labels of a synthetic world: what neighbours and images can know of them."""

from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from rankscape.evaluation.regression import r2
from rankscape.spatial.smoothing import smooth_nested
from rankscape.studies.embeddings.labelling import block_side, with_folds
from rankscape.studies.embeddings.tasks import LabellingSettings
from rankscape.synthetic.world.known_labels import TASKS, write_tasks
from rankscape.synthetic.world.world_grid import CRS, WorldGrid

GRID, SEED = WorldGrid(512), 7
"""The demo's."""


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Labels of patches of 32 px and their places, by task."""
    path, chance = tmp_path_factory.mktemp("tasks") / "tasks.tif", np.random.default_rng(1)
    shown = {
        name: chance.random(GRID.shape, np.float32)
        for name in ("built", "farmed", "water", "roads", "people_per_ha", "truth")
    }
    write_tasks(path, SimpleNamespace(**shown), GRID, SEED, {})
    with rasterio.open(path) as file:
        bands, (rows, cols) = file.read(), (side // 32 for side in GRID.shape)
    patches = bands[:, : 2 * rows, : 2 * cols].reshape(len(bands), rows, 2, cols, 2).mean((2, 4))
    row, col = np.mgrid[:rows, :cols].reshape(2, -1) * 32 + 16
    where = gpd.GeoSeries(gpd.points_from_xy(*(GRID.transform @ (col, row))), crs=CRS).to_crs(4326)
    places = {"longitude": where.x, "latitude": where.y}
    return {task.name: pd.DataFrame({**places, "label": patches[n].ravel()}) for n, task in enumerate(TASKS)}


def skill_of_neighbours(table):
    """R² of labels smoothed over the distance, in each split."""
    settings = LabellingSettings()
    folds = with_folds(table, ["one"] * len(table), block_side(table, settings).block_m, 0)
    labels = table["label"].to_numpy(float)
    where = table["longitude"].to_numpy(), table["latitude"].to_numpy()
    return {
        split: r2(labels, smooth_nested(*where, labels, folds[split].to_numpy())[0]) for split in ("random", "blocks")
    }


def test_only_neighbours_know_the_smooth_label(tables):
    found = skill_of_neighbours(tables["smooth"])
    assert found["random"] > 0.6
    assert found["blocks"] < found["random"] / 3, "they lie beyond the border of a block"


def test_nobody_knows_the_invisible_label(tables):
    assert max(skill_of_neighbours(tables["invisible"]).values()) < 0.02
