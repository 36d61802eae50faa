"""The whole configuration: the shared sections and those of the region's studies, checked before any job."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, create_model

from rankscape.foundation.errors import GranuleError, SettingsError
from rankscape.foundation.settings import explain, read_yaml
from rankscape.foundation.studies import find_study, load, study_names
from rankscape.scenes.granule_table import GranuleRow
from rankscape.scenes.mgrs import granule
from rankscape.stages.region import RegionSettings, StudySettings

RENAMED = {
    "invent": "simulate",
    "tile.resize_pictures": "tile.resize_images",
    "fetch": "acquisitions.<name>",
    "compose": "acquisitions.<name>",
    "draw": "ranking.sample",
    "derive": "ranking.order_from_reference",
    "review": "ranking.inspection_sheets",
    "mosaic": "ranking.rasterize",
    "merge": "ranking.mosaic",
    "ranking.draw": "ranking.sample",
    "ranking.sample.min_picture_px": "ranking.sample.min_image_px",
    "ranking.rate.pair_pictures": "ranking.rate.pair_images",
    "ranking.derive": "ranking.order_from_reference",
    "ranking.review": "ranking.inspection_sheets",
    "ranking.merge": "ranking.mosaic",
    "ranking.change.pictures": "ranking.change.images",
    "ranking.train.partner": "ranking.train.auxiliary",
    "ranking.train.land_shares": "ranking.train.area_shares",
}
"""Keys of earlier versions, and where their values belong now; keys that moved into a study's section need no line."""


def config_model(studies: tuple[str, ...]) -> type[RegionSettings]:
    """Return the class of a configuration with the sections of these studies.

    Args:
        studies: Names of studies.

    Raises:
        SettingsError: If one is unknown.
    """
    return _model(tuple(dict.fromkeys(studies)))


@cache
def _model(studies: tuple[str, ...]) -> type[RegionSettings]:
    sections = {name: load(find_study(name).settings) for name in studies}
    fields: dict[str, Any] = {name: (section, Field()) for name, section in sections.items()}
    return create_model("Config", __base__=RegionSettings, __doc__=RegionSettings.__doc__, **fields)


def sections_of(config: RegionSettings) -> dict[str, StudySettings]:
    """Return the section of each of a configuration's studies."""
    return {name: getattr(config, name) for name in config.studies}


def check_config(values: Mapping[str, Any], origin: str) -> RegionSettings:
    """Validate a whole configuration; keys that Snakemake itself reads are passed over.

    Args:
        values: The configuration as Snakemake or YAML gives it.
        origin: File or files it came from, for the message.

    Returns:
        The shared sections, and for each study an attribute of its name with its own section.

    Raises:
        SettingsError: If a study is unknown, or a key or value is wrong, in one line.
    """
    own = {key: value for key, value in values.items() if key not in {"pathvars"}}
    studies = _studies(own, origin)
    _refuse_old_keys(own, studies, origin)
    try:
        # A study that has no section has the defaults of one.
        config = config_model(studies).model_validate({**{name: {} for name in studies}, **own})
        for section in sections_of(config).values():
            section.check(config)
    except ValidationError as error:
        faults = {(fault["type"], fault["loc"]) for fault in error.errors()}
        if {("missing", ("region",)), ("missing", ("granules",))} <= faults:
            raise SettingsError(
                f"{origin} names no region and no granules: a file of settings, such as a preset, is given after a "
                f"region's own file: --configfile config/mine.yaml {origin}."
            ) from None
        raise SettingsError(explain(error, origin, section=config_model(studies))) from None
    except ValueError as error:
        raise SettingsError(f"{origin}: {error}. The keys are explained in config/README.md.") from None
    return config


def _studies(values: Mapping[str, Any], origin: str) -> tuple[str, ...]:
    """The studies that a configuration names, each known; what is no list of names is left to the model to refuse."""
    named = values.get("studies")
    if named and isinstance(named, list | tuple) and all(isinstance(one, str) for one in named):
        try:
            return tuple(find_study(one).name for one in named)
        except SettingsError as error:
            raise SettingsError(f"{origin}: {error}") from None
    default: tuple[str, ...] = RegionSettings.model_fields["studies"].default
    return default


def _refuse_old_keys(values: Mapping[str, Any], studies: tuple[str, ...], origin: str) -> None:
    """Name the new place of each key of an earlier version, and the study of a section that no study was named for."""
    moved = {
        field: f"{study}.{field}"
        for study in studies
        for field in _fields(study)
        if field not in RegionSettings.model_fields
    }
    for old, new in {**moved, **RENAMED}.items():
        if _has(values, old):
            raise SettingsError(f"{origin}: {old} is now {new}. The keys are explained in config/README.md.")
    for name in values:
        if name not in RegionSettings.model_fields and name not in studies and name in study_names():
            raise SettingsError(f"{origin}: {name} is the section of a study: name it in studies, or leave it out.")


def _fields(study: str) -> Mapping[str, Any]:
    section: type[BaseModel] = load(find_study(study).settings)
    return section.model_fields


def _has(values: Any, path: str) -> bool:
    first, _, rest = path.partition(".")
    return isinstance(values, Mapping) and first in values and (not rest or _has(values[first], rest))


def check_granules(config: RegionSettings, table: Mapping[str, GranuleRow]) -> None:
    """Refuse what the granule table cannot give: MGRS granules that exist, places to compare at, periods.

    Raises:
        SettingsError: Naming the key and the table.
    """
    try:
        _check_squares(table)
        config.check_granules(table)
        for section in sections_of(config).values():
            section.check_granules(config, table)
    except ValueError as error:
        raise SettingsError(f"{error}.") from None


def _check_squares(table: Mapping[str, GranuleRow]) -> None:
    for row in table.values():
        if row.local is None:
            try:
                granule(row.location)
            except GranuleError as error:
                raise ValueError(
                    f"granules: {str(error).removesuffix('.')}: mend its row of the granule table"
                ) from None


def load_config(path: Path) -> RegionSettings:
    """Read and validate a configuration file.

    Raises:
        SettingsError: If the file cannot be read, or a key or value is wrong.
    """
    return check_config(read_yaml(path), str(path))
