"""The file of an annotation: what a person saw, how the cards were laid out, and the order that follows."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rankscape.foundation.errors import InputError, OrderError
from rankscape.foundation.files import read_json, write_json
from rankscape.studies.ranking.orders.partial_orders import Relation

FORMAT: Final = "rankscape-annotation"
"""Says what the file is."""


class Closed(BaseModel):
    """A part of the file: unknown keys are refused, values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class ClusterFacts(Closed):
    """One ranked cluster, as it was when the cards were dealt."""

    cluster: int
    """Number of the cluster."""
    category: str
    """Land category."""
    size: int
    """Patches."""
    medoid: str | None = None
    """Patch nearest to the cluster's centre."""


class AnnotationCard(Closed):
    """One card: a cluster, or one more look at a cluster that has a card already."""

    card: int
    """Number that the annotator sees; 1 is the first card dealt."""
    cluster: int
    """Cluster that the card stands for."""
    duplicate: bool = False
    """The hidden second card of a cluster, which checks consistency and has no part in the order."""
    patches: tuple[str, ...]
    """Patches that the card can show, in the order in which it shows them."""
    seen: Annotated[int, Field(ge=0)] = 0
    """How many of them were on the screen, from the first on."""


class Mark(Closed):
    """What the annotator said of one pair of cards."""

    a: int
    """One card."""
    b: int
    """The other card."""
    relation: Relation
    """What a is to b."""


class Arrangement(Closed):
    """Where the cards lie."""

    tiers: tuple[tuple[int, ...], ...] = ()
    """Cards by tier, the most developed tier first; cards of a tier are tied."""
    tray: tuple[int, ...] = ()
    """Cards that cannot be compared with the others, but for pairs that are marked."""
    deck: tuple[int, ...] = ()
    """Cards not placed yet."""
    marks: tuple[Mark, ...] = ()
    """Pairs that something was said of."""

    def check(self, cards: set[int]) -> Self:
        """Return the arrangement if every card lies in one place, and marks are on two cards, once a pair.

        Raises:
            ValueError: Naming the cards.
        """
        lying = Counter([*self.tray, *self.deck, *(card for tier in self.tiers for card in tier)])
        wrong = sorted(card for card in cards | set(lying) if lying[card] != 1 or card not in cards)
        if wrong:
            raise ValueError(f"the cards {wrong} do not exist, or do not lie in exactly one place")
        pairs = Counter(frozenset((mark.a, mark.b)) for mark in self.marks)
        strange = sorted(
            sorted(pair) for pair, count in pairs.items() if len(pair) < 2 or not pair <= cards or count > 1
        )
        if strange:
            raise ValueError(f"the marked pairs {strange} are not two cards, or are marked twice")
        return self


class View(Closed):
    """How the page shows the cards."""

    category: bool = True
    """Whether the clusters' land categories are shown."""
    size: Literal["small", "medium", "large"] = "medium"
    """Size of the cards."""


class Carried(Closed):
    """One carrying over to clusters that were made anew."""

    before: str
    """Fingerprint of the clusters before."""
    after: str
    """Fingerprint of the clusters after."""
    clusters: dict[str, int]
    """New number by old number."""
    shares: dict[str, float]
    """Share of an old cluster's known patches that lie in its new cluster."""


class Annotation(Closed):
    """An annotation, finished or not."""

    format: Literal["rankscape-annotation"] = FORMAT
    """Always `rankscape-annotation`."""
    version: Literal[1] = 1
    """Version of the format."""
    finished: bool = False
    """Only a finished annotation is an order."""
    region: str
    """Region whose clusters were ranked."""
    annotator: str
    """Who ranked them."""
    fingerprint: str
    """Fingerprint of the clusters: numbers mean nothing for others."""
    uninhabited: int | None = None
    """Cluster without people, which has no card."""
    clusters: tuple[ClusterFacts, ...]
    """The ranked clusters."""
    cards: tuple[AnnotationCard, ...]
    """The cards in the order in which they were dealt."""
    arrangement: Arrangement
    """Where the cards lie."""
    view: View = View()
    """How the page showed them last."""
    sessions: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Seconds that the annotator was busy, by session of the page."""
    revision: Annotated[int, Field(ge=0)] = 0
    """Number of changes saved."""
    window: str = ""
    """Session of the page that saved last."""
    started: str = ""
    """When the cards were dealt (UTC)."""
    ended: str | None = None
    """When the annotation was finished last (UTC)."""
    carried: tuple[Carried, ...] = ()
    """Earlier clusters that it was made for."""
    package: str = ""
    """Version of Rankscape."""
    result: dict[str, Any] | None = None
    """What follows, for readers: the order by cluster, the consistency check, the seconds spent; null in a draft."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        known = [facts.cluster for facts in self.clusters]
        if len(set(known)) < len(known) or len(set(self.numbers)) < len(self.cards):
            raise ValueError("a cluster or a card stands twice")
        own = [card.cluster for card in self.cards if not card.duplicate]
        unknown = sorted({card.cluster for card in self.cards} - set(known))
        if unknown or sorted(own) != sorted(known):
            raise ValueError(f"the cards do not stand for the clusters {sorted(known)}, each once (unknown: {unknown})")
        self.arrangement.check(set(self.numbers))
        if self.finished and self.arrangement.deck:
            raise ValueError(f"it is called finished, but the cards {list(self.arrangement.deck)} are not placed")
        return self

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the cards."""
        return tuple(card.card for card in self.cards)

    @property
    def seconds(self) -> float:
        """Seconds that the annotator was busy."""
        return round(sum(self.sessions.values()), 1)

    @property
    def placed(self) -> int:
        """Number of cards that lie in a tier or the tray."""
        return len(self.cards) - len(self.arrangement.deck)

    def changed(self, **values: Any) -> "Annotation":
        """Return a copy with other values, checked anew.

        Raises:
            ValueError: If the copy would not be whole.
        """
        return Annotation.model_validate({**dict(self), **values})


def read_annotation(path: Path) -> Annotation:
    """Read an annotation or a draft.

    Raises:
        OrderError: If the file is missing, no annotation, or not whole.
    """
    try:
        document = read_json(path)
    except InputError as error:
        raise OrderError(str(error).replace("delete it and make it again", "mend it, or take it away")) from None
    if document.get("format") != FORMAT:
        raise OrderError(
            f"{path} is no annotation: its `format` is {document.get('format')!r}, not {FORMAT!r}; take it away, or "
            f"write the order as text (.txt)."
        )
    try:
        return Annotation.model_validate(document)
    except ValidationError as error:
        raise OrderError(f"{path} is no whole annotation: {explained(error)}.") from None


def write_annotation(path: Path, annotation: Annotation) -> None:
    """Write an annotation atomically."""
    write_json(path, annotation.model_dump(mode="json"))


def explained(error: ValidationError) -> str:
    """Say in one line what is wrong: where, what, and how many faults more."""
    first, *others = error.errors()
    place = ".".join(map(str, first["loc"]))
    more = f" (and {len(others)} more)" if others else ""
    return f"{place + ': ' if place else ''}{first['msg'].removeprefix('Value error, ')}{more}"
