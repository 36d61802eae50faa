"""What the page's map needs beside its scripts: one document of geometry, layers and pictures, and the scripts."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from rankscape.products.report.geography import Placed, Plane
from rankscape.products.report.imagery import Preview
from rankscape.products.report.layers import Layer
from rankscape.products.report.palette import DIFFERENCE, DOUBT, RAMP, REFERENCE, ramp_colours
from rankscape.studies.ranking.page.inputs import Material
from rankscape.studies.ranking.page.responses import Responses

_FOLDER = Path(__file__).parent
_SCRIPTS = ("map.data.js", "map.draw.js", "map.patch.js", "map.js")
_LEAFLET = _FOLDER / "leaflet"


@dataclass(frozen=True)
class Interactive:
    """The map's part of the page."""

    data: Markup
    """JSON, safe inside a script element."""
    scripts: tuple[Markup, ...]
    """Leaflet and the page's own."""
    styles: Markup
    licence: str
    """Leaflet's licence."""
    policy: str
    """Sources of scripts for the page's content policy: the hash of each."""


def interactive(document: dict[str, Any]) -> Interactive:
    """Make the map's part of the page from its document.

    Args:
        document: What `map_document` returns.
    """
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    scripts = (_leaflet_js(), "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in _SCRIPTS))
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    licence = (_LEAFLET / "LICENSE").read_text(encoding="utf-8").strip()
    styles = _leaflet_css() + (_FOLDER / "map.css").read_text(encoding="utf-8")
    return Interactive(
        Markup(text.replace("<", "\\u003c")),
        tuple(Markup(script) for script in scripts),
        Markup(styles),
        licence,
        " ".join(f"'sha256-{digest}'" for digest in hashes),
    )


def choices(layers: list[Layer], pictures: bool, districts: bool) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the layers to choose from, by group: key and title of each."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for layer in layers:
        title = layer.title.removeprefix(f"{layer.group} ")
        groups.setdefault(layer.group, []).append((layer.key, title[:1].upper() + title[1:]))
    if districts:
        groups["Score"].append(("districts", "Districts"))
    if pictures:
        groups["Pictures"] = [("", "Imagery alone")]
    return list(groups.items())


def map_document(
    material: Material,
    plane: Plane,
    layers: list[Layer],
    pictures: dict[str, Preview],
    districts: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return everything that the map shows, as JSON values.

    Args:
        material: What the page shows.
        plane: Where granules lie.
        layers: Numbers of patches.
        pictures: Pictures by granule.
        districts: Polygons with their scores, as `districts.outlines` returns them.
    """
    longitude, latitude = plane.readout()
    fit = set(material.fit_granules)
    document: dict[str, Any] = {
        "crs": plane.name, "size": [_whole(v) for v in plane.size], "unit_m": round(plane.unit_m, 6),
        "longitude": np.round(longitude, 5).tolist(), "latitude": np.round(latitude, 5).tolist(),
        "ramps": {name: ramp_colours(name) for name in (RAMP, DOUBT, REFERENCE, DIFFERENCE)},
        "granules": [_granule(g, g.granule in fit, pictures.get(g.granule)) for g in plane.granules],
        "layers": [layer.packed() for layer in layers], "districts": districts,
        "clusters": _clusters(material, plane),
    }  # fmt: skip
    if material.responses is not None:
        document["responses"] = _responses(material.responses)
    return document


def _granule(granule: Placed, learned: bool, picture: Preview | None) -> dict[str, Any]:
    straight = granule.straight and granule.grid.transform[0] > 0 > granule.grid.transform[4]
    own: dict[str, Any] = {
        "id": granule.granule, "rows": granule.grid.rows, "cols": granule.grid.cols, "straight": straight,
        "learned": learned, "first": granule.first, "bounds": [_whole(v) for v in granule.bounds],
    }  # fmt: skip
    if not straight:
        own |= {"node_rows": granule.node_rows.tolist(), "node_cols": granule.node_cols.tolist()}
        own |= {"x": np.round(granule.x, 1).tolist(), "y": np.round(granule.y, 1).tolist()}
    if picture is not None:
        own["picture"] = {"uri": picture.uri, "bounds": [_whole(v) for v in picture.bounds]}
        own["picture"]["patch_px"] = round(picture.patch_px, 2)
    return own


def _clusters(material: Material, plane: Plane) -> dict[str, Any]:
    """Name of each cluster, its level, and the cluster of each patch: bytes by granule, 255 where it has none."""
    level = {c: number for number, clusters in enumerate(material.order.levels, 1) for c in clusters}
    named = [
        {"cluster": entry.cluster, "category": entry.category, "level": level[entry.cluster]}
        for entry in material.summary.clusters
    ]
    place = {entry.cluster: number for number, entry in enumerate(material.summary.clusters)}
    found = {}
    for granule in plane.granules:
        part = material.clusters[material.clusters["granule"] == granule.granule]
        grid = np.full((granule.grid.rows, granule.grid.cols), 65535, "<u2")
        if len(part):
            grid[granule.places(part["patch_id"])] = [place[int(c)] for c in part["cluster"]]
            found[granule.granule] = base64.b64encode(grid.tobytes()).decode()
    return {"named": named, "levels": len(material.order.levels), "of": found}


def _responses(responses: Responses) -> dict[str, Any]:
    packed = {
        name: base64.b64encode(np.ascontiguousarray(maps).tobytes()).decode() for name, maps in responses.maps.items()
    }
    return {"cells": responses.cells, "limit": responses.limit, "method": responses.method, "of": packed,
            "note": responses.note}  # fmt: skip


def _leaflet_js() -> str:
    """Leaflet without the line that names its source map, which browsers' tools would look for."""
    text = (_LEAFLET / "leaflet.js").read_text(encoding="utf-8")
    return re.sub(r"\n//# sourceMappingURL=\S+\s*$", "\n", text)


def _leaflet_css() -> str:
    """Leaflet's styles without pictures and behaviours: the page uses none of them, and must load nothing."""
    text = (_LEAFLET / "leaflet.css").read_text(encoding="utf-8")
    return re.sub(r"^\s*(?:background-image|behavior): url\([^)]*\);\n", "", text, flags=re.MULTILINE)


def _whole(value: float) -> float:
    return round(value, 2)
