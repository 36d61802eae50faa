"""Cutting an image, or a folder of tiles or images, into one mappable array of patches and their index."""

import contextlib
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from rankscape.foundation.ahead import ahead
from rankscape.foundation.errors import InputError
from rankscape.foundation.files import atomic_path, start_writing_back
from rankscape.foundation.progress import track
from rankscape.samples.granule_patches import open_scene
from rankscape.samples.image_folders import open_folder, open_unplaced
from rankscape.samples.listing import is_several
from rankscape.samples.settings import TileSettings
from rankscape.samples.source import Layout, PatchSource, Piece, check_any_data, shares_of

Opener = Callable[[], AbstractContextManager[PatchSource]]
"""Opens the source; every rank opens it for itself."""
_AHEAD = 2
"""Pieces that wait to be written; a piece is at most a row of patches, 11 MB of a granule of bytes."""


@contextlib.contextmanager
def open_source(
    path: Path,
    quality: Path | None,
    granule: str,
    settings: TileSettings,
    *,
    images: bool = False,
    threads: int = 1,
    beside: Path | None = None,
) -> Iterator[PatchSource]:
    """Open what patches are cut from: a raster, a folder of web-mercator tiles, or a folder of any `images`.

    An image's blocks are decoded by that many `threads`. `beside` is an image of another sensor on the same grid.

    Raises:
        RasterError: If it cannot be cut; the message names the file and what is wrong with it.
        InputError: If a quality raster is given for a folder.
    """
    if images and quality is not None:
        raise InputError(f"--quality {quality} belongs to an image; --images says that {path} is none.")
    if images:
        yield open_unplaced(Path(path), granule, settings)
        return
    if is_several(str(path)) or not Path(path).is_dir():
        with open_scene(path, quality, granule, settings, threads, beside) as scene:
            yield scene
        return
    if quality is not None:
        raise InputError(f"--quality {quality} belongs to an image; {path} is a folder of tiles: leave it out.")
    yield open_folder(Path(path), granule, settings)


def cut(opener: Opener, out: Path, threads: int = 1) -> tuple[Layout, np.ndarray]:
    """Write all patches into one `.npy` file, in row-major order, one step of the source in memory at a time.

    Args:
        opener: Opens the source.
        out: Array of all patches, shape (patches, patch_px, patch_px, bands).
        threads: Threads of this process; with more than one, pixels are read while others are written.

    Returns:
        The layout, and valid and cloud fraction of every patch, float32, shape (patches, 2).

    Raises:
        RasterError: If the source cannot be read or holds no data; nothing is written then.
    """
    with opener() as source, atomic_path(out) as temporary, temporary.open("wb") as handle:
        layout = source.layout

        def write(offset: int, pixels: np.ndarray) -> None:
            handle.seek(offset)
            # ndarray.tofile would hide the error number of a full disk.
            handle.write(pixels.data)

        handle.write(array_header(layout))
        steps = track(range(layout.steps), f"cut {layout.granule}", unit="step")
        shares = shares_of(write_steps(source, steps, write, handle.fileno(), threads), layout.grid.patch_px)
        check_any_data(shares, layout.granule)
    return layout, shares


def write_steps(
    source: PatchSource, steps: Iterable[int], write: Callable[[int, np.ndarray], None], handle: int, threads: int
) -> np.ndarray:
    """Write the pixels of some steps at their places in the file of all patches.

    Args:
        source: Where the pixels come from.
        steps: Which steps.
        write: Takes the byte of the file at which to write, and what: a contiguous array.
        handle: File descriptor of the file, which is told to go to disk as it grows.
        threads: With more than one, another thread reads while this one writes.

    Returns:
        What these steps add to the counts of every patch, int64, shape (patches, 2).
    """
    layout = source.layout
    counts = np.zeros((len(layout.ids), 2), np.int64)
    pieces = (piece for step in steps for piece in source.read(step))
    for piece in ahead(pieces, _AHEAD if threads > 1 else 0):
        counts[piece.first : piece.first + len(piece.counts)] += piece.counts
        runs = list(_placed(layout, piece))
        for offset, pixels in runs:
            write(offset, pixels)
        start_writing_back(handle, runs[0][0], runs[-1][0] + runs[-1][1].nbytes - runs[0][0])
    return counts


def _placed(layout: Layout, piece: Piece) -> Iterator[tuple[int, np.ndarray]]:
    """Say where in the file each run of a piece's bytes belongs: all of it at once where its patches are whole."""
    start, (_, side, _, bands) = len(array_header(layout)), layout.shape
    row_bytes = side * bands * layout.dtype.itemsize
    whole = piece.pixels.shape[1] == side
    for number, run in enumerate([piece.pixels] if whole else piece.pixels, piece.first):
        yield start + (number * side + piece.top_px) * row_bytes, run


def array_header(layout: Layout) -> bytes:
    """Return the head of the `.npy` file that holds all patches."""
    buffer = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(layout.dtype), "fortran_order": False, "shape": layout.shape}
    np.lib.format.write_array_header_1_0(buffer, described)
    return buffer.getvalue()
