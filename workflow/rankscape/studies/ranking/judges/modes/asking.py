"""What every mode of asking shares: a question as it is shown, what was heard, the quorum (docs/ranking.md)."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rankscape.foundation.errors import JudgeError
from rankscape.studies.ranking.judges.draws import Draw
from rankscape.studies.ranking.judges.questions import Reply
from rankscape.studies.ranking.settings.judges import RateSettings

Answer = float | str | tuple[tuple[int, ...], ...]
"""A score; `first`, `second` or `tie`; or tiers of clusters, best first."""

_LARGEST_SEED = 0x7FFFFFFF
_REASONS_SHOWN = 3


@dataclass(frozen=True)
class Shown:
    """One question of a round, asked once or several times."""

    clusters: tuple[int, ...]
    """Clusters in the order shown."""
    patches: tuple[tuple[str, ...], ...]
    """Patches of each of these clusters."""
    seeds: tuple[int, ...]
    """Sampling seed of each reply wanted."""
    schema: dict[str, Any]
    """JSON schema of the answer."""
    paint: Callable[[], tuple[bytes, ...]] = field(compare=False)
    """Makes the pictures, PNG; made when they are sent, because all of a round at once can fill the memory."""
    labels: tuple[str, ...] = ()
    """Text before each picture; empty, or one a picture."""


@dataclass(frozen=True)
class Reading:
    """What a reply says, or the reason why it says nothing usable; exactly one of the two is given."""

    answer: Answer | None
    """What the judge said."""
    missing: str | None
    """Why there is no answer."""


@dataclass(frozen=True)
class Heard:
    """One question with its replies."""

    shown: Shown
    """What was shown."""
    replies: tuple[Reply, ...]
    """Replies as received."""
    readings: tuple[Reading, ...]
    """What each reply says."""
    keys: tuple[str, ...] = ()
    """Names of the questions in the store of replies."""

    @property
    def answers(self) -> list[Answer]:
        """Answers of the usable replies."""
        return [reading.answer for reading in self.readings if reading.answer is not None]


@dataclass(frozen=True)
class Mode:
    """A way of asking: every mode ends in a score of each cluster, from 0 to 100."""

    name: str
    """Name in settings and prompts."""
    form: Callable[[RateSettings], str]
    """What is put below a prompt, so that judges know what they see and how to answer; empty where prompts say it."""
    show: Callable[[Draw, RateSettings], list[Shown]]
    """The questions of a round."""
    read: Callable[[Reply, Shown], Reading]
    """Reads a reply."""
    score: Callable[[Sequence[Heard], str], dict[int, float]]
    """Scores the clusters of a round whose name, for messages, is the second argument."""


def reply_seeds(draw: Draw, replies: int, *place: int) -> tuple[int, ...]:
    """Return the sampling seeds of the replies to one question: other replies, questions and rounds have others.

    Args:
        draw: Seed and number of the round.
        replies: How many.
        place: Which question of the round, in one number or several.
    """
    words = np.random.SeedSequence([draw.seed, draw.number, *place]).generate_state(replies)
    return tuple(int(word) & _LARGEST_SEED for word in words)


def check_quorum(heard: Sequence[Heard], quorum: float, round_name: str) -> None:
    """Refuse a round in which too few of the replies about some cluster are usable.

    Args:
        heard: All questions with their replies.
        quorum: Share of the replies to questions that show a cluster.
        round_name: What the round is called in messages.

    Raises:
        JudgeError: The message names the clusters and the commonest reasons.
    """
    about: dict[int, list[Reading]] = {}
    for one in heard:
        for cluster in one.shown.clusters:
            about.setdefault(cluster, []).extend(one.readings)
    short = {cluster: readings for cluster, readings in sorted(about.items()) if _is_short(readings, quorum)}
    if short:
        named = ", ".join(f"{cluster} ({_usable(own)} of {len(own)})" for cluster, own in short.items())
        raise JudgeError(
            f"{round_name}: too few usable replies (quorum {quorum:g}) for the clusters {named}. "
            f"Commonest reasons: {_reasons(heard, short)}. Nothing was written."
        )


def _is_short(readings: Sequence[Reading], quorum: float) -> bool:
    return _usable(readings) < max(1, quorum * len(readings))


def _usable(readings: Sequence[Reading]) -> int:
    return sum(reading.missing is None for reading in readings)


def _reasons(heard: Sequence[Heard], short: Mapping[int, Any]) -> str:
    """Reasons of the replies about those clusters, each reply counted once."""
    concerned = [one for one in heard if set(one.shown.clusters) & set(short)]
    counts = Counter(reading.missing for one in concerned for reading in one.readings if reading.missing is not None)
    return "; ".join(f"{reason} ({count})" for reason, count in counts.most_common(_REASONS_SHOWN))
