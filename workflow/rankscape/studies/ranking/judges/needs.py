"""What a judge needs before anything is spent: requests, tokens, minutes, money (docs/methods/ranking.md)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rankscape.samples.rendering import as_png, enlarged
from rankscape.studies.ranking.judges.asking import Shown
from rankscape.studies.ranking.judges.modes import mode_of
from rankscape.studies.ranking.judges.prompts import Prompt
from rankscape.studies.ranking.judges.questions import Question, Reply, estimated_prompt_tokens, question_key
from rankscape.studies.ranking.judges.round_samples import RoundSample
from rankscape.studies.ranking.judges.rounds import questions_of, round_text
from rankscape.studies.ranking.judges.settings import JudgeSettings, RateSettings, SampleSettings
from rankscape.studies.ranking.settings import RankingSettings

Verdict = Literal["no budget", "suffices", "suffices if answers are short", "does not suffice"]

LATENCY_S = 5.0
"""Seconds a reply takes, as long as no reply of the judge is stored."""
PAINTED = 4
"""Questions of a round of pairs or tiers that are looked up in the store; the others are taken to be alike."""
_ANSWER_TOKENS = 12
_TOKENS_A_CLUSTER = 4
_MINUTE_S = 60.0
_MILLION = 1e6

Lookup = Callable[[str], Reply | None]
"""Returns the stored reply to a question, by its key."""


@dataclass(frozen=True)
class Need:
    """What one judge with one prompt needs in all rounds."""

    judge: str
    """Name of the judge."""
    prompt: str
    """Name of the prompt."""
    mode: str
    """How the prompt is asked."""
    requests: int
    """Questions of all rounds, each reply counted."""
    stored: int
    """Questions that the store has a reply to; of pairs and tiers, judged by a few of each round."""
    prompt_tokens: int
    """Tokens of the questions that are still to ask."""
    completion_tokens: int
    """Tokens of their answers."""
    most_completion_tokens: int
    """The same, if every answer is as long as `max_tokens` allows."""
    latency_s: float
    """Seconds a reply takes."""
    measured: bool
    """Whether tokens and latency are means of stored replies; else they are estimates."""

    @property
    def missing(self) -> int:
        """Questions that are still to ask."""
        return self.requests - self.stored

    def minutes(self, judge: JudgeSettings) -> float:
        """Return the time that asking takes at least: the narrowest of the judge's limits sets it."""
        tokens = self.prompt_tokens + self.completion_tokens
        return max(
            self.missing * self.latency_s / judge.concurrency / _MINUTE_S,
            self.missing / judge.requests_per_minute if judge.requests_per_minute else 0.0,
            tokens / judge.tokens_per_minute if judge.tokens_per_minute else 0.0,
        )

    def cost(self, judge: JudgeSettings, *, most: bool = False) -> float | None:
        """Return what the answers still to come cost, in the judge's currency; None without prices.

        Args:
            judge: Prices.
            most: Whether every answer is taken as long as it may be.
        """
        if judge.price_in is None or judge.price_out is None:
            return None
        answers = self.most_completion_tokens if most else self.completion_tokens
        return (self.prompt_tokens * judge.price_in + answers * judge.price_out) / _MILLION


def verdict(needs: Sequence[Need], judge: JudgeSettings, spent: float) -> Verdict:
    """Say whether a judge's budget suffices for all that it still has to answer.

    Args:
        needs: What the judge needs with each prompt.
        judge: Prices and budget.
        spent: What it has cost so far.
    """
    if judge.budget is None:
        return "no budget"
    left = judge.budget - spent
    if sum(need.cost(judge, most=True) or 0.0 for need in needs) <= left:
        return "suffices"
    likely = sum(need.cost(judge) or 0.0 for need in needs)
    return "suffices if answers are short" if likely <= left else "does not suffice"


def need_of(
    name: str,
    judge: JudgeSettings,
    prompt: Prompt,
    samples: Sequence[RoundSample],
    settings: RateSettings,
    lookup: Lookup | None = None,
) -> Need:
    """Count what a judge needs with a prompt.

    Args:
        name: Name of the judge.
        judge: Its settings.
        prompt: The question.
        samples: What the rounds show; one for each round.
        settings: How rounds ask.
        lookup: Finds stored replies; None where there are none, or none can be found because the images are blank.
    """
    mode = mode_of(prompt, settings)
    text = round_text(prompt, mode, settings)
    rounds = [(sample.number, mode.show(sample, settings)) for sample in samples]
    requests = sum(len(shown.seeds) for _, own in rounds for shown in own)
    replies: list[Reply] = []
    stored = 0.0
    for number, own in rounds if lookup else ():
        some = own if mode.name == "scores" else _spread(own)
        keys = [question_key(question, judge) for shown in some for question in questions_of(shown, text, number)]
        found = [reply for reply in map(lookup, keys) if reply is not None] if lookup else []
        replies += found
        stored += len(found) * len(own) / len(some)
    missing = requests - round(stored)
    size = _measured(replies) or _estimated(questions_of(rounds[0][1][0], text, 1)[0], samples[0], mode.name)
    return Need(
        judge=name,
        prompt=prompt.name,
        mode=mode.name,
        requests=requests,
        stored=round(stored),
        prompt_tokens=round(missing * size.prompt_tokens),
        completion_tokens=round(missing * size.completion_tokens),
        # Where thoughts are not bound by max_tokens, answers are longer.
        most_completion_tokens=missing * max(judge.max_tokens, round(size.completion_tokens)),
        latency_s=size.latency_s,
        measured=bool(replies),
    )


def _spread(shown: Sequence[Shown]) -> Sequence[Shown]:
    """A few of a round's questions, evenly spread: painting the images of all pairs takes minutes."""
    step = -(-len(shown) // PAINTED)
    return shown[::step]


@dataclass(frozen=True)
class _Size:
    """What one question takes."""

    prompt_tokens: float
    completion_tokens: float
    latency_s: float


def _measured(replies: Sequence[Reply]) -> _Size | None:
    """Means over stored replies; None where nothing was counted."""
    counted = [(one.prompt_tokens, one.completion_tokens, one.seconds) for one in replies if one.prompt_tokens]
    return _Size(*map(float, np.mean(counted, axis=0))) if counted else None


def _estimated(question: Question, sample: RoundSample, mode: str) -> _Size:
    """What there is to say before anything is stored: a round's first question stands for all."""
    # Tiers name every cluster; a score or the better of two is one word.
    answer = _ANSWER_TOKENS + (_TOKENS_A_CLUSTER * len(sample.clusters) if mode == "tiers" else 0)
    return _Size(estimated_prompt_tokens(question), answer, LATENCY_S)


def blank_sample(number: int, clusters: int, patch_px: int, settings: SampleSettings) -> RoundSample:
    """Return a sample of as many blank images as a round will show, to count with before there are clusters.

    Args:
        number: Number of the round.
        clusters: How many clusters are ranked.
        patch_px: Side of a patch.
        settings: Size of a patch's image, patches a cluster.
    """
    patch = np.zeros((patch_px, patch_px, 3), np.uint8)
    image = as_png(enlarged(patch, settings.min_image_px))
    images: Mapping[int, Mapping[str, bytes]] = {
        cluster: {f"{cluster}-{place}": image for place in range(settings.images_per_cluster)}
        for cluster in range(clusters)
    }
    return RoundSample(number, settings.seed, "", images)


def most_clusters(ranking: RankingSettings) -> int:
    """Return the most clusters that a configuration can have judges rank: `k` where it is given, else `k_max`."""
    ranked = [category for category in ranking.label.categories if category != ranking.label.uninhabited]
    return sum(ranking.cluster.k.get(category, ranking.cluster.k_max) for category in ranked)
