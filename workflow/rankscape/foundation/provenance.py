"""Where an output came from: package and code version, settings, the hashes of its inputs, seeds, backend.

The record holds no time and no machine name, so that the same inputs give the same bytes.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rankscape.foundation.checkout import package_version
from rankscape.foundation.code_version import code_version, names_in, stage_module
from rankscape.foundation.files import sha256
from rankscape.foundation.settings import Section
from rankscape.foundation.visible_files import visible_below

KEY = "rankscape"
"""Name of the record in Parquet metadata and raster tags; documents hold it under `provenance`."""


def provenance(
    stage: str,
    settings: Section | None,
    inputs: Mapping[str, Path],
    *,
    seed: int | None = None,
    backend: str = "cpu",
) -> dict[str, Any]:
    """Return the provenance record of a stage's outputs.

    Args:
        stage: The stage's command, such as `tile`, or `ranking train` for a stage of a study.
        settings: The stage's settings; None if it has none.
        inputs: Input files by role; every one is hashed. A folder counts by the names and hashes of its files.
        seed: Seed that the result depends on.
        backend: What computed the result, such as `cpu` or `cuda`.
    """
    canonical = settings.canonical() if settings is not None else "{}"
    values = json.loads(canonical)
    return {
        "package": package_version(),
        "stage": stage,
        "code": code_version(stage_module(stage), names=names_in(values)),
        "settings": values,
        "settings_sha256": hashlib.sha256(canonical.encode()).hexdigest(),
        "inputs": {role: _hash(Path(path)) for role, path in sorted(inputs.items())},
        "seed": seed,
        "backend": backend,
    }


def _hash(path: Path) -> str:
    if not path.is_dir():
        return sha256(path)
    digest = hashlib.sha256()
    for file in sorted(file for file in visible_below(path) if file.is_file()):
        digest.update(f"{file.relative_to(path)}\n{sha256(file)}\n".encode())
    return digest.hexdigest()
