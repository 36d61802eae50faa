"""A folder of pictures whose coordinates nobody knows: each picture is a patch, and a place of its own."""

from pathlib import Path

import numpy as np

from rankscape.samples.folders import BANDS, FolderSource, common_side
from rankscape.samples.listing import list_pictures, picture_ids
from rankscape.samples.patches import NOWHERE, Grid
from rankscape.samples.settings import TileSettings
from rankscape.samples.source import Layout

_ADVICE = "or set tile.resize_pictures to true, which resizes all to squares of tile.patch_px"


def open_pictures(folder: Path, granule: str, settings: TileSettings) -> FolderSource:
    """Look through a folder of pictures and the folders in it; their names may be any.

    The places are invented, one below another in a CRS that is nowhere on the Earth (`store.NOWHERE`).

    Args:
        folder: Folder with the pictures; other files are passed over.
        granule: Id that the folder goes by.
        settings: `broken`, and `resize_pictures` with `patch_px`.

    Raises:
        RasterError: If there is no picture, two go by one id, one is broken and none may be skipped, or pictures that
            are not to be resized differ in size or are not square; the message names the file.
    """
    pictures = list_pictures(folder)
    ids, files = picture_ids(granule, pictures), tuple(folder / picture for picture in pictures)
    skip, resize = settings.broken == "skip", settings.resize_pictures
    side = settings.patch_px if resize else common_side(files, skip=skip, advice=_ADVICE)
    rows = np.arange(len(pictures), dtype=np.int32)
    transform = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    grid = Grid(NOWHERE, transform, len(pictures) * side, side, side, len(pictures), 1, BANDS)
    columns, kind = np.zeros_like(rows), np.dtype(np.uint8)
    layout = Layout(granule, tuple(ids), rows, columns, grid, kind, len(ids), tuple(pictures))
    return FolderSource(files, layout, skip, resize)
