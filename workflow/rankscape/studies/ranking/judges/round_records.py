"""What rounds heard, read back from their documents and checked at the door (docs/ranking.md)."""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import read_json

Mode = Literal["scores", "pairs", "tiers"]


class _Open(BaseModel):
    """A part of a document: keys that nobody reads here are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ReplyRecord(_Open):
    """One reply of a judge: an answer, or the reason why there is none."""

    answer: float | str | list[list[int]] | None = None
    """A score; `first`, `second` or `tie`; or tiers of clusters, best first."""
    missing: str | None = None
    """Why there is no answer."""
    repairs: int = 0
    """How often the judge was asked to mend the form of its answer."""

    @property
    def usable(self) -> bool:
        """Whether there is an answer."""
        return self.answer is not None


class QuestionRecord(_Open):
    """One question with its replies."""

    clusters: tuple[int, ...]
    """Clusters in the order shown."""
    patches: tuple[tuple[str, ...], ...] = ()
    """Patches of each of these clusters."""
    replies: tuple[ReplyRecord, ...]
    """Replies in the order in which they were asked for."""


class UsageRecord(_Open):
    """What a round took."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float | None = None
    """Time that the replies took, added up; it stands in the round's times, not in the round."""
    cost: float | None = None
    """Money; None where the judge has no price."""
    currency: str | None = None


class RoundRecord(_Open):
    """One round: ranking/rounds/{judge}/{prompt}/{round}.json."""

    judge: str
    prompt: str
    round: int
    model: str | None = None
    mode: Mode = "scores"
    language: str | None = None
    stand_in: bool = False
    fingerprint: str | None = None
    questions: tuple[QuestionRecord, ...]
    scores: dict[int, float | None] = {}
    """Score of each cluster, 0 to 100."""
    usage: UsageRecord = UsageRecord()
    provenance: Annotated[dict[str, Any], BeforeValidator(lambda value: value or {})] = {}

    @property
    def replies(self) -> list[ReplyRecord]:
        """All replies."""
        return [reply for question in self.questions for reply in question.replies]

    def timed(self, seconds: float | None) -> "RoundRecord":
        """Return the round with the time that its replies took; None leaves it as it is."""
        if seconds is None:
            return self
        return self.model_copy(update={"usage": self.usage.model_copy(update={"seconds": seconds})})


class TimesRecord(_Open):
    """How long the replies of a round took: ranking/times/{judge}/{prompt}/{round}.json."""

    judge: str
    prompt: str
    round: int
    fingerprint: str | None = None
    seconds: float
    """Time that the replies took, added up."""


_Record = TypeVar("_Record", RoundRecord, TimesRecord)


def read_round(path: Path) -> RoundRecord:
    """Read a round.

    Raises:
        InputError: If the file is missing, no JSON, or not of this form; the message names the key.
    """
    return _read(path, RoundRecord)


def read_times(path: Path) -> TimesRecord:
    """Read how long the replies of a round took.

    Raises:
        InputError: If the file is missing, no JSON, or not of this form; the message names the key.
    """
    return _read(path, TimesRecord)


def _read(path: Path, form: type[_Record]) -> _Record:
    try:
        return form.model_validate(read_json(path))
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "(whole)"
        why = f"{place}: {fault['msg']}"
        raise InputError(
            f"{path} was not written by `rankscape ranking rate` ({why}): make it again with that verb."
        ) from None
