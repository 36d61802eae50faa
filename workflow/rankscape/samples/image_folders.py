"""Folders of images: web-mercator tiles (Ahn et al. 2023: zoom 14, 256 px), or images of any names.

Of the latter nobody knows the coordinates: each image is a patch, and a place of its own.
"""

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
from rankscape.samples.image_pixels import FORMATS, check_colour_order, check_image, shown_colours
from rankscape.samples.listing import image_ids, is_image, list_images
from rankscape.samples.patches import NOWHERE, Grid, patch_id
from rankscape.samples.rendering import open_image
from rankscape.samples.settings import TileSettings
from rankscape.samples.source import Layout, Piece
from rankscape.scenes.granule_table import COLOURS
from rankscape.scenes.rasters import open_raster

_NAME = re.compile(r"([0-9]{1,8})_([0-9]{1,8})")
_HALF_WORLD_M = pi * 6_378_137.0
"""Half the side of the web-mercator square (EPSG:3857, radius of WGS 84)."""
_LARGEST_PX = 4096


@dataclass(frozen=True)
class FolderSource:
    """The images of one folder, each a patch."""

    files: tuple[Path, ...]
    """One image a patch."""
    layout: Layout
    """Which patches there are."""
    skip: bool = False
    """Whether a broken image becomes a patch without data; otherwise it is an error."""
    resize: bool = False
    """Whether images are resized to the layout's side."""

    def read(self, step: int) -> Iterator[Piece]:
        """Read one image; pixels that are black in all bands, or transparent, hold no data.

        Raises:
            RasterError: If the image is broken and none may be skipped.
        """
        side = self.layout.grid.patch_px
        try:
            image = shown_colours(open_8bit(self.files[step], decode=True))
        except RasterError as error:
            if not self.skip:
                raise
            say(f"Warning: skipped, so that patch {self.layout.ids[step]} has no data: {error}")
            yield Piece(step, 0, np.zeros((1, side, side, len(COLOURS)), np.uint8), np.zeros((1, 2), np.int64))
            return
        if self.resize:
            image = image.resize((side, side), Image.Resampling.BICUBIC)
        pixels = np.array(image)
        pixels[pixels[..., 3] == 0] = 0
        counts = np.array([[np.count_nonzero(pixels[..., :3].any(-1)), 0]])
        yield Piece(step, 0, np.ascontiguousarray(pixels[None, ..., :3]), counts)


def open_folder(folder: Path, granule: str, settings: TileSettings) -> FolderSource:
    """Look through a folder of tiles named `{row}_{col}.png` (or jpg, webp, tif).

    Rows are counted from the north, as web maps do (y), or from the south (TMS), and columns from the west. The grid is
    the smallest rectangle that holds all tiles; in the index rows and columns are counted from its north-west corner,
    while a patch's id keeps the tile's own numbers.

    Args:
        folder: Folder with the tiles; other files than images in it are passed over.
        granule: Id that the folder goes by.
        settings: `zoom`, `rows_from` and `broken`.

    Raises:
        RasterError: If there is no tile, an image has another name or cannot be read, two files are the same tile,
            tiles differ in size or are not square, or a tile does not exist at this zoom; the message names the file.
    """
    zoom, skip = settings.zoom, settings.broken == "skip"
    tiles = _tiles(folder, zoom)
    south = settings.rows_from == "south"
    places = sorted(tiles, key=lambda place: (-place[0] if south else place[0], place[1]))
    side = common_side([tiles[place] for place in places], skip=skip)
    row, col = (np.array(numbers, np.int32) for numbers in zip(*places, strict=True))
    if south:
        row = (2**zoom - 1 - row).astype(np.int32)
    grid = _grid(row, col, side, zoom)
    ids = tuple(patch_id(granule, *place) for place in places)
    layout = Layout(granule, ids, row - row.min(), col - col.min(), grid, np.dtype(np.uint8), len(ids))
    return FolderSource(tuple(tiles[place] for place in places), layout, skip)


def _tiles(folder: Path, zoom: int) -> dict[tuple[int, int], Path]:
    tiles: dict[tuple[int, int], Path] = {}
    for file in sorted(p for p in folder.iterdir() if is_image(p.name)):
        place = _place(file, zoom)
        if place in tiles:
            raise RasterError(f"{tiles[place]} and {file.name} are the same tile: keep one.")
        tiles[place] = file
    if not tiles:
        raise RasterError(f"{folder} holds no tiles; images named row_col.png (or jpg, webp, tif) are needed.")
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
    """Return the side that all images have, in pixels.

    Args:
        files: Images; one or more.
        skip: Whether broken images count for nothing; otherwise they are errors.
        advice: What else can be done about images of different sizes, for the message.

    Raises:
        RasterError: If one has another size than most, or they are not square, or one is broken and none may be
            skipped, or all are; the message names the file.
    """
    whole = _readable(files) if skip else files
    sizes = [open_8bit(file).size for file in whole]
    usual = max(set(sizes), key=lambda size: (sizes.count(size), size))
    for file, size in zip(whole, sizes, strict=True):
        if size != usual:
            raise RasterError(
                f"{file} has {size[0]} x {size[1]} px, other images of the folder {usual[0]} x {usual[1]}: all must"
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
            open_8bit(file)
            found.append(file)
    if not found:
        raise RasterError(f"None of the {len(files)} images can be read, such as {files[0]}: replace them.")
    return found


def open_8bit(file: Path, *, decode: bool = False) -> Image.Image:
    """Open an image of 8 bits; its header only, unless it is to be decoded.

    Raises:
        RasterError: If it is broken, or has other pixels; the message names it.
    """
    try:
        with open_image(file, FORMATS) as image:
            check_image(image, file)
            if image.format == "TIFF":
                with open_raster(file) as dataset:
                    check_colour_order(dataset)
            if decode:
                image.load()
            return image
    except RasterError as error:
        raise RasterError(f"{str(error).removesuffix('.')}, or set tile.broken to skip.") from None


def _grid(row: np.ndarray, col: np.ndarray, side: int, zoom: int) -> Grid:
    pixel_m = 2 * _HALF_WORLD_M / 2**zoom / side
    left, top = int(col.min()) * side * pixel_m - _HALF_WORLD_M, _HALF_WORLD_M - int(row.min()) * side * pixel_m
    rows, cols = int(np.ptp(row)) + 1, int(np.ptp(col)) + 1
    transform = (pixel_m, 0.0, left, 0.0, -pixel_m, top)
    return Grid("EPSG:3857", transform, rows * side, cols * side, side, rows, cols, COLOURS)


_ADVICE = "or set tile.resize_images to true, which resizes all to squares of tile.patch_px"


def open_unplaced(folder: Path, granule: str, settings: TileSettings) -> FolderSource:
    """Look through a folder of images and the folders in it; their names may be any.

    The places are invented, one below another in a CRS that is nowhere on the Earth (`NOWHERE`).

    Args:
        folder: Folder with the images; other files are passed over.
        granule: Id that the folder goes by.
        settings: `broken`, and `resize_images` with `patch_px`.

    Raises:
        RasterError: If there is no image, two go by one id, one is broken and none may be skipped, or images that
            are not to be resized differ in size or are not square; the message names the file.
    """
    images = list_images(folder)
    ids, files = image_ids(granule, images), tuple(folder / image for image in images)
    skip, resize = settings.broken == "skip", settings.resize_images
    side = settings.patch_px if resize else common_side(files, skip=skip, advice=_ADVICE)
    rows = np.arange(len(images), dtype=np.int32)
    transform = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    grid = Grid(NOWHERE, transform, len(images) * side, side, side, len(images), 1, COLOURS)
    columns, kind = np.zeros_like(rows), np.dtype(np.uint8)
    layout = Layout(granule, tuple(ids), rows, columns, grid, kind, len(ids), tuple(images))
    return FolderSource(files, layout, skip, resize)
