"""What units are labelled with: one table of numbers, whatever the labels mean.

A class is a column of 0 and 1, a soft label a share, a level or a score a number. A unit may lack any of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from rankscape.foundation.errors import TableError


@dataclass(frozen=True)
class TargetTable:
    """Units x targets."""

    names: tuple[str, ...]
    """Name of each target."""
    values: np.ndarray
    """float64, shape (units, targets); NaN where a value is missing."""
    weights: np.ndarray
    """How much each unit counts, float64, shape (units,); 1 unless something else is known."""

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one target, float64, shape (units,)."""
        column: np.ndarray = self.values[:, self.names.index(name)]
        return column

    @classmethod
    def of(cls, columns: Mapping[str, np.ndarray], weights: np.ndarray | None = None) -> Self:
        """Make a table of one column or more, each of shape (units,)."""
        values = np.stack([np.asarray(column, np.float64) for column in columns.values()], axis=1)
        return cls(tuple(columns), values, np.ones(len(values)) if weights is None else weights)

    @classmethod
    def none(cls, units: int, names: Sequence[str] = ()) -> Self:
        """Make a table in which every value is missing."""
        return cls(tuple(names), np.full((units, len(names)), np.nan), np.ones(units))

    @classmethod
    def joined(cls, table: pd.DataFrame, key: str, ids: np.ndarray, names: Sequence[str], origin: str) -> Self:
        """Take targets from a table by the units' ids; units without a row have none.

        Args:
            table: Columns `key` and `names`.
            key: Column of the ids.
            ids: Id of every unit, shape (units,).
            names: Columns to take.
            origin: File of the table, for messages.

        Raises:
            TableError: If a column is missing, or an id has two rows.
        """
        missing = [name for name in (key, *names) if name not in table]
        if missing:
            raise TableError(f"{origin} lacks the columns {missing}; it has {list(table)}.")
        twice = table.loc[table[key].duplicated(), key].tolist()
        if twice:
            raise TableError(f"{origin} has {len(twice)} ids twice, such as {twice[0]}: keep one row of each.")
        values = table.set_index(key)[list(names)].reindex(ids).to_numpy(np.float64)
        return cls(tuple(names), values, np.ones(len(values)))

    def take(self, chosen: np.ndarray) -> "TargetTable":
        """Return the units that a mask or positions choose."""
        return TargetTable(self.names, self.values[chosen], self.weights[chosen])

    def known(self) -> np.ndarray:
        """Say which units have a value of every target, bool, shape (units,)."""
        known: np.ndarray = np.isfinite(self.values).all(axis=1)
        return known
