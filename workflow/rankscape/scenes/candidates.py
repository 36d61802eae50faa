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
from rankscape.scenes.footprints import Swath, covered, layered, swath_of
from rankscape.scenes.granule_table import Window
from rankscape.scenes.mgrs import granule
from rankscape.scenes.seasons import CompositePart, parts_of, whole
from rankscape.scenes.sensors.protocol import ArchiveSensor, SceneFacts
from rankscape.scenes.servers import RetryPolicy
from rankscape.scenes.settings import SearchSettings, SoughtSettings


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
    if scene.collection not in (None, settings.collection):
        return "of another collection"
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
    asked = _ask(_sources(settings, sensor, retries), whole(wanted), sensor)
    if asked.failed:
        for error in asked.errors[1:]:
            progress.say(str(error))
        raise asked.errors[0]
    for error in asked.errors:
        progress.say(f"{error} The other catalogue has scenes.")
    return asked.answers


def find_parts(
    settings: SearchSettings,
    sought: SoughtSettings,
    wanted: Window,
    sensor: ArchiveSensor,
    retries: RetryPolicy | None = None,
) -> list[dict[str, Any]]:
    """Find the scenes of each season, and of radar of each direction of the orbit that is needed.

    Args:
        settings: The catalogue, and the fallback if there is one.
        sought: Seasons and direction of the orbit.
        wanted: Granule, dates and cloud limit.
        sensor: What scenes are looked for.
        retries: How often and how long to try again.

    Returns:
        Parts in the order of the year: `season`, whether it only `fills` what the part before it leaves empty, and
        what a catalogue gave, with `fallback` where there are two. A season without a scene has no `items`.

    Raises:
        CatalogueError: If a catalogue does not answer where no other gives a scene.
        GranuleError: If no season has a scene.
    """
    sources = _sources(settings, sensor, retries)
    found: list[dict[str, Any]] = []
    reasons: list[GranuleError] = []
    for part in parts_of(wanted, sought.windows):
        ours: list[_Asked] = []
        for direction in _DIRECTIONS[sought.orbit or "descending"] if sensor.swath else (None,):
            asked = _ask(sources, part, sensor, direction)
            reasons += [_raised(error) for error in asked.errors] if asked.failed else []
            if not ours or (not asked.failed and (ours[0].failed or _adds(ours[0], asked))):
                ours = [asked] if ours and ours[0].failed else [*ours, asked]
        found += [_written(part, asked.answers, fills=number > 0) for number, asked in enumerate(ours)]
    if not any(answer["items"] for one in found for answer in (one, one.get("fallback", {"items": []}))):
        raise reasons[0]
    return found


_DIRECTIONS: dict[str, tuple[str, ...]] = {
    "descending": ("descending",), "ascending": ("ascending",), "either": ("descending", "ascending"),
}  # fmt: skip
_MOST_EMPTY = 0.05
"""Ascending passes fill where descending ones leave more than this share of what both reach."""


@dataclass(frozen=True)
class _Asked:
    """What the catalogues gave of one part and direction."""

    answers: list[dict[str, Any]]
    errors: list[CatalogueError | GranuleError]
    swaths: list[Swath]

    @property
    def failed(self) -> bool:
        """Whether no catalogue gave a scene."""
        return len(self.errors) == len(self.answers)


def _adds(first: _Asked, second: _Asked) -> bool:
    """Whether the second direction reaches enough that the first does not."""
    return bool(covered(first.swaths).area < (1 - _MOST_EMPTY) * covered([*first.swaths, *second.swaths]).area)


def _raised(error: CatalogueError | GranuleError) -> GranuleError:
    """Let a season be without scenes, but not where a catalogue did not answer."""
    if isinstance(error, CatalogueError):
        raise error
    return error


def _written(part: CompositePart, answers: list[dict[str, Any]], *, fills: bool) -> dict[str, Any]:
    first, *others = answers
    spans = [[str(day) for day in span] for span in part.spans]
    return {
        "season": part.season, "dates": spans, "fills": fills, **first, **({"fallback": others[0]} if others else {}),
    }  # fmt: skip


class _AskedCatalogue:
    """One catalogue, asked once for the same dates."""

    def __init__(self, settings: SearchSettings, sensor: ArchiveSensor, retries: RetryPolicy | None) -> None:
        self.settings = settings.model_copy(update={"collection": settings.collection or sensor.collection})
        self._sensor, self._retries = sensor, retries
        self._items: dict[Any, list[dict[str, Any]]] = {}
        self.whole = False

    def items(self, part: CompositePart) -> list[dict[str, Any]]:
        """Return all items of a part's dates, or all that there are."""
        found: list[dict[str, Any]] = []
        for start, end in part.spans:
            if None in self._items:
                return self._items[None]
            catalogue = open_catalogue(self.settings, self._sensor, self._retries)
            self.whole = catalogue.whole
            key = None if catalogue.whole else (start, end)
            if key not in self._items:
                asked = part.window.model_copy(update={"start": start, "end": end})
                self._items[key] = catalogue.items(granule(part.window.granule), asked)
            found += self._items[key]
        return found


def _sources(settings: SearchSettings, sensor: ArchiveSensor, retries: RetryPolicy | None) -> list[_AskedCatalogue]:
    return [_AskedCatalogue(named, sensor, retries) for named in settings.catalogues()]


def _ask(
    sources: list[_AskedCatalogue], part: CompositePart, sensor: ArchiveSensor, direction: str | None = None
) -> _Asked:
    """Return what each catalogue gives of a part, and what went wrong."""
    asked = _Asked([], [], [])
    for source in sources:
        stated = source.settings.model_dump(mode="json", include={"kind", "href", "collection", "signing"})
        answer: dict[str, Any] = {"source": stated, "items": [], "left_out": {}}
        asked.answers.append(answer)
        try:
            choice = choose(source.items(part), part, source.settings, sensor, direction)
            answer["left_out"] = choice.left_out
            named = source.whole and not sensor.swath
            require_candidates(choice, part.window, source.settings, whole_catalogue=named)
            answer["items"] = choice.items
            asked.swaths.extend(choice.swaths)
        except (CatalogueError, GranuleError) as failed:
            asked.errors.append(failed)
    return asked
