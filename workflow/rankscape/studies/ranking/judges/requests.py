"""What a judge that the workflow starts is asked with a prompt, and how its replies are collected."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from rankscape.foundation.errors import BudgetError, InputError, JudgeError
from rankscape.foundation.files import read_json
from rankscape.studies.ranking.judges.asking import check_quorum
from rankscape.studies.ranking.judges.client import open_judge
from rankscape.studies.ranking.judges.judge import Judge
from rankscape.studies.ranking.judges.modes import mode_of
from rankscape.studies.ranking.judges.prompts import Prompt
from rankscape.studies.ranking.judges.reply_store import ReplyStore
from rankscape.studies.ranking.judges.round_samples import RoundSample
from rankscape.studies.ranking.judges.rounds import ask_round, round_text
from rankscape.studies.ranking.judges.services import LOOK_S, raise_if_failed, read_address
from rankscape.studies.ranking.judges.settings import JudgeSettings, RateSettings


@dataclass(frozen=True)
class JudgeRequests:
    """One judge, one prompt, and how rounds ask."""

    judge: str
    """Name of the judge."""
    about: JudgeSettings
    """What its replies depend on."""
    prompt: Prompt
    """The question."""
    settings: RateSettings
    """Mode, replies, quorum."""

    def to_document(self) -> dict[str, Any]:
        """Return the requests as their file holds them, with the text as it is sent."""
        mode = mode_of(self.prompt, self.settings)
        return {
            "judge": self.judge,
            "mode": mode.name,
            "text": round_text(self.prompt, mode, self.settings),
            "prompt": asdict(self.prompt),
            "judge_settings": self.about.model_dump(mode="json"),
            "settings": self.settings.model_dump(mode="json"),
        }


def read_requests(path: Path) -> JudgeRequests:
    """Read what a judge is asked.

    Raises:
        InputError: If the file is none.
    """
    document = read_json(path)
    try:
        return JudgeRequests(
            str(document["judge"]),
            JudgeSettings.checked(document["judge_settings"], str(path)),
            Prompt(**document["prompt"]),
            RateSettings.checked(document["settings"], str(path)),
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} holds no requests to a judge ({error!r}): run `build-requests` again.") from None


Result = TypeVar("Result")


async def collect_from_judge(
    name: str,
    about: JudgeSettings,
    requests: Sequence[JudgeRequests],
    samples: Sequence[RoundSample],
    store: ReplyStore,
    address: Path,
) -> list[dict[str, Any]]:
    """Ask a judge for every reply that the store lacks.

    Args:
        name: Name of the judge.
        about: Its settings; `base_url` is the address at which it answers now.
        requests: What it is asked.
        samples: What the rounds show.
        store: Where replies are kept.
        address: File that says whether the judge still runs.

    Returns:
        By prompt and round: replies wanted, usable, and taken from the store.

    Raises:
        JudgeError: If the judge ends meanwhile, or a round stays below its quorum; all other rounds are asked first.
        BudgetError: If the next request could cost more than is left.
    """
    async with open_judge(name, about, store) as judge:
        return await _as_long_as_it_runs(_ask_all(judge, requests, samples), name, address)


async def _as_long_as_it_runs(asking: Coroutine[Any, Any, Result], name: str, address: Path) -> Result:
    """Do not try again for hours with a judge whose command has ended."""
    task = asyncio.ensure_future(asking)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=LOOK_S)
            if not task.done():
                raise_if_failed(read_address(address), name)
        return task.result()
    finally:
        task.cancel()


async def _ask_all(
    judge: Judge, requests: Sequence[JudgeRequests], samples: Sequence[RoundSample]
) -> list[dict[str, Any]]:
    done: list[dict[str, Any]] = []
    failed: list[JudgeError] = []
    for requested in requests:
        for sample in samples:
            try:
                done.append(await _ask_one(judge, requested, sample))
            except BudgetError:
                raise
            except JudgeError as error:
                judge.raise_if_closed()
                failed.append(error)
    if failed:
        raise failed[0]
    return done


async def _ask_one(judge: Judge, requested: JudgeRequests, sample: RoundSample) -> dict[str, Any]:
    mode = mode_of(requested.prompt, requested.settings)
    heard = await ask_round(judge, requested.prompt, mode, sample, requested.settings)
    check_quorum(
        heard,
        requested.settings.quorum,
        f"Round {sample.number} of judge {judge.name} with prompt {requested.prompt.name}",
    )
    replies = [reply for one in heard for reply in one.replies]
    return {
        "prompt": requested.prompt.name,
        "round": sample.number,
        "replies": len(replies),
        "usable": sum(len(one.answers) for one in heard),
        "stored": sum(reply.stored for reply in replies),
    }
