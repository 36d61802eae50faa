"""Settings, judges, scenes and versions that two runs differ in, from their provenance records."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rankscape.products.report.versions import without_secrets
from rankscape.studies.ranking.compare.runs import Run


@dataclass(frozen=True)
class Difference:
    """One thing that two runs do not have in common."""

    name: str
    a: str | None
    """Value in run A; None where the run has no such thing."""
    b: str | None


def settings_differences(a: Run, b: Run) -> list[Difference]:
    """Return the settings that differ, and how judges were asked, as `stage.key`.

    Where a stage ran with several values (a granule each), all of them are named.
    """
    return _compared(*({**_settings(run.records), **_asked(run.rounds)} for run in (a, b)))


def scene_differences(a: Run, b: Run) -> list[Difference]:
    """Return the granules that only one run has, or that were made of other scenes."""
    return _compared(*({name: _scenes(run, name) for name in run.granules} for run in (a, b)))


def version_differences(a: Run, b: Run) -> list[Difference]:
    """Return the stages that ran with another version of package or code."""
    return _compared(*(_versions(run.records) for run in (a, b)))


def _compared(a: Mapping[str, str], b: Mapping[str, str]) -> list[Difference]:
    names = dict.fromkeys([*a, *b])
    return [Difference(name, a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name)]


def _settings(records: Iterable[dict[str, Any]]) -> dict[str, str]:
    return _values(
        (path, _text(value))
        for record in records
        for path, value in _leaves(
            {**(record.get("settings") or {}), "(seed)": record.get("seed"), "(backend)": record.get("backend")},
            str(record["stage"]),
        )
    )


def _asked(rounds: Iterable[dict[str, Any]]) -> dict[str, str]:
    """How judges were asked: model, temperature and so on of each, its rounds, and the hash of each prompt."""
    found = []
    for one in rounds:
        facts = {name: value for name, value in one.items() if name not in {"judge", "prompt", "prompt_sha256"}}
        found += [(f"judges.{one['judge']}.{name}", _text(value)) for name, value in facts.items()]
        found.append((f"prompts.{one['prompt']}", str(one["prompt_sha256"])[:12]))
    return _values(found)


def _values(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The values of each name, several joined by `or`."""
    found: dict[str, set[str]] = {}
    for name, value in pairs:
        found.setdefault(name, set()).add(value)
    return {name: " or ".join(sorted(values)) for name, values in found.items()}


def _leaves(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}.{name}")
        else:
            yield f"{prefix}.{name}", value


def _text(value: Any) -> str:
    return without_secrets(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _scenes(run: Run, granule: str) -> str:
    scenes = run.scenes.get(granule)
    return "no scenes recorded" if not scenes else ", ".join(scenes)


def _versions(records: Iterable[dict[str, Any]]) -> dict[str, str]:
    return _values((str(one["stage"]), f"{one.get('package')} (code {one.get('code')})") for one in records)
