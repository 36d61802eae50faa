"""The files of scenes, checked before anything is computed: type, bands, CRS, and one grid for the whole granule."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rasterio.crs import CRS

from rankscape.foundation.errors import RasterError
from rankscape.scenes.rasters import open_raster

_RAW_TYPES = ("uint16", "int16", "int32", "uint32", "float32", "float64")
_CLASS_TYPES = ("uint8", *_RAW_TYPES)
_VISUAL_BANDS = 3
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Layers:
    """The files of one scene."""

    label: str
    """Id of the item, for messages."""
    bands: tuple[Path, ...]
    """One true-colour file of three bands, or a file of one band each, in the order of the image."""
    classes: Path | None
    """Scene classification; None where the item has none."""
    offset_dn: int | None
    """Offset of the raw numbers; None for the true-colour file."""


@dataclass(frozen=True)
class ImageGrid:
    """Where the pixels of an image lie."""

    crs: Any
    """rasterio CRS."""
    transform: Any
    """Affine transform of the pixels."""
    height_px: int
    """Rows."""
    width_px: int
    """Columns."""


def common_grid(scenes: Sequence[Layers], epsg: int) -> ImageGrid:
    """Return the grid that all scenes of a granule share: that of the first band of the first scene.

    Args:
        scenes: Files of each scene.
        epsg: EPSG code of the granule's CRS.

    Raises:
        RasterError: If a file has another CRS, grid, band count or type than its use needs; the message names it.
    """
    grid: ImageGrid | None = None
    for scene in scenes:
        for path in scene.bands:
            grid = _checked(path, grid, epsg, *_band_form(scene))
        if scene.classes is not None:
            grid = _checked(scene.classes, grid, epsg, 1, _CLASS_TYPES)
    if grid is None:
        raise RasterError("There is no scene to compose: run the stage fetch again.")
    return grid


def _band_form(scene: Layers) -> tuple[int, tuple[str, ...]]:
    """How many bands, and which types, a file of the scene's image has."""
    return (_VISUAL_BANDS, ("uint8",)) if scene.offset_dn is None else (1, _RAW_TYPES)


def _checked(path: Path, grid: ImageGrid | None, epsg: int, count: int, types: Sequence[str]) -> ImageGrid:
    with open_raster(path) as dataset:
        _check_content(path, dataset, count, types)
        _check_crs(path, dataset, epsg)
        grid = grid or ImageGrid(dataset.crs, dataset.transform, dataset.height, dataset.width)
        if span_px(dataset, grid) is None:
            raise RasterError(
                f"{path} has {_place(dataset.height, dataset.width, dataset.transform)}, but the first scene of its "
                f"granule has {_place(grid.height_px, grid.width_px, grid.transform)}: they must share one grid."
            )
    return grid


def _place(height_px: int, width_px: int, transform: Any) -> str:
    return (
        f"{height_px} x {width_px} pixels of {transform.a:g} x {-transform.e:g} m from {transform.c:.0f}, "
        f"{transform.f:.0f}"
    )


def _check_content(path: Path, dataset: Any, count: int, types: Sequence[str]) -> None:
    if dataset.count != count:
        raise RasterError(f"{path} has {dataset.count} bands where {count} are needed: get the right asset.")
    if dataset.dtypes[0] not in types:
        raise RasterError(f"{path} has values of type {dataset.dtypes[0]} where {' or '.join(types)} is needed.")


def _check_crs(path: Path, dataset: Any, epsg: int) -> None:
    if dataset.crs is None:
        raise RasterError(f"{path} has no CRS, so its place is unknown: get the asset again.")
    if dataset.crs != CRS.from_epsg(epsg):
        raise RasterError(f"{path} is in {dataset.crs.to_string()}, but its granule is in EPSG:{epsg}.")


def span_px(dataset: Any, grid: ImageGrid) -> int | None:
    """Return how many pixels of the grid a pixel of a file spans on each side.

    Args:
        dataset: Open rasterio dataset.
        grid: Grid of the granule's image.

    Returns:
        1 for a file on the grid itself, 2 for one of twice its pixel size, and so on; None if the file does not fit.
    """
    ours, theirs = grid.transform, dataset.transform
    span = max(1, round(theirs.a / ours.a))
    expected = (ours.a * span, ours.b * span, ours.c, ours.d * span, ours.e * span, ours.f)
    near = all(abs(a - b) <= _TOLERANCE * abs(ours.a) for a, b in zip(expected, tuple(theirs)[:6], strict=True))
    whole = (-(-grid.height_px // span), -(-grid.width_px // span))
    return span if near and (dataset.height, dataset.width) == whole else None
