"""Local images that the granule table names: a raster, a folder of web-mercator tiles, or a folder of images.

They need no catalogue and no download: patches are cut from where they lie.
"""

from collections.abc import Mapping

from rankscape.scenes.granule_table import COLOURS
from rankscape.scenes.sensors.protocol import Product


class Local:
    """Images of 8-bit colours, or rasters of any bands that begin with red, green, blue."""

    name = "local"
    title = "Local images"
    products: Mapping[str, Product] = {
        "images": Product(COLOURS, COLOURS, COLOURS, "uint8", (0, 255), None, ("uint8", "float32"), "image"),
    }
    quality_classes: Mapping[int, str] = {}
    cloud_classes: tuple[int, ...] = ()


SENSOR = Local()
