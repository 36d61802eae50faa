"""Find the scenes of a granule in a STAC catalogue, best first.

In: settings and the granule's window (granule, dates, cloud limit). Out: `candidates.json`, the STAC items that pass
the filters, in a total order, with unsigned addresses; those of the second catalogue under `fallback`, those of seasons
and of radar in `parts`.
"""

import datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from rankscape.foundation import progress
from rankscape.foundation.provenance import provenance
from rankscape.scenes.addresses import local_path, redacted
from rankscape.scenes.artifacts import CANDIDATES
from rankscape.scenes.granule_table import Window
from rankscape.scenes.searching import find_parts, find_scenes
from rankscape.scenes.sensors.protocol import archive_sensor
from rankscape.scenes.settings import AcquisitionSettings, SearchSettings
from rankscape.stages.options import settings_of

_WINDOW = Window(granule="48RVV", start=datetime.date(2023, 6, 1), end=datetime.date(2023, 8, 31), max_cloud_percent=20)


def search(
    *,
    settings: Annotated[str, settings_of(SearchSettings)],
    window: Annotated[str, Parameter(help=f"Query: a JSON object such as '{_WINDOW.canonical()}'.")],
    out: Annotated[Path, Parameter(help="Candidates to write (.json).")],
    acquisition: Annotated[
        str, Parameter(help="Sensor, collection, orbit and seasons: a JSON object, or the YAML file that has them.")
    ] = "{}",
) -> None:
    """Find the scenes of one granule: ask the catalogue, filter again here, drop repeated processings, sort."""
    chosen = SearchSettings.from_text(settings, "search")
    wanted = Window.from_text(window, "window")
    sought = AcquisitionSettings.from_text(acquisition, "acquisitions.*").sought()
    sensor = archive_sensor(sought.sensor)
    chosen = chosen.of_collection(sought.collection)
    if sought.windows or sensor.swath:
        answers = find_parts(chosen, sought, wanted, sensor)
        more: dict[str, Any] = {"parts": answers}
    else:
        answers = find_scenes(chosen, wanted, sensor)
        more = {**answers[0], **({"fallback": answers[1]} if answers[1:] else {})}
    files = {
        name: file
        for name, source in zip(("catalogue", "fallback"), chosen.catalogues(), strict=False)
        if source.kind == "static" and (file := local_path(source.href)) is not None and file.is_file()
    }
    document = {
        "granule": wanted.granule,
        "sensor": sought.sensor,
        "window": wanted.model_dump(mode="json"),
        **more,
    }
    CANDIDATES.write(out, document, provenance("search", chosen, files))
    for answer in answers:
        left_out = ", ".join(f"{count} {reason}" for reason, count in answer["left_out"].items()) or "none"
        where = f" in {redacted(answer['source']['href'])}" if "fallback" in more else ""
        where += f" for {answer['season']}" if answer.get("season") else ""
        progress.say(f"{wanted.granule}: {len(answer['items'])} candidates{where}, left out: {left_out}.")
