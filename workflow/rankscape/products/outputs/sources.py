"""What a run is made of: scenes and their days, references, judges. Citation, notice and catalogue tell it."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import read_json
from rankscape.products.outputs.run import Run

_RECORDS = ("scenes/{granule}/download.json", "scenes/{granule}/candidates.json")
"""Files that name scenes: those that were taken, or, where that record was dropped, those that were found."""


@dataclass(frozen=True)
class Span:
    """First and last moment of some scenes, UTC."""

    start: datetime.datetime
    end: datetime.datetime


@dataclass(frozen=True)
class Sources:
    """What a run is made of."""

    spans: Mapping[str, Span]
    """By granule; folders of tiles name no scenes and have none."""
    days: frozenset[datetime.date]
    """Days of the scenes."""
    references: Mapping[str, str]
    """Titles by name."""
    models: tuple[str, ...]
    """Models of the judges, sorted."""

    @property
    def years(self) -> list[int]:
        """Years of the scenes, sorted."""
        return sorted({day.year for day in self.days})

    @property
    def whole(self) -> Span | None:
        """First and last moment of all scenes; None where no scenes are named."""
        if not self.spans:
            return None
        return Span(min(s.start for s in self.spans.values()), max(s.end for s in self.spans.values()))


def read_sources(run: Run) -> Sources:
    """Read what a run is made of.

    Raises:
        InputError: If a document is missing or was not written by its stage.
    """
    moments = {granule: _moments(run, granule) for granule in run.granules}
    spans = {granule: Span(min(found), max(found)) for granule, found in moments.items() if found}
    titles = {name: _title(run, name) for name in run.references}
    judges = read_json(run.path("ranking/audit.json")).get("judges", [])
    models = sorted({str(judge["model"]) for judge in judges if judge.get("model")})
    days = frozenset(moment.date() for found in moments.values() for moment in found)
    return Sources(spans, days, titles, tuple(models))


def _moments(run: Run, granule: str) -> list[datetime.datetime]:
    path = next((path for record in _RECORDS if (path := run.path(record, granule=granule)).is_file()), None)
    if path is None:
        return []
    document = read_json(path)
    try:
        taken = document.get("scenes")
        scenes = [item["properties"] for item in document["items"]] if taken is None else taken
        texts = [scene["datetime"] for scene in scenes]
        return [datetime.datetime.fromisoformat(text).astimezone(datetime.UTC) for text in texts]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} names no days of scenes ({error}): make it again.") from None


def _title(run: Run, reference: str) -> str:
    document: dict[str, Any] = read_json(run.path("evaluation/{reference}.json", reference=reference))
    return str(document.get("title") or reference)
