"""Words that travel with a run: how to cite it, whose data it holds, and what is what."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from rankscape.artifacts import Artifact, Column, Credits, File, Raster
from rankscape.foundation.checkout import package_version
from rankscape.products.artifacts import DICTIONARY_PAGE, REPORT
from rankscape.products.outputs.run import FinishedRun, Span
from rankscape.products.outputs.settings import PublishSettings

COPERNICUS = "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice"
"""Legal notice on the use of Copernicus Sentinel data, which asks for the sentence in `imagery_notice`."""
_NOBODY = "The authors of this run"
_WIDTH = 100
_STAY = {"scenes", "samples", "simulated"}
"""Folders that may stay behind."""
_README = """\
{title}
{line}

{granules}. Version {version}.
{abstract}

{caution}

Open first
----------

{first}

All files
---------

{files}

Copy the whole folder: links are relative. The folders scenes, samples, simulated, logs and benchmarks may stay
behind. The page on outputs in the documentation of Rankscape says how to open each kind in QGIS, R, Stata and Python.

{imagery} See NOTICE.txt; how to cite: CITATION.cff.
"""


@dataclass(frozen=True)
class Publication:
    """A finished run, and what is said of it."""

    run: FinishedRun
    """The run."""
    chosen: PublishSettings
    """Title, authors, licence, keywords."""
    record: dict[str, Any]
    """Provenance."""
    columns: Mapping[str, Sequence[Column]]
    """Columns of tables by path below the run's folder."""

    @cached_property
    def spans(self) -> dict[str, Span]:
        """First and last moment of the scenes of each granule."""
        return self.run.spans()

    @cached_property
    def days(self) -> list[datetime.date]:
        """Days of the scenes, sorted."""
        return self.run.days()

    @cached_property
    def credits(self) -> Credits:
        """What the studies' outputs are made of."""
        found = [words.credits(self.run.root) for words in self.run.words]
        titles = {name: title for one in found for name, title in one.references.items()}
        return Credits(titles, tuple(sorted({model for one in found for model in one.models})))

    @property
    def years(self) -> list[int]:
        """Years of the scenes, sorted."""
        return sorted({day.year for day in self.days})

    @property
    def whole(self) -> Span | None:
        """First and last moment of all scenes; None where no scenes are named."""
        if not self.spans:
            return None
        return Span(min(s.start for s in self.spans.values()), max(s.end for s in self.spans.values()))

    def columns_of(self, path: Path) -> Sequence[Column]:
        """Return the columns of a table; none of another file."""
        return self.columns.get(path.relative_to(self.run.root).as_posix(), ())


def title_of(given: Publication) -> str:
    """Return the title of a run."""
    return f"{given.chosen.title}: {given.run.region}"


def abstract(given: Publication) -> str:
    """Return what a run's outputs are, a sentence or two a study."""
    return " ".join(words.abstract.format(region=given.run.region) for words in given.run.words)


def released(given: Publication) -> datetime.date | None:
    """Return the day of publication, or of the newest scene; None where neither is known."""
    return given.chosen.released or (given.days[-1] if given.days else None)


def citation(given: Publication) -> bytes:
    """Return the run's CITATION.cff (Citation File Format 1.2): a data set that names what it is made of."""
    day, chosen = released(given), given.chosen
    document: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use these maps or tables, please cite them, and what they are made of.",
        "type": "dataset",
        "title": title_of(given),
        "version": chosen.version,
        **({"date-released": day} if day else {}),
        "authors": [{"name": name} for name in chosen.authors or (_NOBODY,)],
        "abstract": abstract(given),
        "keywords": list(chosen.keywords),
        **({"license": chosen.licence} if chosen.licence else {}),
        "references": [_software(), *_imagery(given), *_references(given.credits), *_models(given.credits)],
    }
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text.encode()


def notice(given: Publication) -> bytes:
    """Return the notice: whose data a run is made of, and on which terms."""
    lines = ["Notice", "======", "", imagery_notice(given)]
    if given.chosen.imagery == "sentinel-2":
        lines += [f"Terms: {COPERNICUS}"]
    terms = given.chosen.licence or "none is given; ask the authors before you share them"
    lines += ["", f"Licence of the maps and tables: {terms}."]
    if given.credits.references:
        lines += ["", "The tables contain values of these references; their makers' terms hold for them:"]
        lines += [f"- {title} ({name})" for name, title in sorted(given.credits.references.items())]
    if given.credits.models:
        lines += ["", "Clusters were ranked with these models; their makers' terms hold for what is made with them:"]
        lines += [f"- {model}" for model in given.credits.models]
    lines += ["", f"Made with Rankscape {package_version()} (Apache-2.0)."]
    return ("\n".join(lines) + "\n").encode()


def imagery_notice(given: Publication) -> str:
    """Return the sentence that maps made of this imagery must carry."""
    if given.chosen.imagery == "synthetic":
        return "The imagery is synthetic: no satellite took it."
    if given.chosen.imagery == "own" or not given.years:
        return "The imagery was given as files; the terms of its owner hold for it."
    return f"Contains modified Copernicus Sentinel data [{', '.join(map(str, given.years))}]."


def readme(given: Publication) -> bytes:
    """Return the words at the top of the outputs: what is what, and what they are and are not."""
    title, span, run = title_of(given), given.whole, given.run
    seen = f", seen from {span.start:%Y-%m-%d} to {span.end:%Y-%m-%d}" if span else ""
    count = len(run.names.get("granule", ()))
    first = [(REPORT.path, "everything on one page, without a network")]
    first += [one for words in run.words for one in words.first]
    first += [(DICTIONARY_PAGE.path, "what every column of every table is")]
    text = _README.format(
        title=title, line="=" * len(title), granules=f"{count} granule{'s' if count != 1 else ''}{seen}",
        abstract=abstract(given), caution="\n".join(words.caution for words in run.words), first=_listed(first),
        files=_listed(_made(run)), version=given.chosen.version, imagery=imagery_notice(given),
    )  # fmt: skip
    return text.encode()


def _listed(lines: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"{path:<44} {words}" for path, words in lines)


def _made(run: FinishedRun) -> list[tuple[str, str]]:
    """Files that are worth a line: of what this run has, that which people open and no other stage only reads."""
    kept = [kind for kind in run.artifacts if kind.shown or kind.verb == "publish" or _is_opened(kind)]
    return [(kind.path, kind.title) for kind in kept if kind.verb == "publish" or any(True for _ in run.files(kind))]


def _is_opened(kind: Artifact) -> bool:
    return isinstance(kind, File | Raster) and kind.path.partition("/")[0] not in _STAY


def _software() -> dict[str, Any]:
    return {
        "type": "software", "title": "Rankscape", "version": package_version(), "license": "Apache-2.0",
        "authors": [{"name": "The Rankscape authors"}],
    }  # fmt: skip


def _imagery(given: Publication) -> list[dict[str, Any]]:
    if given.chosen.imagery != "sentinel-2" or not given.years:
        return []
    years = ", ".join(map(str, given.years))
    return [{
        "type": "data", "title": f"Copernicus Sentinel-2 data [{years}]", "year": given.years[-1],
        "authors": [{"name": "European Union, Copernicus programme"}], "publisher": {"name": "European Space Agency"},
        "url": COPERNICUS, "notes": imagery_notice(given),
    }]  # fmt: skip


def _references(given: Credits) -> list[dict[str, Any]]:
    return [
        {"type": "data", "title": title, "authors": [{"name": f"The makers of {title}"}], "notes": f"reference {name}"}
        for name, title in sorted(given.references.items())
    ]


def _models(given: Credits) -> list[dict[str, Any]]:
    return [
        {"type": "software", "title": model, "authors": [{"name": f"The makers of {model}"}],
         "notes": "judge of clusters"}
        for model in given.models
    ]  # fmt: skip
