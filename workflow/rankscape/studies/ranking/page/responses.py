"""What the networks responded to in each patch, as the stage `saliency` wrote it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import read_array
from rankscape.samples.patches import Patches
from rankscape.studies.ranking.page.documents import Document, empty_as

_COLOURS_SPAN, _LEAST_LIMIT = 0.99, 0.01
"""Colours are strongest at this quantile of the contributions, or at this one: rounding is no response."""


class Record(Document):
    """How a granule's maps were made: saliency/{granule}.json."""

    verb = "ranking saliency"
    granule: str
    method: str
    cells: int
    scale: float
    """Contribution that 127 steps stand for, in scores."""
    reason: Annotated[str, empty_as(str)] = ""


@dataclass(frozen=True)
class Responses:
    """Maps of all granules."""

    method: str
    """`grad-cam` or `occlusion`."""
    note: str
    """What a reader must know of maps that are missing; empty where every patch has one."""
    cells: int
    """Places a side."""
    limit: float
    """Contribution at which colours are strongest, in scores."""
    maps: dict[str, np.ndarray]
    """By granule, uint8, shape (rows, columns, cells, cells): 0 without, else 128 + 127 x contribution / limit."""
    provenance: tuple[dict[str, Any], ...]


def read_responses(paths: Sequence[Path], patches: dict[str, Patches]) -> Responses | None:
    """Read the maps of all granules.

    Args:
        paths: Records (.json), the array beside each ending in .npy.
        patches: Patches by granule.

    Returns:
        The maps; None where no file is given, or no patch of any granule has a map.

    Raises:
        InputError: If a file is missing or broken, or of other patches.
    """
    records = [(Record.read(path), path) for path in paths]
    laid = {r.granule: _maps(path, r, patches[r.granule]) for r, path in records if r.granule in patches}
    strength = [np.abs(maps[np.isfinite(maps)]) for maps in laid.values()]
    if not sum(map(len, strength)):
        return None
    if len({record.cells for record, _ in records}) > 1:
        raise InputError(f"{paths[0].parent}: the maps have different numbers of places: make all again.")
    limit = max(float(np.quantile(np.concatenate(strength), _COLOURS_SPAN)), _LEAST_LIMIT)
    first, note = records[0][0], next((record.reason for record, _ in records if record.reason), "")
    maps = {name: _bytes(values, limit) for name, values in laid.items()}
    return Responses(first.method, note, first.cells, round(limit, 4), maps, tuple(r.provenance for r, _ in records))


def _maps(path: Path, record: Record, store: Patches) -> np.ndarray:
    """Contributions of a granule, float64, shape (rows, columns, cells, cells); NaN where there are none."""
    array = read_array(path.with_suffix(".npy"))
    if array.shape != (len(store.index), record.cells, record.cells) or array.dtype != np.uint8:
        raise InputError(f"{path.with_suffix('.npy')} does not fit the patches of {record.granule}: make it again.")
    laid = np.full((store.grid.rows, store.grid.cols, record.cells, record.cells), np.nan)
    values = (array.astype(np.float64) - 128) / 127 * record.scale
    laid[store.index["row"], store.index["col"]] = np.where(array > 0, values, np.nan)
    return laid


def _bytes(values: np.ndarray, limit: float) -> np.ndarray:
    known = np.isfinite(values)
    steps = np.rint(127 * np.clip(np.where(known, values, 0) / limit, -1, 1))
    return np.where(known, 128 + steps, 0).astype(np.uint8)
