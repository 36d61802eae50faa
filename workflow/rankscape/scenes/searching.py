"""Asking one catalogue after the other for the scenes of a granule."""

from typing import Any

from rankscape.foundation import progress
from rankscape.foundation.errors import CatalogueError, GranuleError
from rankscape.scenes.catalogues import open_catalogue
from rankscape.scenes.choosing import choose, require_candidates
from rankscape.scenes.granule_table import Window
from rankscape.scenes.granules import granule
from rankscape.scenes.retries import Patience
from rankscape.scenes.sensors.protocol import ArchiveSensor
from rankscape.scenes.settings import SearchSettings


def find_scenes(
    settings: SearchSettings, wanted: Window, sensor: ArchiveSensor, patience: Patience | None = None
) -> list[dict[str, Any]]:
    """Ask every catalogue of the settings; one that fails is passed over if another has scenes.

    Args:
        settings: The catalogue, and the fallback if there is one.
        wanted: Granule, dates and cloud limit.
        sensor: What scenes are looked for.
        patience: How often and how long to try again.

    Returns:
        For each catalogue, first one first: `source`, `items` (best first, unsigned addresses), `left_out`.

    Raises:
        CatalogueError: If no catalogue gives a scene, and the first does not answer.
        GranuleError: If no catalogue gives a scene, and the first has none.
    """
    answers: list[dict[str, Any]] = []
    errors: list[CatalogueError | GranuleError] = []
    for named in settings.catalogues():
        source = named.model_copy(update={"collection": named.collection or sensor.collection})
        answer: dict[str, Any] = {
            "source": source.model_dump(mode="json", include={"kind", "href", "collection", "signing"}),
            "items": [],
            "left_out": {},
        }
        answers.append(answer)
        try:
            catalogue = open_catalogue(source, sensor, patience)
            choice = choose(catalogue.items(granule(wanted.granule), wanted), wanted, source, sensor)
            answer["left_out"] = choice.left_out
            require_candidates(choice, wanted, source, whole_catalogue=catalogue.whole)
            answer["items"] = choice.items
        except (CatalogueError, GranuleError) as failed:
            errors.append(failed)
    if len(errors) == len(answers):
        for error in errors[1:]:
            progress.say(str(error))
        raise errors[0]
    for error in errors:
        progress.say(f"{error} The other catalogue has scenes.")
    return answers
