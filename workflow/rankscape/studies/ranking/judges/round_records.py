"""Keys of the documents of rounds: what was asked, what was heard, how long it took."""

from typing import Any, Literal

from rankscape.artifacts import DocumentKeys, Keys

Mode = Literal["scores", "pairs", "tiers"]


class ReplyRecord(Keys):
    """One reply of a judge: an answer, or the reason why there is none."""

    answer: float | str | list[list[int]] | None = None
    """A score; `first`, `second` or `tie`; or tiers of clusters, best first."""
    missing: str | None = None
    """Why there is no answer."""
    text: str | None = None
    """The reply as it came."""
    finish_reason: str | None = None
    """Why the reply ended."""
    prompt_tokens: int | None = None
    """Tokens of the question."""
    completion_tokens: int | None = None
    """Tokens of the reply."""
    key: str = ""
    """Its key in the store of replies."""
    repairs: int = 0
    """How often the judge was asked to mend the form of its answer."""

    @property
    def usable(self) -> bool:
        """Whether there is an answer."""
        return self.answer is not None


class QuestionRecord(Keys):
    """One question with its replies."""

    clusters: tuple[int, ...]
    """Clusters in the order shown."""
    patches: tuple[tuple[str, ...], ...] = ()
    """Patches of each of these clusters."""
    replies: tuple[ReplyRecord, ...]
    """Replies in the order in which they were asked for."""


class UsageRecord(Keys):
    """What a round took."""

    questions: int = 0
    """Questions asked."""
    replies: int = 0
    """Replies that came."""
    usable: int = 0
    """Usable ones."""
    missing: int = 0
    """Others."""
    repaired: int = 0
    """Replies whose form the judge was asked to mend."""
    prompt_tokens: int = 0
    """Tokens of the questions."""
    completion_tokens: int = 0
    """Tokens of the replies."""
    seconds: float | None = None
    """Time that the replies took, added up; it is in the round's times, not in the round."""
    cost: float | None = None
    """Money; None where the judge has no price."""
    currency: str | None = None
    """Currency of the cost."""


class RoundRecord(DocumentKeys):
    """One round of one judge with one prompt."""

    judge: str
    """Name of the judge."""
    prompt: str
    """Name of the prompt."""
    round: int
    """Number of the round."""
    model: str | None = None
    """Model that answered."""
    endpoint: str | None = None
    """Host that was asked."""
    mode: Mode = "scores"
    """What was asked for."""
    temperature: float | None = None
    """Temperature of the model."""
    detail: str | None = None
    """Detail in which images were sent."""
    max_tokens: int | None = None
    """Longest reply, in tokens."""
    form: dict[str, Any] = {}
    """How the request departed from the usual (`answer_form`, `omit`, `extra`); missing for most judges."""
    stand_in: bool = False
    """Whether the judge stands in for a model."""
    stand_in_code: str | None = None
    """Hash of the stand-in's code; null for other judges."""
    prompt_sha256: str = ""
    """Hash of the prompt's text."""
    language: str | None = None
    """Language of the prompt."""
    fingerprint: str | None = None
    """Hash of which patch is in which cluster."""
    images_sha256: str = ""
    """Hash of the images shown."""
    questions: tuple[QuestionRecord, ...]
    """Questions with their replies."""
    scores: dict[int, float | None] = {}
    """Score of each cluster, 0 to 100."""
    usage: UsageRecord = UsageRecord()
    """What the round took."""

    @property
    def replies(self) -> list[ReplyRecord]:
        """All replies."""
        return [reply for question in self.questions for reply in question.replies]

    def timed(self, seconds: float | None) -> "RoundRecord":
        """Return the round with the time that its replies took; None leaves it as it is."""
        if seconds is None:
            return self
        return self.model_copy(update={"usage": self.usage.model_copy(update={"seconds": seconds})})


class TimesRecord(DocumentKeys):
    """How long the replies of a round took."""

    judge: str
    """Name of the judge."""
    prompt: str
    """Name of the prompt."""
    round: int
    """Number of the round."""
    fingerprint: str | None = None
    """Hash of which patch is in which cluster."""
    replies: list[dict[str, Any]] = []
    """Seconds and tries of every reply, by its key."""
    seconds: float
    """Time that the replies took, added up."""
