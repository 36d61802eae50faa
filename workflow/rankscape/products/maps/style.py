"""QGIS styles: a `.qml` of the same name beside a raster colours it when it is opened."""

import xml.etree.ElementTree as ET
from pathlib import Path

from rankscape.foundation.files import write_bytes
from rankscape.products.maps.ramp import Ramp

_DOCTYPE = b"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"


def style_of(raster: Path) -> Path:
    """Return the path of a raster's style: the same name, ending in `.qml`."""
    return raster.with_suffix(".qml")


def write_style(raster: Path, ramp: Ramp, low: float = 0.0, high: float = 1.0) -> None:
    """Write the style of a raster that shows its first band in colours, atomically.

    Args:
        raster: The raster; the style goes beside it.
        ramp: Colours of the band.
        low: Value with the first colour.
        high: Value with the last colour.
    """
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    renderer = ET.SubElement(
        ET.SubElement(root, "pipe"), "rasterrenderer", type="singlebandpseudocolor", band="1", opacity="1",
        alphaBand="-1", nodataColor="", classificationMin=f"{low:g}", classificationMax=f"{high:g}",
    )  # fmt: skip
    ET.SubElement(renderer, "rasterTransparency")
    shader = ET.SubElement(
        ET.SubElement(renderer, "rastershader"), "colorrampshader", colorRampType="INTERPOLATED",
        classificationMode="1", clip="0", minimumValue=f"{low:g}", maximumValue=f"{high:g}",
    )  # fmt: skip
    for value, colour in zip(low + ramp.positions * (high - low), ramp.hexes(), strict=True):
        ET.SubElement(shader, "item", value=f"{value:g}", label=f"{value:.2f}", color=colour, alpha="255")
    ET.indent(root)
    write_bytes(style_of(raster), _DOCTYPE + ET.tostring(root, encoding="utf-8") + b"\n")
