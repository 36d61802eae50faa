"""Where scenes of a swath lie over a granule, and in which order they cover it."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import shapely
from pyproj import Transformer
from shapely.errors import ShapelyError
from shapely.geometry import shape

from rankscape.scenes.mgrs import GranuleGrid
from rankscape.scenes.sensors.protocol import SceneFacts

_GAP = datetime.timedelta(minutes=5)
"""Slices of one pass follow each other within seconds."""
_LEAST_GAIN = 0.01
"""A pass that adds less than this share to a layer begins the next one."""
_DENSE_DEG = 0.2
"""Edges of footprints are straight in degrees, not in metres."""


@dataclass(frozen=True)
class Swath:
    """One scene, and what it covers of the granule."""

    scene: SceneFacts
    """The scene."""
    cover: Any
    """shapely geometry in the granule's CRS; empty where the scene lies beside the granule."""


def swath_of(scene: SceneFacts, grid: GranuleGrid) -> Swath:
    """Return what a scene covers of a granule, by its geometry, else by its bbox."""
    try:
        ground = shape(scene.item["geometry"])
    except (KeyError, TypeError, ValueError, AttributeError, ShapelyError):
        ground = shapely.Polygon()
    bbox = scene.item.get("bbox")
    if not ground.area and isinstance(bbox, list) and len(bbox) == 4:
        ground = shapely.box(*bbox)
    to_metres = Transformer.from_crs(4326, grid.epsg, always_xy=True).transform
    place = shapely.transform(shapely.segmentize(ground, _DENSE_DEG), to_metres, interleaved=False)
    return Swath(scene, shapely.intersection(shapely.make_valid(place), shapely.box(*grid.bounds_m)))


def covered(swaths: Sequence[Swath]) -> Any:
    """Return what several scenes cover together."""
    return shapely.union_all([swath.cover for swath in swaths])


def layered(swaths: Sequence[Swath]) -> list[SceneFacts]:
    """Order scenes so that the first ones cover the granule once, the next ones once more, and so on.

    Slices of one pass stay together. Passes that cover as much, in whole percent, come newest first, then by id.
    """
    rest = _passes(swaths)
    reach = covered(swaths).area or 1.0
    ordered: list[SceneFacts] = []
    while rest:
        bare, layer = covered(swaths), 0
        while rest:
            gains = [round(bare.intersection(cover).area / reach, 2) for _, cover in rest]
            best = gains.index(max(gains))
            if layer and gains[best] < _LEAST_GAIN:
                break
            scenes, cover = rest.pop(best)
            ordered += scenes
            bare, layer = bare.difference(cover), layer + 1
    return ordered


def _passes(swaths: Sequence[Swath]) -> list[tuple[list[SceneFacts], Any]]:
    """Return scenes and cover of each pass over the granule, newest first."""
    groups: list[list[Swath]] = []
    for swath in sorted(swaths, key=lambda one: (one.scene.platform, one.scene.sensed, one.scene.id)):
        last = groups[-1][-1].scene if groups else None
        together = last and last.platform == swath.scene.platform and swath.scene.sensed - last.sensed <= _GAP
        groups = [*groups[:-1], [*groups[-1], swath]] if together else [*groups, [swath]]
    groups.sort(key=lambda group: (-group[0].scene.sensed.timestamp(), group[0].scene.id))
    return [([one.scene for one in group], covered(group)) for group in groups]
