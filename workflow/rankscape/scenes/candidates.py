"""Candidates of a granule: one catalogue asked after the other, and the same filter and order for all of them.

A server may ignore `query` and `sortby`, and may give one sensing in several processings, so nothing that it leaves
out or puts first is relied on.
"""

import datetime
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rankscape.foundation.errors import GranuleError
from rankscape.scenes.footprints import Swath, layered, swath_of
from rankscape.scenes.granule_table import Window
from rankscape.scenes.mgrs import granule
from rankscape.scenes.seasons import CompositePart, whole
from rankscape.scenes.sensors.protocol import ArchiveSensor, SceneFacts
from rankscape.scenes.settings import SearchSettings


@dataclass(frozen=True)
class Choice:
    """What is left of a catalogue's items, and why the others are not."""

    items: list[dict[str, Any]]
    """Items that may be used, best first."""
    left_out: dict[str, int]
    """Number of items by the reason why they were left out."""
    granules: tuple[str, ...]
    """Granules that items were seen of."""
    swaths: tuple[Swath, ...] = ()
    """What scenes of a swath cover of the granule."""


def choose(
    items: Iterable[dict[str, Any]],
    window: Window | CompositePart,
    settings: SearchSettings,
    sensor: ArchiveSensor,
    direction: str | None = None,
) -> Choice:
    """Filter items, drop repeated processings of one sensing, and put the best first.

    The order is total: share of pixels without data rounded to whole percent, cloud share of the area with data,
    newest sensing, id. Scenes of a swath are ordered as `footprints.layered` explains.

    Args:
        items: STAC items as a catalogue gave them, in any order, repeated or not.
        window: Granule, dates and cloud limit.
        settings: Collection and limit of pixels without data.
        sensor: Reads the items.
        direction: Direction of the orbit; None takes both.
    """
    part = whole(window) if isinstance(window, Window) else window
    left_out: Counter[str] = Counter()
    kept: list[SceneFacts] = []
    granules: set[str] = set()
    for item in {str(item.get("id")): item for item in items}.values():
        if item.get("collection") not in (None, settings.collection):
            left_out["of another collection"] += 1
            continue
        try:
            scene = sensor.read_item(item)
        except ValueError as reason:
            left_out[str(reason)] += 1
            continue
        granules |= {scene.granule} if scene.granule else set()
        fault = _fault(scene, part, settings, sensor) or _other_direction(scene, direction)
        if fault:
            left_out[fault] += 1
        else:
            kept.append(scene)
    distinct = _newest_processings(kept)
    left_out["an older processing of a scene"] += len(kept) - len(distinct)
    swaths: list[Swath] = []
    if sensor.swath:
        grid = granule(part.window.granule)
        swaths = [swath for scene in distinct if (swath := swath_of(scene, grid)).cover.area > 0]
        left_out["beside the granule"] += len(distinct) - len(swaths)
    reasons = {reason: count for reason, count in sorted(left_out.items()) if count}
    ordered = layered(swaths) if sensor.swath else sorted(distinct, key=_rank)
    return Choice([scene.item for scene in ordered], reasons, tuple(sorted(granules)), tuple(swaths))


def _fault(scene: SceneFacts, part: CompositePart, settings: SearchSettings, sensor: ArchiveSensor) -> str:
    """Why a scene may not be used, in a few words; empty if it may."""
    window = part.window
    if scene.granule != window.granule and not sensor.swath:
        return "of another granule"
    if not part.has(scene.sensed.date()):
        return "outside the dates"
    if sensor.swath:
        return ""  # its footprint says how much it covers, and no cloud hides anything
    return _excess(scene.nodata_percent, settings.max_nodata_percent, "pixels without data") or _excess(
        scene.cloud_percent, window.max_cloud_percent, "cloud"
    )


def _other_direction(scene: SceneFacts, direction: str | None) -> str:
    if direction is None or scene.direction == direction:
        return ""
    return f"of an orbit that is {scene.direction}" if scene.direction else "direction of the orbit not stated"


def _excess(share_percent: float | None, limit_percent: float, what: str) -> str:
    if share_percent is None:
        # A limit of 100 lets everything pass, so that items of a home-made catalogue need not state the share.
        return "" if limit_percent >= 100 else f"share of {what} not stated"
    return f"{what} above {limit_percent:g} %" if share_percent > limit_percent else ""


def _newest_processings(scenes: Sequence[SceneFacts]) -> list[SceneFacts]:
    best: dict[tuple[Any, ...], SceneFacts] = {}
    for scene in sorted(scenes, key=_processing):
        key = (scene.platform, scene.sensed.replace(microsecond=0), scene.granule, scene.orbit)
        best[key] = scene
    return list(best.values())


def _processing(scene: SceneFacts) -> tuple[tuple[int, int], datetime.datetime, str]:
    return scene.baseline or (0, 0), scene.generated, scene.id


def _rank(scene: SceneFacts) -> tuple[int, float, float, str]:
    nodata_percent = 100.0 if scene.nodata_percent is None else scene.nodata_percent
    cloud_percent = 100.0 if scene.cloud_percent is None else scene.cloud_percent
    return math.floor(nodata_percent + 0.5), cloud_percent, -scene.sensed.timestamp(), scene.id


def require_candidates(choice: Choice, window: Window, settings: SearchSettings, *, whole_catalogue: bool) -> None:
    """Say in one line why nothing is left, and what to change.

    Args:
        choice: Outcome of `choose`.
        window: Granule, dates and cloud limit.
        settings: Where was looked.
        whole_catalogue: True if every item of the catalogue was seen, so that its granules can be named.

    Raises:
        GranuleError: If no item is left.
    """
    if choice.items:
        return
    where = f"collection {settings.collection} of {settings.href}"
    seen = sum(choice.left_out.values())
    if whole_catalogue and window.granule not in choice.granules:
        known = ", ".join(choice.granules[:20]) + (" ..." if len(choice.granules) > 20 else "") or "none"
        raise GranuleError(f"{window.granule}: {where} has no scene of this granule; its granules are: {known}.")
    reasons = ", ".join(f"{count} {reason}" for reason, count in choice.left_out.items()) or "it gave none"
    raise GranuleError(
        f"{window.granule}: no scene between {window.start} and {window.end} in {where}: of {seen} items seen, "
        f"{reasons}. Widen the dates or the limits."
    )
