"""What two runs differ in, from their declared files: settings, scenes, versions, numbers of documents and tables."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rankscape.artifacts import Artifact, Document, OpenKeys, Table
from rankscape.foundation.errors import InputError, TableError
from rankscape.foundation.files import read_json
from rankscape.foundation.provenance import KEY
from rankscape.foundation.tables import read_metadata
from rankscape.products.report.versions import without_secrets
from rankscape.samples.artifacts import INDEX
from rankscape.scenes.artifacts import DOWNLOAD

_LEAST = 1e-9
"""Smaller differences of numbers are rounding."""


@dataclass(frozen=True)
class Difference:
    """One thing that two runs do not have in common."""

    name: str
    a: str | None
    """Value in run A; None where the run has no such thing."""
    b: str | None


@dataclass(frozen=True)
class NumberDifference:
    """One number that two runs have, and that differs."""

    file: str
    """File below the region's folder."""
    name: str
    """Key of a document, or column of a table."""
    a: float
    """Value in run A; of a column its mean over common rows."""
    b: float
    largest: float
    """Largest difference: of a column over its common rows."""
    n: int = 1
    """Numbers compared."""


@dataclass(frozen=True)
class ComparedRun:
    """A run that is compared with another."""

    folder: Path
    """`results/<region>`."""
    artifacts: Sequence[Artifact]
    """Files that it may have, in the order in which data flows."""

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """Provenance records of its documents and tables."""
        found = [_record(kind, path) for kind, path in self.files()]
        return [record for record in found if record.get("stage")]

    def files(self) -> Iterator[tuple[Artifact, Path]]:
        """Yield every document and Parquet table that is there."""
        for kind in self.artifacts:
            if isinstance(kind, Document) or (isinstance(kind, Table) and kind.suffix == ".parquet"):
                yield from ((kind, path) for _, path in kind.found(self.folder))

    @cached_property
    def scenes(self) -> dict[str, str]:
        """Scenes by granule, or by acquisition and granule where there are several acquisitions."""
        named = [(names["acquisition"], names["granule"]) for names, _ in INDEX.found(self.folder)]
        found = DOWNLOAD.found(self.folder)
        taken = {(names["acquisition"], names["granule"]): _scenes(path) for names, path in found}
        places = sorted(set(named) or set(taken))
        several = len({acquisition for acquisition, _ in places}) > 1
        return {
            f"{acquisition}/{granule}" if several else granule: taken.get((acquisition, granule), "no scenes recorded")
            for acquisition, granule in places
        }


def open_runs(folders: Sequence[Path], artifacts: Sequence[Artifact]) -> list[ComparedRun]:
    """Open two runs.

    Raises:
        InputError: If one of them is no folder.
    """
    missing = [f"{folder} is no folder (give results/<region>)" for folder in folders if not folder.is_dir()]
    if missing:
        raise InputError(f"These runs are not complete: {'; '.join(missing)}. Finish them, then compare.")
    return [ComparedRun(folder, artifacts) for folder in folders]


def settings_differences(a: ComparedRun, b: ComparedRun) -> list[Difference]:
    """Return the settings that differ, as `stage.key`; where a stage ran with several values all are named."""
    return differences(*(values_of(_settings(run.records)) for run in (a, b)))


def scene_differences(a: ComparedRun, b: ComparedRun) -> list[Difference]:
    """Return the granules that only one run has, or that were made of other scenes."""
    return differences(a.scenes, b.scenes)


def version_differences(a: ComparedRun, b: ComparedRun) -> list[Difference]:
    """Return the stages that ran with another version of package or code."""
    return differences(
        *(
            values_of((str(one["stage"]), f"{one.get('package')} (code {one.get('code')})") for one in run.records)
            for run in (a, b)
        )
    )


def differences(a: Mapping[str, str], b: Mapping[str, str]) -> list[Difference]:
    """Return what differs between two descriptions."""
    names = dict.fromkeys([*a, *b])
    return [Difference(name, a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name)]


def values_of(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the values of each name, several joined by `or`."""
    found: dict[str, set[str]] = {}
    for name, value in pairs:
        found.setdefault(name, set()).add(value)
    return {name: " or ".join(sorted(values)) for name, values in found.items()}


def text_of(value: Any) -> str:
    """Return a value as text, without passwords and signatures of addresses."""
    return without_secrets(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def number_differences(a: ComparedRun, b: ComparedRun) -> list[NumberDifference]:
    """Return the numbers that differ in documents and tables that both runs have.

    Rows of a table are compared where both have the same text in its first column.
    """
    others = {path.relative_to(b.folder).as_posix(): path for _, path in b.files()}
    found: list[NumberDifference] = []
    for kind, path in a.files():
        file = path.relative_to(a.folder).as_posix()
        if file not in others:
            continue
        if isinstance(kind, Table):
            found += _of_tables(file, kind, path, others[file])
        elif isinstance(kind, Document) and not issubclass(kind.model, OpenKeys):
            found += _of_documents(file, read_json(path), read_json(others[file]))
    return found


def _of_documents(file: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[NumberDifference]:
    numbers = dict(_leaves(b, ""))
    for name, value in _leaves(a, ""):
        other = numbers.get(name)
        if not _is_number(value) or not _is_number(other):
            continue
        one, two = float(value), float(str(other))
        if abs(two - one) > _LEAST:
            yield NumberDifference(file, name, one, two, abs(two - one))


def _of_tables(file: str, kind: Table, a: Path, b: Path) -> Iterator[NumberDifference]:
    key = kind.columns[0] if kind.columns else None
    if key is None or key.type != "text":
        return
    both = kind.read(a, key.name).merge(kind.read(b, key.name), on=key.name, suffixes=("", "\0b"))
    for column in kind.columns:
        other = f"{column.name}\0b"
        if column.type == "number" and {column.name, other} <= set(both):
            pairs = both[[column.name, other]].apply(pd.to_numeric, errors="coerce").dropna().to_numpy(float)
            apart = np.abs(pairs[:, 1] - pairs[:, 0])
            if apart.size and apart.max() > _LEAST:
                one, two = map(float, pairs.mean(axis=0))
                yield NumberDifference(file, column.name, one, two, float(apart.max()), len(pairs))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _record(kind: Artifact, path: Path) -> dict[str, Any]:
    try:
        record = read_metadata(path, KEY) if isinstance(kind, Table) else read_json(path).get("provenance")
    except TableError:
        return {}
    return dict(record or {})


def _scenes(path: Path) -> str:
    scenes = read_json(path).get("scenes") or []
    return ", ".join(sorted(str(scene["item_id"]) for scene in scenes)) or "no scenes recorded"


def _settings(records: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for record in records:
        values = {**(record.get("settings") or {}), "(seed)": record.get("seed"), "(backend)": record.get("backend")}
        yield from ((path, text_of(value)) for path, value in _leaves(values, f"{record['stage']}."))


def _leaves(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if prefix == "" and name in ("provenance", "settings"):
            continue
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
