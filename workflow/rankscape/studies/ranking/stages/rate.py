"""Ask one judge with one prompt about a few patches of every cluster: one round.

Every reply is kept as received, with the answer read from it or the reason why there is none.
"""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import httpx2
from cyclopts import Parameter
from cyclopts.validators import Number

from rankscape.foundation.code_version import code_version
from rankscape.foundation.package_files import lazy
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.stages.options import settings_of
from rankscape.studies.ranking.judges.artifacts import ROUND, TIMES
from rankscape.studies.ranking.judges.asking import Heard, Mode, check_quorum
from rankscape.studies.ranking.judges.client import open_judge, stored_only
from rankscape.studies.ranking.judges.modes import mode_of
from rankscape.studies.ranking.judges.prompts import Prompt, read_prompt
from rankscape.studies.ranking.judges.questions import endpoint_name
from rankscape.studies.ranking.judges.reply_store import ReplyStore
from rankscape.studies.ranking.judges.round_samples import RoundSample, read_round_sample
from rankscape.studies.ranking.judges.rounds import ask_round, to_document, to_times
from rankscape.studies.ranking.judges.settings import JudgeSettings, RateSettings

ANSWERING = lazy({"stand-in": "rankscape.synthetic.stand_in"})
"""Judges that answer in process; a round of another judge does not depend on their code."""


def rate(
    *,
    settings: Annotated[str, settings_of(RateSettings)],
    judge: Annotated[str, Parameter(help="Name of the judge.")],
    judge_settings: Annotated[str, Parameter(help="The judge's settings: a JSON object.")],
    prompt: Annotated[Path, Parameter(help="The question (Markdown); its name is the prompt's name.")],
    number: Annotated[int, Parameter(name="--round", help="Number of the round.", validator=Number(gte=1))],
    sample: Annotated[Path, Parameter(help="What the round shows (.parquet, from `sample`).")],
    out: Annotated[Path, Parameter(help="Round to write (JSON).")],
    store: Annotated[
        Path | None,
        Parameter(help="Folder of replies: questions that it answers are not asked again, new replies are kept."),
    ] = None,
    times: Annotated[
        Path | None, Parameter(help="How long the replies took, to write (JSON); the round itself has no times.")
    ] = None,
    limits: Annotated[str, Parameter(help="Limits and prices of the judge: a JSON object; they change no reply.")] = "",
) -> None:
    """Ask one judge with one prompt about a few patches of every cluster: one round."""
    chosen = RateSettings.from_text(settings, "ranking.rate")
    question, shown = read_prompt(prompt), read_round_sample(sample, number)
    about = JudgeSettings.from_text(judge_settings, f"ranking.judges.{judge}").limited(limits, judge)
    mode = mode_of(question, chosen)
    heard = asyncio.run(_ask(judge, about, question, mode, shown, chosen, store))
    round_name = f"Round {number} of judge {judge} with prompt {question.name}"
    check_quorum(heard, chosen.quorum, round_name)
    document = {
        **_asked(judge, about, question, mode),
        "round": number,
        "fingerprint": shown.fingerprint,
        "images_sha256": shown.sha256,
        **to_document(heard, mode.score(heard, round_name), about),
    }
    record = provenance("ranking rate", chosen, {"prompt": prompt, "sample": sample}, seed=shown.seed)
    if times is not None:
        named = {"judge": judge, "prompt": question.name, "round": number}
        TIMES.write(times, {**named, "fingerprint": shown.fingerprint, **to_times(heard)}, record)
    ROUND.write(out, document, record)
    usage = document["usage"]
    say(f"{round_name}: {usage['usable']} of {usage['replies']} replies usable.")


def _asked(name: str, about: JudgeSettings, prompt: Prompt, mode: Mode) -> dict[str, Any]:
    """Who was asked what, and how; a stand-in is called one wherever its answers go."""
    stand_in = about.kind == "stand-in"
    return {
        "judge": name,
        "model": about.model,
        "endpoint": endpoint_name(about),
        "mode": mode.name,
        "temperature": about.temperature,
        "detail": about.detail,
        "max_tokens": about.max_tokens,
        **({"form": about.form} if about.form else {}),
        "stand_in": stand_in,
        "stand_in_code": code_version(ANSWERING.modules["stand-in"]) if stand_in else None,
        "prompt": prompt.name,
        "prompt_sha256": prompt.sha256,
        "language": prompt.language,
    }


async def _ask(
    name: str,
    about: JudgeSettings,
    prompt: Prompt,
    mode: Mode,
    shown: RoundSample,
    settings: RateSettings,
    store: Path | None,
) -> list[Heard]:
    transport: httpx2.AsyncBaseTransport | None = None
    if about.kind in ANSWERING:
        # Its replies cost nothing and follow its code, which is in no question's name: they are asked for anew.
        transport, store = httpx2.ASGITransport(app=ANSWERING[about.kind].create_app()), None
    elif about.command is not None:
        transport = stored_only(name)
    async with open_judge(name, about, ReplyStore(store) if store is not None else None, transport) as judge:
        return await ask_round(judge, prompt, mode, shown, settings)
