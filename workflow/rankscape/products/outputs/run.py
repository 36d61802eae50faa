"""A finished run as it lies on disk: which files it must have, whether they are there, and what it is made of."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from rankscape.artifacts import Artifact, Words
from rankscape.foundation.errors import InputError, brief_list
from rankscape.foundation.files import read_json
from rankscape.scenes.artifacts import CANDIDATES, DOWNLOAD

_NAMES_SHOWN = 3
_PUBLISH = "publish"


@dataclass(frozen=True)
class Span:
    """First and last moment of some scenes, UTC."""

    start: datetime.datetime
    end: datetime.datetime


@dataclass(frozen=True)
class FinishedRun:
    """The folder of a region, and what it contains."""

    root: Path
    """`results/<region>`."""
    region: str
    """Name of the region."""
    artifacts: Sequence[Artifact]
    """All that a run of its studies may have."""
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Values of wildcards, such as granules and references; of those that are not named, what lies in the folder."""
    made: frozenset[str] = frozenset()
    """Verbs of optional files that were made."""
    words: Sequence[Words] = ()
    """What each study says of its outputs."""

    def files(self, kind: Artifact) -> Iterator[tuple[dict[str, str], Path]]:
        """Yield the names and path of every file of a kind that this run should have."""
        if kind.optional and kind.verb not in self.made:
            return
        if any(name not in self.names for name in kind.wildcards):
            yield from ((names, path) for names, path in kind.found(self.root) if self._is_own(names))
            return
        for values in product(*(self.names[name] for name in kind.wildcards)):
            names = dict(zip(kind.wildcards, values, strict=True))
            yield names, kind.of(self.root, **names)

    def _is_own(self, names: Mapping[str, str]) -> bool:
        return all(value in self.names.get(name, (value,)) for name, value in names.items())

    def shown(self, where: str) -> list[tuple[Artifact, dict[str, str], Path]]:
        """Return the files that the catalogue shows in one place."""
        return [(kind, *found) for kind in self.artifacts if kind.shown == where for found in self.files(kind)]

    def check(self) -> None:
        """Hold the folder against what a run must have.

        Raises:
            InputError: If files are missing: how many, which, and what makes them.
        """
        missing = [(path, kind) for kind, path in self._needed() if not path.is_file()]
        if not missing:
            return
        names = brief_list((f"{path.relative_to(self.root)} (`{kind.verb}`)" for path, kind in missing), _NAMES_SHOWN)
        raise InputError(f"{self.root} is no finished run; it lacks {names}: let the workflow finish, or make them.")

    def inputs(self) -> dict[str, Path]:
        """Return the files that a published run is made of, by their paths in its folder.

        The items beside maps stand for these: they hold their checksums.
        """
        return {path.relative_to(self.root).as_posix(): path for _, path in self._needed()}

    def _needed(self) -> list[tuple[Artifact, Path]]:
        """Files that the catalogue shows."""
        shown = [kind for kind in self.artifacts if kind.shown and kind.verb != _PUBLISH]
        return [(kind, path) for kind in shown for _, path in self.files(kind)]

    def spans(self) -> dict[str, Span]:
        """Return first and last moment of the scenes of each granule; folders of tiles name none and have none.

        Scenes are those that were taken, or, where that record was dropped, those that were found.

        Raises:
            InputError: If a record was not written by its stage.
        """
        moments: dict[str, list[datetime.datetime]] = {}
        for granule, path in self._records():
            moments.setdefault(granule, []).extend(_moments(path))
        return {granule: Span(min(found), max(found)) for granule, found in moments.items() if found}

    def days(self) -> list[datetime.date]:
        """Return the days of all scenes, sorted."""
        return sorted({moment.date() for _, path in self._records() for moment in _moments(path)})

    def _records(self) -> Iterator[tuple[str, Path]]:
        taken = {tuple(names.values()): path for names, path in self.files(DOWNLOAD) if path.is_file()}
        found = {tuple(names.values()): path for names, path in self.files(CANDIDATES) if path.is_file()}
        for (_, granule), path in {**found, **taken}.items():
            yield granule, path


def _moments(path: Path) -> list[datetime.datetime]:
    document = read_json(path)
    try:
        taken = document.get("scenes")
        parts = document.get("parts") or [document]
        found = [item["properties"] for part in parts for item in part["items"]] if taken is None else []
        scenes = found if taken is None else taken
        texts = [scene["datetime"] for scene in scenes]
        return [datetime.datetime.fromisoformat(text).astimezone(datetime.UTC) for text in texts]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} names no days of scenes ({error}): make it again.") from None
