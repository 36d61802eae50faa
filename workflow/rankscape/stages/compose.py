"""Compose one analysis-ready image a granule from its downloaded scenes.

In: `download.json` of fetch and the assets that it names. Out: `scene.tif`, true colour (uint8) or reflectance
(float32 in [0, 1]) with an internal mask, and `quality.tif`: 0 no data, 1 clear, 2 cloud or shadow.
"""

import contextlib
import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from rankscape.foundation import progress
from rankscape.foundation.errors import RasterError
from rankscape.foundation.provenance import provenance
from rankscape.scenes.acquisitions import Download, drop_download, read_download
from rankscape.scenes.cogs import TAG, cog_writer
from rankscape.scenes.compositing import ImageGrid, common_grid, compose_windows
from rankscape.scenes.mgrs import granule
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
    grid = common_grid(record.scenes, granule(record.granule).epsg, record.sensor.products[record.product])
    tags = _tags(chosen, download, record)
    clear = seen = 0
    with (
        cog_writer(scene, **_image_form(record, grid), tags=tags) as image,
        cog_writer(quality, **_quality_form(grid), tags=tags) as classes,
        # Closed here whatever happens: at the end of the program its open scenes would be in nobody's hands.
        contextlib.closing(
            compose_windows(record.scenes, grid, record.sensor, record.product, chosen.composite, chosen.cloud_classes)
        ) as pieces,
    ):
        for piece in pieces:
            image.write(piece.pixels, window=piece.window)
            image.write_mask(piece.mask, window=piece.window)
            classes.write(piece.quality, 1, window=piece.window)
            clear += int((piece.quality == 1).sum())
            seen += int((piece.quality > 0).sum())
        if not seen:
            raise RasterError(f"{record.granule}: no pixel of its {len(record.scenes)} scenes has data: choose others.")
    share = grid.height_px * grid.width_px
    progress.say(f"{record.granule}: {seen / share:.1%} of the pixels have data, {clear / share:.1%} are clear.")
    if drop_assets:
        drop_download(download, folder, record)


def _image_form(record: Download, grid: ImageGrid) -> dict[str, Any]:
    product = record.sensor.products[record.product]
    return {
        "shape": (len(record.bands), grid.height_px, grid.width_px),
        "dtype": product.dtype,
        "crs": grid.crs,
        "transform": grid.transform,
        "names": record.bands,
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
    return {
        TAG: json.dumps(provenance("compose", settings, {"download": download}), sort_keys=True),
        "ITEMS": json.dumps([entry["item_id"] for entry in origins]),
        "BASELINES": json.dumps([entry["processing_baseline"] for entry in origins]),
        "OFFSETS_DN": json.dumps([entry["offset_dn"] for entry in origins]),
        "PRODUCT": record.product,
        "COMPOSITE": settings.composite,
    }
