"""A folder of web-mercator tiles as another way in (Ahn et al., Nature Communications 2023: zoom 14, 256 px)."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import pi
from pathlib import Path

import numpy as np
from PIL import Image

from rankscape.foundation.errors import RasterError
from rankscape.foundation.progress import say
from rankscape.samples.listing import is_picture
from rankscape.samples.patches import Grid, patch_id
from rankscape.samples.rendering import open_image
from rankscape.samples.source import Layout, Piece

_NAME = re.compile(r"([0-9]{1,8})_([0-9]{1,8})")
BANDS = ("B04", "B03", "B02")
"""Bands that the colours of a picture stand for."""
_HALF_WORLD_M = pi * 6_378_137.0
"""Half the side of the web-mercator square (EPSG:3857, radius of WGS 84)."""
_LARGEST_PX = 4096
_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")


@dataclass(frozen=True)
class FolderSource:
    """The pictures of one folder, each a patch."""

    files: tuple[Path, ...]
    """One picture a patch."""
    layout: Layout
    """Which patches there are."""
    skip: bool = False
    """Whether a broken picture becomes a patch without data; otherwise it is an error."""
    resize: bool = False
    """Whether pictures are resized to the layout's side."""

    def read(self, step: int) -> Iterator[Piece]:
        """Read one picture; pixels that are black in all bands, or transparent, hold no data.

        Raises:
            RasterError: If the picture is broken and none may be skipped.
        """
        side = self.layout.grid.patch_px
        try:
            picture = open_picture(self.files[step], decode=True).convert("RGBA")
        except RasterError as error:
            if not self.skip:
                raise
            say(f"Warning: skipped, so that patch {self.layout.ids[step]} has no data: {error}")
            yield Piece(step, 0, np.zeros((1, side, side, len(BANDS)), np.uint8), np.zeros((1, 2), np.int64))
            return
        if self.resize:
            picture = picture.resize((side, side), Image.Resampling.BICUBIC)
        pixels = np.array(picture)
        pixels[pixels[..., 3] == 0] = 0
        counts = np.array([[np.count_nonzero(pixels[..., :3].any(-1)), 0]])
        yield Piece(step, 0, np.ascontiguousarray(pixels[None, ..., :3]), counts)


def open_folder(folder: Path, granule: str, zoom: int, *, skip: bool = False) -> FolderSource:
    """Look through a folder of tiles named `{row}_{col}.png` (or jpg, webp, tif).

    Rows are counted from the north and columns from the west, as web maps do (y and x). The grid is the smallest
    rectangle that holds all tiles; in the index rows and columns are counted from its corner, while a patch's id keeps
    the tile's own numbers.

    Args:
        folder: Folder with the tiles; other files than pictures in it are passed over.
        granule: Id that the folder goes by.
        zoom: Zoom level of the tiles.
        skip: Whether a broken picture becomes a patch without data; otherwise it is an error.

    Raises:
        RasterError: If there is no tile, a picture has another name or cannot be read, two files are the same tile,
            tiles differ in size or are not square, or a tile does not exist at this zoom; the message names the file.
    """
    tiles = _tiles(folder, zoom)
    places = sorted(tiles)
    side = common_side([tiles[place] for place in places], skip=skip)
    row, col = (np.array(numbers, np.int32) for numbers in zip(*places, strict=True))
    grid = _grid(row, col, side, zoom)
    ids = tuple(patch_id(granule, *place) for place in places)
    layout = Layout(granule, ids, row - row.min(), col - col.min(), grid, np.dtype(np.uint8), len(ids))
    return FolderSource(tuple(tiles[place] for place in places), layout, skip)


def _tiles(folder: Path, zoom: int) -> dict[tuple[int, int], Path]:
    tiles: dict[tuple[int, int], Path] = {}
    for file in sorted(p for p in folder.iterdir() if is_picture(p.name)):
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


def common_side(files: Sequence[Path], *, skip: bool, advice: str = "") -> int:
    """Return the side that all pictures have, in pixels.

    Args:
        files: Pictures; one or more.
        skip: Whether broken pictures count for nothing; otherwise they are errors.
        advice: What else can be done about pictures of different sizes, for the message.

    Raises:
        RasterError: If one has another size than most, or they are not square, or one is broken and none may be
            skipped, or all are; the message names the file.
    """
    whole = _readable(files) if skip else files
    sizes = [open_picture(file).size for file in whole]
    usual = max(set(sizes), key=lambda size: (sizes.count(size), size))
    for file, size in zip(whole, sizes, strict=True):
        if size != usual:
            raise RasterError(
                f"{file} has {size[0]} x {size[1]} px, other pictures of the folder {usual[0]} x {usual[1]}: all must"
                f" have the same size{', ' if advice else ''}{advice}."
            )
    if usual[0] != usual[1] or usual[0] > _LARGEST_PX:
        raise RasterError(
            f"{whole[0]} has {usual[0]} x {usual[1]} px; patches are squares of at most {_LARGEST_PX} px: cut it"
            f"{', ' if advice else ''}{advice}."
        )
    return usual[0]


def _readable(files: Sequence[Path]) -> list[Path]:
    found = []
    for file in files:
        with contextlib.suppress(RasterError):
            open_picture(file)
            found.append(file)
    if not found:
        raise RasterError(f"None of the {len(files)} pictures can be read, such as {files[0]}: replace them.")
    return found


def open_picture(file: Path, *, decode: bool = False) -> Image.Image:
    """Open a picture of 8 bits; its header only, unless it is to be decoded.

    Raises:
        RasterError: If it is broken, or has other pixels; the message names it.
    """
    try:
        with open_image(file, _FORMATS) as picture:
            if picture.mode not in ("RGB", "RGBA", "P", "L"):
                raise RasterError(f"{file} holds pixels of mode {picture.mode}; 8-bit pictures are needed.")
            if decode:
                picture.load()
            return picture
    except RasterError as error:
        raise RasterError(f"{str(error).removesuffix('.')}, or set tile.broken to skip.") from None


def _grid(row: np.ndarray, col: np.ndarray, side: int, zoom: int) -> Grid:
    pixel_m = 2 * _HALF_WORLD_M / 2**zoom / side
    left, top = int(col.min()) * side * pixel_m - _HALF_WORLD_M, _HALF_WORLD_M - int(row.min()) * side * pixel_m
    rows, cols = int(np.ptp(row)) + 1, int(np.ptp(col)) + 1
    transform = (pixel_m, 0.0, left, 0.0, -pixel_m, top)
    return Grid("EPSG:3857", transform, rows * side, cols * side, side, rows, cols, BANDS)
