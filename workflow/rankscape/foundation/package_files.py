"""Files and modules of the package that a module uses without importing them, declared so that code versions see them.

A module that reads a kernel, template, script or style sheet declares it, and opens it through the declaration alone::

    ASSETS = assets(__file__, "map.js", "leaflet/*")
    text = ASSETS.text("map.js")

A module that chooses an implementation by the name in a setting declares where each lies::

    BACKENDS = lazy({"cpu": "rankscape.products.maps.cpu", "cuda": "rankscape.products.maps.cuda"})
    backend = BACKENDS["cuda"]

`rankscape.foundation.code_version` finds both declarations in the module's text, at the module's top level.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType


@dataclass(frozen=True)
class PackageFiles:
    """Declared files, by their paths below the folder of the module that declares them."""

    folder: Path
    """Folder of the module."""
    patterns: tuple[str, ...]
    """Paths or glob patterns below the folder."""

    def names(self) -> list[str]:
        """Return the paths of all declared files, sorted."""
        return sorted(self._found())

    def path(self, name: str) -> Path:
        """Return the path of a declared file.

        Raises:
            ValueError: If it is not declared or does not exist: a mistake in the package.
        """
        found = self._found()
        if name not in found:
            raise ValueError(f"{name} is none of the files that {self.folder} declares: {', '.join(sorted(found))}.")
        return found[name]

    def text(self, name: str) -> str:
        """Return the text of a declared file; raises as `path` does."""
        return self.path(name).read_text(encoding="utf-8")

    def _found(self) -> dict[str, Path]:
        return {name: path for pattern in self.patterns for name, path in matches(self.folder, pattern)}


def matches(folder: Path, pattern: str) -> Iterator[tuple[str, Path]]:
    """Yield name and path of the files that a declared pattern means; `../` leads out of the module's folder."""
    base, rest = folder, pattern
    while rest.startswith("../"):
        base, rest = base.parent, rest.removeprefix("../")
    for path in sorted(base.glob(rest)):
        if path.is_file():
            yield pattern[: len(pattern) - len(rest)] + path.relative_to(base).as_posix(), path


def assets(module_file: str, *patterns: str) -> PackageFiles:
    """Declare the package files that a module reads.

    Args:
        module_file: `__file__` of the module.
        patterns: Paths or glob patterns below its folder, as literal text.
    """
    return PackageFiles(Path(module_file).resolve().parent, patterns)


@dataclass(frozen=True)
class Implementations(Mapping[str, ModuleType]):
    """Modules by the names that settings give them, each imported when it is looked up."""

    modules: Mapping[str, str]
    """Module by name."""

    def __getitem__(self, name: str) -> ModuleType:
        return import_module(self.modules[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.modules)

    def __len__(self) -> int:
        return len(self.modules)


def lazy(modules: Mapping[str, str]) -> Implementations:
    """Declare implementations that a setting chooses by name.

    Args:
        modules: Dotted module by name, as a literal mapping.
    """
    return Implementations(modules)


def lazy_folder(module_file: str, package: str) -> Implementations:
    """Declare that the modules beside one, but for itself, are implementations, so that a new one is one new file.

    A module is named as its file, with a hyphen before digits at its end and for each underscore: `sentinel2` is
    `sentinel-2`.

    Args:
        module_file: `__file__` of the module.
        package: `__package__` of the module.
    """
    own = Path(module_file)
    stems = sorted(path.stem for path in own.parent.glob("*.py") if path.stem not in {own.stem, "__init__"})
    return Implementations({implementation_name(stem): f"{package}.{stem}" for stem in stems})


def implementation_name(stem: str) -> str:
    """Return the name in settings of an implementation's module."""
    letters = stem.rstrip("0123456789")
    hyphen = "-" if letters not in {stem, ""} and not letters.endswith("_") else ""
    return f"{letters}{hyphen}{stem[len(letters) :]}".replace("_", "-")
