"""What a study is, and how studies are found: the workflow and the command line know none by name.

A study is a package whose `__init__.py` declares one light constant, `STUDY`. It lies in `rankscape/studies/`, or any
installed distribution offers it under the entry point group `rankscape.studies`. Planning a run imports that
constant and the study's settings, and nothing else of it.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from rankscape.foundation.errors import SettingsError

GROUP = "rankscape.studies"
"""Entry point group of studies that are installed beside the package; also the package of those within it."""
_FOLDER = Path(__file__).resolve().parents[1] / "studies"


@dataclass(frozen=True)
class Study:
    """What the rest of the package may know of a study.

    Modules are named, not imported: whoever needs one loads it with `load`.
    """

    name: str
    """Lower case letters, digits and underscores: key of its section, its results folder, prefix of its rules."""
    title: str
    """Heading of its page and of its verbs."""
    question: str
    """The question that it answers, in one sentence."""
    verbs: Mapping[str, str]
    """Module of every verb, in the order in which data flows; the verb's function has its name, with underscores."""
    settings: str
    """`module:Class` of its section of the configuration."""
    sections: str = ""
    """Module that registers the sections of its page; empty where it has none."""
    artifacts: str = ""
    """Module that declares its output files; empty where it has none."""
    compare: str = ""
    """`module:function` that compares two runs beyond the numbers of their files; empty where there is none."""

    def rules(self, checkout: Path) -> Path:
        """Return the study's rule file, `<name>.smk`, which includes its others.

        It lies in the folder `rules` of the study's package, or in `rules/<name>` of the checkout.

        Raises:
            SettingsError: If there is none.
        """
        folders = (study_folder(self.name) / "rules", checkout / "rules" / self.name)
        files = [folder / f"{self.name}.smk" for folder in folders]
        found = next((file for file in files if file.is_file()), None)
        if found is None:
            raise SettingsError(f"studies: {self.name} has no rule file {' or '.join(map(str, files))}.")
        return found


def study_names() -> list[str]:
    """Return the names of all studies that can be named in `studies`, in alphabetical order."""
    return sorted({*in_tree(), *_installed()})


@cache
def find_study(name: str) -> Study:
    """Return the study of a name.

    Raises:
        SettingsError: If there is none; the message lists those that there are.
    """
    declared = _declared(name)
    if not isinstance(declared, Study):
        raise SettingsError(f"studies: {name} declares a {type(declared).__name__}, not a Study.")
    if declared.name != name:
        raise SettingsError(f"studies: {name} declares a study of another name, {declared.name!r}.")
    return declared


def find_studies() -> list[Study]:
    """Return all studies, in alphabetical order of their names."""
    return [find_study(name) for name in study_names()]


def study_folder(name: str) -> Path:
    """Return the folder of the package that declares a study."""
    package = f"{GROUP}.{name}" if name in in_tree() else _entry_point(name).module
    origin = importlib.import_module(package).__file__
    if origin is None:
        raise SettingsError(f"studies: the package of {name} has no __init__.py.")
    return Path(origin).parent


def load(reference: str) -> Any:
    """Import what a study names: a module, or `module:Name` within one."""
    module, _, name = reference.partition(":")
    found = importlib.import_module(module)
    return getattr(found, name) if name else found


def _declared(name: str) -> Any:
    if name in in_tree():
        return importlib.import_module(f"{GROUP}.{name}").STUDY
    return _entry_point(name).load()


def _entry_point(name: str) -> EntryPoint:
    found = _installed().get(name)
    if found is None:
        raise SettingsError(f"studies: {name} is no known study; there are {', '.join(study_names())}.")
    return found


def in_tree() -> list[str]:
    """Return the names of the package's own studies, in alphabetical order."""
    return [path.parent.name for path in sorted(_FOLDER.glob("*/__init__.py"))]


@cache
def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
