"""Collect soft land-category labels: from a table, from a judge, or none.

A label is soft: the share of the annotators, or of a judge's answers, that name each category.
"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from cyclopts import Parameter

from rankscape.foundation.errors import JudgeError, SettingsError
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.samples.patches import index_of, open_patches, read_index
from rankscape.stages.options import PatchArrays, settings_of
from rankscape.studies.ranking.clusters.artifacts import LABELS
from rankscape.studies.ranking.clusters.category_labels import (
    Answer,
    Labelling,
    Sample,
    ask_labels,
    prompt,
    sample_patches,
    schema,
)
from rankscape.studies.ranking.clusters.settings import LabelSettings
from rankscape.studies.ranking.clusters.soft_labels import PATCH_ID, image_names, labels_table, read_labels
from rankscape.studies.ranking.judges.client import open_judge
from rankscape.studies.ranking.judges.questions import Question
from rankscape.studies.ranking.judges.reply_store import ReplyStore
from rankscape.studies.ranking.judges.settings import JudgeSettings


def label(
    *,
    settings: Annotated[str, settings_of(LabelSettings)],
    patches: PatchArrays,
    out: Annotated[Path, Parameter(help="Table to write: patch_id and the share of each category.")],
    judge_settings: Annotated[str, Parameter(help="The judge of source `judge`: a JSON object.")] = "",
    limits: Annotated[
        str, Parameter(help="Limits and prices of the judge: a JSON object; they change no answer.")
    ] = "",
    store: Annotated[
        Path | None,
        Parameter(help="Folder of replies: questions that it answers are not asked again, new replies are kept."),
    ] = None,
) -> None:
    """Collect the soft labels that the land-category head is fitted to; with source `none` the table is empty."""
    section = LabelSettings.from_text(settings, "ranking.label")
    inputs = {f"index/{path.stem}": index_of(path) for path in patches} if section.source != "none" else {}
    about: dict[str, Any] = {"source": section.source}
    if section.source == "file":
        table = _from_file(Path(str(section.file)), section, patches)
        inputs |= {"labels": Path(str(section.file))}
    elif section.source == "judge":
        judge = _judge(judge_settings, section).limited(limits, str(section.judge))
        found = _from_judge(judge, section, patches, store)
        table = found.table
        about |= {
            "judge": json.loads(judge.asked),
            "asked": found.asked,
            "usable": found.usable,
        }
    else:
        table = labels_table({}, section.categories)
    about |= {"categories": list(section.categories), "uninhabited": section.uninhabited}
    record = provenance("ranking label", section, inputs, seed=section.seed if section.source == "judge" else None)
    LABELS.write(out, table, record, label=about)


def _from_file(path: Path, section: LabelSettings, patches: Sequence[Path]) -> pd.DataFrame:
    index = pd.concat([read_index(index_of(path)) for path in sorted(patches)])
    images = None if section.column == PATCH_ID else image_names(index)
    table = read_labels(path, section.categories, list(index["patch_id"]), section.column, images)
    usable = table[table["patch_id"].isin(index.loc[index["usable"], "patch_id"])]
    say(f"{len(usable)} labelled patches; {len(table) - len(usable)} more lie under cloud or without data.")
    return usable


def _judge(text: str, section: LabelSettings) -> JudgeSettings:
    if not text:
        raise SettingsError(f"label.source is `judge`: give the settings of judge {section.judge} as --judge-settings.")
    judge = JudgeSettings.from_text(text, f"ranking.judges.{section.judge}")
    if judge.kind == "stand-in":
        raise SettingsError(f"Judge {section.judge} is the stand-in, which names no land categories: name an endpoint.")
    return judge


def _from_judge(judge: JudgeSettings, section: LabelSettings, patches: Sequence[Path], store: Path | None) -> Labelling:
    sample = sample_patches([open_patches(path) for path in sorted(patches)], section)
    replies = ReplyStore(store) if store is not None else None
    found = asyncio.run(_ask(str(section.judge), judge, sample, section, replies))
    say(f"{found.usable} of {found.asked} replies name a category; {len(found.table)} patches are labelled.")
    return found


async def _ask(
    name: str, settings: JudgeSettings, sample: Sample, section: LabelSettings, store: ReplyStore | None
) -> Labelling:
    question, answer_schema = prompt(section.categories), schema(section.categories)
    async with open_judge(name, settings, store) as judge:

        async def ask(image: bytes, seed: int) -> Answer:
            reply = await judge.ask(Question((image,), question, answer_schema, (seed,), seed))
            return Answer(reply.text, reply.error)

        try:
            return await ask_labels(sample, ask, section, settings.concurrency)
        except JudgeError:
            judge.raise_if_closed()
            raise
