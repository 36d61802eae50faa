"""Types in which a file of a run is declared once, beside its producer.

From one declaration follow the writer's check, the reader's check, the data dictionary, the catalogue, the README of a
run, `compare`, and the test that holds the rules' outputs against it::

    SCORES = Table("ranking/scores/{granule}.parquet", "ranking predict", "Score of every patch", row="one patch",
                   columns=(PATCH_ID, SCORE))
    ORDER = Document("ranking/order.json", "ranking ensemble", "The merged order", model=MergedOrder)

    ORDER.write(path, {"method": "mean", ...}, provenance)
    ORDER.read(path).levels
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Generic, Literal

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from typing_extensions import TypeVar

from rankscape.foundation.errors import InputError, SettingsError, TableError
from rankscape.foundation.files import atomic_path, read_json, write_json
from rankscape.foundation.provenance import KEY
from rankscape.foundation.settings import parse_json
from rankscape.foundation.tables import read_geotable, read_table, write_table
from rankscape.foundation.visible_files import is_passed_over

_WILDCARD = re.compile(r"\{(\w+)\}")
_MEDIA = {
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized", ".png": "image/png",
    ".json": "application/json",
    ".html": "text/html", ".txt": "text/plain", ".md": "text/markdown", ".csv": "text/csv", ".gz": "application/gzip",
    ".parquet": "application/vnd.apache.parquet", ".qml": "application/xml", ".cff": "application/yaml",
    ".tex": "application/x-tex", ".safetensors": "application/octet-stream", ".npy": "application/octet-stream",
    ".geojson": "application/geo+json",
}  # fmt: skip
_DATA, _OVERVIEW = {".tif", ".parquet", ".csv", ".gz", ".safetensors", ".npy", ".geojson"}, {".png", ".html"}

Shown = Literal["", "item", "collection", "group"]
"""Where the catalogue shows a file.

Nowhere; as an item of its own (a STAC document); as an asset of the collection; or as an asset of the item that
gathers all files with the same value of their wildcard, such as one set of districts.
"""
Type = Literal["text", "integer", "number", "true/false", "geometry", "box", "image"]


@dataclass(frozen=True)
class Artifact:
    """One kind of file below `results/<region>/`; a path without a suffix is a folder."""

    path: str
    """Path below the region's folder, with wildcards in braces, such as `ranking/scores/{granule}.parquet`."""
    verb: str
    """What makes it: the words after `rankscape`, such as `ranking predict`."""
    title: str
    """What it is, in plain words."""
    shown: Shown = ""
    optional: bool = False
    """True where only some settings make it."""

    @cached_property
    def wildcards(self) -> tuple[str, ...]:
        """Names of the wildcards, each once."""
        return tuple(dict.fromkeys(_WILDCARD.findall(self.path)))

    @property
    def suffix(self) -> str:
        """Suffix of the last part, such as `.parquet`; empty for a folder."""
        return Path(self.path).suffix

    @property
    def media_type(self) -> str:
        """Media type (RFC 6838)."""
        return _MEDIA[self.suffix]

    @property
    def role(self) -> str:
        """Role of the asset in a STAC catalogue: data, overview or metadata."""
        return "data" if self.suffix in _DATA else "overview" if self.suffix in _OVERVIEW else "metadata"

    def of(self, root: Path, **names: str) -> Path:
        """Return the path of one file.

        Args:
            root: The region's folder.
            names: Value of every wildcard; others are passed over.
        """
        return root / self.path.format(**names)

    def match(self, path: str) -> dict[str, str] | None:
        """Return the values of the wildcards in a path below the region's folder; None if it is another file's."""
        found = self._expression.fullmatch(path)
        return None if found is None else found.groupdict()

    def found(self, root: Path) -> Iterator[tuple[dict[str, str], Path]]:
        """Yield names and path of every such file that is there, sorted by path."""
        for path in sorted(root.glob(_WILDCARD.sub("*", self.path))):
            inside = path.relative_to(root)
            if any(map(is_passed_over, inside.parts)):
                continue
            if (names := self.match(inside.as_posix())) is not None:
                yield names, path

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        seen: set[str] = set()
        parts = []
        for place, part in enumerate(_WILDCARD.split(self.path)):
            known = f"(?P={part})" if part in seen else f"(?P<{part}>[^/]+)"
            parts.append(known if place % 2 else re.escape(part))
            seen |= {part} if place % 2 else set()
        return re.compile("".join(parts))

    def _refusal(self, path: Path, why: str) -> str:
        return f"{path} was not written by `rankscape {self.verb}` ({why}): make it again with that verb."


@dataclass(frozen=True)
class File(Artifact):
    """A file that people or programs open as it is: a style, an image, a text, weights, a folder of images."""


@dataclass(frozen=True)
class Array(Artifact):
    """A NumPy array (`.npy`) that is mapped into memory; the table or document beside it says where it comes from."""

    dimensions: tuple[str, ...] = ()
    """Names of its axes."""


@dataclass(frozen=True)
class Raster(Artifact):
    """A cloud-optimised GeoTIFF; its tags hold the provenance."""

    bands: tuple[str, ...] = ()
    """Names of its bands; none where they follow from the configuration."""


@dataclass(frozen=True)
class Column:
    """One column, or several whose names have a part in common: `reference_{reference}`."""

    name: str
    type: Type
    unit: str
    """Unit, or empty where there is none."""
    words: str
    """What it means."""
    missing: str = "never"
    """When a value is missing, and how that looks."""
    optional: bool = False
    """True where only some settings make it."""

    @cached_property
    def is_pattern(self) -> bool:
        """Whether it describes columns whose names have a part in common."""
        return _WILDCARD.search(self.name) is not None

    def describes(self, name: str) -> bool:
        """Say whether this is the description of a column of that name."""
        return re.fullmatch(".+".join(map(re.escape, re.split(r"\{\w+\}", self.name))), name) is not None


@dataclass(frozen=True)
class Table(Artifact):
    """A table: Parquet, GeoParquet where it has a column `geometry`, or CSV."""

    row: str = ""
    """What a row is."""
    columns: tuple[Column, ...] = ()
    others: str = ""
    """What a column is that is not described: empty where there must be none."""

    def column(self, name: str) -> Column | None:
        """Return the description of a column; None where there is none."""
        found = self._declared(name)
        return Column(name, "text", "", self.others, "as in its source") if found is None and self.others else found

    def _declared(self, name: str) -> Column | None:
        exact = [column for column in self.columns if column.name == name]
        return next(iter(exact or [column for column in self.columns if column.describes(name)]), None)

    @cached_property
    def needed(self) -> tuple[str, ...]:
        """Columns that every such table has, in their order."""
        return tuple(column.name for column in self.columns if not column.optional and not column.is_pattern)

    def write(
        self, path: Path, frame: pd.DataFrame, provenance: Mapping[str, Any], *, covering: bool = False, **more: Any
    ) -> None:
        """Write a table atomically: Parquet with its provenance, or CSV, which has no place for it.

        Args:
            path: Final name; its suffix is that of the declaration.
            frame: The columns that are declared, and no others.
            provenance: The stage's record.
            covering: Whether a column `bbox` holds the bounds of every geometry, as `write_table` explains.
            more: Further JSON documents that the Parquet file holds.

        Raises:
            TableError: If a declared column is missing, has another type, or one is not declared.
        """
        self._check(frame.columns, path, written=True)
        for name in frame.columns:
            column = self._declared(name)
            if column is not None and not _is_of(column.type, frame[name]):
                raise TableError(
                    f"{path}: column {name!r} has the type {frame[name].dtype}, declared is {column.type}."
                )
        if path.suffix == ".parquet":
            write_table(path, frame, {KEY: dict(provenance), **more}, covering=covering)
            return
        with atomic_path(path) as temporary:
            frame.to_csv(temporary, index=False, lineterminator="\n")

    def read(self, path: Path, *columns: str) -> pd.DataFrame:
        """Read a table without geometry.

        Args:
            path: The file.
            columns: Columns that the reader needs; none: all that every such table has.

        Raises:
            TableError: If the file is missing, broken, or lacks one of the columns.
        """
        frame = read_table(path) if self.suffix == ".parquet" else self._read_csv(path)
        self._check(frame.columns, path, columns)
        return frame

    def _read_csv(self, path: Path) -> pd.DataFrame:
        """Read a table as it was written: text stays text (01, NA), and only an empty cell is missing."""
        text = {column.name: str for column in self.columns if column.type == "text"}
        return pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])

    def read_geo(self, path: Path, *columns: str) -> gpd.GeoDataFrame:
        """Read a table with its geometry; see `read`."""
        frame = read_geotable(path)
        self._check(frame.columns, path, columns)
        return frame

    def names(self, path: Path) -> list[str]:
        """Return the columns that a file has."""
        return list(pq.read_schema(path).names if path.suffix == ".parquet" else pd.read_csv(path, nrows=0).columns)

    def _check(self, has: Iterable[str], path: Path, columns: Sequence[str] = (), *, written: bool = False) -> None:
        names = list(has)
        missing = [name for name in columns or self.needed if name not in names and name != "bbox"]
        if missing:
            what = f"{path} lacks the columns {missing}; it has {names}"
            raise TableError(f"{what}." if written else f"{what}: make it again with `rankscape {self.verb}`.")
        strangers = [name for name in names if self.column(name) is None] if written else []
        if strangers:
            raise TableError(f"{path}: the columns {strangers} are not declared in {self.path!r}.")


def _is_of(kind: Type, values: "pd.Series[Any]") -> bool:
    """Say whether a column's values are of a declared type; a column of missing values is of any."""
    if kind in ("geometry", "box", "image") or not values.notna().any():
        return True
    found = pa.Array.from_pandas(values).type
    is_number = pa.types.is_integer(found) or pa.types.is_floating(found)
    is_right: dict[str, bool] = {
        "text": not is_number and not pa.types.is_boolean(found), "integer": pa.types.is_integer(found),
        "number": is_number, "true/false": pa.types.is_boolean(found),
    }  # fmt: skip
    return is_right[kind]


def empty_as(kind: type) -> BeforeValidator:
    """Read null as an empty list or dictionary."""
    return BeforeValidator(lambda value: kind() if value is None else value)


class Keys(BaseModel):
    """Keys of a JSON document, or of a part of it: one class for its writer and its readers.

    A field without a default is always there; one with a default is left out in some cases. The docstring below a field
    says what it means. A reader passes over keys that it does not know; a writer must not write them.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)


class DocumentKeys(Keys):
    """Keys of a whole document."""

    provenance: Annotated[dict[str, Any], empty_as(dict)] = {}
    """Where it comes from: package, code, settings and inputs of the stage."""


class OpenKeys(DocumentKeys):
    """Keys of a document that follows a standard of others, such as STAC, or that nobody reads here."""

    model_config = ConfigDict(extra="allow")


Interval = tuple[float | None, float | None]
"""Lower and upper end; null where none was computed."""
Model = TypeVar("Model", bound=DocumentKeys, default="OpenKeys")


@dataclass(frozen=True)
class Document(Artifact, Generic[Model]):
    """A JSON document."""

    model: type[Model] = OpenKeys  # type: ignore[assignment]

    def write(self, path: Path, keys: Mapping[str, Any] | Model, provenance: Mapping[str, Any]) -> None:
        """Write a document atomically.

        Args:
            path: Final name.
            keys: The document without its provenance; what the model has no field for is refused.
            provenance: The stage's record.

        Raises:
            InputError: If a key is missing, unknown, or of another type than its field.
        """
        given = keys.model_dump(mode="json", exclude_unset=True) if isinstance(keys, BaseModel) else dict(keys)
        given = {**given, "provenance": dict(provenance)}
        try:
            self.model.model_validate(given, extra="allow" if issubclass(self.model, OpenKeys) else "forbid")
        except ValidationError as error:
            raise InputError(f"{path} does not keep to its declaration ({_first_fault(error)}).") from None
        write_json(path, given)

    def read(self, path: Path) -> Model:
        """Read and check a document.

        Raises:
            InputError: If it is missing, no JSON, or lacks a key; the message names file and key and what to do.
        """
        return self.checked(read_json(path), path)

    def checked(self, values: Mapping[str, Any], path: Path) -> Model:
        """Check the keys of a document that was read; `path` is for messages.

        Raises:
            InputError: If a key is missing or of another type.
        """
        try:
            return self.model.model_validate(values)
        except ValidationError as error:
            raise InputError(self._refusal(path, _first_fault(error))) from None


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    return f"{'.'.join(map(str, fault['loc'])) or '(whole)'}: {fault['msg']}"


@dataclass(frozen=True)
class Credits:
    """What a study's outputs are made of, beside imagery."""

    references: Mapping[str, str] = field(default_factory=dict)
    """Titles of references by name."""
    models: tuple[str, ...] = ()
    """Models that judged."""


@dataclass(frozen=True)
class Words:
    """What README, citation and catalogue of a run say of a study's outputs."""

    abstract: str
    """What the outputs are, in a sentence or two; `{region}` stands for the region's name."""
    caution: str
    """What they are not, and how to read them."""
    first: tuple[tuple[str, str], ...] = ()
    """What people open first: paths, and what they are."""
    credits: Callable[[Path], Credits] = lambda _: Credits()
    """What they are made of, read from the region's folder."""


def declared_in(*modules: ModuleType) -> tuple[Artifact, ...]:
    """Return what modules declare: their `ARTIFACTS`, or else every artifact among their constants."""
    found: dict[str, Artifact] = {}
    for module in modules:
        given = getattr(module, "ARTIFACTS", None)
        for value in vars(module).values() if given is None else given:
            if isinstance(value, Artifact):
                found.setdefault(value.path, value)
    return tuple(found.values())


def read_names(text: str) -> dict[str, list[str]]:
    """Read values of wildcards from a JSON object of lists of texts.

    Raises:
        SettingsError: If it is none.
    """
    names = parse_json(text, "names", "--names")
    for name, values in names.items():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise SettingsError(f"--names: {name} is {values!r}, a list of names is needed.")
    return names
