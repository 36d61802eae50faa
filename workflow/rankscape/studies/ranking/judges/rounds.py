"""A round: one judge answers one prompt about the patches of a round sample, in one mode (docs/methods/ranking.md)."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from rankscape.foundation.progress import bar
from rankscape.studies.ranking.judges.asking import Heard, Mode, Reading, Shown
from rankscape.studies.ranking.judges.judge import Judge
from rankscape.studies.ranking.judges.prompts import Prompt
from rankscape.studies.ranking.judges.questions import Question, Reply, question_key
from rankscape.studies.ranking.judges.round_samples import RoundSample
from rankscape.studies.ranking.judges.settings import JudgeSettings, RateSettings


def round_text(prompt: Prompt, mode: Mode, settings: RateSettings) -> str:
    """Return what is sent: the prompt, and below it what the mode says of the answer's form."""
    return "\n\n".join(part for part in (prompt.text, mode.form(settings)) if part)


def questions_of(shown: Shown, text: str, number: int) -> list[Question]:
    """Return one question for every reply that is wanted.

    Args:
        shown: What is shown.
        text: What is sent with it.
        number: Number of the round.
    """
    images = shown.paint()
    return [
        Question(images, text, shown.schema, (number, reply), seed, shown.labels)
        for reply, seed in enumerate(shown.seeds)
    ]


async def ask_round(
    judge: Judge, prompt: Prompt, mode: Mode, sample: RoundSample, settings: RateSettings
) -> list[Heard]:
    """Ask a judge for all replies of a round.

    Args:
        judge: An open judge.
        prompt: The question.
        mode: Mode of asking.
        sample: What the round shows.
        settings: Replies, pairs.

    Returns:
        The questions with their replies, in the mode's order.

    Raises:
        JudgeError: If the endpoint cannot be reached at all, or refuses every request.
        BudgetError: If the next request could cost more than is left.
    """
    todo, text = mode.show(sample, settings), round_text(prompt, mode, settings)
    heard: dict[int, Heard] = {}
    waiting = iter(enumerate(todo))
    replies = sum(len(shown.seeds) for shown in todo)
    with bar(f"{judge.name} / {prompt.name} / {sample.number}", unit="reply", total=replies) as progress:

        async def work(places: Iterator[tuple[int, Shown]]) -> None:
            for place, shown in places:
                heard[place] = await _hear(judge, mode, shown, text, sample.number)
                progress.update(len(shown.seeds))

        # As many questions at once as requests may be: their images are painted when they are wanted.
        workers = min(judge.settings.concurrency, len(todo))
        await _all_or_first_error([work(waiting) for _ in range(workers)])
    judge.raise_if_closed()
    return [heard[place] for place in range(len(todo))]


async def _all_or_first_error(works: Sequence[Any]) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except ExceptionGroup as errors:
        # One is enough to say what is wrong; the group has ended the others.
        raise errors.exceptions[0] from None


async def _hear(judge: Judge, mode: Mode, shown: Shown, text: str, number: int) -> Heard:
    questions = await asyncio.to_thread(questions_of, shown, text, number)
    replies = await asyncio.gather(
        *(judge.ask(question, lambda reply: mode.read(reply, shown).missing) for question in questions)
    )
    keys = tuple(question_key(question, judge.settings) for question in questions)
    return Heard(shown, tuple(replies), tuple(mode.read(reply, shown) for reply in replies), keys)


def to_document(heard: Sequence[Heard], scores: dict[int, float], judge: JudgeSettings) -> dict[str, Any]:
    """Return questions with replies, cluster scores and usage, as they are in a round's file."""
    return {
        "questions": [_question(one) for one in heard],
        "scores": {str(cluster): score for cluster, score in sorted(scores.items())},
        "usage": _usage(heard, judge),
    }


def to_times(heard: Sequence[Heard]) -> dict[str, Any]:
    """Return how long every reply took, in seconds, and how many tries it needed, by its key in the store.

    Chance decides these. They stand in a file of their own, so that a round and all that follows from it are the same
    bytes when the replies are the same.
    """
    replies = [pair for one in heard for pair in zip(one.replies, one.keys, strict=True)]
    return {
        "seconds": round(sum(reply.seconds for reply, _ in replies), 3),
        "replies": [
            {"key": key, "seconds": round(reply.seconds, 3), "attempts": reply.attempts} for reply, key in replies
        ],
    }


def _question(one: Heard) -> dict[str, Any]:
    replies = zip(one.replies, one.readings, one.keys, strict=True)
    return {
        "clusters": list(one.shown.clusters),
        "patches": [list(patches) for patches in one.shown.patches],
        "replies": [_reply(*reply) for reply in replies],
    }


def _reply(reply: Reply, reading: Reading, key: str) -> dict[str, Any]:
    return {
        "text": reply.text,
        "answer": reading.answer,
        "missing": reading.missing,
        "finish_reason": reply.finish_reason,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "repairs": reply.repairs,
        "key": key,
    }


def _usage(heard: Sequence[Heard], judge: JudgeSettings) -> dict[str, Any]:
    replies = [reply for one in heard for reply in one.replies]
    usable = sum(len(one.answers) for one in heard)
    costs = [reply.cost for reply in replies if reply.cost is not None]
    return {
        "questions": len(heard),
        "replies": len(replies),
        "usable": usable,
        "missing": len(replies) - usable,
        "repaired": sum(reply.repairs > 0 for reply in replies),
        "prompt_tokens": sum(reply.prompt_tokens for reply in replies),
        "completion_tokens": sum(reply.completion_tokens for reply in replies),
        "cost": sum(costs) if costs else None,
        "currency": judge.currency,
    }
