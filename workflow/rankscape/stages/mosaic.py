"""Draw the map of the region: all granules in one CRS.

Overlaps are averaged by valid weight; an image with legend and scale bar is drawn beside the raster.
"""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.files import write_bytes
from rankscape.foundation.provenance import provenance
from rankscape.products.maps.items import write_item
from rankscape.products.maps.preview import draw_preview
from rankscape.products.maps.ramp import RAMP, UNCERTAINTY, read_ramp, style_of, write_style
from rankscape.products.maps.region_map import (
    largest_uncertainty,
    mosaic_surfaces,
    write_colours,
    write_region,
    write_uncertainty,
)
from rankscape.products.maps.settings import MosaicSettings
from rankscape.products.maps.surface import read_surfaces
from rankscape.stages.options import Indices, settings_of


def mosaic(
    *,
    settings: Annotated[str, settings_of(MosaicSettings)],
    scores: Annotated[list[Path], Parameter(help="Scores (.parquet), a granule each.")],
    indices: Indices,
    out: Annotated[Path, Parameter(help="Raster to write: score and score_std of the region (COG).")],
    colour: Annotated[Path, Parameter(help="Raster to write: the score in bytes with a colour table (COG).")],
    uncertainty: Annotated[Path, Parameter(help="Raster to write: score_std of the region alone (COG).")],
    preview: Annotated[Path, Parameter(help="Image to write (PNG, transparent outside the region).")],
    item: Annotated[Path, Parameter(help="STAC item to write (JSON), in the folder of the raster or above.")],
) -> None:
    """Draw the map of the region in one CRS, as rasters with QGIS styles, an image and a STAC item."""
    chosen = MosaicSettings.from_text(settings, "*.mosaic")
    ramp, surfaces = read_ramp(), read_surfaces(scores, indices)
    region = mosaic_surfaces(surfaces, chosen.crs, chosen.resolution_m)
    inputs = {f"scores/{path.stem}": path for path in scores} | {f"indices/{path.stem}": path for path in indices}
    record = provenance("mosaic", chosen, {**inputs, "ramp": RAMP, "uncertainty-ramp": UNCERTAINTY})
    tags = {"RANKSCAPE": json.dumps(record, sort_keys=True)}
    write_region(out, region, tags)
    write_style(out, ramp)
    write_colours(colour, region, ramp, tags)
    write_uncertainty(uncertainty, region, tags)
    write_style(uncertainty, read_ramp(UNCERTAINTY), high=largest_uncertainty(region))
    write_bytes(preview, draw_preview(region, ramp, chosen.title, chosen.preview_px))
    assets = {"map": out, "colour": colour, "uncertainty": uncertainty, "preview": preview}
    assets |= {"style": style_of(out), "style-uncertainty": style_of(uncertainty)}
    write_item(
        item, out.stem, assets, crs=region.crs, transform=region.transform, values=region.values,
        outline=region.outlines, record=record,
    )  # fmt: skip
