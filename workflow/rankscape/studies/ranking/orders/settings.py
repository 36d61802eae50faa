"""Settings of orders, and of how they are merged and audited (docs/methods/ranking.md)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rankscape.foundation.settings import Identifier, Section


class RankSettings(Section):
    """How a round's scores become a partial order."""

    margin: Annotated[float, Field(ge=0, le=100)] = 10.0
    """Clusters whose scores differ by no more are tied."""
    ties: Literal["leader", "chain", "interval"] = "leader"
    """Rule that makes ties an order: groups by their first member, by neighbours, or the true semiorder."""


class OrderFromReferenceSettings(Section):
    """How a reference raster becomes a partial order of the clusters."""

    references: tuple[Identifier, ...] = ()
    """Names of references, among `references`, that vote as one order each."""
    draws: Annotated[int, Field(ge=100, le=100_000)] = 1000
    """Bootstrap draws for the error of each cluster's mean."""
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Confidence at which a difference counts; below it the two clusters are equal."""
    block_m: Annotated[float, Field(gt=0)] | None = 20_000.0
    """Side of the blocks that the bootstrap draws whole; null draws single patches, as if there were no
    spatial autocorrelation, and tells apart too much."""
    correction: Literal["benjamini-hochberg", "holm", "none"] = "benjamini-hochberg"
    """What 1 - `level` bounds: the share of errors among the pairs told apart, the chance of any error at all, or the
    chance of error of each pair by itself."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the bootstrap."""


class EnsembleSettings(Section):
    """How partial orders are merged."""

    method: Literal["robust", "welsch", "mean", "kemeny", "bradley_terry", "report"] = "robust"
    """Ensemble (docs/methods/ranking.md); `report` reproduces the Sichuan report and its flaw."""
    levels: Annotated[int, Field(ge=2, le=100)] | None = None
    """Number of levels of the merged order, not counting uninhabited land; null lets the silhouette choose."""
    min_levels: Annotated[int, Field(ge=2, le=100)] = 3
    """Fewest levels that the silhouette may choose; on real orders it likes 2, which keeps little of the order."""
    bootstrap_draws: Annotated[int, Field(ge=0, le=100_000)] = 1000
    """Resamples of the orders for the rank intervals; 0 gives none, and `bradley_terry` takes 200 at most."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Coverage of the rank intervals."""
    report_sigma: Annotated[float, Field(gt=0)] = 20.0
    """Scale of method `report`."""
    report_tolerance: Annotated[float, Field(gt=0)] = 1e-6
    """Largest change of ranks at which method `report` stops."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the bootstrap."""


class AuditSettings(Section):
    """How it is measured what judges and people can be trusted with."""

    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Coverage of the intervals."""
    draws: Annotated[int, Field(ge=100, le=100_000)] = 1000
    """Bootstrap draws over clusters for the drift between rounds."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the bootstrap."""


class PeopleSettings(Section):
    """Orders that people gave."""

    folder: str | None = None
    """Folder of annotators' files, `.txt` (text) or `.json` (of `rankscape ranking annotate`); each file votes as one
    order."""
    collection: str | None = None
    """Text file with one order a line, a person each; each line votes as one order."""
    annotators: str | None = None
    """Text file with the names of the collection's people, one a line in the same order; without it they are
    numbered by line."""

    @model_validator(mode="after")
    def _not_empty(self) -> "PeopleSettings":
        for name, kind in (("folder", "folder"), ("collection", "file"), ("annotators", "file")):
            value = getattr(self, name)
            if value is not None and not value.strip():
                raise ValueError(f"{name} must name a {kind}, or be null")
        if self.annotators is not None and self.collection is None:
            raise ValueError("annotators names the people of a collection: give collection too")
        return self

    @property
    def vote(self) -> bool:
        """Whether people's orders are given at all."""
        return self.folder is not None or self.collection is not None
