"""Compose one analysis-ready image a granule from its downloaded scenes.

In: `download.json` of fetch and the assets that it names. Out: `scene.tif`, true colour (uint8), reflectance
(float32 in [0, 1]) or backscatter (float32, dB) with an internal mask, and `quality.tif`: 0 no data, 1 clear, 2 cloud
or shadow. With seasons the image has the bands of each, such as `spring:B04`.
"""

import contextlib
import json
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter
from rasterio.windows import Window

from rankscape.foundation import progress
from rankscape.foundation.errors import RasterError
from rankscape.foundation.provenance import provenance
from rankscape.scenes.acquisitions import Download, drop_download, read_download
from rankscape.scenes.cogs import TAG, cog_writer
from rankscape.scenes.compositing import (
    ComposedWindow,
    ImageGrid,
    Layers,
    common_grid,
    compose_windows,
    swath_grid,
    windows_of,
)
from rankscape.scenes.mgrs import granule
from rankscape.scenes.plausibility import check_alike
from rankscape.scenes.rasters import CLEAR
from rankscape.scenes.settings import AcquisitionSettings, ComposeSettings
from rankscape.stages.options import settings_of


def compose(
    *,
    settings: Annotated[str, settings_of(AcquisitionSettings)],
    download: Annotated[Path, Parameter(help="Record of the downloaded scenes: download.json.")],
    scene: Annotated[Path, Parameter(help="Image to write (.tif).")],
    quality: Annotated[Path, Parameter(help="Quality raster to write (.tif).")],
    assets: Annotated[
        Path | None, Parameter(help="Folder of the assets; default: the folder `assets` beside the record.")
    ] = None,
    drop_assets: Annotated[
        bool,
        Parameter(name="--drop-assets", help="Remove the record, and assets that no other record uses, at the end."),
    ] = False,
) -> None:
    """Compose the image of a granule: the best scene with its holes filled, or the median of clear observations."""
    chosen = AcquisitionSettings.from_text(settings, "acquisitions.*").composed()
    folder = assets or download.parent / "assets"
    record = read_download(download, folder)
    product = record.sensor.products[record.product]
    place = granule(record.granule)
    swath = record.sensor.swath
    grid = swath_grid(record.scenes, place, product) if swath else common_grid(record.scenes, place.epsg, product)
    tags = _tags(chosen, download, record)
    with (
        cog_writer(scene, **_image_form(record, grid), tags=tags) as image,
        cog_writer(quality, **_quality_form(grid), tags=tags) as classes,
        # Closed here whatever happens: at the end of the program its open scenes would be in nobody's hands.
        contextlib.closing(_pieces(record, grid, chosen)) as pieces,
    ):
        counts = np.zeros(3, np.int64)
        views: dict[str, int] = dict.fromkeys(record.seasons, 0)
        for piece in pieces:
            image.write(piece.pixels, window=piece.window)
            image.write_mask(piece.mask, window=piece.window)
            classes.write(piece.quality, 1, window=piece.window)
            counts += np.bincount(piece.quality.ravel(), minlength=3)
            _count_views(views, piece.pixels)
        _check_views(record, counts, views)
        missing = [name for name, pixels in views.items() if not pixels]
        for dataset in (image, classes) if record.seasons else ():
            dataset.update_tags(SEASONS_MISSING=json.dumps(missing))
    share = counts.sum()
    progress.say(
        f"{record.granule}: {counts[1:].sum() / share:.1%} of the pixels have data, {counts[1] / share:.1%} are clear."
    )
    if missing:
        progress.say(f"{record.granule}: without a clear view: {', '.join(missing)}; nothing stands in for them.")
    if drop_assets:
        drop_download(download, folder, record)


def _pieces(record: Download, grid: ImageGrid, settings: ComposeSettings) -> Generator[ComposedWindow, None, None]:
    """Compose the image, or those of all seasons side by side, window by window."""
    if not record.seasons:
        yield from _of_season(record, grid, settings, None, 0)
        return
    held = max(len(_scenes(record, name, fills=fills)) for name in record.seasons for fills in (False, True))
    bands = len(record.bands)
    with contextlib.ExitStack() as stack:
        seasons = [
            stack.enter_context(contextlib.closing(_of_season(record, grid, settings, name, held)))
            if _scenes(record, name) else None
            for name in record.seasons
        ]  # fmt: skip
        for window in windows_of(grid, held if settings.composite == "median" else 1, bands):
            nothing = _nothing(window, bands)
            yield _side_by_side([next(season) if season else nothing for season in seasons])


def _of_season(
    record: Download, grid: ImageGrid, settings: ComposeSettings, season: str | None, held: int
) -> Generator[ComposedWindow, None, None]:
    main, fills = (_scenes(record, season, fills=fills) for fills in (False, True))
    for scenes in (main, fills):
        check_alike(
            f"{record.granule}{f', {season}' if season else ''}",
            {
                "product": (scene.origin.get("backscatter") for scene in scenes),
                "orbit direction": (scene.origin.get("orbit_direction") for scene in scenes),
            },
        )
    return compose_windows(
        main, grid, record.sensor, record.product, settings.composite, settings.cloud_classes, fills=fills,
        clear_only=season is not None, held=held,
    )  # fmt: skip


def _scenes(record: Download, season: str | None, *, fills: bool = False) -> list[Layers]:
    """Scenes of a season, of all where there are none; those that fill what the others leave empty, or those others."""
    return [
        scene
        for scene in record.scenes
        if scene.origin.get("season") == season and bool(scene.origin.get("fills")) == fills
    ]


def _nothing(window: Window, bands: int) -> ComposedWindow:
    shape = (int(window.height), int(window.width))
    empty = np.zeros(shape, np.uint8)
    return ComposedWindow(window, np.full((bands, *shape), np.nan, np.float32), empty, empty)


def _side_by_side(pieces: Sequence[ComposedWindow]) -> ComposedWindow:
    """Put the bands of seasons after each other; a pixel has data, or is clear, where it is in one of them."""
    flags = np.stack([piece.quality for piece in pieces])
    quality = np.where((flags == CLEAR).any(axis=0), CLEAR, flags.max(axis=0)).astype(np.uint8)
    mask = np.max([piece.mask for piece in pieces], axis=0)
    return ComposedWindow(pieces[0].window, np.concatenate([piece.pixels for piece in pieces]), mask, quality)


def _count_views(views: dict[str, int], pixels: np.ndarray) -> None:
    """Add to each season the pixels of which it has a value."""
    for name, part in zip(views, np.split(pixels, len(views) or 1), strict=False):
        views[name] += int(np.isfinite(part).all(axis=0).sum())


def _check_views(record: Download, counts: np.ndarray, views: dict[str, int]) -> None:
    """Refuse an image without data, or without a clear view of any season.

    Raises:
        RasterError: Naming the granule, and the seasons.
    """
    if not counts[1:].sum():
        raise RasterError(f"{record.granule}: no pixel of its {len(record.scenes)} scenes has data: choose others.")
    if views and not any(views.values()):
        raise RasterError(
            f"{record.granule}: no season has a clear view ({', '.join(views)}): raise max_cloud_percent or max_scenes,"
            " or widen the seasons."
        )


def _image_form(record: Download, grid: ImageGrid) -> dict[str, Any]:
    product = record.sensor.products[record.product]
    names = [f"{season}:{band}" for season in record.seasons for band in record.bands] or record.bands
    return {
        "shape": (len(names), grid.height_px, grid.width_px),
        "dtype": product.dtype,
        "crs": grid.crs,
        "transform": grid.transform,
        "names": names,
        "nodata": product.nodata,
    }


def _quality_form(grid: ImageGrid) -> dict[str, Any]:
    return {
        "shape": (1, grid.height_px, grid.width_px),
        "dtype": "uint8",
        "crs": grid.crs,
        "transform": grid.transform,
        "names": ("quality",),
        "nodata": 0,
        "resampling": "nearest",
    }


def _tags(settings: ComposeSettings, download: Path, record: Download) -> dict[str, str]:
    """What the image was made of, readable by any tool."""
    origins = [scene.origin for scene in record.scenes]
    said = {
        name: json.dumps([entry.get(key) for entry in origins])
        for name, key in _OF_ORIGINS.items()
        if any(key in entry for entry in origins)
    }
    return {
        TAG: json.dumps(provenance("compose", settings, {"download": download}), sort_keys=True),
        **said,
        "PRODUCT": record.product,
        "COMPOSITE": settings.composite,
        **({"BACKSCATTER": record.product, "UNIT": "dB"} if record.sensor.swath else {}),
        **({"SEASONS": json.dumps(record.seasons)} if record.seasons else {}),
    }


_OF_ORIGINS = {
    "ITEMS": "item_id", "BASELINES": "processing_baseline", "OFFSETS_DN": "offset_dn", "ORBITS": "orbit_direction",
    "ITEM_SEASONS": "season",
}  # fmt: skip
"""Tags, and what they say of each item."""
