"""One split of places into training, validation and test, which networks of all tasks share with ridge."""

from collections.abc import Sequence

import geopandas as gpd
import numpy as np
import pandas as pd

from rankscape.foundation.errors import SettingsError
from rankscape.learning.folds import even_parts
from rankscape.spatial.blocks import block_numbers
from rankscape.spatial.geometry import WGS84, centres
from rankscape.studies.embeddings.artifacts import PARTS

SHARES = (0.64, 0.16, 0.20)
"""Of training, validation and test (Rolf et al. 2021)."""
_FEWEST_BLOCKS = 5
"""Fewest blocks with labels: one to test on, one to validate on, and some to learn from."""
_DECIMALS = 5
"""Degrees, about 1 m: patches whose centres are nearer show one place."""
_SLIGHT = 1e-6
"""Weight of a patch without a label: shares are those of labelled patches, and then of the others."""


def split_places(indices: Sequence[gpd.GeoDataFrame], labelled: set[str], block_m: float, seed: int) -> pd.DataFrame:
    """Put blocks of land, with all dates of their places, into the parts of one split.

    Args:
        indices: Patch indices, a granule each.
        labelled: Ids of patches that have a label of any task that a network learns.
        block_m: Side of the blocks.
        seed: Seed of the split.

    Returns:
        Columns of `SPLIT`, a row a usable patch.

    Raises:
        SettingsError: If there are too few blocks with labels.
    """
    table = pd.concat([_places(index) for index in indices], ignore_index=True)
    longitude, latitude = (np.round(table.pop(name).to_numpy(float), _DECIMALS) for name in ("longitude", "latitude"))
    block = block_numbers(longitude, latitude, block_m)
    names, number = np.unique(block, return_inverse=True)
    weight = np.bincount(number, table["patch_id"].isin(labelled) + _SLIGHT)
    if (known := int((weight >= 1).sum())) < _FEWEST_BLOCKS:
        raise SettingsError(
            f"embeddings.split.block_m = {block_m:g} leaves {known} blocks with labels; {_FEWEST_BLOCKS} are needed to"
            " train, validate and test: lower it."
        )
    part = even_parts(weight, np.random.default_rng([seed, 0]), len(PARTS), SHARES)
    used = part < PARTS.index("test")
    fold = np.full(len(names), -1)
    fold[used] = even_parts(weight[used], np.random.default_rng([seed, 1]))
    return table.assign(block=block, part=np.array(PARTS)[part[number]], fold=fold[number])


def _places(index: gpd.GeoDataFrame) -> pd.DataFrame:
    usable = index[index["usable"].to_numpy(bool)]
    longitude, latitude = centres(usable, WGS84)
    return pd.DataFrame(usable[["patch_id", "granule"]]).assign(longitude=longitude, latitude=latitude)
