"""QGIS styles: a `.qml` of the same name beside a raster colours it when it is opened."""

import xml.etree.ElementTree as ET
from pathlib import Path

from rankscape.foundation.files import write_bytes
from rankscape.mapping.ramp import Ramp

_DOCTYPE = b"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"


def style_of(raster: Path) -> Path:
    """Return the path of a raster's style: the same name, ending in `.qml`."""
    return raster.with_suffix(".qml")


def write_style(raster: Path, ramp: Ramp) -> None:
    """Write the style of a raster whose first band is a score in [0, 1], atomically.

    Args:
        raster: The raster; the style goes beside it.
        ramp: Colours of the score.
    """
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    renderer = ET.SubElement(
        ET.SubElement(root, "pipe"), "rasterrenderer", type="singlebandpseudocolor", band="1", opacity="1",
        alphaBand="-1", nodataColor="", classificationMin="0", classificationMax="1",
    )  # fmt: skip
    ET.SubElement(renderer, "rasterTransparency")
    shader = ET.SubElement(
        ET.SubElement(renderer, "rastershader"), "colorrampshader", colorRampType="INTERPOLATED",
        classificationMode="1", clip="0", minimumValue="0", maximumValue="1",
    )  # fmt: skip
    for position, colour in zip(ramp.positions, ramp.hexes(), strict=True):
        ET.SubElement(shader, "item", value=f"{position:g}", label=f"{position:.2f}", color=colour, alpha="255")
    ET.indent(root)
    write_bytes(style_of(raster), _DOCTYPE + ET.tostring(root, encoding="utf-8") + b"\n")
