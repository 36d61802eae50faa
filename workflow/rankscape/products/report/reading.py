"""The files of one run as the sections of a page see them: each is read at most once."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rankscape.artifacts import Array, Artifact, Document, Table
from rankscape.foundation.errors import InputError, TableError
from rankscape.foundation.files import read_array
from rankscape.foundation.provenance import KEY
from rankscape.foundation.tables import read_metadata
from rankscape.products.report.section_registry import PageSection, Read, expected
from rankscape.products.report.settings import ReportSettings

Value = TypeVar("Value")


class RunReader:
    """What a section takes: the files that the study's sections declare, the names in the run, the page's settings."""

    def __init__(
        self,
        folder: Path,
        sections: Sequence[PageSection],
        artifacts: Iterable[Artifact],
        names: Mapping[str, Any] | None = None,
        settings: ReportSettings | None = None,
    ) -> None:
        """Take a region's folder.

        Args:
            folder: `results/<region>`.
            sections: Sections of the study; only files that they declare can be read.
            artifacts: Declarations of these files, and of others.
            names: Names in the run by list: a text for one name, else a list. None takes the files as they are found.
            settings: How the page shows things.

        Raises:
            InputError: If a section reads a path that no artifact declares.
        """
        self.folder, self.settings = folder, settings or ReportSettings()
        self.region = folder.resolve().name
        self._reads = {read.path: read for section in sections for read in section.reads}
        self._artifacts = {artifact.path: artifact for artifact in artifacts}
        if unknown := sorted(set(self._reads) - set(self._artifacts)):
            raise InputError(
                f"Sections read {unknown}, which no artifact declares: name their module in Study.artifacts."
            )
        self._names = names
        self._held: dict[Any, Any] = {}

    def names(self, artifact: Artifact) -> list[str]:
        """Return the names for which there are such files."""
        return list(self.paths(artifact))

    def paths(self, artifact: Artifact) -> dict[str, Path]:
        """Return the files of an artifact that are there, by name.

        Raises:
            KeyError: If no section of the study declares that it reads it.
        """
        return {name: path for name, path in self._expected(self._reads[artifact.path]).items() if path.exists()}

    def path(self, artifact: Artifact, name: str = "") -> Path | None:
        """Return one file; None where it is missing."""
        return self.paths(artifact).get(name)

    def read(self, artifact: Artifact, name: str = "") -> Any:
        """Read one file: the model of a document, the frame of a table, a mapped array, a path of anything else.

        Raises:
            InputError: If it is missing or broken.
        """
        path = self._expected(self._reads[artifact.path]).get(name) or self._spelled(artifact, name)
        return self._once(path, lambda: _opened(artifact, path))

    def read_all(self, artifact: Artifact) -> dict[str, Any]:
        """Read all files of an artifact that are there, by name."""
        return {name: self.read(artifact, name) for name in self.paths(artifact)}

    def find(self, artifact: Artifact, name: str = "") -> Any:
        """Read one file; None where it is missing."""
        return self.read(artifact, name) if self.path(artifact, name) else None

    def once(self, derive: Callable[["RunReader"], Value]) -> Value:
        """Return what a function makes of the run, made at most once; sections share it."""
        found: Value = self._once(derive, lambda: derive(self))
        return found

    def lacks(self, section: PageSection) -> str:
        """Say which file a section must be left out for; empty where none is.

        Raises:
            InputError: If a file is missing without which there is no page.
        """
        for read in section.reads:
            for path in self._expected(read).values():
                if read.missing == "ignore" or path.exists():
                    continue
                made = f"make it with `rankscape {self._artifacts[read.path].verb}`"
                if read.missing == "fail":
                    raise InputError(f"{path} does not exist, and the section {section.title!r} needs it: {made}.")
                return f"{path.relative_to(self.folder)} is missing; {made}"
        return ""

    def inputs(self) -> dict[str, Path]:
        """Return all files that are there by their path below the folder.

        Arrays are left out: the table or document beside each says where both come from.
        """
        reads = [read for read in self._reads.values() if not isinstance(self._artifacts[read.path], Array)]
        found = [path for read in reads for path in self._expected(read).values() if path.exists()]
        return {str(path.relative_to(self.folder)): path for path in found}

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the provenance of all files that are there, in the order in which sections declare them."""
        for artifact in (self._artifacts[path] for path in self._reads):
            for name, path in self.paths(artifact).items():
                if isinstance(artifact, Document):
                    yield self.read(artifact, name).provenance
                elif isinstance(artifact, Table) and path.suffix == ".parquet":
                    try:
                        yield read_metadata(path, KEY)
                    except TableError:
                        continue

    def _expected(self, read: Read) -> dict[str, Path]:
        if self._names is not None:
            return {name: self.folder / path for name, path in expected(read, self._names).items()}
        if not read.wildcards:
            path = self.folder / read.path
            return {"": path} if path.exists() or not read.names else {}
        return {"/".join(values.values()): path for values, path in self._artifacts[read.path].found(self.folder)}

    def _spelled(self, artifact: Artifact, name: str) -> Path:
        """Path of a file that another one of the same name goes with."""
        return artifact.of(self.folder, **dict(zip(artifact.wildcards, name.split("/"), strict=True)))

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._held:
            self._held[key] = make()
        return self._held[key]


def _opened(artifact: Artifact, path: Path) -> Any:
    if not path.exists():
        raise InputError(f"{path} does not exist: make it with `rankscape {artifact.verb}`.")
    if isinstance(artifact, Document):
        return artifact.read(path)
    if isinstance(artifact, Table):
        is_located = any(column.type == "geometry" for column in artifact.columns)
        return artifact.read_geo(path) if is_located else artifact.read(path)
    return read_array(path) if isinstance(artifact, Array) else path
