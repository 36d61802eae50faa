"""Cutting an image, or a folder of tiles or pictures, into one mappable array of patches and their index."""

import contextlib
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import atomic_path
from rankscape.foundation.progress import track
from rankscape.foundation.settings.tiles import TileSettings
from rankscape.tiles.folders import open_folder
from rankscape.tiles.scene import open_scene
from rankscape.tiles.source import Layout, PatchSource, check_any_data
from rankscape.tiles.unplaced import open_pictures

Opener = Callable[[], AbstractContextManager[PatchSource]]
"""Opens the source; every rank opens it for itself."""


@contextlib.contextmanager
def open_source(
    path: Path, quality: Path | None, granule: str, settings: TileSettings, *, pictures: bool = False
) -> Iterator[PatchSource]:
    """Open what patches are cut from: a GeoTIFF, a folder of web-mercator tiles, or a folder of any `pictures`.

    Raises:
        RasterError: If it cannot be cut; the message names the file and what is wrong with it.
        InputError: If a quality raster is given for a folder.
    """
    if pictures and quality is not None:
        raise InputError(f"--quality {quality} belongs to an image; --pictures says that {path} is none.")
    if pictures:
        yield open_pictures(Path(path), granule, settings)
        return
    if not Path(path).is_dir():
        with open_scene(path, quality, granule, settings.patch_px) as scene:
            yield scene
        return
    if quality is not None:
        raise InputError(f"--quality {quality} belongs to an image; {path} is a folder of tiles: leave it out.")
    yield open_folder(Path(path), granule, settings.zoom, skip=settings.broken == "skip")


def cut(opener: Opener, out: Path) -> tuple[Layout, np.ndarray]:
    """Write all patches into one `.npy` file, in row-major order, one step of the source in memory at a time.

    Args:
        opener: Opens the source.
        out: Array of all patches, shape (patches, patch_px, patch_px, bands).

    Returns:
        The layout, and valid and cloud fraction of every patch, float32, shape (patches, 2).

    Raises:
        RasterError: If the source cannot be read or holds no data; nothing is written then.
    """
    with opener() as source, atomic_path(out) as temporary, temporary.open("wb") as handle:
        layout, shares = source.layout, []
        handle.write(array_header(layout))
        for step in track(range(layout.steps), f"cut {layout.granule}", unit="step"):
            piece = source.read(step)
            # ndarray.tofile would hide the error number of a full disk.
            handle.write(piece.patches.data)
            shares.append(piece.shares)
        joined = np.concatenate(shares)
        check_any_data(joined, layout.granule)
    return layout, joined


def array_header(layout: Layout) -> bytes:
    """Return the head of the `.npy` file that holds all patches."""
    buffer = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(layout.dtype), "fortran_order": False, "shape": layout.shape}
    np.lib.format.write_array_header_1_0(buffer, described)
    return buffer.getvalue()
