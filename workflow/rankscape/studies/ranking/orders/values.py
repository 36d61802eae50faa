"""A reference's values of patches, as `aggregate` wrote them, where they say something about the patch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rankscape.foundation.tables import read_table

LEAST_COVERAGE = 0.5
"""Patches of which the reference covers less say little about the patch."""


def covered_values(paths: Sequence[Path]) -> pd.DataFrame:
    """Read the patches that a reference covers.

    Args:
        paths: Tables `patch_id`, `value`, `coverage`, a granule each.

    Returns:
        Columns `patch_id`, `value` (float64, the reference's unit), granule by granule; there may be none.

    Raises:
        TableError: If a table is missing or lacks a column.
    """
    table = pd.concat([read_table(path, ["patch_id", "value", "coverage"]) for path in sorted(paths)])
    covered: pd.DataFrame = table[np.isfinite(table["value"]) & (table["coverage"] >= LEAST_COVERAGE)]
    return covered[["patch_id", "value"]]
