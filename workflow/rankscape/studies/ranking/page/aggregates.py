"""Districts, change and regressions: read where they are given, and laid out for the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import geopandas as gpd
import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import read_json
from rankscape.foundation.tables import read_geotable
from rankscape.products.report.images import MapPicture, read_map, read_sheet
from rankscape.studies.ranking.page.documents import Document, Estimate, empty_as

DISTRICT_COLUMNS = ("district", "name", "score", "score_low", "score_high", "rank", "rank_low", "rank_high")
CHANGE_COLUMNS = ("patch_id", "granule", "score_before", "score_after", "change", "change_std", "significant")


class Census(BaseModel):
    """Agreement of districts' scores with one census column, or the reason why none is given."""

    title: str = ""
    n: int = 0
    pearson: Estimate | None = None
    spearman: Estimate | None = None
    r2_log: Estimate | None = None
    reason: str | None = None


class DistrictRecord(Document):
    """How scores were brought to districts: districts/{districts}.json."""

    verb = "ranking district"
    title: str = "Districts"
    weighting: str = ""
    comparisons: Annotated[dict[str, Census], empty_as(dict)] = {}
    notes: Annotated[list[str], empty_as(list)] = []


class ChangeRecord(Document):
    """How two dates were compared: change/{before}--{after}.json; facts that the page knows no name for are listed."""

    verb = "ranking change"
    title: str = ""
    before: str = ""
    after: str = ""
    false_discovery_rate: float | None = None
    notes: Annotated[list[str], empty_as(list)] = []


class Coefficient(BaseModel):
    """One coefficient."""

    label: str
    coefficient: float
    std_error: float | None = None
    conley_error: float | None = None
    """Error that allows for correlation over distance; None where it was not asked for."""
    p: float | None = None
    stars: str = ""
    shown: bool = True


class Model(BaseModel):
    """One regression."""

    outcome: str
    n: int
    clusters: int | None = None
    r2: float | None = None
    estimates: list[Coefficient]


class RegressionRecord(Document):
    """Regressions of one study: regressions/{regression}.json."""

    verb = "ranking regress"
    title: str
    models: Annotated[list[Model], Field(min_length=1)]
    notes: Annotated[list[str], empty_as(list)] = []


@dataclass(frozen=True)
class Districts:
    """Scores of districts."""

    record: DistrictRecord
    table: gpd.GeoDataFrame
    """Columns `DISTRICT_COLUMNS`, polygons in WGS 84; sorted by rank."""
    picture: MapPicture | None
    """The choropleth; None where none lies beside the record."""


@dataclass(frozen=True)
class Pictured:
    """One change in pictures."""

    words: str
    pictures: tuple[MapPicture, ...]
    """Both dates and why, as one drawing; or, without the why, each date by itself."""
    reason: str
    """Why nobody can say which places made the change; empty where the drawing says it."""


@dataclass(frozen=True)
class Change:
    """Change of scores between two dates."""

    name: str
    record: ChangeRecord
    table: pd.DataFrame
    """Columns `CHANGE_COLUMNS`."""
    picture: MapPicture | None
    """The map; None where none lies beside the record."""
    largest: tuple[Pictured, ...]
    """The largest changes, significant ones first."""


def read_districts(path: Path) -> Districts:
    """Read a record of districts, and the table and picture beside it.

    Raises:
        InputError: If one of them is missing or broken.
        TableError: If the table lacks a column.
    """
    table = read_geotable(path.with_suffix(".parquet"), DISTRICT_COLUMNS)
    return Districts(
        DistrictRecord.read(path),
        table.sort_values(["rank", "district"], na_position="last").reset_index(drop=True),
        _beside(path),
    )


def read_change(path: Path) -> Change:
    """Read a record of change, and the table and the pictures beside it.

    Raises:
        InputError: If one of them is missing or broken.
        TableError: If the table lacks a column.
    """
    table = pd.DataFrame(read_geotable(path.with_suffix(".parquet"), CHANGE_COLUMNS).drop(columns="geometry"))
    folder = path.with_name(f"{path.stem}-pictures")
    return Change(path.stem, ChangeRecord.read(path), table, _beside(path), _largest(folder))


def _beside(path: Path) -> MapPicture | None:
    picture = path.with_suffix(".png")
    return read_map(picture) if picture.is_file() else None


def _largest(folder: Path) -> tuple[Pictured, ...]:
    index = folder / "index.json"
    if not index.is_file():
        return ()
    try:
        return tuple(_pictured(folder, entry) for entry in read_json(index)["pictures"])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{index} was not written by `rankscape ranking change` ({error!r}): make it again.") from None


def _pictured(folder: Path, entry: dict[str, Any]) -> Pictured:
    reason = str(entry.get("reason") or "")
    names = [entry["before"], entry["after"]] if reason else [entry["file"]]
    shown = tuple(read_sheet(folder / str(name), "ranking change") for name in names)
    return Pictured(str(entry["words"]), shown, reason)


def outlines(
    districts: Sequence[Districts], crs: str, origin: tuple[float, float], size: float
) -> list[dict[str, Any]]:
    """Return the polygons of the first set of districts on the map's plane, with their scores.

    Borders are simplified by a two-thousandth of the map, neighbours alike where they share borders exactly.

    Args:
        districts: Sets of districts.
        crs: CRS of the plane.
        origin: Lower left corner of the plane in the CRS.
        size: Longer side of the plane, in its units.
    """
    if not districts:
        return []
    table = districts[0].table
    shapes = table.geometry.to_crs(crs).translate(-origin[0], -origin[1])
    tolerance = size / 2000
    covered = bool(shapes.is_valid.all() and shapes.is_valid_coverage())
    shapes = shapes.simplify_coverage(tolerance) if covered else shapes.simplify(tolerance)
    return [
        {"name": str(name), "score": None if np.isnan(score) else round(float(score), 4), "polygons": _rings(shape)}
        for name, score, shape in zip(table["name"], table["score"].astype(float), shapes, strict=True)
        if shape is not None and not shape.is_empty
    ]


def _rings(shape: Any) -> list[list[list[list[float]]]]:
    """Polygons, each its outer ring and its holes, each a list of points."""
    parts = [part for part in getattr(shape, "geoms", [shape]) if part.geom_type == "Polygon"]
    rings = ([part.exterior, *part.interiors] for part in parts)
    return [[np.round(np.asarray(ring.coords)[:, :2], 1).tolist() for ring in polygon] for polygon in rings]
