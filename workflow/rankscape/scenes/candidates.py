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

from rankscape.foundation import progress
from rankscape.foundation.errors import CatalogueError, GranuleError
from rankscape.scenes.catalogues import open_catalogue
from rankscape.scenes.granule_table import Window
from rankscape.scenes.mgrs import granule
from rankscape.scenes.sensors.protocol import ArchiveSensor, SceneFacts
from rankscape.scenes.servers import RetryPolicy
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


def choose(items: Iterable[dict[str, Any]], window: Window, settings: SearchSettings, sensor: ArchiveSensor) -> Choice:
    """Filter items, drop repeated processings of one sensing, and put the best first.

    The order is total: share of pixels without data rounded to whole percent, cloud share of the area with data,
    newest sensing, id.

    Args:
        items: STAC items as a catalogue gave them, in any order, repeated or not.
        window: Granule, dates and cloud limit.
        settings: Collection and limit of pixels without data.
        sensor: Reads the items.
    """
    left_out: Counter[str] = Counter()
    kept: list[SceneFacts] = []
    granules: set[str] = set()
    for item in {str(item.get("id")): item for item in items}.values():
        try:
            scene = sensor.read_item(item)
        except ValueError as reason:
            left_out[str(reason)] += 1
            continue
        granules |= {scene.granule} if scene.granule else set()
        fault = _fault(scene, window, settings)
        if fault:
            left_out[fault] += 1
        else:
            kept.append(scene)
    distinct = _newest_processings(kept)
    left_out["an older processing of a scene"] += len(kept) - len(distinct)
    reasons = {reason: count for reason, count in sorted(left_out.items()) if count}
    return Choice([scene.item for scene in sorted(distinct, key=_rank)], reasons, tuple(sorted(granules)))


def _fault(scene: SceneFacts, window: Window, settings: SearchSettings) -> str:
    """Why a scene may not be used, in a few words; empty if it may."""
    if scene.collection not in (None, settings.collection):
        return "of another collection"
    if scene.granule != window.granule:
        return "of another granule"
    if not window.start <= scene.sensed.date() <= window.end:
        return "outside the dates"
    return _excess(scene.nodata_percent, settings.max_nodata_percent, "pixels without data") or _excess(
        scene.cloud_percent, window.max_cloud_percent, "cloud"
    )


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


def find_scenes(
    settings: SearchSettings, wanted: Window, sensor: ArchiveSensor, retries: RetryPolicy | None = None
) -> list[dict[str, Any]]:
    """Ask every catalogue of the settings; one that fails is passed over if another has scenes.

    Args:
        settings: The catalogue, and the fallback if there is one.
        wanted: Granule, dates and cloud limit.
        sensor: What scenes are looked for.
        retries: How often and how long to try again.

    Returns:
        For each catalogue, first one first: `source`, `items` (best first, unsigned addresses), `left_out`.

    Raises:
        CatalogueError: If no catalogue gives a scene, and the first does not answer.
        GranuleError: If no catalogue gives a scene, and the first has none.
    """
    answers: list[dict[str, Any]] = []
    errors: list[CatalogueError | GranuleError] = []
    for named in settings.catalogues():
        source = named.model_copy(update={"collection": named.collection or sensor.collection})
        answer: dict[str, Any] = {
            "source": source.model_dump(mode="json", include={"kind", "href", "collection", "signing"}),
            "items": [],
            "left_out": {},
        }
        answers.append(answer)
        try:
            catalogue = open_catalogue(source, sensor, retries)
            choice = choose(catalogue.items(granule(wanted.granule), wanted), wanted, source, sensor)
            answer["left_out"] = choice.left_out
            require_candidates(choice, wanted, source, whole_catalogue=catalogue.whole)
            answer["items"] = choice.items
        except (CatalogueError, GranuleError) as failed:
            errors.append(failed)
    if len(errors) == len(answers):
        for error in errors[1:]:
            progress.say(str(error))
        raise errors[0]
    for error in errors:
        progress.say(f"{error} The other catalogue has scenes.")
    return answers
