"""What a page is made of: sections that say what they read and draw themselves.

A study names one module in `Study.sections`; its constant `SECTIONS` lists them. A section in ten lines::

    from rankscape.products.report.section_registry import PageSection, Read
    from rankscape.studies.population.artifacts import DENSITY

    def draw(run):
        people = run.read(DENSITY)["people"].sum()
        return Markup("<p>{:,.0f} people live here.</p>").format(people)

    SECTIONS = (PageSection("people", "How many people", draw, reads=(Read("population/density.parquet"),)),)

Planning a run imports that module and this one: both stay light, and what a section reads is said by paths.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from markupsafe import Markup

from rankscape.foundation.code_version import ROOT, Notes, code_version
from rankscape.foundation.studies import Study, load

if TYPE_CHECKING:
    import geopandas as gpd

_WILDCARD = re.compile(r"\{(\w+)\}")

Place = Literal["overview", "values", "first", "open", "folded"]
"""Where a section stands.

`overview`: key figures on top of the study's page and on the region's first page; it draws an `Overview`.
`values`: one number for each place, for the maps side by side; it draws `PlaceValues` and does not show itself.
`first`: on the first screen, below the key figures. `open`: below, visible at once. `folded`: closed until it is
opened.
"""
Missing = Literal["fail", "omit", "ignore"]


@dataclass(frozen=True)
class Read:
    """A file, or one file for each of several names, that a section reads."""

    path: str
    """Path below the region's folder with wildcards in braces, as an artifact declares it."""
    names: str = ""
    """List of names that the path's wildcards take (docs/reference/report.md). Without wildcards: the file is read
    where the list is not empty. Empty: a single file, or all that are there."""
    missing: Missing = "fail"
    """What a missing file means: one line and no page; the section is left out and the page says why; or nothing."""
    waits: bool = True
    """False for files that the workflow may have removed since: they are no inputs of the rule."""

    @property
    def wildcards(self) -> tuple[str, ...]:
        """Names of the wildcards, each once."""
        return tuple(dict.fromkeys(_WILDCARD.findall(self.path)))


@dataclass(frozen=True)
class KeyFigure:
    """One key figure."""

    label: str
    value: str
    note: str = ""
    """What a reader must know of it, such as its interval."""
    wide: bool = False


@dataclass(frozen=True)
class Overview:
    """What a study found, at a glance."""

    figures: tuple[KeyFigure, ...]
    """Key figures; the first is the one that the region's first page shows large."""
    notices: tuple[tuple[str, str], ...] = ()
    """Heading and text of what a reader must know before anything else."""


@dataclass(frozen=True)
class PlaceValues:
    """One number for each place, as a study's map shows it."""

    title: str
    """What the number is."""
    table: "gpd.GeoDataFrame"
    """Column `value` (float64) and the footprint of each place, in any CRS."""
    words: tuple[str, str] = ("low", "high")
    """What the smallest and the largest number mean."""
    ramp: str = "viridis"
    """Name of the colour ramp, as Matplotlib calls it."""


@dataclass(frozen=True)
class Fragment:
    """What a section draws where text alone does not do."""

    html: Markup
    gist: str = ""
    """One line beside the title of a folded section."""
    styles: str = ""
    scripts: tuple[Markup, ...] = ()
    """Scripts at the end of the body; the page's policy allows them by their hashes."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """JSON values by the id of the element that holds each, for the scripts."""
    credits: Markup | str = ""
    """Line in the page's footer, such as a licence."""


Drawn = Fragment | Markup | Overview | PlaceValues | None
"""None: this run has nothing of the kind, and the page says that the section is left out."""


@dataclass(frozen=True)
class PageSection:
    """A part of a study's page."""

    id: str
    """Anchor on the page: lower case letters, digits and hyphens."""
    title: str
    draw: Callable[[Any], Drawn] | str
    """Takes the run's reader; or `module:function`, which is imported when the page is drawn, and not when a run is
    planned."""
    reads: tuple[Read, ...] = ()
    place: Place = "folded"
    lead: str = ""
    """A sentence or two below the title: what is shown, and how to read it."""

    @property
    def module(self) -> str:
        """Module of the function that draws it: its code version is part of the page's."""
        return self.draw.partition(":")[0] if isinstance(self.draw, str) else self.draw.__module__

    def drawer(self) -> Callable[[Any], Drawn]:
        """Return the function that draws it."""
        found: Callable[[Any], Drawn] = load(self.draw) if isinstance(self.draw, str) else self.draw
        return found


def sections_of(study: Study) -> tuple[PageSection, ...]:
    """Return the sections of a study's page, in the order in which they stand; none where it has no page."""
    return tuple(load(study.sections).SECTIONS) if study.sections else ()


def files_read(study: Study, names: Mapping[str, Any], *, waits_only: bool = True) -> list[str]:
    """Return the files that a study's page reads, below the region's folder, each once.

    Args:
        study: The study.
        names: Names in the run by list, as `rankscape report --names` takes them.
        waits_only: Leave out files that the workflow may have removed since.
    """
    reads = [read for section in sections_of(study) for read in section.reads if read.waits or not waits_only]
    return list(dict.fromkeys(path for read in reads for path in expected(read, names).values()))


def expected(read: Read, names: Mapping[str, Any]) -> dict[str, str]:
    """Return the paths of a read's files below the region's folder, by name; a single file has the name ''."""
    return dict(_expanded(read, names))


def _expanded(read: Read, names: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    fixed = {key: value for key, value in names.items() if isinstance(value, str)}
    free = [name for name in read.wildcards if name not in fixed]
    listed = list(names.get(read.names, ())) if read.names else [""] * (not free)
    for name in listed if free else [""] * bool(listed):
        values = dict(zip(free, name.split("/") if free else (), strict=True))
        yield name, read.path.format(**{**fixed, **values})


def page_modules(study: Study) -> list[str]:
    """Return the modules that draw a study's page: the stage, the list of its sections, and the module of each."""
    modules = ["rankscape.stages.report", study.sections, *(section.module for section in sections_of(study))]
    return list(dict.fromkeys(filter(None, modules)))


def page_code(study: Study, root: Path = ROOT, notes: Notes | None = None) -> str:
    """Return the code version of a study's page: that of every module that draws it.

    Args:
        study: The study.
        root: Folder that has the package.
        notes: Facts from earlier runs (`code_version`).
    """
    digest = hashlib.sha256()
    for module in page_modules(study):
        digest.update(f"{module} {code_version(module, root, notes, frozenset())}\n".encode())
    return digest.hexdigest()[:16]
