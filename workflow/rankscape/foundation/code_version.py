"""Version of a stage's code, used as a Snakemake param and written into every output's provenance.

Snakemake reruns a `shell:` rule when its command line or params change, but it cannot see the package that the
command runs. A stage's code version makes the package visible: it changes when the stage's module, a package module
that it imports, a file that one of them declares with `assets`, or an implementation that its settings name changes in
a way that can change results. Comments, docstrings, layout, progress bars and log lines do not count.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from rankscape.foundation.package_files import implementation_name, matches
from rankscape.foundation.source_facts import PACKAGE, PROGRESS, SIBLINGS, Facts, own_text, read_facts
from rankscape.foundation.studies import find_study

ROOT = Path(__file__).resolve().parents[2]
"""Folder that holds the package."""


class Notes:
    """Facts of source files by the hash of their content, kept in a file: parsing all of them slows every plan.

    A file that is missing or unreadable, or cannot be written, costs time and nothing else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Facts] = {}
        self._news = False
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            noted = json.loads(path.read_text(encoding="utf-8"))
            self._known = {str(key): Facts(*values) for key, values in noted.items()}

    def find(self, key: str) -> Facts | None:
        """Return what is known of a file with this content."""
        return self._known.get(key)

    def add(self, key: str, facts: Facts) -> None:
        """Note a file's facts; `save` writes them."""
        self._known[key], self._news = facts, True

    def save(self) -> None:
        """Write the file if there is news; two processes at once leave one whole file."""
        if not self._news:
            return
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(self._known), encoding="utf-8")
            temporary.replace(self._path)
        self._news = False


def stage_module(stage: str) -> str:
    """Return the module of a stage's command: `tile` is shared, `ranking train` belongs to a study.

    Raises:
        SettingsError: If there is no such study.
    """
    study, _, verb = stage.rpartition(" ")
    name = verb.replace("-", "_")
    if not study:
        return f"{PACKAGE}.stages.{name}"
    return find_study(study).verbs.get(verb, f"{PACKAGE}.studies.{study}.stages.{name}")


def names_in(values: Any) -> frozenset[str]:
    """Return all texts among the values of settings: the names that they give to implementations."""
    if isinstance(values, str):
        return frozenset([values])
    if isinstance(values, Mapping):
        values = values.values()
    elif not isinstance(values, list | tuple):
        return frozenset()
    return frozenset().union(*map(names_in, values))


@cache
def code_version(
    module: str, root: Path = ROOT, notes: Notes | None = None, names: frozenset[str] | None = None
) -> str:
    """Return a short hash of a module, and of all package modules and declared files that it uses.

    Args:
        module: Dotted name, such as `rankscape.stages.tile`.
        root: Folder that holds this package; a study's own package is found as Python finds it.
        notes: Facts from earlier runs; new ones are added and saved.
        names: Names that the stage's settings give to implementations, of which no others count; None counts all.

    Returns:
        First 16 hex digits of the hash.

    Raises:
        ValueError: If the module does not exist, one of the modules uses a relative import, which cannot be followed
            by name, or a declaration is no literal.
    """
    if _module(module, root, notes) is None:
        raise ValueError(f"{module} is no module below {root}.")
    digest = hashlib.sha256()
    for name, known in sorted(_closure(module, root, notes, names).items()):
        digest.update(f"{name}\n{known.facts.digest}\n{known.assets}\n".encode())
    if notes is not None:
        notes.save()
    return digest.hexdigest()[:16]


def assets_of(module: str, root: Path = ROOT, names: frozenset[str] | None = None) -> set[Path]:
    """Return the declared files that a module and all that it uses read; arguments as of `code_version`."""
    used = _closure(module, root, None, names).values()
    return {path for known in used for _, path in _declared(known.facts, known.source)}


class _Known(NamedTuple):
    """One module among those that a stage uses."""

    source: Path
    facts: Facts
    assets: str
    """Names and hashes of the files that it declares."""


def _closure(module: str, root: Path, notes: Notes | None, names: frozenset[str] | None) -> dict[str, _Known]:
    found: dict[str, _Known] = {}
    todo, seen = [module], {PROGRESS}
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        known = _module(name, root, notes)
        if known is not None:
            found[name] = known
            # Not the packages above it: their __init__ declare a study or offer names, and compute nothing.
            todo += known.facts.imports
            todo += _chosen(name, known, names) if known.facts.registered else []
    return found


def _chosen(name: str, known: _Known, names: frozenset[str] | None) -> list[str]:
    """Modules of the implementations that settings name."""
    registered = {key: value for key, value in known.facts.registered.items() if key != SIBLINGS}
    if SIBLINGS in known.facts.registered:
        stems = [path.stem for path in known.source.parent.glob("*.py")]
        others = [stem for stem in stems if stem not in {known.source.stem, "__init__"}]
        registered |= {implementation_name(stem): f"{name.rpartition('.')[0]}.{stem}" for stem in others}
    return [module for key, module in registered.items() if names is None or key in names]


@cache
def _module(name: str, root: Path, notes: Notes | None) -> _Known | None:
    """What is known of a module; None where there is none of that name."""
    source = _source(name, root)
    if source is None:
        return None
    facts = _facts(name, source, notes)
    declared = _declared(facts, source)
    marks = (f"{asset} {hashlib.sha256(path.read_bytes()).hexdigest()}" for asset, path in declared)
    return _Known(source, facts, " ".join(marks))


def _source(name: str, root: Path) -> Path | None:
    return _sources(name.split(".", 1)[0], root).get(name)


@cache
def _sources(package: str, root: Path) -> dict[str, Path]:
    """Source file of every module of a package, by dotted name."""
    base = _folder_of(package, root)
    if base is None:
        return {}
    alone = base.with_suffix(".py")
    found = {package: alone} if alone.is_file() else {}
    for folder, _, files in os.walk(base):
        above = ".".join([package, *Path(folder).relative_to(base).parts])
        inits = {above: "__init__.py"} if "__init__.py" in files else {}
        names = inits | {f"{above}.{file[:-3]}": file for file in files if file.endswith(".py")}
        # A module wins over a package of its name, which is read later.
        found = {name: Path(folder, file) for name, file in names.items()} | found
    return found


@cache
def _folder_of(package: str, root: Path) -> Path | None:
    """Folder of this package, or of the package that another study lies in; of one module its path without suffix."""
    if package == PACKAGE:
        return root / PACKAGE
    found = importlib.util.find_spec(package)
    if found is None:
        return None
    folder = next(iter(found.submodule_search_locations or ()), None)
    return Path(folder) if folder is not None else Path(found.origin or package).with_suffix("")


def _facts(name: str, path: Path, notes: Notes | None) -> Facts:
    source = path.read_bytes()
    # Another Python may write the same tree in other words, and another version of this module may look for others.
    key = hashlib.sha256(b"\n".join([sys.version.encode(), own_text(), name.encode(), source])).hexdigest()
    facts = notes.find(key) if notes is not None else None
    if facts is None:
        facts = read_facts(name, source, path)
        if notes is not None:
            notes.add(key, facts)
    return facts


def _declared(facts: Facts, source: Path) -> list[tuple[str, Path]]:
    return [found for pattern in facts.assets for found in matches(source.parent, pattern)]
