"""Words that travel with a run: how to cite it, whose data it holds, and what is what."""

import datetime
from typing import Any

import yaml

from rankscape.foundation.checkout import package_version
from rankscape.products.outputs.contents import KINDS, Kind
from rankscape.products.outputs.run import Run
from rankscape.products.outputs.settings import PublishSettings
from rankscape.products.outputs.sources import Sources

COPERNICUS = "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice"
"""Legal notice on the use of Copernicus Sentinel data, which asks for the sentence in `imagery_notice`."""
_NOBODY = "The authors of this run"
_WIDTH = 100
_MAPS = ("mosaic", "rasterize", "dense")
_README = """\
{title}
{line}

{granules}. Version {version}.
Every place has a development score from 0 (least) to 1 (most developed), learned from satellite imagery, and score_std,
the uncertainty of the score (one standard deviation).

The score compares places of this run with each other. It is no income, no poverty line and no ground truth. Scores of
two runs are not on one scale unless one model made both. Look at score_std before you compare two places.

Open first
----------

report/index.html         everything on one page, without a network
maps/region.tif           the map for QGIS, which colours it by itself (region.qml)
maps/region-colour.tif    the same in colours that any program shows
maps/patches.csv.gz       all places as a table; data-dictionary.md says what every column is

All files
---------

{files}

Copy the whole folder: links are relative. The folders scenes, tiles, features, invented, logs and benchmarks may stay
behind. docs/outputs.md of Rankscape says how to open each kind in QGIS, R, Stata and Python.

{imagery} See NOTICE.txt; how to cite: CITATION.cff.
"""


def title_of(run: Run, chosen: PublishSettings) -> str:
    """Return the title of a run."""
    return f"{chosen.title}: {run.region}"


def released(chosen: PublishSettings, sources: Sources) -> datetime.date | None:
    """Return the day of publication, or of the newest scene; None where neither is known."""
    return chosen.released or (max(sources.days) if sources.days else None)


def citation(run: Run, chosen: PublishSettings, sources: Sources) -> bytes:
    """Return the run's CITATION.cff (Citation File Format 1.2): a data set that names what it is made of."""
    day = released(chosen, sources)
    document: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use these maps or tables, please cite them, and what they are made of.",
        "type": "dataset",
        "title": title_of(run, chosen),
        "version": chosen.version,
        **({"date-released": day} if day else {}),
        "authors": [{"name": name} for name in chosen.authors or (_NOBODY,)],
        "abstract": _abstract(run),
        "keywords": list(chosen.keywords),
        **({"license": chosen.licence} if chosen.licence else {}),
        "references": [_software(), *_imagery(chosen, sources), *_references(sources), *_models(sources)],
    }
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text.encode()


def notice(chosen: PublishSettings, sources: Sources) -> bytes:
    """Return the notice: whose data a run is made of, and on which terms."""
    lines = ["Notice", "======", "", imagery_notice(chosen, sources)]
    if chosen.imagery == "sentinel-2":
        lines += [f"Terms: {COPERNICUS}"]
    lines += [
        "",
        f"Licence of the maps and tables: {chosen.licence or 'none is given; ask the authors before you share them'}.",
    ]
    if sources.references:
        lines += ["", "Values of these references stand in the tables; their makers' terms hold for them:"]
        lines += [f"- {title} ({name})" for name, title in sorted(sources.references.items())]
    if sources.models:
        lines += ["", "Clusters were ranked with these models; their makers' terms hold for what is made with them:"]
        lines += [f"- {model}" for model in sources.models]
    lines += ["", f"Made with Rankscape {package_version()} (Apache-2.0)."]
    return ("\n".join(lines) + "\n").encode()


def imagery_notice(chosen: PublishSettings, sources: Sources) -> str:
    """Return the sentence that maps made of this imagery must carry."""
    if chosen.imagery == "invented":
        return "The imagery is invented: no satellite took it."
    if chosen.imagery == "own" or not sources.years:
        return "The imagery was given as files; the terms of its owner hold for it."
    return f"Contains modified Copernicus Sentinel data [{', '.join(map(str, sources.years))}]."


def readme(run: Run, chosen: PublishSettings, sources: Sources) -> bytes:
    """Return the words at the top of the outputs: what is what, and what the score is and is not."""
    title, span, count = title_of(run, chosen), sources.whole, len(run.granules)
    seen = f", seen from {span.start:%Y-%m-%d} to {span.end:%Y-%m-%d}" if span else ""
    text = _README.format(
        title=title, line="=" * len(title), granules=f"{count} granule{'s' if count != 1 else ''}{seen}",
        files="\n".join(f"{kind.pattern:<40} {kind.what}" for kind in KINDS if _made(run, kind)),
        version=chosen.version, imagery=imagery_notice(chosen, sources),
    )  # fmt: skip
    return text.encode()


def _abstract(run: Run) -> str:
    return (
        f"Development scores of {run.region} from 0 (least) to 1 (most developed), learned from satellite imagery by a "
        "network that respects a partial order of clusters of patches, with their uncertainty."
    )


def _made(run: Run, kind: Kind) -> bool:
    """Whether a kind is worth a line, and this run has files of it."""
    if kind.verb == "publish":
        return True
    return bool(kind.shown or kind.verb in _MAPS) and any(True for _ in run.files(kind))


def _software() -> dict[str, Any]:
    return {
        "type": "software", "title": "Rankscape", "version": package_version(), "license": "Apache-2.0",
        "authors": [{"name": "The Rankscape authors"}],
    }  # fmt: skip


def _imagery(chosen: PublishSettings, sources: Sources) -> list[dict[str, Any]]:
    if chosen.imagery != "sentinel-2" or not sources.years:
        return []
    years = ", ".join(map(str, sources.years))
    return [{
        "type": "data", "title": f"Copernicus Sentinel-2 data [{years}]", "year": sources.years[-1],
        "authors": [{"name": "European Union, Copernicus programme"}], "publisher": {"name": "European Space Agency"},
        "url": COPERNICUS, "notes": imagery_notice(chosen, sources),
    }]  # fmt: skip


def _references(sources: Sources) -> list[dict[str, Any]]:
    return [
        {"type": "data", "title": title, "authors": [{"name": f"The makers of {title}"}], "notes": f"reference {name}"}
        for name, title in sorted(sources.references.items())
    ]


def _models(sources: Sources) -> list[dict[str, Any]]:
    return [
        {
            "type": "software",
            "title": model,
            "authors": [{"name": f"The makers of {model}"}],
            "notes": "judge of clusters",
        }
        for model in sources.models
    ]
