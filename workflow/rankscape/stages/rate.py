"""Ask one judge with one prompt to score a few patches of every cluster.

Every reply is kept as received, with the score read from it or the reason why there is none.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer

from rankscape.demo.standin import create_app
from rankscape.foundation.files import write_json
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.foundation.settings.ranking import JudgeSettings, RateSettings
from rankscape.ranking.draws import Draw, read_draw
from rankscape.ranking.judges import open_judge
from rankscape.ranking.prompts import Prompt, read_prompt
from rankscape.ranking.rounds import Viewed, ask_round, cluster_scores, to_document
from rankscape.stages.options import Settings


def rate(
    settings: Settings,
    judge: Annotated[str, typer.Option(help="Name of the judge.")],
    judge_settings: Annotated[str, typer.Option(help="The judge's settings: a JSON object.")],
    prompt: Annotated[Path, typer.Option(help="The question (Markdown); its name is the prompt's name.")],
    number: Annotated[int, typer.Option("--round", min=1, help="Number of the round.")],
    draw: Annotated[Path, typer.Option(help="What the round shows (.parquet, from `draw`).")],
    out: Annotated[Path, typer.Option(help="Round to write (JSON).")],
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Requests under way at once; changes no reply.")
    ] = None,
    attempts: Annotated[int | None, typer.Option(min=1, help="Tries of one request; changes no reply.")] = None,
    timeout_s: Annotated[float | None, typer.Option(min=0.001, help="Longest wait for one reply, in seconds.")] = None,
) -> None:
    """Ask one judge with one prompt to score a few patches of every cluster: one round."""
    chosen, question, shown = RateSettings.from_text(settings, "rate"), read_prompt(prompt), read_draw(draw, number)
    pace = {"concurrency": concurrency, "attempts": attempts, "timeout_s": timeout_s}
    about = _judge(judge, judge_settings, pace)
    viewed, endpoint = asyncio.run(_ask(judge, about, question, shown, chosen))
    round_name = f"Round {number} of judge {judge} with prompt {question.name}"
    scores = cluster_scores(viewed, chosen, round_name)
    document: dict[str, Any] = {
        **_asked(judge, about, endpoint, question),
        "round": number,
        "pictures_sha256": shown.sha256,
        "fingerprint": shown.fingerprint,
        **to_document(viewed, scores),
        "provenance": provenance("rate", chosen, {"prompt": prompt, "draw": draw}, seed=shown.seed),
    }
    write_json(out, document)
    usage = document["usage"]
    say(f"{round_name}: {usage['usable']} of {usage['replies']} replies usable.")


def _judge(name: str, text: str, pace: Mapping[str, float | None]) -> JudgeSettings:
    """The judge's settings; how often and how fast it is asked is the caller's business and changes no reply."""
    about = JudgeSettings.from_text(text, f"judges.{name}")
    return about.model_copy(update={key: value for key, value in pace.items() if value is not None})


def _asked(name: str, about: JudgeSettings, endpoint: str, prompt: Prompt) -> dict[str, Any]:
    """Who was asked what; a stand-in is called one wherever its answers go."""
    return {
        "judge": name,
        "model": about.model,
        "endpoint": endpoint,
        "temperature": about.temperature,
        "max_tokens": about.max_tokens,
        "stand_in": about.kind == "stand-in",
        "prompt": prompt.name,
        "prompt_sha256": prompt.sha256,
    }


async def _ask(
    name: str,
    about: JudgeSettings,
    prompt: Prompt,
    shown: Draw,
    settings: RateSettings,
) -> tuple[list[Viewed], str]:
    transport = httpx2.ASGITransport(app=create_app()) if about.kind == "stand-in" else None
    async with open_judge(name, about, transport) as judge:
        return await ask_round(judge, prompt, shown, settings), judge.endpoint
