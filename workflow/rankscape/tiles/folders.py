"""A folder of web-mercator tiles as another way in (Ahn et al., Nature Communications 2023: zoom 14, 256 px)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import pi
from pathlib import Path

import numpy as np
from PIL import Image

from rankscape.foundation.errors import RasterError
from rankscape.tiles.source import Layout, Piece
from rankscape.tiles.store import Grid, patch_id

_NAME = re.compile(r"([0-9]{1,8})_([0-9]{1,8})")
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
_BANDS = ("B04", "B03", "B02")
_HALF_WORLD_M = pi * 6_378_137.0
"""Half the side of the web-mercator square (EPSG:3857, radius of WGS 84)."""
_LARGEST_PX = 4096


@dataclass(frozen=True)
class FolderSource:
    """The tiles of one folder, each a patch, in the order of row and column."""

    files: tuple[Path, ...]
    """One picture a patch."""
    layout: Layout
    """Which patches there are."""

    def read(self, step: int) -> Piece:
        """Read one tile; pixels that are black in all bands, or transparent, hold no data.

        Raises:
            RasterError: If the picture is broken.
        """
        pixels = np.array(_picture(self.files[step], decode=True).convert("RGBA"))
        pixels[pixels[..., 3] == 0] = 0
        valid = pixels[..., :3].any(-1).mean()
        shares = np.array([[valid, 0]], np.float32)
        return Piece(np.ascontiguousarray(pixels[None, ..., :3]), shares)


def open_folder(folder: Path, granule: str, zoom: int) -> FolderSource:
    """Look through a folder of tiles named `{row}_{col}.png` (or jpg, webp, tif).

    Rows are counted from the north and columns from the west, as web maps do (y and x). The grid is the smallest
    rectangle that holds all tiles; in the index rows and columns are counted from its corner, while a patch's id keeps
    the tile's own numbers.

    Args:
        folder: Folder with the tiles; other files than pictures in it are passed over.
        granule: Id that the folder goes by.
        zoom: Zoom level of the tiles.

    Raises:
        RasterError: If there is no tile, a picture has another name or cannot be read, two files are the same tile,
            tiles differ in size or are not square, or a tile does not exist at this zoom; the message names the file.
    """
    tiles = _tiles(folder, zoom)
    places = sorted(tiles)
    side = _side([tiles[place] for place in places])
    row, col = (np.array(numbers, np.int32) for numbers in zip(*places, strict=True))
    grid = _grid(row, col, side, zoom)
    ids = tuple(patch_id(granule, *place) for place in places)
    layout = Layout(granule, ids, row - row.min(), col - col.min(), grid, np.dtype(np.uint8), 1)
    return FolderSource(tuple(tiles[place] for place in places), layout)


def _tiles(folder: Path, zoom: int) -> dict[tuple[int, int], Path]:
    tiles: dict[tuple[int, int], Path] = {}
    for file in sorted(p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES and not p.name.startswith(".")):
        place = _place(file, zoom)
        if place in tiles:
            raise RasterError(f"{tiles[place]} and {file.name} are the same tile: keep one.")
        tiles[place] = file
    if not tiles:
        raise RasterError(f"{folder} holds no tiles; pictures named row_col.png (or jpg, webp, tif) are needed.")
    return tiles


def _place(file: Path, zoom: int) -> tuple[int, int]:
    name = _NAME.fullmatch(file.stem)
    if name is None:
        raise RasterError(f"{file} is no tile: its name must be row_col, such as 6259_13990.png; rename or remove it.")
    row, col = int(name[1]), int(name[2])
    if max(row, col) >= 2**zoom:
        raise RasterError(f"{file} lies outside of the world at zoom {zoom}: set tile.zoom to the zoom of these tiles.")
    return row, col


def _side(files: Sequence[Path]) -> int:
    sizes = [_picture(file).size for file in files]
    usual = max(set(sizes), key=lambda size: (sizes.count(size), size))
    for file, size in zip(files, sizes, strict=True):
        if size != usual:
            raise RasterError(
                f"{file} has {size[0]} x {size[1]} px, other tiles of the folder {usual[0]} x {usual[1]}: all tiles"
                " must have the same size."
            )
    if usual[0] != usual[1] or usual[0] > _LARGEST_PX:
        raise RasterError(f"{files[0]} has {usual[0]} x {usual[1]} px; tiles are squares of at most {_LARGEST_PX} px.")
    return usual[0]


def _picture(file: Path, *, decode: bool = False) -> Image.Image:
    """Open a picture; its header only, unless it is to be decoded."""
    try:
        with Image.open(file) as picture:
            if picture.mode not in ("RGB", "RGBA", "P", "L"):
                raise RasterError(f"{file} holds pixels of mode {picture.mode}; 8-bit pictures are needed.")
            if decode:
                picture.load()
            return picture
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise RasterError(
            f"{file} is no whole picture ({' '.join(str(error).split())}): replace or remove it."
        ) from None


def _grid(row: np.ndarray, col: np.ndarray, side: int, zoom: int) -> Grid:
    pixel_m = 2 * _HALF_WORLD_M / 2**zoom / side
    left, top = int(col.min()) * side * pixel_m - _HALF_WORLD_M, _HALF_WORLD_M - int(row.min()) * side * pixel_m
    rows, cols = int(np.ptp(row)) + 1, int(np.ptp(col)) + 1
    transform = (pixel_m, 0.0, left, 0.0, -pixel_m, top)
    return Grid("EPSG:3857", transform, rows * side, cols * side, side, rows, cols, _BANDS)
