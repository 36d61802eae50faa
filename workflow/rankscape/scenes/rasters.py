"""Opening rasters with care, and writing Cloud-Optimized GeoTIFFs whole or not at all."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError
from rasterio.enums import Interleaving, MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window

from rankscape.foundation.errors import DiskError, RasterError
from rankscape.foundation.files import atomic_path
from rankscape.scenes.overviews import Overview, with_overviews

DRIVERS = {
    b"II*\0": "GTiff",
    b"MM\0*": "GTiff",
    b"II+\0": "GTiff",
    b"MM\0+": "GTiff",
    b"\0\0\0\x0c": "JP2OpenJPEG",
    b"\xffO\xffQ": "JP2OpenJPEG",
}
"""First bytes of the formats that satellite assets come in, and the GDAL driver that reads each.

A Cloud-Optimized GeoTIFF is read by the driver of GeoTIFF. GDAL is never left to guess among its two hundred.
"""
MAX_PIXELS = 400_000_000
"""A Sentinel-2 granule has 10980 x 10980 = 1.2e8 pixels; a header that claims far more is an attack or a mistake."""
MAX_BANDS = 32
_MAX_BLOCK_BYTES = 1 << 30
"""A block is decoded whole: a small file whose one block claims more is a bomb."""
_ALONE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
"""Nothing beside a raster (.aux.xml, .ovr, .msk, a world file) says anything about it: only the file itself counts."""
TAG = "RANKSCAPE"
"""Tag of a raster that holds its provenance, as JSON."""
_BLOCK_PX = 512
_WINDOW_PIXELS = 1 << 24
_CACHE_BYTES = 256 << 20
"""GDAL's cache of blocks; by itself it takes a share of the machine's memory, however large that is."""
_ONCE_BYTES = 64 << 20
"""The same where every block is used once."""
_CHECK_PIXELS = 1 << 21
"""Checking reads every block once, so it needs little memory."""
_QUICK = {"compress": "ZSTD", "zstd_level": 1}
"""How drafts are compressed whose pixels are so regular that this costs less than writing them."""


@contextlib.contextmanager
def open_raster(path: Path, *, max_pixels: int = MAX_PIXELS, max_bands: int = MAX_BANDS) -> Iterator[Any]:
    """Open a local raster for reading.

    Args:
        path: GeoTIFF, Cloud-Optimized GeoTIFF or JPEG 2000.
        max_pixels: Larger rasters (rows x columns) are refused before anything is decoded.
        max_bands: Rasters with more bands are refused.

    Yields:
        The open rasterio dataset.

    Raises:
        RasterError: If the file is missing, of another format, too large, or cannot be decoded inside the block.
    """
    driver = _driver(Path(path))
    try:
        with rasterio.Env(**_ALONE), rasterio.open(path, driver=driver) as dataset:
            _check_size(path, dataset, max_pixels, max_bands)
            yield dataset
    except RasterioError as error:
        raise RasterError(f"{path} is no whole GeoTIFF or JPEG 2000 ({brief(error)}): get it again.") from None


def _driver(path: Path) -> str:
    if not path.is_file():
        raise RasterError(f"{path} does not exist: make it first, or mend the path.")
    with path.open("rb") as handle:
        start = handle.read(4)
    if start not in DRIVERS:
        raise RasterError(f"{path} is no GeoTIFF or JPEG 2000 (it starts with {start!r}): get it again.")
    return DRIVERS[start]


def _check_size(path: Path, dataset: Any, max_pixels: int, max_bands: int) -> None:
    if dataset.height * dataset.width > max_pixels or dataset.count > max_bands:
        raise RasterError(
            f"{path} claims {dataset.height} x {dataset.width} pixels in {dataset.count} bands; "
            f"at most {max_pixels} pixels in {max_bands} bands are read."
        )
    rows, cols = dataset.block_shapes[0]
    together = dataset.count if dataset.interleaving == Interleaving.pixel else 1
    block_bytes = rows * cols * together * np.dtype(dataset.dtypes[0]).itemsize
    if block_bytes > _MAX_BLOCK_BYTES:
        raise RasterError(
            f"{path} claims blocks of {rows} x {cols} pixels, {block_bytes} bytes each; at most {_MAX_BLOCK_BYTES} are "
            "decoded at once: write it with blocks of 512 pixels."
        )


def brief(error: BaseException) -> str:
    """Return what GDAL said in one line, from the deepest cause, since rasterio's own word is only to look there."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()).rstrip(".")


def row_windows(height_px: int, width_px: int, pixels: int = _WINDOW_PIXELS, step_px: int = _BLOCK_PX) -> list[Window]:
    """Cut an image into windows of whole rows.

    Args:
        height_px: Rows of the image.
        width_px: Columns of the image.
        pixels: Pixels a window at most, as far as `step_px` rows allow.
        step_px: Rows of a window are a multiple of this, so that no block is decoded twice.

    Returns:
        Windows from top to bottom that cover every row once.
    """
    rows = max(1, pixels // max(1, width_px) // step_px) * step_px
    return [Window(0, top, width_px, min(rows, height_px - top)) for top in range(0, height_px, rows)]


def windows(height_px: int, width_px: int, pixels: int = _WINDOW_PIXELS, step_px: int = 2 * _BLOCK_PX) -> list[Window]:
    """Cut an image into windows, row-major, so that memory stays bounded however wide it is.

    Args:
        height_px: Rows of the image.
        width_px: Columns of the image.
        pixels: Pixels a window at most, as far as a square of `step_px` allows.
        step_px: Sides of windows are multiples of this, so that few blocks are decoded twice.

    Returns:
        Windows that cover every pixel once; whole rows where `pixels` allows.
    """
    bands = row_windows(height_px, width_px, pixels, step_px)
    rows = int(bands[0].height)
    cols = width_px if rows * width_px <= pixels else max(1, pixels // rows // step_px) * step_px
    return [
        Window(left, band.row_off, min(cols, width_px - left), band.height)
        for band in bands
        for left in range(0, width_px, cols)
    ]


def check_whole(path: Path, *, max_pixels: int = MAX_PIXELS, threads: int = 1) -> float:
    """Decode every block of a raster: a truncated or damaged file fails here, not in the middle of a computation.

    Args:
        path: The raster, on a local disk.
        max_pixels: Larger rasters are refused.
        threads: Threads that decode.

    Returns:
        Share of the pixels that are 0 in all bands, 0 to 1.

    Raises:
        RasterError: If the raster cannot be opened or a block cannot be decoded.
    """
    empty = 0
    limits = {"GDAL_CACHEMAX": _ONCE_BYTES, "GDAL_NUM_THREADS": str(threads)}
    with rasterio.Env(**limits), open_raster(path, max_pixels=max_pixels) as dataset:
        step_px = min(max(_BLOCK_PX, *(rows for rows, _ in dataset.block_shapes)), 4 * _BLOCK_PX)
        masked = MaskFlags.per_dataset in dataset.mask_flag_enums[0]
        for window in windows(dataset.height, dataset.width, _CHECK_PIXELS // dataset.count, step_px):
            pixels = dataset.read(window=window)
            empty += pixels[0].size - int(np.count_nonzero(pixels.any(axis=0)))
            if masked:
                dataset.read_masks(1, window=window)
        return empty / float(dataset.height * dataset.width)


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
    with atomic_path(path) as temporary:
        draft = temporary.with_suffix(".draft.tif")
        profile = _draft_profile(shape, dtype, crs, transform, nodata) | ({} if overview is None else _QUICK)
        cache = _CACHE_BYTES if overview is None else _ONCE_BYTES
        try:
            with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True, GDAL_NUM_THREADS=str(threads), GDAL_CACHEMAX=cache):
                with rasterio.open(draft, "w", **profile) as dataset:
                    for place, name in enumerate(names, start=1):
                        dataset.set_band_description(place, name)
                    dataset.update_tags(**dict(tags or {}))
                    yield dataset
                drawn = contextlib.nullcontext(draft) if overview is None else with_overviews(draft, overview, profile)
                with drawn as source:
                    rasterio.shutil.copy(source, temporary, **_cog_options(dtype, level, threads, resampling))
            check_whole(temporary, max_pixels=max(MAX_PIXELS, shape[1] * shape[2]), threads=threads)
        except RasterError as error:
            raise _unwritten(path, error) if str(temporary) in str(error) else error from None
        # Copying raises GDAL's own errors, which are no RasterioError.
        except (RasterioError, CPLE_BaseError) as error:
            raise _unwritten(path, error) from None
        finally:
            draft.unlink(missing_ok=True)


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
