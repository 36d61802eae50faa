"""Patches of one image on a granule's grid, read one row of patches at a time."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window

from rankscape.foundation.errors import RasterError
from rankscape.tiles.source import Layout, Piece
from rankscape.tiles.store import Grid, patch_id

NO_DATA, CLEAR, CLOUD = 0, 1, 2
"""Values of the quality raster."""
_CACHE_MB = 256
"""Decoded blocks that GDAL keeps: more than one row of 512 px blocks of a granule, and no share of a large machine."""
_COLOURS = ("B04", "B03", "B02")


@dataclass(frozen=True)
class SceneSource:
    """An open image and, where there is one, its quality raster."""

    scene: Any
    """Open rasterio dataset."""
    quality: Any
    """Open rasterio dataset of the same grid, or None."""
    layout: Layout
    """Which patches there are."""

    def read(self, step: int) -> Piece:
        """Read one row of patches.

        A pixel is valid where the image's mask says so and it holds a value: no NaN, and not 0 in all bands of a
        picture of bytes, in which Sentinel-2's true colour begins at 1.

        Raises:
            RasterError: If the file is broken.
        """
        side, cols = self.layout.grid.patch_px, self.layout.grid.cols
        window = Window(0, step * side, cols * side, side)
        pixels, mask = _read(self.scene, window, "read"), _read(self.scene, window, "dataset_mask")
        quality = None if self.quality is None else _read(self.quality, window, "read")[0]
        floating = np.issubdtype(pixels.dtype, np.floating)
        valid = (mask > 0) & (np.isfinite(pixels).all(0) if floating else pixels.any(0))
        if quality is not None:
            valid &= quality != NO_DATA
        pixels[:, ~valid] = np.nan if floating else 0
        patches = pixels.reshape(-1, side, cols, side).transpose(2, 1, 3, 0)
        return Piece(np.ascontiguousarray(patches), _shares(valid, quality, side))


def _shares(valid: np.ndarray, quality: np.ndarray | None, side: int) -> np.ndarray:
    """Valid pixels among all, and clouded ones among the valid, of each patch of a row."""
    cut = (side, -1, side)
    seen = valid.reshape(cut).sum((0, 2))
    clouded = np.zeros_like(seen) if quality is None else (valid & (quality == CLOUD)).reshape(cut).sum((0, 2))
    return np.stack([seen / side**2, clouded / np.maximum(seen, 1)], axis=1).astype(np.float32)


def _read(dataset: Any, window: Window, how: str) -> np.ndarray:
    try:
        pixels: np.ndarray = getattr(dataset, how)(window=window)
    except RasterioError as error:
        raise RasterError(
            f"{dataset.name} cannot be read whole ({_line(error)}): delete it and make it again."
        ) from None
    return pixels


@contextlib.contextmanager
def open_scene(path: Path, quality: Path | None, granule: str, patch_px: int) -> Iterator[SceneSource]:
    """Open an image to cut.

    Args:
        path: GeoTIFF, uint8 or float32, three bands or more, north up.
        quality: GeoTIFF of one uint8 band on the same grid (0 no data, 1 clear, 2 cloud or shadow); None where
            nothing is known of clouds.
        granule: Granule id.
        patch_px: Side of a patch.

    Raises:
        RasterError: If a file is missing, no GeoTIFF, of another type or band count, without CRS, smaller than a
            patch, or if the two differ in grid.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=_CACHE_MB))
        scene = stack.enter_context(_open(path))
        _check_scene(scene, path, patch_px)
        flags = None if quality is None else stack.enter_context(_open(quality))
        if flags is not None:
            _check_quality(flags, scene)
        yield SceneSource(scene, flags, _layout(scene, granule, patch_px))


def _open(path: Path) -> Any:
    if not Path(path).is_file():
        raise RasterError(f"{path} does not exist: make it first, or mend the path.")
    try:
        return rasterio.open(path, driver="GTiff")
    except RasterioError as error:
        raise RasterError(f"{path} is no readable GeoTIFF ({_line(error)}): delete it and make it again.") from None


def _line(error: BaseException) -> str:
    return " ".join(str(error.__cause__ or error).split())


def _check_scene(scene: Any, path: Path, patch_px: int) -> None:
    if scene.count < 3:
        raise RasterError(f"{path} has {scene.count} band(s); red, green and blue are needed, in this order.")
    if set(scene.dtypes) not in ({"uint8"}, {"float32"}):
        raise RasterError(
            f"{path} holds {', '.join(sorted(set(scene.dtypes)))}; uint8 pictures or float32 reflectance are needed."
        )
    if scene.crs is None:
        raise RasterError(f"{path} has no CRS: where its pixels lie is not known; write it with one.")
    if scene.transform.b or scene.transform.d or scene.transform.a <= 0 or scene.transform.e >= 0:
        raise RasterError(f"{path} is turned or mirrored (transform {tuple(scene.transform)[:6]}); make it north up.")
    if min(scene.height, scene.width) < patch_px:
        raise RasterError(
            f"A patch of {patch_px} x {patch_px} px is larger than {path}, {scene.height} x {scene.width} px (rows x"
            " columns): set tile.patch_px to less."
        )


def _check_quality(quality: Any, scene: Any) -> None:
    if (quality.count, quality.dtypes[0]) != (1, "uint8"):
        raise RasterError(f"{quality.name} has {quality.count} band(s) of {quality.dtypes[0]}; one of uint8 is needed.")
    if (quality.shape, quality.crs, quality.transform) != (scene.shape, scene.crs, scene.transform):
        raise RasterError(
            f"{quality.name} ({quality.height} x {quality.width} px, {quality.crs}) lies on another grid than"
            f" {scene.name} ({scene.height} x {scene.width} px, {scene.crs}): make both again."
        )


def _layout(scene: Any, granule: str, patch_px: int) -> Layout:
    rows, cols = scene.height // patch_px, scene.width // patch_px
    row, col = np.divmod(np.arange(rows * cols, dtype=np.int32), np.int32(cols))
    grid = Grid(
        scene.crs.to_string(),
        tuple(scene.transform)[:6],
        scene.height,
        scene.width,
        patch_px,
        rows,
        cols,
        _bands(scene),
    )
    ids = tuple(patch_id(granule, r, c) for r, c in zip(row.tolist(), col.tolist(), strict=True))
    return Layout(granule, ids, row, col, grid, np.dtype(scene.dtypes[0]), cols)


def _bands(scene: Any) -> tuple[str, ...]:
    """Names as the file describes its bands; true colour where it does not."""
    plain = (*_COLOURS, *(f"band{number}" for number in range(4, scene.count + 1)))
    return tuple(name or plain[place] for place, name in enumerate(scene.descriptions))
