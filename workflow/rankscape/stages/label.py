"""Collect soft land-category labels: from a table, from a judge, or none.

A label is soft: the share of the annotators, or of a judge's answers, that name each category.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from rankscape.clusters.labelling import Answer, Labelling, Sample, ask_labels, prompt, sample_patches, schema
from rankscape.clusters.labels import labels_table, read_labels
from rankscape.foundation.errors import JudgeError, SettingsError
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import KEY, provenance
from rankscape.foundation.settings.clusters import LabelSettings
from rankscape.foundation.settings.ranking import JudgeSettings
from rankscape.foundation.tables import write_table
from rankscape.ranking.judges import open_judge
from rankscape.ranking.questions import Question
from rankscape.stages.options import Settings, Tiles
from rankscape.tiles.store import index_of, open_patches, read_index


def label(
    settings: Settings,
    tiles: Tiles,
    out: Annotated[Path, typer.Option(help="Table to write: patch_id and the share of each category.")],
    judge_settings: Annotated[str, typer.Option(help="The judge of source `judge`: a JSON object.")] = "",
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Requests under way at once; changes no answer.")
    ] = None,
    attempts: Annotated[int | None, typer.Option(min=1, help="Tries of one request; changes no answer.")] = None,
    timeout_s: Annotated[float | None, typer.Option(min=0.001, help="Longest wait for one reply, in seconds.")] = None,
) -> None:
    """Collect the soft labels that the land-category head is fitted to; with source `none` the table is empty."""
    section = LabelSettings.from_text(settings, "label")
    inputs = {f"index/{path.stem}": index_of(path) for path in tiles} if section.source != "none" else {}
    about: dict[str, Any] = {"source": section.source}
    if section.source == "file":
        table = _from_file(Path(str(section.file)), section, tiles)
        inputs |= {"labels": Path(str(section.file))}
    elif section.source == "judge":
        pace = {"concurrency": concurrency, "attempts": attempts, "timeout_s": timeout_s}
        judge = _judge(judge_settings, section, pace)
        found = _from_judge(judge, section, tiles)
        table = found.table
        about |= {
            "judge": judge.model_dump(mode="json", exclude=set(pace)),
            "asked": found.asked,
            "usable": found.usable,
        }
    else:
        table = labels_table({}, section.categories)
    about |= {"categories": list(section.categories), "uninhabited": section.uninhabited}
    record = provenance("label", section, inputs, seed=section.seed if section.source == "judge" else None)
    write_table(out, table, {KEY: record, "label": about})


def _from_file(path: Path, section: LabelSettings, tiles: Sequence[Path]) -> pd.DataFrame:
    index = pd.concat([read_index(index_of(tile)) for tile in sorted(tiles)])
    table = read_labels(path, section.categories, list(index["patch_id"]))
    usable = table[table["patch_id"].isin(index.loc[index["usable"], "patch_id"])]
    say(f"{len(usable)} labelled patches; {len(table) - len(usable)} more lie under cloud or without data.")
    return usable


def _judge(text: str, section: LabelSettings, pace: Mapping[str, float | None]) -> JudgeSettings:
    if not text:
        raise SettingsError(f"label.source is `judge`: give the settings of judge {section.judge} as --judge-settings.")
    judge = JudgeSettings.from_text(text, f"judges.{section.judge}")
    if judge.kind == "stand-in":
        raise SettingsError(f"Judge {section.judge} is the stand-in, which names no land categories: name an endpoint.")
    return judge.model_copy(update={name: value for name, value in pace.items() if value is not None})


def _from_judge(judge: JudgeSettings, section: LabelSettings, tiles: Sequence[Path]) -> Labelling:
    sample = sample_patches([open_patches(path) for path in sorted(tiles)], section)
    found = asyncio.run(_ask(str(section.judge), judge, sample, section))
    say(f"{found.usable} of {found.asked} replies name a category; {len(found.table)} patches are labelled.")
    return found


async def _ask(name: str, settings: JudgeSettings, sample: Sample, section: LabelSettings) -> Labelling:
    question, answer_schema = prompt(section.categories), schema(section.categories)
    async with open_judge(name, settings) as judge:

        async def ask(picture: bytes, seed: int) -> Answer:
            reply = await judge.ask(Question((picture,), question, answer_schema, (seed,), seed))
            return Answer(reply.text, reply.error)

        try:
            return await ask_labels(sample, ask, section, settings.concurrency)
        except JudgeError:
            judge.raise_if_closed()
            raise
