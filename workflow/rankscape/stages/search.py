"""Find the scenes of a granule in a STAC catalogue, best first.

In: settings and the granule's window (granule, dates, cloud limit). Out: `candidates.json`, the STAC items that pass
the filters, in a total order, with unsigned addresses.
"""

from pathlib import Path
from typing import Annotated

import typer

from rankscape.foundation import progress
from rankscape.foundation.files import write_json
from rankscape.foundation.provenance import provenance
from rankscape.foundation.settings.scenes import SearchSettings
from rankscape.foundation.sheet import Window
from rankscape.scenes.addresses import local_path
from rankscape.scenes.catalogues import open_catalogue
from rankscape.scenes.choosing import choose, require_candidates
from rankscape.scenes.granules import granule
from rankscape.stages.options import Settings


def search(
    settings: Settings,
    window: Annotated[
        str, typer.Option(help="What is looked for: a JSON object with granule, start, end, max_cloud_percent.")
    ],
    out: Annotated[Path, typer.Option(help="Candidates to write (.json).")],
) -> None:
    """Find the scenes of one granule: ask the catalogue, filter again here, drop repeated processings, sort."""
    chosen = SearchSettings.from_text(settings, "search")
    wanted = Window.from_text(window, "window")
    catalogue = open_catalogue(chosen)
    choice = choose(catalogue.items(granule(wanted.granule), wanted), wanted, chosen)
    require_candidates(choice, wanted, chosen, whole_catalogue=catalogue.whole)
    file = local_path(chosen.href) if chosen.kind == "static" else None
    document = {
        "granule": wanted.granule,
        "window": wanted.model_dump(mode="json"),
        "source": chosen.model_dump(mode="json", include={"kind", "href", "collection", "signing"}),
        "items": choice.items,
        "left_out": choice.left_out,
        "provenance": provenance("search", chosen, {"catalogue": file} if file else {}),
    }
    write_json(out, document)
    left_out = ", ".join(f"{count} {reason}" for reason, count in choice.left_out.items()) or "none"
    progress.say(f"{wanted.granule}: {len(choice.items)} candidates, left out: {left_out}.")
