"""Soft land-category labels from a judge: a vision-language model that names the category of sampled patches.

The Sichuan report (Gong, Zheng & Xie 2024) has models sort images into land categories; the share of the answers that
name a category stands for the share of annotators.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rankscape.foundation.errors import JudgeError, TableError
from rankscape.foundation.progress import bar
from rankscape.samples.overlap import distinct_places
from rankscape.samples.patches import Patches
from rankscape.samples.rendering import as_png, as_rgb, enlarged
from rankscape.studies.ranking.clusters.settings import LabelSettings
from rankscape.studies.ranking.clusters.soft_labels import labels_table

_PROMPT = """\
The picture is one square cut out of a satellite image, seen from straight above, north is up. Decide what kind of
land it shows. The kinds are: {categories}. Where several kinds meet, choose the one that fits the greater part of
the picture.

Answer with a JSON object and nothing else. It has one key, "category"; its value is exactly one of the kinds above."""
_MIN_PICTURE_PX = 224
"""Vision models read squares of 14 to 28 pixels at once; a smaller image would be a few of them."""
_QUORUM = 0.5
"""Share of the patches that must get an answer."""


@dataclass(frozen=True)
class Answer:
    """One reply of a judge."""

    text: str
    """The reply as received; empty where there is none."""
    failure: str | None
    """Why there is no reply; None where there is one."""


Ask = Callable[[bytes, int], Awaitable[Answer]]
"""Shows a judge one image (PNG), with a seed, and returns what it answers."""


@dataclass(frozen=True)
class Sample:
    """Patches drawn for a judge; pixels are read when an image is made."""

    ids: tuple[str, ...]
    """Patch ids, sorted by granule, row and column."""
    places: tuple[tuple[Patches, int], ...]
    """Granule and position of each patch."""

    def image(self, number: int) -> bytes:
        """Return one patch as PNG, in true colour, enlarged by a whole factor where it is small."""
        granule, position = self.places[number]
        return as_png(enlarged(as_rgb(granule.array[position]), _MIN_PICTURE_PX))


@dataclass(frozen=True)
class Labelling:
    """What a judge's answers say."""

    table: pd.DataFrame
    """Column patch_id and one float64 column a category; patches without an answer are left out."""
    asked: int
    """Replies asked for."""
    usable: int
    """Replies that name a category."""


def prompt(categories: Sequence[str]) -> str:
    """Return the question that a judge gets with every image."""
    return _PROMPT.format(categories=", ".join(categories))


def schema(categories: Sequence[str]) -> dict[str, Any]:
    """Return the JSON schema of an answer."""
    return {
        "type": "object",
        "properties": {"category": {"type": "string", "enum": list(categories)}},
        "required": ["category"],
        "additionalProperties": False,
    }


def sample_patches(granules: Sequence[Patches], settings: LabelSettings) -> Sample:
    """Draw usable patches, each place at most once.

    Args:
        granules: Patches of the granules that are learned from, in any order.
        settings: Size and seed of the draw.

    Raises:
        TableError: If no patch is usable.
    """
    ordered = sorted(granules, key=lambda one: str(one.index["granule"].iloc[0]) if len(one.index) else "")
    masks = distinct_places([one.index for one in ordered], every_date=True)
    places = [
        (one, int(position))
        for one, mask in zip(ordered, masks, strict=True)
        for position in np.flatnonzero(mask & one.index["usable"].to_numpy(bool))
    ]
    if not places:
        raise TableError("No patch is usable, so that none can be labelled: allow more cloud, or add granules.")
    size = min(settings.sample, len(places))
    chosen = np.sort(np.random.default_rng([settings.seed]).choice(len(places), size, replace=False))
    drawn = tuple(places[number] for number in chosen)
    return Sample(tuple(str(one.index["patch_id"].iloc[position]) for one, position in drawn), drawn)


def read_answer(text: str, categories: Sequence[str]) -> str | None:
    """Return the category that a reply names; None where it names none of the list.

    Text around the JSON object, such as a code fence, is passed over.
    """
    first, last = text.find("{"), text.rfind("}")
    try:
        document = json.loads(text[first : last + 1])
    except (json.JSONDecodeError, RecursionError):
        return None
    named = document.get("category") if isinstance(document, dict) else None
    return named if isinstance(named, str) and named in categories else None


async def ask_labels(sample: Sample, ask: Ask, settings: LabelSettings, at_once: int) -> Labelling:
    """Ask for the category of every patch, several times each.

    Args:
        sample: The patches.
        ask: Asks the judge.
        settings: Categories, replies a patch, seed.
        at_once: Patches under way at once; bounds the memory of the images.

    Returns:
        The shares of the usable answers.

    Raises:
        JudgeError: If fewer than half of the patches get an answer.
    """
    slots = asyncio.Semaphore(at_once)
    with bar("patches labelled", unit="patch", total=len(sample.ids)) as progress:

        async def one(number: int) -> list[Answer]:
            async with slots:
                image = sample.image(number)
                seeds = (settings.seed + reply for reply in range(settings.replies))
                answers = await asyncio.gather(*(ask(image, seed) for seed in seeds))
            progress.update()
            return answers

        answers = await asyncio.gather(*(one(number) for number in range(len(sample.ids))))
    return _labelling(sample.ids, answers, settings)


def _labelling(ids: Sequence[str], answers: Sequence[Sequence[Answer]], settings: LabelSettings) -> Labelling:
    shares: dict[str, list[float]] = {}
    usable = 0
    for patch, replies in zip(ids, answers, strict=True):
        named = [read_answer(reply.text, settings.categories) for reply in replies if reply.failure is None]
        counts = [float(named.count(category)) for category in settings.categories]
        usable += int(sum(counts))
        if any(counts):
            shares[patch] = counts
    if len(shares) < _QUORUM * len(ids):
        raise JudgeError(
            f"Judge {settings.judge} named a category for {len(shares)} of {len(ids)} patches, half are needed; "
            f"{_example(answers, settings.categories)}."
        )
    return Labelling(labels_table(shares, settings.categories), len(ids) * settings.replies, usable)


def _example(answers: Sequence[Sequence[Answer]], categories: Sequence[str]) -> str:
    useless = next(
        reply
        for replies in answers
        for reply in replies
        if reply.failure is not None or read_answer(reply.text, categories) is None
    )
    if useless.failure is not None:
        return f"the first failure was: {useless.failure}"
    return f"the first reply without a category was {useless.text[:100]!r}"
