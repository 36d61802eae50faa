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
from rankscape.studies.embeddings.network_settings import NetworkSettings, Tile2VecSettings
from rankscape.studies.embeddings.tasks import (
    BASELINES,
    CurveSettings,
    DownstreamSettings,
    InferenceSettings,
    LabellingSettings,
    MapSettings,
    Model,
    SplitSettings,
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
OWN_PREDICTION = "end-to-end"
"""Ending of the name under which a network's own predictions are judged."""


class EmbeddingsSettings(StudySettings):
    """How well do image embeddings predict labels?"""

    embedders: Annotated[dict[Identifier, Embedder], Field(min_length=1)] = {"convolutions": EmbedderSettings()}
    """Embeddings by name: computed from the patches, or supplied as files by `path`."""
    networks: dict[Identifier, NetworkSettings] = {}
    """Networks that learn labels, by name; each is an embedding, and predicts by itself too."""
    tile2vec: dict[Identifier, Tile2VecSettings] = {}
    """Networks that learn from what lies near each other, by name; each is an embedding."""
    combined: dict[Identifier, tuple[Identifier, ...]] = {}
    """Networks of kind `single`, by name; of each task those of all other tasks stand side by side."""
    combinations: dict[Identifier, tuple[Identifier, ...]] = {}
    """Embeddings side by side, by name; each has a penalty of its own."""
    tasks: dict[Identifier, TaskSettings] = {}
    """Labels by name; at least one."""
    baselines: tuple[Literal["coordinates", "smoothing"], ...] = BASELINES
    """What predicts without an image, for comparison."""
    embed: EmbedSettings = EmbedSettings()
    label: LabellingSettings = LabellingSettings()
    split: SplitSettings = SplitSettings()
    units: dict[Identifier, UnitsSettings] = {}
    """Tables of units with features of their own, by name."""
    regressions: dict[Identifier, InferenceSettings] = {}
    """Regressions of predicted labels on references, by name."""
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
            unknown = sorted(set(parts) - set(self.embeddings()))
            if unknown:
                raise ValueError(f"combinations.{name} names {unknown}; there are {sorted(self.embeddings())}")
        own = [f"{name}-{OWN_PREDICTION}" for name in self.learners()]
        names = [*self.embeddings(), *self.combinations, *self.combined, *BASELINES, *own]
        names += [name for name, model in self.models().items() if model != "ridge"]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{twice} name an embedding, and a combination or a baseline too: take other names")
        return self

    @model_validator(mode="after")
    def _networks_learn_tasks(self) -> "EmbeddingsSettings":
        for name, network in self.networks.items():
            unknown = sorted(set(network.tasks) - set(self.tasks))
            if unknown:
                raise ValueError(f"networks.{name}.tasks names {unknown}; tasks has {sorted(self.tasks)}")
        for name, parts in self.combined.items():
            for part in parts:
                if part not in self.networks:
                    raise ValueError(f"combined.{name} names {part!r}; networks has {sorted(self.networks)}")
                if self.networks[part].kind != "single":
                    raise ValueError(
                        f"combined.{name} names {part!r}, which learns {', '.join(self.networks[part].tasks)} together;"
                        " a task's own network must not be in its combined features: name networks of kind `single`"
                    )
            if len(set(parts)) < len(parts) or len({task for part in parts for task in self.networks[part].tasks}) < 2:
                raise ValueError(f"combined.{name} = {list(parts)} must name networks of two tasks at least, each once")
        return self

    def learners(self) -> dict[str, NetworkSettings]:
        """Return every network that learns labels, by name; a network of kind `single` is one of each task."""
        found: dict[str, NetworkSettings] = {}
        for name, network in self.networks.items():
            one = network.kind == "single"
            found |= {f"{name}-{task}": network.alone(task) for task in network.tasks} if one else {name: network}
        return found

    def learned(self) -> list[str]:
        """Return the tasks that networks learn, in alphabetical order."""
        return sorted({task for network in self.networks.values() for task in network.tasks})

    def embeddings(self) -> list[str]:
        """Return the names of all embeddings."""
        return [*self.embedders, *self.tile2vec, *self.learners()]

    def others(self, task: str) -> dict[str, tuple[str, ...]]:
        """Return combined features of a task: the networks of all other tasks, by name."""
        return {
            name: tuple(f"{part}-{one}" for part in parts for one in self.networks[part].tasks if one != task)
            for name, parts in self.combined.items()
        }

    def predicting(self, task: str) -> dict[str, str]:
        """Return the networks that predict a task themselves, by the name under which they are judged."""
        return {f"{name}-{OWN_PREDICTION}": name for name, one in self.learners().items() if task in one.tasks}

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
        """Return the embeddings of every embedding and combination that learned from no label, by name.

        Those that did are judged at places held out from them alone: `compared` has them too.
        """
        learned = set(self.learners())
        sets = {**{name: (name,) for name in self.embeddings()}, **self.combinations}
        return {name: parts for name, parts in sets.items() if not learned & set(parts)}

    def compared(self, task: str) -> dict[str, tuple[str, ...]]:
        """Return the embeddings of everything that a task is predicted from, by name; none for other predictions.

        Networks of one other task are compared side by side alone (`combined`).
        """
        single = [name for name, network in self.networks.items() if network.kind == "single"]
        apart = {f"{name}-{one}" for name in single for one in self.networks[name].tasks if one != task}
        alone = {name: (name,) for name in self.embeddings() if name not in apart}
        sets = {**alone, **self.combinations, **self.others(task)}
        named = {_named(name, model): parts for model in self.downstream.models for name, parts in sets.items()}
        return {**named, **dict.fromkeys([*self.predicting(task), *self.baselines], ())}

    def models(self) -> dict[str, Model]:
        """Return what predicts from embeddings of everything that is compared, by name; baselines have none."""
        sets = [*self.embeddings(), *self.combinations, *self.combined]
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
        for name, one in self.supplied().items():
            if any(sign in one.path for sign in "*?[") and one.files() == [Path(one.path)]:
                raise ValueError(f"embeddings.embedders.{name}.path = {one.path!r} matches no file: mend the pattern")
        for name, task in self.tasks.items():
            if task.reference not in region.references:
                raise ValueError(
                    f"embeddings.tasks.{name}.reference = {task.reference!r} is none of references"
                    f" {sorted(region.references)}"
                )
        for name in self.learned():
            if region.references[self.tasks[name].reference].displacement_m is not None:
                raise ValueError(
                    f"embeddings.networks learn {name}, whose points are displaced: a network needs the label of one"
                    " image, so leave it out"
                )

        self._check_units()
        self._check_regressions(region)

    def _check_regressions(self, region: RegionSettings) -> None:
        for name, one in self.regressions.items():
            known = (("task", {one.task}, self.tasks), ("features", {one.features}, self.embedding_sets()),
                     ("covariates", set(one.covariates), region.references))  # fmt: skip
            for key, given, there in known:
                unknown = sorted(given - set(there))
                if unknown:
                    raise ValueError(f"embeddings.regressions.{name}.{key} names {unknown}; there are {sorted(there)}")
            if region.references[self.tasks[one.task].reference].displacement_m is not None:
                raise ValueError(
                    f"embeddings.regressions.{name}: points of {one.task} are displaced: name a task of places that are"
                    " known"
                )
            if self.tasks[one.task].reference in one.covariates:
                raise ValueError(f"embeddings.regressions.{name}: the reference of {one.task} cannot explain itself")

    def _check_units(self) -> None:
        for name, units in self.units.items():
            unknown = sorted(set(units.embeddings) - set(self.embeddings()))
            if unknown:
                raise ValueError(f"embeddings.units.{name}.embeddings names {unknown}; there are {self.embeddings()}")
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
        if not any(row.role == "fit" and row.has_coordinates for row in table.values()):
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
