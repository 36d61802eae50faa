"""Asking the catalogues for what a composite is made of: the scenes of a window, a season, a direction of the orbit."""

from dataclasses import dataclass
from typing import Any

from rankscape.foundation import progress
from rankscape.foundation.errors import CatalogueError, GranuleError
from rankscape.scenes.candidates import choose, require_candidates
from rankscape.scenes.catalogues import open_catalogue
from rankscape.scenes.footprints import Swath, covered
from rankscape.scenes.granule_table import Window
from rankscape.scenes.mgrs import granule
from rankscape.scenes.seasons import CompositePart, parts_of, whole
from rankscape.scenes.sensors.protocol import ArchiveSensor
from rankscape.scenes.servers import RetryPolicy
from rankscape.scenes.settings import SearchSettings, SoughtSettings

_DIRECTIONS: dict[str, tuple[str, ...]] = {
    "descending": ("descending",), "ascending": ("ascending",), "either": ("descending", "ascending"),
}  # fmt: skip
_MOST_EMPTY = 0.05
"""Ascending passes fill where descending ones leave more than this share of what both reach."""


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
            for error in () if asked.failed else asked.errors:
                if isinstance(error, CatalogueError):
                    progress.say(f"{error} The other catalogue has scenes.")
            if not ours or (not asked.failed and (ours[0].failed or _adds(ours[0], asked))):
                ours = [asked] if ours and ours[0].failed else [*ours, asked]
        found += [_written(part, asked.answers, fills=number > 0) for number, asked in enumerate(ours)]
    if not any(answer["items"] for one in found for answer in (one, one.get("fallback", {"items": []}))):
        raise reasons[0]
    return found


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
