"""One annotator's work on one region: opened from disk, saved with every change, finished into an order."""

import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from rankscape.foundation.checkout import package_version
from rankscape.foundation.errors import OrderError
from rankscape.studies.ranking.annotation.cards import Region, deal
from rankscape.studies.ranking.annotation.document import (
    Annotation,
    Arrangement,
    Closed,
    View,
    read_annotation,
    write_annotation,
)
from rankscape.studies.ranking.annotation.placing import (
    Contradiction,
    consistency,
    contradictions,
    made_for_others,
    order_of,
    without,
)
from rankscape.studies.ranking.orders.people import check_annotator

_ID = r"^[A-Za-z0-9-]{1,64}$"


class PageChange(Closed):
    """What the page sends after a change."""

    window: Annotated[str, Field(pattern=_ID)]
    """Session of the page."""
    revision: Annotated[int, Field(ge=0)]
    """Number of changes that the page knew to be saved."""
    arrangement: Arrangement
    """Where the cards lie now."""
    view: View = View()
    """How they are shown."""
    seen: dict[int, Annotated[int, Field(ge=0)]] = {}
    """Patches seen, by card."""
    seconds: Annotated[float, Field(ge=0)] = 0.0
    """Seconds that the annotator was busy in this session of the page."""


class OutdatedError(OrderError):
    """A page sent a change to a state that another page has changed since."""


def draft_of(finished: Path) -> Path:
    """Return where the unfinished annotation lies: a hidden file that the workflow does not take."""
    return finished.with_name(f".{finished.stem}.draft.json")


class Session:
    """The state that the page shows; every change is on disk before it is acknowledged."""

    def __init__(self, annotation: Annotation, path: Path) -> None:
        self.annotation = annotation
        """What is on disk, or was dealt just now."""
        self.path = path
        """Where the finished annotation goes."""

    def contradictions(self) -> list[Contradiction]:
        """Find where the arrangement contradicts itself."""
        return contradictions(self.annotation.arrangement)

    def change(self, change: PageChange) -> None:
        """Take over a change, and save it; a finished annotation stays finished until a card or a mark moves.

        A page that got no answer sends its change again: that is no conflict, since it was the last to save.

        Raises:
            OutdatedError: If another page has saved since.
            ValueError: If cards are missing, unknown, or lie in two places.
        """
        now = self.annotation
        self._check_latest(change.window, change.revision)
        arrangement = change.arrangement.check(set(now.numbers))
        if now.finished and arrangement == now.arrangement:
            return
        cards = tuple(
            card.model_copy(update={"seen": min(max(card.seen, change.seen.get(card.card, 0)), len(card.patches))})
            for card in now.cards
        )
        busy = max(change.seconds, now.sessions.get(change.window, 0.0))
        changed = now.changed(
            cards=cards,
            arrangement=arrangement,
            view=change.view,
            sessions={**now.sessions, change.window: round(busy, 1)},
            revision=now.revision + 1,
            window=change.window,
            finished=False,
            result=None,
        )
        write_annotation(draft_of(self.path), changed)
        self.annotation = changed

    def _check_latest(self, window: str, revision: int) -> None:
        if revision != self.annotation.revision and window != self.annotation.window:
            raise OutdatedError("This annotation was changed in another window: reload the page to go on here.")

    def finish(self, window: str, revision: int) -> None:
        """Write the finished annotation, and take the draft away.

        Raises:
            OutdatedError: If another page has saved since.
            OrderError: If cards are not placed, or the arrangement contradicts itself.
        """
        self._check_latest(window, revision)
        done = finished(self.annotation)
        write_annotation(self.path, done)
        self.annotation = done
        draft_of(self.path).unlink(missing_ok=True)


def finished(annotation: Annotation) -> Annotation:
    """Finish an annotation: empty tiers go, and what follows is written down.

    Raises:
        OrderError: If cards are not placed, or the arrangement contradicts itself.
    """
    waiting = annotation.arrangement.deck
    if waiting:
        raise OrderError(f"The cards {list(waiting)} are not placed yet: put them into a tier or the tray.")
    found = contradictions(annotation.arrangement)
    if found:
        raise OrderError(f"{found[0].text} ({len(found)} contradictions in all.)")
    return annotation.changed(
        finished=True,
        arrangement=without(annotation.arrangement, ()),
        ended=utc_now(),
        package=package_version(),
        result=result_of(annotation),
    )


def result_of(annotation: Annotation) -> dict[str, Any]:
    """Return what follows from an arrangement: the order by cluster, the consistency check, the seconds spent."""
    order = order_of(annotation, "The annotation")
    return {"order": order.to_document(), "duplicate": consistency(annotation), "seconds": annotation.seconds}


def utc_now() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def open_session(region: Region, annotator: str, folder: Path, *, resume: bool) -> Session:
    """Open an annotator's work: the draft if there is one, else new cards.

    Args:
        region: The region's clusters.
        annotator: Name.
        folder: Folder of the region's orders.
        resume: Go on with a finished annotation.

    Raises:
        OrderError: If the name cannot be one, belongs to a finished order, or the work was done for other clusters.
    """
    check_annotator(annotator, "--annotator")
    path = folder / f"{annotator}.json"
    _refuse_text(path.with_suffix(".txt"))
    draft = draft_of(path)
    if draft.is_file():
        return Session(_own(read_annotation(draft), draft, region, annotator), path)
    if not path.is_file():
        return Session(deal(region, annotator, started=utc_now(), package=package_version()), path)
    done = _own(read_annotation(path), path, region, annotator)
    if done.finished and not resume:
        raise OrderError(
            f"{path} is finished: to change it, start again with --continue; another person needs another --annotator."
        )
    return Session(done, path)


def _refuse_text(text: Path) -> None:
    if text.exists():
        raise OrderError(
            f"{text} is the order of an annotator of that name: choose another --annotator, or take the file away."
        )


def _own(annotation: Annotation, path: Path, region: Region, annotator: str) -> Annotation:
    if annotation.annotator != annotator or annotation.region != region.name:
        raise OrderError(
            f"{path} is the annotation of {annotation.annotator} in region {annotation.region}, not of {annotator} in "
            f"{region.name}: give the file its own name, or take it away."
        )
    if annotation.fingerprint != region.ranked.fingerprint:
        raise OrderError(made_for_others(path, annotation.fingerprint, region.ranked.fingerprint))
    return annotation
