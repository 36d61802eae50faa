"""Ask a judge that the workflow started for every reply that the store lacks, in all rounds and with all prompts."""

import asyncio
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.errors import InputError
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.studies.ranking.judges.artifacts import COLLECTED
from rankscape.studies.ranking.judges.reply_store import ReplyStore
from rankscape.studies.ranking.judges.requests import Brief, interview_judge, read_brief
from rankscape.studies.ranking.judges.round_samples import Draw, read_draw
from rankscape.studies.ranking.judges.services import wait_for_address
from rankscape.studies.ranking.settings.judges import JudgeSettings


def collect_replies(
    *,
    judge: Annotated[str, Parameter(help="Name of the judge.")],
    address: Annotated[Path, Parameter(help="File that says whether and where the judge answers, from `serve`.")],
    briefs: Annotated[list[Path], Parameter(help="What it is asked (JSON, from `build-requests`).")],
    draws: Annotated[list[Path], Parameter(help="What the rounds show (from `sample`), named after the rounds.")],
    store: Annotated[Path, Parameter(help="Folder of replies: what stands there is not asked again.")],
    out: Annotated[Path, Parameter(help="Record to write (JSON): replies by prompt and round.")],
    limits: Annotated[str, Parameter(help="Limits and prices of the judge: a JSON object; they change no reply.")] = "",
) -> None:
    """Ask a judge that the workflow started for every reply that the store lacks."""
    read = [read_brief(path) for path in briefs]
    about = _about(judge, read, limits)
    shown = [_draw(path) for path in draws]
    base_url = wait_for_address(address, judge, about.start_timeout_s)
    there = about.model_copy(update={"base_url": base_url})
    rounds = asyncio.run(interview_judge(judge, there, read, shown, ReplyStore(store), address))
    record = provenance("ranking collect-replies", read[0].settings, {f"brief/{path.stem}": path for path in briefs})
    COLLECTED.write(out, {"judge": judge, "model": about.model, "rounds": rounds}, record)
    asked = sum(one["replies"] - one["stored"] for one in rounds)
    say(f"Judge {judge}: {asked} replies are new, of {sum(one['replies'] for one in rounds)}.")


def _about(judge: str, briefs: list[Brief], limits: str) -> JudgeSettings:
    """The judge's settings, the same in all briefs."""
    found = {brief.about for brief in briefs}
    if len(found) != 1 or {brief.judge for brief in briefs} != {judge}:
        raise InputError(f"The briefs are not all of one judge {judge}: make them again with `build-requests`.")
    return found.pop().limited(limits, judge)


def _draw(path: Path) -> Draw:
    if not path.stem.isdecimal():
        raise InputError(f"{path} is no draw: draws are named after their rounds, such as 1.parquet.")
    return read_draw(path, int(path.stem))
