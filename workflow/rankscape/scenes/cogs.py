"""Writing Cloud-Optimized GeoTIFFs, whole or not at all, with overviews that may be known beforehand."""

import contextlib
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.windows import Window

from rankscape.foundation.errors import DiskError, RasterError
from rankscape.foundation.files import atomic_path
from rankscape.scenes.rasters import MAX_PIXELS, brief, check_whole

Overview = Callable[[int], Iterator[np.ndarray]]
"""Gives an overview by its factor: pixels (bands, rows, columns), some rows at a time from top to bottom.

Its size is that of the raster over the factor, rounded up.
"""


def factors(height_px: int, width_px: int, block_px: int) -> list[int]:
    """Return the factors of the overviews: 2, 4 ... until the smallest fits into a block, as GDAL chooses them."""
    found: list[int] = []
    while max(height_px, width_px) >> len(found) > block_px:
        found.append(2 << len(found))
    return found


@contextlib.contextmanager
def with_overviews(draft: Path, overview: Overview | None, profile: dict[str, Any]) -> Iterator[Path]:
    """Yield a raster with the pixels, tags and names of `draft` and given overviews; copying it makes no others.

    It is a virtual raster (VRT) over the draft and one plain file an overview, beside the draft.

    Args:
        draft: A raster without overviews.
        overview: Gives the overviews; None leaves them to whoever copies the draft.
        profile: How the draft was created.
    """
    if overview is None:
        yield draft
        return
    # GDAL takes the sources of a VRT away with it when it writes over one: the name has to be new.
    virtual = draft.with_suffix(".vrt")
    levels = {
        factor: draft.with_suffix(f".{factor}.tif")
        for factor in factors(profile["height"], profile["width"], profile["blockxsize"])
    }
    try:
        for factor, path in levels.items():
            _write(path, overview(factor), factor, profile)
        rasterio.shutil.copy(draft, virtual, driver="VRT")
        _join(virtual, list(levels.values()))
        yield virtual
    finally:
        for path in (virtual, *levels.values()):
            path.unlink(missing_ok=True)


def _write(path: Path, pieces: Iterator[np.ndarray], factor: int, profile: dict[str, Any]) -> None:
    size = {side: -(-profile[side] // factor) for side in ("height", "width")}
    top = 0
    with rasterio.open(
        path, "w", **{**profile, **size, "transform": profile["transform"] @ Affine.scale(factor)}
    ) as dataset:
        for pixels in pieces:
            dataset.write(pixels, window=Window(0, top, size["width"], pixels.shape[1]))
            top += pixels.shape[1]


def _join(virtual: Path, levels: list[Path]) -> None:
    tree = ET.parse(virtual)
    for band in tree.getroot().iter("VRTRasterBand"):
        for level in levels:
            element = ET.SubElement(band, "Overview")
            ET.SubElement(element, "SourceFilename", relativeToVRT="1").text = level.name
            ET.SubElement(element, "SourceBand").text = band.get("band")
    tree.write(virtual)


TAG = "RANKSCAPE"
"""Tag of a raster that holds its provenance, as JSON."""
_BLOCK_PX = 512
_CACHE_BYTES = 256 << 20
"""GDAL's cache of blocks; by itself it takes a share of the machine's memory, however large that is."""
_ONCE_BYTES = 64 << 20
"""The same where every block is used once."""
_QUICK = {"compress": "ZSTD", "zstd_level": 1}
"""How drafts are compressed whose pixels are so regular that this costs less than writing them."""


@contextlib.contextmanager
def cog_writer(
    path: Path,
    *,
    shape: tuple[int, int, int],
    dtype: str,
    crs: Any,
    transform: Any,
    names: Sequence[str],
    nodata: float | None = None,
    tags: Mapping[str, str] | None = None,
    level: int = 3,
    threads: int = 1,
    resampling: str = "average",
    overview: Overview | None = None,
) -> Iterator[Any]:
    """Write a Cloud-Optimized GeoTIFF window by window; `path` appears when the block ends without an error.

    The windows go to a tiled GeoTIFF on disk, which is copied to the final form, decoded once to be sure, and renamed.
    The same pixels and tags give the same bytes, whatever the number of threads.

    Args:
        path: Final name.
        shape: Bands, rows, columns.
        dtype: Type of the pixels.
        crs: CRS as rasterio takes it.
        transform: Affine transform of the pixels.
        names: Description of each band.
        nodata: Value of pixels without data, or None.
        tags: Metadata of the file.
        level: ZSTD compression level, 1 to 22.
        threads: Threads that compress.
        resampling: How overviews are made: `average` for quantities, `nearest` for classes.
        overview: Gives the overviews of a raster whose pixels are so regular that they need not be averaged one by one.

    Yields:
        A rasterio dataset open for writing (`write`, `write_mask`).

    Raises:
        DiskError: If the file cannot be written whole.
    """
    with atomic_path(path) as temporary, _as_disk_errors(path, temporary):
        draft = temporary.with_suffix(".draft.tif")
        profile, cache_bytes = _draft_profile(shape, dtype, crs, transform, nodata), _CACHE_BYTES
        if overview is not None:
            profile, cache_bytes = profile | _QUICK, _ONCE_BYTES
        try:
            with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True, GDAL_NUM_THREADS=str(threads), GDAL_CACHEMAX=cache_bytes):
                with rasterio.open(draft, "w", **profile) as dataset:
                    for place, name in enumerate(names, start=1):
                        dataset.set_band_description(place, name)
                    dataset.update_tags(**dict(tags or {}))
                    yield dataset
                with with_overviews(draft, overview, profile) as source:
                    rasterio.shutil.copy(source, temporary, **_cog_options(dtype, level, threads, resampling))
            check_whole(temporary, max_pixels=max(MAX_PIXELS, shape[1] * shape[2]), threads=threads)
        finally:
            draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _as_disk_errors(path: Path, temporary: Path) -> Iterator[None]:
    """Tell what goes wrong while a raster is written as what it is to the user: a disk that did not take it."""
    try:
        yield
    except RasterError as error:
        raise _unwritten(path, error) if str(temporary) in str(error) else error from None
    # Copying raises GDAL's own errors, which are no RasterioError.
    except (RasterioError, CPLE_BaseError) as error:
        raise _unwritten(path, error) from None


def _draft_profile(
    shape: tuple[int, int, int], dtype: str, crs: Any, transform: Any, nodata: float | None
) -> dict[str, Any]:
    return {
        "driver": "GTiff", "count": shape[0], "height": shape[1], "width": shape[2], "dtype": dtype, "crs": crs,
        "transform": transform, "nodata": nodata, "tiled": True, "blockxsize": _BLOCK_PX, "blockysize": _BLOCK_PX,
        "BIGTIFF": "IF_SAFER",
    }  # fmt: skip


def _cog_options(dtype: str, level: int, threads: int, resampling: str) -> dict[str, Any]:
    # Reflectance and scores take few distinct values, which a predictor of floats hides: it makes real scenes larger.
    predictor = "NO" if np.issubdtype(dtype, np.floating) else "YES"
    return {
        "driver": "COG", "compress": "ZSTD", "level": level, "predictor": predictor, "blocksize": _BLOCK_PX,
        "num_threads": threads, "overview_resampling": resampling, "BIGTIFF": "IF_SAFER",
    }  # fmt: skip


def _unwritten(path: Path, error: BaseException) -> DiskError:
    free_mib = shutil.disk_usage(path.parent).free >> 20
    return DiskError(
        f"{path} could not be written whole ({brief(error)}); {free_mib} MiB are free in {path.parent}: "
        "make room and start again."
    )


def write_cog(
    path: Path,
    bands: np.ndarray,
    *,
    crs: Any,
    transform: Any,
    names: Sequence[str],
    nodata: float | None = None,
    mask: np.ndarray | None = None,
    tags: Mapping[str, str] | None = None,
    level: int = 3,
    threads: int = 1,
    resampling: str = "average",
) -> None:
    """Write an array as a Cloud-Optimized GeoTIFF, atomically: tiles of 512 px, ZSTD, overviews.

    Args:
        path: Final name.
        bands: Pixels, shape (bands, rows, columns).
        crs: CRS as rasterio takes it.
        transform: Affine transform of the pixels.
        names: Description of each band.
        nodata: Value of pixels without data, or None.
        mask: uint8, shape (rows, columns), 255 where there is data; kept as the file's internal mask.
        tags: Metadata of the file.
        level: ZSTD compression level, 1 to 22.
        threads: Threads that compress; they change no byte.
        resampling: How overviews are made: `average` for quantities, `nearest` for classes.

    Raises:
        DiskError: If the file cannot be written whole.
    """
    shape = (bands.shape[0], bands.shape[1], bands.shape[2])
    with cog_writer(
        path, shape=shape, dtype=str(bands.dtype), crs=crs, transform=transform, names=names, nodata=nodata, tags=tags,
        level=level, threads=threads, resampling=resampling,
    ) as dataset:  # fmt: skip
        dataset.write(bands)
        if mask is not None:
            dataset.write_mask(mask)
