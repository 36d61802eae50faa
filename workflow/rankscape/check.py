"""Check a configuration and its granule table, as the workflow does before any job."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from rankscape.config import check_config, check_granules
from rankscape.foundation.errors import SettingsError
from rankscape.foundation.progress import say
from rankscape.foundation.settings import read_yaml
from rankscape.samples.listing import look_through
from rankscape.scenes.granule_table import read_granule_table


def check(
    *configfiles: Annotated[
        Path,
        Parameter(help="Configuration files in the order of --configfile: a later one has the last word."),
    ],
) -> None:
    """Check a configuration, its granule table and its folders of images; the first fault is one line."""
    if not configfiles:
        raise SettingsError("Which configuration? Give its file, such as rankscape check config/config.yaml.")
    values: dict[str, Any] = {}
    for file in configfiles:
        values = _joined(values, read_yaml(file))
    config = check_config(values, ", ".join(map(str, configfiles)))
    table = read_granule_table(Path(config.granules))
    check_granules(config, table)
    look_through(table)
    say(f"In order: region {config.region}, {len(table)} rows of granules, studies {', '.join(config.studies)}.")


def _joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Put keys of a second file over those of a first one, section by section."""
    both = dict(first)
    for key, value in second.items():
        old = both.get(key)
        both[key] = _joined(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return both
