"""Settings of what a large region needs of disk and planning (docs/scaling.md); they change no result."""

import re
from typing import Annotated, Literal

from pydantic import Field

from rankscape.foundation.settings import Section

Intermediate = Literal["assets", "scenes", "tiles", "features"]
"""Large files between stages: assets as delivered; composed scenes and their quality; patches; features."""
SHARD_PATTERN = r"^(join|[1-9][0-9]{0,4}/[1-9][0-9]{0,4})$"


class StorageSettings(Section):
    """Which large intermediate files are removed as soon as nothing that is planned needs them."""

    drop: tuple[Intermediate, ...] = ()
    """What is removed: `assets`, `scenes`, `tiles`, `features`; a later job that needs one makes it again."""


class Shard(Section):
    """One part of a region's granules."""

    number: Annotated[int, Field(ge=1)]
    """Which part."""
    of: Annotated[int, Field(ge=1)]
    """How many parts there are."""

    def part(self, granules: list[str]) -> list[str]:
        """Return this part of the granules; parts differ by one granule at most, and together they are all."""
        first, end = (place * len(granules) // self.of for place in (self.number - 1, self.number))
        return granules[first:end]


def parse_shard(text: str | None) -> Shard | None:
    """Read `3/20`; None where there is no shard, or where shards are joined.

    Raises:
        ValueError: If the number is larger than the count.
    """
    if text is None or not re.fullmatch(r"\d+/\d+", text):
        return None
    number, of = map(int, text.split("/"))
    if number > of:
        raise ValueError(f"shard = {text!r}: there are only {of} shards")
    return Shard(number=number, of=of)
