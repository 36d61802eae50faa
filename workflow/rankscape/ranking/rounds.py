"""A round: one judge scores a few patches of every cluster with one prompt (docs/ranking.md)."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rankscape.foundation.errors import JudgeError
from rankscape.foundation.progress import bar
from rankscape.foundation.settings.ranking import RateSettings
from rankscape.ranking.draws import Draw
from rankscape.ranking.judges import Judge, Reply
from rankscape.ranking.prompts import Prompt
from rankscape.ranking.replies import SCORE_SCHEMA, Score, read_score

_LARGEST_SEED = 0x7FFFFFFF
_REASONS_SHOWN = 3


@dataclass(frozen=True)
class Viewed:
    """One patch and what the judge said of it."""

    cluster: int
    """Cluster of the patch."""
    patch_id: str
    """The patch."""
    replies: tuple[Reply, ...]
    """Replies as received."""

    @property
    def scores(self) -> list[Score]:
        """What each reply says."""
        return [read_score(reply) for reply in self.replies]


async def ask_round(
    judge: Judge,
    prompt: Prompt,
    draw: Draw,
    settings: RateSettings,
) -> list[Viewed]:
    """Ask a judge for all replies of a round.

    Args:
        judge: An open judge.
        prompt: The question.
        draw: What the round shows.
        settings: Replies a patch.

    Returns:
        The patches with their replies, in the order of the draw.

    Raises:
        JudgeError: If the endpoint cannot be reached at all, or refuses every request.
    """
    shown = [(cluster, patch_id) for cluster, patches in draw.pictures.items() for patch_id in patches]
    title = f"{judge.name} / {prompt.name} / {draw.number}"
    with bar(title, unit="reply", total=len(shown) * settings.replies) as progress:

        async def ask(cluster: int, patch_id: str, seed: int) -> Reply:
            reply = await judge.ask(draw.pictures[cluster][patch_id], prompt.text, SCORE_SCHEMA, seed=seed)
            progress.update()
            return reply

        seeds = [reply_seeds(draw, settings.replies, place) for place in range(len(shown))]
        questions = [ask(*place, seed) for place, own in zip(shown, seeds, strict=True) for seed in own]
        replies = iter(await asyncio.gather(*questions))
    judge.raise_if_closed()
    return [Viewed(cluster, patch, tuple(next(replies) for _ in range(settings.replies))) for cluster, patch in shown]


def reply_seeds(draw: Draw, replies: int, place: int) -> list[int]:
    """Return the sampling seeds of the replies to one patch: other replies, patches and rounds have others.

    Args:
        draw: Seed and number of the round.
        replies: How many.
        place: Place of the patch in the round.
    """
    words = np.random.SeedSequence([draw.seed, draw.number, place]).generate_state(replies)
    return [int(word) & _LARGEST_SEED for word in words]


def cluster_scores(viewed: Sequence[Viewed], settings: RateSettings, round_name: str) -> dict[int, float]:
    """Score every cluster: the mean over its patches of the mean over each patch's usable replies.

    Args:
        viewed: The round's patches and replies.
        settings: The quorum, as a share of a cluster's replies.
        round_name: What the round is called in messages.

    Returns:
        Score from 0 to 100 by cluster.

    Raises:
        JudgeError: If clusters stay below the quorum; the message names them and the commonest reasons.
    """
    scores: dict[int, list[list[Score]]] = {}
    for patch in viewed:
        scores.setdefault(patch.cluster, []).append(patch.scores)
    _check_quorum(scores, settings.quorum, round_name)
    means = {cluster: [_mean_usable(replies) for replies in patches] for cluster, patches in scores.items()}
    return {cluster: float(np.mean([m for m in values if m is not None])) for cluster, values in means.items()}


def _mean_usable(replies: Sequence[Score]) -> float | None:
    values = [score.value for score in replies if score.value is not None]
    return float(np.mean(values)) if values else None


def _check_quorum(scores: Mapping[int, Sequence[Sequence[Score]]], quorum: float, round_name: str) -> None:
    short, reasons = [], Counter[str]()
    for cluster, patches in scores.items():
        replies = [score for patch in patches for score in patch]
        usable = sum(score.value is not None for score in replies)
        if usable < max(1, quorum * len(replies)):
            short.append(f"{cluster} ({usable} of {len(replies)})")
            reasons.update(score.missing for score in replies if score.missing is not None)
    if short:
        commonest = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common(_REASONS_SHOWN))
        raise JudgeError(
            f"{round_name}: too few usable replies (quorum {quorum:g}) for the clusters {', '.join(short)}. "
            f"Commonest reasons: {commonest}. Nothing was written."
        )


def to_document(viewed: Sequence[Viewed], scores: Mapping[int, float]) -> dict[str, Any]:
    """Return images with replies, cluster scores and usage, as a round's file holds them."""
    replies = [reply for patch in viewed for reply in patch.replies]
    usable = sum(score.value is not None for patch in viewed for score in patch.scores)
    return {
        "images": [
            {
                "cluster": patch.cluster,
                "patch_id": patch.patch_id,
                "replies": [_reply(*pair) for pair in zip(patch.replies, patch.scores, strict=True)],
            }
            for patch in viewed
        ],
        "scores": {str(cluster): score for cluster, score in scores.items()},
        "usage": {
            "replies": len(replies),
            "usable": usable,
            "missing": len(replies) - usable,
            "prompt_tokens": sum(reply.prompt_tokens for reply in replies),
            "completion_tokens": sum(reply.completion_tokens for reply in replies),
        },
    }


def _reply(reply: Reply, score: Score) -> dict[str, Any]:
    return {
        "text": reply.text,
        "score": score.value,
        "missing": score.missing,
        "finish_reason": reply.finish_reason,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "seconds": round(reply.seconds, 3),
    }
