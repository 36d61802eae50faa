"""Ask a judge that the workflow started for all missing replies, in all rounds and with all prompts."""

import asyncio
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.errors import InputError
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.studies.ranking.judges.artifacts import COLLECTED
from rankscape.studies.ranking.judges.reply_store import ReplyStore
from rankscape.studies.ranking.judges.requests import JudgeRequests, collect_from_judge, read_requests
from rankscape.studies.ranking.judges.round_samples import RoundSample, read_round_sample
from rankscape.studies.ranking.judges.services import wait_for_address
from rankscape.studies.ranking.judges.settings import JudgeSettings


def collect_replies(
    *,
    judge: Annotated[str, Parameter(help="Name of the judge.")],
    address: Annotated[Path, Parameter(help="File that says whether and where the judge answers, from `serve`.")],
    requests: Annotated[list[Path], Parameter(help="What it is asked (JSON, from `build-requests`).")],
    samples: Annotated[list[Path], Parameter(help="What the rounds show (from `sample`), named after the rounds.")],
    store: Annotated[Path, Parameter(help="Folder of replies; questions that it answers are not asked again.")],
    out: Annotated[Path, Parameter(help="Record to write (JSON): replies by prompt and round.")],
    limits: Annotated[str, Parameter(help="Limits and prices of the judge: a JSON object; they change no reply.")] = "",
) -> None:
    """Ask a judge that the workflow started for all missing replies."""
    read = [read_requests(path) for path in requests]
    about = _about(judge, read, limits)
    shown = [_sampled(path) for path in samples]
    base_url = wait_for_address(address, judge, about.start_timeout_s)
    there = about.model_copy(update={"base_url": base_url})
    rounds = asyncio.run(collect_from_judge(judge, there, read, shown, ReplyStore(store), address))
    inputs = {f"requests/{path.stem}": path for path in requests}
    record = provenance("ranking collect-replies", read[0].settings, inputs)
    COLLECTED.write(out, {"judge": judge, "model": about.model, "rounds": rounds}, record)
    asked = sum(one["replies"] - one["stored"] for one in rounds)
    say(f"Judge {judge}: {asked} replies are new, of {sum(one['replies'] for one in rounds)}.")


def _about(judge: str, requests: list[JudgeRequests], limits: str) -> JudgeSettings:
    """The judge's settings, the same in all requests."""
    found = {requested.about.canonical() for requested in requests}
    if len(found) != 1 or {requested.judge for requested in requests} != {judge}:
        raise InputError(f"The requests are not all of one judge {judge}: make them again with `build-requests`.")
    return requests[0].about.limited(limits, judge)


def _sampled(path: Path) -> RoundSample:
    if not path.stem.isdecimal():
        raise InputError(f"{path} is no sample of a round: these are named after their rounds, such as 1.parquet.")
    return read_round_sample(path, int(path.stem))
