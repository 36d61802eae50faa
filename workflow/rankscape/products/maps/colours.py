"""Two more rasters of the region for those who only look: the score in colours, and its uncertainty on its own."""

from pathlib import Path

import numpy as np

from rankscape.products.maps.granules import tag_statistics
from rankscape.products.maps.pieces import LEVELS, NO_DATA, encoded
from rankscape.products.maps.ramp import Ramp, round_up
from rankscape.products.maps.region import Region
from rankscape.products.maps.surface import BANDS
from rankscape.scenes.cogs import cog_writer

_STEP = 0.05
"""The colours of the uncertainty end at a multiple of this, so that the legend ends at a round number."""


def write_colours(path: Path, region: Region, ramp: Ramp, tags: dict[str, str], level: int) -> None:
    """Write the score of a region as a COG of bytes with a colour table: any program shows it in colour.

    A byte is round(250 s), 255 is no data and transparent; overviews take the nearest pixel, since the mean of two
    entries of a colour table means nothing to GDAL.

    Args:
        path: Raster to write.
        region: The map.
        ramp: Colours of the score.
        tags: Metadata of the raster.
        level: ZSTD level.
    """
    pixels = encoded(region.values[:1], "uint8")
    with cog_writer(
        path, shape=pixels.shape, dtype="uint8", crs=region.crs, transform=region.transform, names=BANDS[:1],
        nodata=NO_DATA, tags=tags, level=level, resampling="nearest",
    ) as dataset:  # fmt: skip
        dataset.write_colormap(1, colour_table(ramp))
        dataset.scales = (1 / LEVELS,)
        dataset.write(pixels)


def colour_table(ramp: Ramp) -> dict[int, tuple[int, int, int, int]]:
    """Return red, green, blue and alpha of every byte; bytes that are no score are transparent."""
    values = np.arange(256) / LEVELS
    rgba = ramp.rgba(np.where(values <= 1, values, np.nan))
    return {
        level: (int(red), int(green), int(blue), int(alpha)) for level, (red, green, blue, alpha) in enumerate(rgba)
    }


def write_uncertainty(path: Path, region: Region, tags: dict[str, str], level: int) -> None:
    """Write the uncertainty of a region's score as a COG of its own, so that it is a layer with a style of its own.

    Args:
        path: Raster to write.
        region: The map; its second band is taken.
        tags: Metadata of the raster.
        level: ZSTD level.
    """
    values = region.values[1:]
    with cog_writer(
        path, shape=values.shape, dtype="float32", crs=region.crs, transform=region.transform, names=BANDS[1:],
        nodata=np.nan, tags=tags, level=level,
    ) as dataset:  # fmt: skip
        dataset.write(values)
        tag_statistics(dataset, values)


def largest_uncertainty(region: Region) -> float:
    """Return where the colours of the uncertainty end: the largest on the map, rounded up to 0.05."""
    given = region.values[1][np.isfinite(region.values[1])]
    return round_up(float(given.max()), _STEP) if given.size else _STEP
