"""Download the best scenes of a granule: resumed, verified, signed right before each read.

In: `candidates.json` of search. Out: the assets as delivered, in a folder that all acquisitions of a region share, and
`download.json`, which names them with sizes, hashes, unsigned addresses and the offset of the raw numbers.
"""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from rankscape.foundation import progress
from rankscape.foundation.files import read_json
from rankscape.foundation.provenance import provenance
from rankscape.scenes.acquisitions import fetch_scenes, user_name
from rankscape.scenes.artifacts import DOWNLOAD
from rankscape.scenes.downloading import CONNECTIONS
from rankscape.scenes.settings import AcquisitionSettings
from rankscape.stages.options import settings_of


def fetch(
    *,
    settings: Annotated[str, settings_of(AcquisitionSettings)],
    candidates: Annotated[Path, Parameter(help="Candidates of the granule: candidates.json.")],
    out: Annotated[Path, Parameter(help="Record to write (.json).")],
    assets: Annotated[
        Path | None,
        Parameter(help="Folder of assets, shared by acquisitions; default: `assets` beside the record."),
    ] = None,
    threads: Annotated[int, Parameter(help="Assets verified at once.", validator=Number(gte=1))] = 4,
    connections: Annotated[
        int,
        Parameter(
            env_var="RANKSCAPE_CONNECTIONS",
            help="Connections in flight, of all jobs of this user on this node together.",
            validator=Number(gte=1),
        ),
    ] = CONNECTIONS,
) -> None:
    """Download the assets of the best candidates; a missing one is replaced by the next, or by the fallback."""
    chosen = AcquisitionSettings.from_text(settings, "acquisitions.*").fetched()
    document = read_json(candidates)
    folder = assets or out.parent / "assets"
    user = user_name(out, folder)
    scenes = fetch_scenes(document, chosen, folder, user, threads=threads, connections=connections)
    record = {
        "granule": document["granule"],
        "sensor": chosen.sensor,
        "product": chosen.product,
        "bands": list(chosen.bands),
        **_seasons(document, scenes),
        "scenes": scenes,
    }
    DOWNLOAD.write(out, record, provenance("fetch", chosen, {"candidates": candidates}))
    size_mb = sum(asset["bytes"] for scene in scenes for asset in scene["assets"].values()) / 1e6
    progress.say(f"{document['granule']}: {len(scenes)} scenes, {size_mb:.1f} MB: {_names(scenes)}.")


def _seasons(document: dict[str, Any], scenes: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the names of all seasons, and of those without a scene; nothing where there are none."""
    names = [part["season"] for part in document.get("parts", []) if part["season"]]
    seasons = list(dict.fromkeys(names))
    there = {scene.get("season") for scene in scenes}
    missing = [name for name in seasons if name not in there]
    if missing:
        progress.say(f"{document['granule']}: without a scene: {', '.join(missing)}; nothing stands in for them.")
    return {"seasons": seasons, "missing_seasons": missing} if seasons else {}


def _names(scenes: list[dict[str, Any]]) -> str:
    return ", ".join(scene["item_id"] for scene in scenes)
