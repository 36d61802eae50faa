"""How the networks were fitted, from the records of train and adapt."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from rankscape.studies.ranking.page.documents import Document, empty_as

Facts = Annotated[dict[str, Any], empty_as(dict)]
Epochs = Annotated[list[dict[str, Any]], BeforeValidator(lambda value: value if isinstance(value, list) else [])]
"""Measures of each epoch; a mere count of epochs counts as none."""


class Curve(BaseModel):
    """One network's history."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    seed: int | None = None
    best_epoch: int | None = None
    epochs: Epochs = []
    validation: Facts = {}

    @property
    def name(self) -> str:
        """Name in legends and tables."""
        return "network" if self.seed is None else f"seed {self.seed}"

    def series(self, measure: str) -> list[tuple[int, float]]:
        """Return (epoch, value) of one measure, epochs counted from 1; epochs without it are left out."""
        return [
            (int(epoch.get("epoch", number)), float(epoch[measure]))
            for number, epoch in enumerate(self.epochs, 1)
            if _is_number(epoch.get(measure))
        ]


class Training(Document):
    """The score networks' training: model/score.json."""

    verb = "ranking train"
    seeds: list[Curve]
    validation: Facts = {}
    """Metrics of the networks' mean score on the held-out patches."""
    tolerance: float = 0.07
    patches: Facts = {}
    blocks: Facts = {}
    places: str = "blocks of land"
    """What `blocks` counts."""
    limits: Annotated[list[str], empty_as(list)] = []


class Fitting(Document):
    """The backbone's adaptation to the land categories: model/backbone.json; its facts are shown as they are named."""

    model_config = ConfigDict(extra="allow", frozen=True)
    verb = "ranking adapt"
    epochs: Epochs = []

    def facts(self) -> list[tuple[str, Any]]:
        """Return what the record says, by a readable name; groups of values are taken apart."""
        return [(" ".join(path).replace("_", " "), value) for path, value in _leaves(self.model_extra or {}, ())]

    @property
    def curve(self) -> Curve:
        """The fitting's history."""
        return Curve(epochs=self.epochs)


def measures(curves: Iterable[Curve]) -> list[str]:
    """Return the names of the measures that the curves hold, in the order in which they come."""
    names = [name for curve in curves for epoch in curve.epochs for name, value in epoch.items() if _is_number(value)]
    return [name for name in dict.fromkeys(names) if name != "epoch"]


def _leaves(values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, name))
        elif isinstance(value, list):
            yield (*path, name), ", ".join(map(str, value))
        elif value is not None:
            yield (*path, name), value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
