"""What the networks responded to in each patch, as the stage `saliency` wrote it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import read_array
from rankscape.report.documents import Document, empty_as
from rankscape.tiles.store import Patches

_COLOURS_SPAN = 0.99


class Record(Document):
    """How a granule's maps were made: saliency/{granule}.json."""

    verb = "saliency"
    granule: str
    method: str
    cells: int
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
    """Contribution at which colours are strongest."""
    maps: dict[str, np.ndarray]
    """uint8, shape (rows, columns, cells, cells), by granule: 0 where there is none, else 128 + 127 x contribution."""
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
    records = [Record.read(path) for path in paths]
    maps = {r.granule: _maps(path, r, patches) for path, r in zip(paths, records, strict=True) if r.granule in patches}
    known = [m for m in maps.values() if m.any()]
    if not known:
        return None
    if len({record.cells for record in records}) > 1:
        raise InputError(f"{paths[0].parent}: the maps have different numbers of places: make all again.")
    strength = np.concatenate([np.abs(m[m > 0].astype(np.int64) - 128) for m in known]) / 127
    limit = max(float(np.quantile(strength, _COLOURS_SPAN)), 0.05)
    note = next((record.reason for record in records if record.reason), "")
    return Responses(records[0].method, note, records[0].cells, round(limit, 3), maps,
                     tuple(record.provenance for record in records))  # fmt: skip


def _maps(path: Path, record: Record, patches: dict[str, Patches]) -> np.ndarray:
    array, store = read_array(path.with_suffix(".npy")), patches[record.granule]
    if array.shape != (len(store.index), record.cells, record.cells) or array.dtype != np.uint8:
        raise InputError(f"{path.with_suffix('.npy')} does not fit the patches of {record.granule}: make it again.")
    laid = np.zeros((store.grid.rows, store.grid.cols, record.cells, record.cells), np.uint8)
    laid[store.index["row"], store.index["col"]] = array
    return laid
