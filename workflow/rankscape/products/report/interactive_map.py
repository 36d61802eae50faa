"""The interactive map of a page: one document of geometry, layers and images, Leaflet, and the page's own scripts."""

import base64
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from rankscape.foundation.package_files import assets
from rankscape.products.report.embedded_images import EmbeddedImage
from rankscape.products.report.geography import Placed, Plane
from rankscape.products.report.layers import Layer, Preview
from rankscape.products.report.palette import ramp_colours
from rankscape.products.report.section_registry import Fragment
from rankscape.products.report.templates import fill

ASSETS = assets(__file__, "map.html.j2", "map.css", "map*.js", "leaflet/*")
_SCRIPTS = ("map.data.js", "map.draw.js", "map.patch.js", "map.js")
_LEAFLET = ("leaflet/leaflet.js", "leaflet/leaflet.css", "leaflet/LICENSE")
DISTRICTS = "districts"
"""Key of the layer of polygons; its values are those of the first layer."""


@dataclass(frozen=True)
class MapContent:
    """What a map shows."""

    plane: Plane
    layers: Sequence[Layer]
    """The first is shown at first."""
    learned: Collection[str]
    """Granules that something was learned from."""
    images: Mapping[str, Preview]
    """Images by granule."""
    still: EmbeddedImage
    """The first layer as an image, for print and for readers without scripts."""
    polygons: Sequence[Mapping[str, Any]] = ()
    """Districts: name, score (None without one) and polygons, each its rings of points on the plane."""
    groups: Mapping[str, Any] | None = None
    """Groups of patches: `named`, what is known of each; `levels`; `of`, the group of each patch (`packed_numbers`)."""
    responses: Mapping[str, Any] | None = None
    """Maps of what a network responded to inside each patch."""
    reading: Sequence[str] = ()
    """How to read the map, a sentence each."""


def map_fragment(content: MapContent, region: str, ramp: str) -> Fragment:
    """Draw a map.

    Args:
        content: What it shows.
        region: Name of the region.
        ramp: The first layer's colours as a CSS gradient.
    """
    size = content.plane.size
    html = fill(
        ASSETS,
        "map.html.j2",
        map=content,
        region=region,
        ramp=ramp,
        first=content.layers[0],
        choices=_choices(content),
        ratio=round(min(max(size[0] / size[1], 0.75), 1.6), 2),
    )
    licence = Markup(
        '<p>The map is drawn by Leaflet 1.9.4.</p><details><summary>Licence of Leaflet</summary><pre tabindex="0">{}'
        "</pre></details>"
    ).format(ASSETS.text(_LEAFLET[2]).strip())
    return Fragment(
        html,
        styles=Markup(_leaflet_styles() + ASSETS.text("map.css")),
        scripts=(Markup(_leaflet_script()), Markup("\n".join(map(ASSETS.text, _SCRIPTS)))),
        data={"map-data": _document(content)},
        credits=licence,
    )


def packed_numbers(grid: np.ndarray) -> str:
    """Return whole numbers up to 65,534 of a granule's grid for the page; 65,535 stands for none."""
    return base64.b64encode(grid.astype("<u2").tobytes()).decode()


def packed_bytes(values: np.ndarray) -> str:
    """Return bytes for the page."""
    return base64.b64encode(np.ascontiguousarray(values, np.uint8).tobytes()).decode()


def _choices(content: MapContent) -> list[tuple[str, list[tuple[str, str]]]]:
    """Layers to choose from, by group: key and title of each."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for layer in content.layers:
        title = layer.title.removeprefix(f"{layer.group} ")
        groups.setdefault(layer.group, []).append((layer.key, title[:1].upper() + title[1:]))
    if content.polygons:
        groups[content.layers[0].group].append((DISTRICTS, "Districts"))
    if content.images:
        groups["Images"] = [("", "Imagery alone")]
    return list(groups.items())


def _document(content: MapContent) -> dict[str, Any]:
    """Everything that the map shows, as JSON values."""
    plane = content.plane
    longitude, latitude = plane.readout()
    ramps = dict.fromkeys(layer.ramp for layer in content.layers)
    document: dict[str, Any] = {
        "crs": plane.name, "size": [_short(v) for v in plane.size], "unit_m": round(plane.unit_m, 6),
        "longitude": np.round(longitude, 5).tolist(), "latitude": np.round(latitude, 5).tolist(),
        "ramps": {name: ramp_colours(name) for name in ramps},
        "granules": [_granule(g, g.granule in content.learned, content.images.get(g.granule)) for g in plane.granules],
        "layers": [layer.packed() for layer in content.layers], "districts": list(content.polygons),
    }  # fmt: skip
    more = {"clusters": content.groups, "responses": content.responses}
    return document | {name: dict(value) for name, value in more.items() if value is not None}


def _granule(granule: Placed, learned: bool, image: Preview | None) -> dict[str, Any]:
    straight = granule.straight and granule.grid.transform[0] > 0 > granule.grid.transform[4]
    own: dict[str, Any] = {
        "id": granule.granule, "rows": granule.grid.rows, "cols": granule.grid.cols, "straight": straight,
        "learned": learned, "first": granule.first, "bounds": [_short(v) for v in granule.bounds],
    }  # fmt: skip
    if not straight:
        own |= {"node_rows": granule.node_rows.tolist(), "node_cols": granule.node_cols.tolist()}
        own |= {"x": np.round(granule.x, 1).tolist(), "y": np.round(granule.y, 1).tolist()}
    if image is not None:
        own["image"] = {"uri": image.uri, "bounds": [_short(v) for v in image.bounds]}
        own["image"]["patch_px"] = round(image.patch_px, 2)
    return own


def _leaflet_script() -> str:
    """Leaflet without the line that names its source map, which browsers' tools would look for."""
    return re.sub(r"\n//# sourceMappingURL=\S+\s*$", "\n", ASSETS.text(_LEAFLET[0]))


def _leaflet_styles() -> str:
    """Leaflet's styles without images and behaviours: the page uses none of them, and must load nothing."""
    return re.sub(
        r"^\s*(?:background-image|behavior): url\([^)]*\);\n", "", ASSETS.text(_LEAFLET[1]), flags=re.MULTILINE
    )


def _short(value: float) -> float:
    return round(value, 2)
