"""The section `embeddings` of a configuration: embeddings and tasks by name, and how they are evaluated."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from rankscape.foundation.settings import KIND, Identifier
from rankscape.learning.settings import EmbedderSettings, EmbedSettings
from rankscape.samples.settings import SuppliedSettings
from rankscape.scenes.granule_table import GranuleRow
from rankscape.stages.region import RegionSettings, StudySettings
from rankscape.studies.embeddings.tasks import (
    BASELINES,
    CurveSettings,
    DownstreamSettings,
    LabellingSettings,
    MapSettings,
    Model,
    TaskSettings,
    UnitsSettings,
)

_NETWORK, _SUPPLIED = f"{KIND}network>", f"{KIND}supplied>"


def _kind(value: Any) -> str:
    """Embeddings that are supplied have a path; all others are computed."""
    given = value if isinstance(value, Mapping) else getattr(type(value), "model_fields", {})
    return _SUPPLIED if "path" in given else _NETWORK


Embedder = Annotated[
    Annotated[EmbedderSettings, Tag(_NETWORK)] | Annotated[SuppliedSettings, Tag(_SUPPLIED)], Discriminator(_kind)
]


class EmbeddingsSettings(StudySettings):
    """How well do image embeddings predict labels?"""

    embedders: Annotated[dict[Identifier, Embedder], Field(min_length=1)] = {"convolutions": EmbedderSettings()}
    """Embeddings by name: computed from the patches, or supplied as files by `path`."""
    combinations: dict[Identifier, tuple[Identifier, ...]] = {}
    """Embeddings side by side, by name; each has a penalty of its own."""
    tasks: dict[Identifier, TaskSettings] = {}
    """Labels by name; at least one."""
    baselines: tuple[Literal["coordinates", "smoothing"], ...] = BASELINES
    """What predicts without an image, for comparison."""
    embed: EmbedSettings = EmbedSettings()
    label: LabellingSettings = LabellingSettings()
    units: dict[Identifier, UnitsSettings] = {}
    """Tables of units with features of their own, by name."""
    downstream: DownstreamSettings = DownstreamSettings()
    curve: CurveSettings = CurveSettings()
    maps: dict[Identifier, MapSettings] = {}
    """Tasks that are predicted at every patch, by name."""

    @field_validator("combinations")
    @classmethod
    def _combine_several(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, parts in value.items():
            if len(set(parts)) < 2 or len(set(parts)) < len(parts):
                raise ValueError(f"{name} = {list(parts)} must name two different embeddings at least, each once")
        return value

    @model_validator(mode="after")
    def _names_known(self) -> "EmbeddingsSettings":
        for name, parts in self.combinations.items():
            unknown = sorted(set(parts) - set(self.embedders))
            if unknown:
                raise ValueError(f"combinations.{name} names {unknown}; embedders has {sorted(self.embedders)}")
        names = [*self.embedders, *self.combinations, *BASELINES]
        names += [name for name, model in self.models().items() if model != "ridge"]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{twice} name an embedding, and a combination or a baseline too: take other names")
        return self

    def supplied(self) -> dict[str, SuppliedSettings]:
        """Return the embeddings that are supplied as files, by name."""
        return {name: one for name, one in self.embedders.items() if isinstance(one, SuppliedSettings)}

    @model_validator(mode="after")
    def _maps_possible(self) -> "EmbeddingsSettings":
        known = self.embedding_sets()
        asked = {f"maps.{task}.features": (one.features,) for task, one in self.maps.items()}
        for key, names in (asked | {"curve.features": self.curve.features or ()}).items():
            unknown = sorted(set(names) - set(known))
            if unknown:
                raise ValueError(f"{key} names {unknown}; embedders and combinations are {sorted(known)}")
        for task, one in self.maps.items():
            if task not in self.tasks:
                raise ValueError(f"maps.{task} is none of tasks {sorted(self.tasks)}")
            if one.pixels:
                self._check_pixels(task, one.features)
        return self

    def _check_pixels(self, task: str, features: str) -> None:
        own = self.embedders.get(features)
        words = own.architecture.split("-") if isinstance(own, EmbedderSettings) else []
        if words[:2] != ["random", "convolutions"] or {"rms", "log"} & set(words):
            raise ValueError(
                f"maps.{task}.pixels asks for pixels, but {features!r} is no mean over pixels: name an embedding of"
                " random convolutions without -rms and -log as features, or set pixels to false"
            )

    def curves(self) -> tuple[str, ...]:
        """Return the embeddings and combinations whose curves are drawn."""
        return tuple(self.embedders) if self.curve.features is None else self.curve.features

    def embedding_sets(self) -> dict[str, tuple[str, ...]]:
        """Return the embeddings of every embedding and combination, by name."""
        return {**{name: (name,) for name in self.embedders}, **self.combinations}

    def compared(self) -> dict[str, tuple[str, ...]]:
        """Return the embeddings of everything that is compared, by name; none for baselines."""
        sets = self.embedding_sets()
        named = {_named(name, model): parts for model in self.downstream.models for name, parts in sets.items()}
        return {**named, **dict.fromkeys(self.baselines, ())}

    def models(self) -> dict[str, Model]:
        """Return what predicts from embeddings of everything that is compared, by name; baselines have none."""
        sets = self.embedding_sets()
        return {_named(name, model): model for model in self.downstream.models for name in sets}

    def embeddings_of_units(self, name: str) -> tuple[str, ...]:
        """Return the embeddings of patches that a table of units is joined to."""
        units = self.units[name]
        return units.embeddings or (tuple(self.embedders) if units.longitude is not None else ())

    def check(self, region: RegionSettings) -> None:
        """Refuse to predict nothing, or references that the region does not have.

        Raises:
            ValueError: In one line that names the keys.
        """
        region.acquisition(self.acquisition, "embeddings.acquisition")
        if not self.tasks:
            raise ValueError("embeddings.tasks is empty: name one label at least, by its reference")
        for name, task in self.tasks.items():
            if task.reference not in region.references:
                raise ValueError(
                    f"embeddings.tasks.{name}.reference = {task.reference!r} is none of references"
                    f" {sorted(region.references)}"
                )

        self._check_units()

    def _check_units(self) -> None:
        for name, units in self.units.items():
            unknown = sorted(set(units.embeddings) - set(self.embedders))
            if unknown:
                raise ValueError(
                    f"embeddings.units.{name}.embeddings names {unknown}; embedders has {sorted(self.embedders)}"
                )
            if not units.path:
                raise ValueError(f"embeddings.units.{name}.path is missing: give the table of units")
            if not units.tables and not self.embeddings_of_units(name):
                raise ValueError(
                    f"embeddings.units.{name}: no embedding: give `tables`, or the columns `longitude` and `latitude`"
                )
            names = [*self.embeddings_of_units(name), *(Path(table).stem for table in units.tables), "units"]
            twice = sorted({one for one in names if names.count(one) > 1})
            if twice:
                raise ValueError(f"embeddings.units.{name}: {twice} name two embeddings: rename the file of `tables`")

    def check_granules(self, region: RegionSettings, table: Mapping[str, GranuleRow]) -> None:
        """Refuse a region in which nothing has a place, and maps of granules that it does not have.

        Raises:
            ValueError: Naming the key and the table.
        """
        if not any(row.role == "fit" and row.located for row in table.values()):
            raise ValueError(
                f"embeddings.tasks: no granule of {region.granules} with the role `fit` has coordinates, so no label"
                " can be brought to it"
            )
        for task, one in self.maps.items():
            strangers = sorted(set(one.pixels) - set(table)) if isinstance(one.pixels, tuple) else []
            if strangers:
                raise ValueError(f"embeddings.maps.{task}.pixels names {strangers}, which {region.granules} has not")


def _named(features: str, model: Model) -> str:
    return features if model == "ridge" else f"{features}-{model}"
