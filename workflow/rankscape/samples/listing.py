"""The images of a folder and the folders in it, and the ids that they go by.

It opens no image and imports nothing heavy: the workflow lists folders before any job.
"""

import glob
import hashlib
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from rankscape.foundation.errors import RasterError
from rankscape.foundation.visible_files import is_passed_over
from rankscape.scenes.granule_table import GranuleRow

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff")
"""Endings of files that count as images, in lower case."""
_UNREAD = (".gif", ".bmp", ".heic", ".heif", ".avif", ".tga", ".dng", ".psd", ".jp2", ".j2k", ".jpx", ".jxl")
"""Endings of images that are not read: passing them over would lose them in silence."""
_NO_WORD = re.compile(r"\W+")


def list_images(folder: Path) -> list[str]:
    """List the images of a folder and the folders in it; hidden files and folders are passed over.

    Returns:
        Paths below `folder`, with `/`, sorted; numbers in names sort as numbers, so that 2.png comes before 10.png.

    Raises:
        RasterError: If it is no folder, or holds no image.
    """
    if not folder.is_dir():
        raise RasterError(f"{folder} is no folder: `images` in the granule table must name a folder of images.")
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_passed_over(name)]
        inside = Path(place).relative_to(folder)
        found += [(inside / name).as_posix() for name in files if is_image(name)]
    if not found:
        raise RasterError(f"{folder} holds no image: files ending in {', '.join(SUFFIXES)} are read.")
    return sorted(found, key=_order)


def look_through(table: Mapping[str, GranuleRow]) -> dict[str, str]:
    """Return the hash of the names and sizes of its images by granule, of granules that are folders of images.

    Raises:
        RasterError: If a folder is missing or empty, or the pattern of a raster matches no file; the message names it.
    """
    for row in table.values():
        raster_files(row.raster or "")
    folders = {name: Path(row.images) for name, row in table.items() if row.images is not None}
    return {name: fingerprint_of(folder, list_images(folder)) for name, folder in folders.items()}


def is_several(raster: str) -> bool:
    """Whether a raster of the granule table lies in several files: a pattern with `*`, or a .SAFE folder."""
    return any(sign in raster for sign in "*?[") or Path(raster).suffix.upper() == ".SAFE"


def raster_files(raster: str) -> list[Path]:
    """Return the files of a raster of the granule table.

    Args:
        raster: A file, a pattern such as `exports/town-*.tif`, or a Sentinel-2 .SAFE folder.

    Returns:
        The file; the files that the pattern matches, sorted; or the folder's images and its metadata.

    Raises:
        RasterError: If a pattern or a folder holds none.
    """
    path = Path(raster)
    if not is_several(raster):
        return [path]
    if path.suffix.upper() == ".SAFE":
        found = [*path.glob("GRANULE/*/IMG_DATA/**/*.jp2"), *path.glob("MTD_MSIL*.xml")]
    else:
        found = [Path(name) for name in glob.glob(raster, recursive=True)]  # noqa: PTH207, as a pattern may be absolute
        found = [file for file in found if file.is_file() and not is_passed_over(file.name)]
    if not found:
        raise RasterError(f"{raster} holds no raster: mend the column `raster` of the granule table.")
    return sorted(found)


def is_image(name: str) -> bool:
    """Say whether a file's name is that of an image.

    Raises:
        RasterError: If it is an image of a kind that is not read; the message names it.
    """
    if is_passed_over(name):
        return False
    check_readable(name, SUFFIXES)
    return name.lower().endswith(SUFFIXES)


def check_readable(name: str, read: Sequence[str]) -> None:
    """Refuse a file that is an image, but of none of the kinds that are read.

    Raises:
        RasterError: If it is one; the message names it.
    """
    kind = Path(name).suffix.lower()
    if kind in _UNREAD and kind not in read:
        raise RasterError(f"{name}: images ending in {kind} are not read: save it as PNG, or move it elsewhere.")


def image_ids(granule: str, images: Sequence[str]) -> list[str]:
    """Make the patch id of every image: the granule, and the path without its ending.

    What is no letter, digit or underscore becomes an underscore: `00/1.webp` of granule `towns` is `towns_00_1`. An id
    depends on its own path alone, so that it stays when others come or go.

    Raises:
        RasterError: If two images have one id; the message names both.
    """
    by_id: dict[str, str] = {}
    for image in images:
        plain = unicodedata.normalize("NFC", image.rpartition(".")[0])
        name = f"{granule}_{_NO_WORD.sub('_', plain)}"
        if name in by_id:
            raise RasterError(f"{by_id[name]} and {image} both go by the id {name}: rename or remove one.")
        by_id[name] = image
    return list(by_id)


def fingerprint_of(folder: Path, images: Sequence[str]) -> str:
    """Return a hash of the names and sizes of images: it differs when one is added, removed, renamed or replaced.

    Times do not count, so that a copy of the folder has the same hash; of an image that is replaced by one of the same
    number of bytes nothing is noticed.
    """
    lines = (f"{image}\t{(folder / image).stat().st_size}\n" for image in images)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _order(image: str) -> tuple[tuple[tuple[int, str], ...], str]:
    parts = re.split(r"(\d+)", image)
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts), image
