"""Colours of maps: ramps, read from the tables that the project ships, and QGIS styles (`.qml`) beside rasters."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import pandas as pd

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import write_bytes
from rankscape.foundation.package_files import assets

ASSETS = assets(__file__, "../../../../resources/ramps/development.tsv", "../../../../resources/ramps/uncertainty.tsv")
RAMP = ASSETS.path("../../../../resources/ramps/development.tsv")
"""Colour ramp of every map: viridis, even in lightness and safe for the colour-blind."""
UNCERTAINTY = ASSETS.path("../../../../resources/ramps/uncertainty.tsv")
"""Colour ramp of the uncertainty: magma from light to dark, so that it is not taken for a score."""
_DOCTYPE = b"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
_COLUMNS = ["position", "red", "green", "blue"]


@dataclass(frozen=True)
class Ramp:
    """Colours between which a value's colour is interpolated."""

    positions: np.ndarray
    """Values, ascending from 0 to 1; float64, shape (n,)."""
    colours: np.ndarray
    """Red, green, blue at each position; uint8, shape (n, 3)."""

    def rgba(self, values: np.ndarray) -> np.ndarray:
        """Colour values.

        Args:
            values: Scores in [0, 1], NaN where there is none; any shape.

        Returns:
            uint8, shape (..., 4): opaque, and transparent black where there is no value.
        """
        given = np.isfinite(values)
        filled = np.where(given, values, 0.0)
        bands = [np.interp(filled, self.positions, self.colours[:, band]) for band in range(3)]
        opaque = np.stack([*bands, np.full(filled.shape, 255.0)], axis=-1)
        return np.asarray(np.rint(opaque * given[..., None]), np.uint8)

    def hexes(self) -> list[str]:
        """Return the colours as `#rrggbb`."""
        return ["#{:02x}{:02x}{:02x}".format(*colour) for colour in self.colours.tolist()]


def read_ramp(path: Path = RAMP) -> Ramp:
    """Read a colour ramp: tab-separated position, red, green, blue; lines that start with # are remarks.

    Raises:
        InputError: If the file is missing, or no ramp from 0 to 1.
    """
    try:
        table = pd.read_csv(path, sep="\t", comment="#")[_COLUMNS].to_numpy(float)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: run Rankscape from a clone, which holds its resources.") from None
    except (ValueError, KeyError) as error:
        raise InputError(f"{path} is no colour ramp ({error}); its columns are {_COLUMNS}, tab-separated.") from None
    positions, colours = table[:, 0], table[:, 1:]
    rising = len(positions) >= 2 and bool((np.diff(positions) > 0).all())
    if not rising or positions[0] != 0 or positions[-1] != 1 or not ((colours >= 0) & (colours <= 255)).all():
        raise InputError(f"{path} is no colour ramp: positions must rise from 0 to 1 and colours lie in 0 to 255.")
    return Ramp(positions, colours.astype(np.uint8))


def round_up(value: float, step: float) -> float:
    """Return where a legend ends that shows a value: the next multiple of a step of two digits, one step at least."""
    return max(step, round(ceil(value / step - 1e-6) * step, 2))


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
