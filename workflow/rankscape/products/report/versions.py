"""Settings and versions behind the page, from the provenance of its inputs."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

_SECRET_IN_ADDRESS = re.compile(r"(://)[^/@\s]+@|([?&](?:sig|se|key|token|api_key)=)[^&\s]+", re.IGNORECASE)


@dataclass(frozen=True)
class Version:
    """One version of one stage among the inputs."""

    stage: str
    package: str
    code: str
    settings: str
    """First 12 hex digits of the settings' hash."""
    seed: str
    backend: str
    files: int


def versions(records: Iterable[dict[str, Any]]) -> list[Version]:
    """Return the distinct versions of each stage, in the order in which the records come."""
    counts = Counter(_key(record) for record in records if record.get("stage"))
    return [Version(*key, files) for key, files in counts.items()]


def mixed_stages(found: Iterable[Version]) -> list[str]:
    """Return the stages whose files were made by more than one version of the code or package."""
    made = {(version.stage, version.package, version.code) for version in found}
    counts = Counter(stage for stage, _, _ in made)
    return sorted(stage for stage, number in counts.items() if number > 1)


def recorded_settings(records: Iterable[dict[str, Any]]) -> str:
    """Return the settings of every stage as YAML, as the inputs' records have them."""
    found: dict[str, list[Any]] = {}
    for record in records:
        values = record.get("settings")
        if isinstance(values, dict) and values and values not in found.setdefault(str(record.get("stage")), []):
            found[str(record.get("stage"))].append(values)
    stages = {stage: several[0] if len(several) == 1 else several for stage, several in found.items() if several}
    written: str = yaml.safe_dump(stages, sort_keys=False, allow_unicode=True, width=110) if stages else ""
    return without_secrets(written)


def without_secrets(text: str) -> str:
    """Blank out passwords and signatures that stand in addresses."""
    return _SECRET_IN_ADDRESS.sub(lambda match: f"{match[1]}…@" if match[1] else f"{match[2]}…", text)


def _key(record: dict[str, Any]) -> tuple[str, str, str, str, str, str]:
    settings = record.get("settings_sha256") or record.get("settings")
    seed = record.get("seed")
    return (
        str(record["stage"]),
        str(record.get("package", "–")),
        str(record.get("code", "–")),
        settings[:12] if isinstance(settings, str) else "–",
        "–" if seed is None else str(seed),
        str(record.get("backend", "–")),
    )
