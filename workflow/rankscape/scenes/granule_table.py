"""The granule table of a region: which granules, in which role, from which dates."""

import datetime
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rankscape.foundation.errors import GranuleTableError, SettingsError, TableError
from rankscape.foundation.settings import Section, worded
from rankscape.foundation.text_tables import read_text_table

GRANULE_PATTERN = r"[0-9A-Za-z][0-9A-Za-z_]{0,63}"
"""A granule id: an MGRS granule such as 48RVV, or the name of a folder of tiles."""
GRANULE_WORDS = "up to 64 Latin letters, digits and _, beginning with a letter or digit, such as 48RVV or my_town"
MGRS_PATTERN = r"(0[1-9]|[1-5][0-9]|60)[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V]"
"""An MGRS granule: UTM zone, latitude band, column letter, row letter."""
MGRS_WORDS = "an MGRS granule: UTM zone of two digits, latitude band, two letters, such as 48RVV"
PERIOD_PATTERN = r"[12][0-9]{3}([-_.]?[0-9A-Za-z]+)*"
"""A period: it begins with its year, so that labels sorted as text are sorted in time (2016-02 before 2016-10)."""
PERIOD_WORDS = "a label that begins with its year, then letters and digits, such as 2016-dry"

_LOCAL = ("raster", "tiles", "images")
"""Columns of local images."""
COLOURS = ("B04", "B03", "B02")
"""Names of red, green, blue of local images: those of Sentinel-2, whose true colour models have learned from."""
_RENAMED = {"folder": "tiles", "pictures": "images"}
"""Columns by their names of earlier versions."""
SHARD_PATTERN = worded(r"^(join|[1-9][0-9]{0,4}/[1-9][0-9]{0,4})$", "join, or a part of all such as 2/8")


class GranuleRow(Section):
    """One row of the granule table."""

    granule: Annotated[str, Field(pattern=worded(f"^{GRANULE_PATTERN}$", GRANULE_WORDS))]
    """Id of the row: an MGRS granule, or a name of your own where the row has local images or a place."""
    role: Literal["fit", "apply"]
    """`fit`: clusters and score are learned from it; `apply`: it is scored only."""
    start: datetime.date | None = None
    """First day of the scenes looked for."""
    end: datetime.date | None = None
    """Last day, included."""
    max_cloud_percent: Annotated[float, Field(ge=0, le=100)] | None = None
    """Scenes with more cloud are left out."""
    raster: str | None = None
    """GeoTIFF or JPEG 2000 of yours, instead of scenes: bytes or reflectance, red, green, blue first. Or tiles of one
    mosaic, such as `exports/town-*.tif`, or a Sentinel-2 .SAFE folder."""
    tiles: str | None = None
    """Folder of web-mercator tiles named `{row}_{col}`, instead of scenes."""
    images: str | None = None
    """Folder of images of any names whose coordinates nobody knows, instead of scenes."""
    places: str | None = None
    """Table of the coordinates of `images`: image, longitude, latitude, and side_m, the side of the ground that each
    shows. For the study `embeddings`."""
    period: Annotated[str, Field(pattern=worded(f"^{PERIOD_PATTERN}$", PERIOD_WORDS), max_length=32)] | None = None
    """When the row shows its place: a label that begins with its year, such as 2016-dry; on all rows or none."""
    place: Annotated[str, Field(pattern=worded(f"^{GRANULE_PATTERN}$", GRANULE_WORDS))] | None = None
    """Location that the row shows, an MGRS granule where it has scenes; its rows are its dates. Default: granule."""

    @property
    def location(self) -> str:
        """The location that it shows: its place, or its id."""
        return self.place or self.granule

    @property
    def local(self) -> str | None:
        """The local images that it names; None where scenes are looked for."""
        return self.raster or self.tiles or self.images

    @property
    def located(self) -> bool:
        """Whether its patches have coordinates, so that they can stand on a map."""
        return self.images is None

    @property
    def has_coordinates(self) -> bool:
        """Whether labels can be brought to its patches: they lie on a grid, or images have places."""
        return self.located or self.places is not None

    @model_validator(mode="after")
    def _places_of_images(self) -> "GranuleRow":
        if self.places is not None and self.images is None:
            raise ValueError(f"places = {self.places!r} says where images lie: give `images` too")
        return self

    @model_validator(mode="after")
    def _one_source(self) -> "GranuleRow":
        given = [name for name in _LOCAL if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are both given; give one")
        if given:
            return self
        missing = [name for name in ("start", "end", "max_cloud_percent") if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{', '.join(missing)} must be given, or one of {', '.join(_LOCAL)}")
        if not re.fullmatch(MGRS_PATTERN, self.location):
            raise ValueError(
                f"{self.location!r} is no MGRS granule such as 48RVV, and the row has none of {', '.join(_LOCAL)}"
            )
        if self.start is not None and self.end is not None and self.start > self.end:
            raise ValueError(f"start {self.start} is after end {self.end}")
        return self

    def window(self) -> "Window":
        """Return what search needs of it."""
        values = self.model_dump(include=set(Window.model_fields))
        return Window.model_validate({**values, "granule": self.location})


class Window(Section):
    """What search needs of a row: adding a column or changing a role does not search again."""

    granule: Annotated[str, Field(pattern=worded(f"^{MGRS_PATTERN}$", MGRS_WORDS))]
    """MGRS granule."""
    start: datetime.date
    """First day of the scenes looked for."""
    end: datetime.date
    """Last day, included."""
    max_cloud_percent: Annotated[float, Field(ge=0, le=100)]
    """Scenes with more cloud are left out."""


def read_granule_table(path: Path) -> dict[str, GranuleRow]:
    """Read and check a granule table.

    Args:
        path: TSV with the columns of `GranuleRow`; empty cells count as not given.

    Returns:
        Rows by granule, in the order of the table.

    Raises:
        GranuleTableError: If the table is missing or a row is wrong; the message names file, line, column and value.
    """
    if not Path(path).is_file():
        raise GranuleTableError(f"{path} does not exist: `granules` must name a granule table.")
    try:
        table = read_text_table(Path(path), ("granule", "role"))
    except TableError as error:
        raise GranuleTableError(str(error)) from None
    _check_columns(path, table.names)
    rows = [
        _row(path, line, dict(zip(table.names, cells, strict=True)))
        for line, cells in zip(table.lines, table.rows, strict=True)
    ]
    return _by_granule(path, rows)


def _check_columns(path: Path, names: Sequence[str]) -> None:
    known = list(GranuleRow.model_fields)
    renamed = [f"{name} is now {_RENAMED[name]}" for name in names if name in _RENAMED]
    if renamed:
        raise GranuleTableError(f"{path}: {' and '.join(renamed)}: rename the column.")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise GranuleTableError(f"{path}: unknown columns {unknown}; allowed are {known}, tab-separated.")


def _row(path: Path, line: int, values: dict[str, Any]) -> GranuleRow:
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return GranuleRow.checked(given, f"{path}, line {line}")
    except SettingsError as error:
        raise GranuleTableError(str(error)) from None


def _by_granule(path: Path, rows: list[GranuleRow]) -> dict[str, GranuleRow]:
    table: dict[str, GranuleRow] = {}
    for row in rows:
        if row.granule in table:
            raise GranuleTableError(f"{path}: granule {row.granule} is listed twice; keep one row.")
        table[row.granule] = row
    if not any(row.role == "fit" for row in rows):
        raise GranuleTableError(f"{path}: no granule has the role `fit`; there is nothing to learn from.")
    _check_periods(path, rows)
    return table


def _check_periods(path: Path, rows: list[GranuleRow]) -> None:
    """Refuse periods on some rows only, and two rows of one place and period."""
    without = [row.granule for row in rows if row.period is None]
    if 0 < len(without) < len(rows):
        raise GranuleTableError(
            f"{path}: without a period: {', '.join(without)}; other rows have one. Give all rows a period, or none."
        )
    first: dict[tuple[str, str | None], str] = {}
    for row in rows:
        other = first.setdefault((row.location, row.period), row.granule)
        if other != row.granule:
            when = f"the period {row.period}" if row.period else "no period"
            raise GranuleTableError(
                f"{path}: {other} and {row.granule} both show the place {row.location} with {when}: give each date "
                "of a place a period of its own."
            )


def current_rows(table: Mapping[str, GranuleRow]) -> list[str]:
    """Return the rows that show their places at the latest of their dates, in the order of the table.

    The latest date is that of each place, so that every place stands on the map once; without periods it is all rows.
    """
    latest: dict[str, str] = {}
    for row in table.values():
        latest[row.location] = max(latest.get(row.location, ""), row.period or "")
    return [name for name, row in table.items() if (row.period or "") == latest[row.location]]


class Shard(Section):
    """One part of a region's granules."""

    number: Annotated[int, Field(ge=1)]
    """Which part."""
    of: Annotated[int, Field(ge=1)]
    """How many parts there are."""

    def part(self, granules: list[str]) -> list[str]:
        """Return this part of the granules; parts differ by one granule at most, and together they are all."""
        first, end = (place * len(granules) // self.of for place in (self.number - 1, self.number))
        return granules[first:end]


def parse_shard(text: str | None) -> Shard | None:
    """Read `3/20`; None where there is no shard, or where shards are joined.

    Raises:
        ValueError: If the number is larger than the count.
    """
    if text is None or not re.fullmatch(r"\d+/\d+", text):
        return None
    number, of = map(int, text.split("/"))
    if number > of:
        raise ValueError(f"shard = {text!r}: there are only {of} shards")
    return Shard(number=number, of=of)
