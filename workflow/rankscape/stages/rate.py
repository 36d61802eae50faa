"""Ask one judge with one prompt to score a few patches of every cluster.

Every reply is kept as received, with the score read from it or the reason why there is none.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer

from rankscape.demo.standin import create_app
from rankscape.foundation.files import write_json
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.foundation.settings.ranking import JudgeSettings, RateSettings
from rankscape.foundation.tables import read_table
from rankscape.ranking.judges import open_judge
from rankscape.ranking.pictures import load_pictures, sample_patches
from rankscape.ranking.prompts import Prompt, read_prompt
from rankscape.ranking.rounds import Viewed, ask_round, cluster_scores, to_document
from rankscape.ranking.summary import read_ranked
from rankscape.stages.options import Clusters, Settings, Summary, Tiles


def rate(
    settings: Settings,
    judge: Annotated[str, typer.Option(help="Name of the judge.")],
    judge_settings: Annotated[str, typer.Option(help="The judge's settings: a JSON object.")],
    prompt: Annotated[Path, typer.Option(help="The question (Markdown); its name is the prompt's name.")],
    number: Annotated[int, typer.Option("--round", min=1, help="Number of the round.")],
    tiles: Tiles,
    clusters: Clusters,
    summary: Summary,
    out: Annotated[Path, typer.Option(help="Round to write (JSON).")],
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Requests under way at once; changes no reply.")
    ] = None,
    attempts: Annotated[int | None, typer.Option(min=1, help="Tries of one request; changes no reply.")] = None,
    timeout_s: Annotated[float | None, typer.Option(min=0.001, help="Longest wait for one reply, in seconds.")] = None,
) -> None:
    """Ask one judge with one prompt to score a few patches of every cluster: one round."""
    chosen, question, ranked = RateSettings.from_text(settings, "rate"), read_prompt(prompt), read_ranked(summary)
    pace = {"concurrency": concurrency, "attempts": attempts, "timeout_s": timeout_s}
    about = _judge(judge, judge_settings, pace)
    sample = sample_patches(read_table(clusters, ["patch_id", "cluster"]), ranked.clusters, chosen, number)
    shown = [patch for patches in sample.values() for patch in patches]
    pictures = load_pictures(tiles, shown, chosen.min_picture_px)
    viewed, endpoint = asyncio.run(_ask(judge, about, question, sample, pictures, chosen, number))
    round_name = f"Round {number} of judge {judge} with prompt {question.name}"
    scores = cluster_scores(viewed, chosen, round_name)
    inputs = {"prompt": prompt, "clusters": clusters, "summary": summary}
    document: dict[str, Any] = {
        **_asked(judge, about, endpoint, question),
        "round": number,
        "pictures_sha256": hashlib.sha256(b"".join(pictures[patch] for patch in shown)).hexdigest(),
        "fingerprint": ranked.fingerprint,
        **to_document(viewed, scores),
        "provenance": provenance("rate", chosen, inputs, seed=chosen.seed),
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
    sample: Mapping[int, Sequence[str]],
    pictures: Mapping[str, bytes],
    settings: RateSettings,
    number: int,
) -> tuple[list[Viewed], str]:
    transport = httpx2.ASGITransport(app=create_app()) if about.kind == "stand-in" else None
    async with open_judge(name, about, transport) as judge:
        return await ask_round(judge, prompt, sample, pictures, settings, number), judge.endpoint
