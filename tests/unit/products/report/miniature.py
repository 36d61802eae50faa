"""Two miniature studies with a page each, as anyone would add them: one module, one table, a few sections."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import geopandas as gpd
import numpy as np
from markupsafe import Markup
from rankscape.artifacts import Column, Document, DocumentKeys, Table
from rankscape.foundation.studies import Study
from rankscape.products.report.reading import RunReader
from rankscape.products.report.section_registry import Drawn, KeyFigure, Overview, PageSection, PlaceValues, Read
from shapely.geometry import box


class NoteKeys(DocumentKeys):
    """What a miniature study wrote."""

    people: int


class Miniature:
    """A study whose page has key figures, values of places, and one folded section."""

    def __init__(self, name: str) -> None:
        columns = (
            Column("value", "number", "", "Number of the place"),
            Column("geometry", "geometry", "", "Footprint"),
        )
        self.note = Document(f"{name}/note.json", f"{name} count", "A note", model=NoteKeys)
        self.remark = Document(f"{name}/remark-{{place}}.json", f"{name} remark", "A remark", model=NoteKeys)
        self.table = Table(f"{name}/values.parquet", f"{name} count", "Values", row="one place", columns=columns)
        self.study = Study(name, name.title(), f"How many {name}?", {}, "none:None", sections=f"{name}_page")
        self.sections: tuple[PageSection, ...] = (
            PageSection("figures", "Key figures", self.overview, (Read(self.note.path),), "overview"),
            PageSection("values", "Values", self.values, (Read(self.table.path),), "values"),
            PageSection("note", "The note", self.draw, (Read(self.note.path),), lead="What was counted."),
            PageSection("remark", "Remarks", self.draw, (Read(self.remark.path, "places", "omit"),)),
        )

    def overview(self, run: RunReader) -> Overview:
        return Overview((KeyFigure(f"People of {self.study.title}", f"{run.read(self.note).people}", "5 to 9"),))

    def values(self, run: RunReader) -> PlaceValues:
        return PlaceValues(f"{self.study.title} of places", run.read(self.table))

    def draw(self, run: RunReader) -> Drawn:
        return Markup("<p>{} people.</p>").format(run.read(self.note).people)

    def add(self, section: PageSection) -> None:
        """Add a section to the module."""
        self.sections = (*self.sections, section)
        sys.modules[self.study.sections].SECTIONS = self.sections  # type: ignore[attr-defined]

    @contextmanager
    def registered(self) -> Iterator["Miniature"]:
        """The study's module of sections, importable by its name."""
        module: Any = ModuleType(self.study.sections)
        module.SECTIONS, module.__spec__ = self.sections, spec_from_file_location(self.study.sections, __file__)
        sys.modules[self.study.sections] = module
        try:
            yield self
        finally:
            del sys.modules[self.study.sections]

    def run(self, folder: Path, names: dict[str, Any] | None = None) -> RunReader:
        """A run of the study."""
        return RunReader(folder, self.sections, (self.note, self.remark, self.table), names)

    def write(self, folder: Path, values: np.ndarray, side_m: float = 1000.0) -> None:
        """Write what the page reads; values of a square grid of places, the upper row first."""
        record = {"package": "0.1.0", "stage": f"{self.study.name} count", "code": "c0de", "settings": {"people": 7}}
        self.note.write(self.note.of(folder), {"people": 7}, record)
        rows, cols = np.indices(values.shape)
        shapes = [
            box(5e5 + col * side_m, 5e6 - (row + 1) * side_m, 5e5 + (col + 1) * side_m, 5e6 - row * side_m)
            for row, col in zip(rows.ravel(), cols.ravel(), strict=True)
        ]
        frame = gpd.GeoDataFrame({"value": values.ravel()}, geometry=shapes, crs="EPSG:32633")
        self.table.write(self.table.of(folder), frame, record)
