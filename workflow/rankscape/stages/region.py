"""The part of a configuration that all studies share, and what a study's own section promises.

`rankscape.config` adds the sections of the studies that a region names. A study reads both parts here, since it must
not know the other studies.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, model_validator

from rankscape.foundation.errors import GranuleError, SettingsError
from rankscape.foundation.settings import Identifier, Section, at_path, read_yaml, worded
from rankscape.products.districts.settings import DistrictSettings
from rankscape.products.outputs.settings import PublishSettings
from rankscape.products.report.settings import ReportSettings
from rankscape.samples.settings import ReferenceSettings, TileSettings
from rankscape.scenes.granule_table import SHARD_PATTERN, GranuleRow, parse_shard
from rankscape.scenes.seasons import parts_of
from rankscape.scenes.settings import AcquisitionSettings, SearchSettings, StorageSettings
from rankscape.synthetic.settings import SimulateSettings

StudyName = Annotated[
    str,
    Field(
        pattern=worded(
            r"^[a-z][a-z0-9_]*$", "the name of a study: lower-case letters, digits and _, beginning with a letter"
        ),
        max_length=64,
    ),
]
"""Name of a study: of its section, its results folder, and of its rules and commands."""
DEFAULT_ACQUISITION = "default"
"""Name of the acquisition that a region has where it names none."""
_TAKEN = {"assets", "references", "statistics"}
"""Folders beside those of the acquisitions, which therefore cannot have these names."""


class RegionSettings(Section):
    """A region: what is measured, by which studies, and how every stage works.

    A section has the name of the stage that it sets; the sections of a study lie within the study's own.
    """

    region: Identifier
    """Name of the region; results go to `results/<region>/`."""
    granules: str
    """Granule table (TSV): granule, role, start, end, max_cloud_percent; or raster, tiles, images; period, place."""
    studies: Annotated[tuple[StudyName, ...], Field(min_length=1)] = ("ranking",)
    """Studies of this region, by name; each has a section of its own below."""
    acquisitions: Annotated[dict[Identifier, AcquisitionSettings], Field(min_length=1)] = {
        DEFAULT_ACQUISITION: AcquisitionSettings()
    }
    """Kinds of imagery of the granules, by name; studies name the one that they look at."""
    references: dict[Identifier, ReferenceSettings] = {}
    """Rasters and tables that results are compared with, by name."""
    districts: dict[Identifier, DistrictSettings] = {}
    """Polygons over which results are averaged, by name."""
    shard: Annotated[str, Field(pattern=SHARD_PATTERN)] | None = None
    """Part of a large region that a run plans, such as 3/20, or `join`; given with `--config shard=3/20`."""
    storage: StorageSettings = StorageSettings()
    simulate: SimulateSettings = SimulateSettings()
    search: SearchSettings = SearchSettings()
    tile: TileSettings = TileSettings()
    report: ReportSettings = ReportSettings()
    publish: PublishSettings = PublishSettings()

    @model_validator(mode="after")
    def _shared_sections_agree(self) -> "RegionSettings":
        twice = sorted({name for name in self.studies if self.studies.count(name) > 1})
        if twice:
            raise ValueError(f"studies names {twice} twice")
        taken = sorted(_TAKEN & set(self.acquisitions))
        if taken:
            raise ValueError(f"acquisitions.{taken[0]}: a folder beside the acquisitions has this name: take another")
        self._check_beside()
        parse_shard(self.shard)
        needed = sorted({"tiles", "features"} & set(self.storage.drop))
        if self.shard is not None and needed:
            raise ValueError(
                f"shard = {self.shard!r} and storage.drop = {list(self.storage.drop)}: joining shards needs "
                f"{' and '.join(needed)}; take them out of it, and remove them yourself when the region is done"
            )
        return self

    def _check_beside(self) -> None:
        """Refuse to put acquisitions side by side that are missing, chained, or of different types of numbers."""
        for name, acquisition in self.acquisitions.items():
            if acquisition.beside is None:
                continue
            key, other = (
                f"acquisitions.{name}.beside = {acquisition.beside!r}",
                self.acquisitions.get(acquisition.beside),
            )
            if other is None or other is acquisition:
                raise ValueError(f"{key} is no other acquisition: there are {sorted(self.acquisitions)}")
            if other.beside is not None:
                raise ValueError(f"{key} has another one beside it itself: name two acquisitions, not three")
            types = [one.product_facts.dtype for one in (acquisition, other)]
            if types[0] != types[1]:
                raise ValueError(f"{key} holds {types[1]}, {name} {types[0]}: take product: reflectance beside radar")

    def acquisition(self, name: str | None, asker: str) -> str:
        """Return the acquisition that a study names, or the only one where it names none.

        Args:
            name: What the study says.
            asker: Key that says it, for messages.

        Raises:
            ValueError: If there is no such acquisition, or there are several and none is named.
        """
        names = list(self.acquisitions)
        if name is None and len(names) == 1:
            return names[0]
        if name is None:
            raise ValueError(f"{asker} must name one of acquisitions {names}")
        if name not in names:
            raise ValueError(f"{asker} = {name!r} is none of acquisitions {names}")
        return name

    def check_granules(self, table: Mapping[str, GranuleRow]) -> None:
        """Refuse scenes of a sensor that has none, and what has no coordinates to be compared at.

        Raises:
            ValueError: Naming the key and the granule table.
        """
        searched = [name for name, row in table.items() if row.local is None]
        for name, acquisition in self.acquisitions.items():
            for granule in searched if acquisition.windows else ():
                try:
                    parts_of(table[granule].window(), acquisition.windows)
                except GranuleError as error:
                    raise ValueError(str(error).rstrip(".")) from None
            if searched and not hasattr(acquisition.sensor_facts, "collection"):
                raise ValueError(
                    f"acquisitions.{name}.sensor = {acquisition.sensor!r} has no scenes to look for, but {searched[0]} "
                    f"of {self.granules} names no raster, tiles or images: give it some, or take another sensor"
                )
        if any(row.has_coordinates for row in table.values()):
            return
        for key, names, lack in (
            ("references", self.references, "nothing can be compared with a reference"),
            ("districts", self.districts, "nobody knows in which district they lie"),
        ):
            if names:
                raise ValueError(
                    f"{key} = {sorted(names)}: no granule of {self.granules} has coordinates (all are `images`), so "
                    f"{lack}: leave {key} out"
                )


class StudySettings(Section):
    """The section of a study; its subclass checks what the study needs of the shared sections and of the granules."""

    acquisition: Identifier | None = None
    """Imagery that the study looks at, one of `acquisitions`; null takes the only one that there is."""

    def check(self, region: RegionSettings) -> None:
        """Refuse what does not go with the shared sections.

        Raises:
            ValueError: In one line that names the keys.
        """

    def check_granules(self, region: RegionSettings, table: Mapping[str, GranuleRow]) -> None:
        """Refuse what the granule table cannot give.

        Raises:
            ValueError: In one line that names the key and the table.
        """


StudySection = TypeVar("StudySection", bound=StudySettings)


def read_study(path: Path, name: str, section: type[StudySection]) -> tuple[RegionSettings, StudySection]:
    """Read the shared sections and those of one study from a configuration file, whatever other studies it has.

    Args:
        path: Configuration of the region (YAML).
        name: Name of the study.
        section: Class of its section.

    Raises:
        SettingsError: If the file cannot be read, or a key or value of these sections is wrong.
    """
    values = read_yaml(path)
    others = set(_named_studies(values)) | {name}
    shared = {key: value for key, value in values.items() if key not in others}
    region = RegionSettings.checked(shared, str(path))
    own = section.checked(at_path(values, name), str(path), name)
    try:
        own.check(region)
    except ValueError as error:
        raise SettingsError(f"{path}: {error}.") from None
    return region, own


def _named_studies(values: Mapping[str, Any]) -> list[str]:
    named = values.get("studies", RegionSettings.model_fields["studies"].default)
    return [str(one) for one in named] if isinstance(named, list | tuple) else []
