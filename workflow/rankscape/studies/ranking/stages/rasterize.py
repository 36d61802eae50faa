"""Draw the map of a granule: its scores as rasters.

Two rasters with the same information: one pixel a patch, and every patch's score in all pixels of its square.
"""

import json
from pathlib import Path
from typing import Annotated

import geopandas as gpd
from cyclopts import Parameter

from rankscape.foundation.provenance import provenance
from rankscape.products.maps.backends import open_kernels
from rankscape.products.maps.granules import write_patches, write_pixels
from rankscape.products.maps.items import write_item
from rankscape.products.maps.ramp import RAMP, read_ramp, style_of, write_style
from rankscape.products.maps.region_map import outline
from rankscape.products.maps.settings import RasterizeSettings
from rankscape.products.maps.surface import read_surface
from rankscape.stages.options import OneIndex, Threads, settings_of


def rasterize(
    *,
    settings: Annotated[str, settings_of(RasterizeSettings)],
    scores: Annotated[Path, Parameter(help="Scores of one granule (.parquet).")],
    index: OneIndex,
    out: Annotated[Path, Parameter(help="Raster to write: score and score_std at the pixels of the image (COG).")],
    patches: Annotated[Path, Parameter(help="Raster to write: the same, one pixel a patch (COG).")],
    item: Annotated[Path, Parameter(help="STAC item to write (JSON), in the folder of the rasters or above.")],
    threads: Threads = 1,
) -> None:
    """Draw the map of a granule as two rasters, with QGIS styles (.qml) beside them and a STAC item."""
    chosen = RasterizeSettings.from_text(settings, "ranking.rasterize")
    ramp, surface = read_ramp(), read_surface(scores, index)
    inputs = {"scores": scores, "index": index, "ramp": RAMP}
    record = provenance("ranking rasterize", chosen, inputs, backend=chosen.backend)
    tags = {"RANKSCAPE": json.dumps(record, sort_keys=True)}
    with open_kernels(chosen.backend) as kernels:
        write_pixels(out, surface, kernels.fill, chosen.dtype, tags, threads)
    write_patches(patches, surface, tags)
    for raster in (out, patches):
        write_style(raster, ramp)
    assets = {"map": out, "patches": patches, "style": style_of(out), "style-patches": style_of(patches)}
    write_item(
        item, surface.granule, assets, crs=surface.grid.crs, transform=surface.transform, values=surface.values,
        outline=gpd.GeoSeries([outline(surface)], crs=surface.grid.crs), record=record, dtype=chosen.dtype,
    )  # fmt: skip
