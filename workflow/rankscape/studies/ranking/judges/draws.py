"""Draws: the pictures that a round shows, the same for all judges and prompts (docs/ranking.md)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rankscape.foundation.errors import InputError
from rankscape.foundation.provenance import KEY
from rankscape.foundation.tables import read_metadata, read_table, write_table
from rankscape.studies.ranking.orders.summary import Ranked

_COLUMNS = ["cluster", "patch_id", "picture"]
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
"""Parts of a PNG that hold the picture; text and other metadata stand in others."""


@dataclass(frozen=True)
class Draw:
    """What a round shows of every cluster."""

    number: int
    """Number of the round."""
    seed: int
    """Seed of the sampling; the replies' seeds follow from it."""
    fingerprint: str
    """Hash of which patch is in which cluster."""
    pictures: Mapping[int, Mapping[str, bytes]]
    """PNG by patch id, by cluster; clusters ascending."""

    @property
    def clusters(self) -> tuple[int, ...]:
        """Clusters in ascending order."""
        return tuple(self.pictures)

    @property
    def sha256(self) -> str:
        """Hash of all pictures in their order."""
        return hashlib.sha256(b"".join(png for own in self.pictures.values() for png in own.values())).hexdigest()


def draw_table(sample: Mapping[int, Sequence[str]], pictures: Mapping[str, bytes]) -> pd.DataFrame:
    """Return a draw as a table.

    Args:
        sample: Patch ids by cluster.
        pictures: PNG by patch id.

    Returns:
        Columns cluster (int32), patch_id, picture (bytes); a row a patch.
    """
    rows = [(cluster, patch, pictures[patch]) for cluster, patches in sample.items() for patch in patches]
    return pd.DataFrame(rows, columns=_COLUMNS).astype({"cluster": "int32"})


def write_draw(
    path: Path, table: pd.DataFrame, ranked: Ranked, seed: int, number: int, provenance: dict[str, Any]
) -> None:
    """Write a draw.

    Args:
        path: Final name.
        table: Columns as `draw_table` gives them.
        ranked: The clusters shown.
        seed: Seed of the sampling.
        number: Number of the round.
        provenance: Where it came from.
    """
    about = {"fingerprint": ranked.fingerprint, "round": number, "seed": seed}
    write_table(path, table, {KEY: provenance, "draw": about})


def read_draw(path: Path, number: int) -> Draw:
    """Read the pictures of a round.

    Args:
        path: Table that `draw` wrote.
        number: Number of the round.

    Raises:
        TableError: If the file is no table of a draw.
        InputError: If it was drawn for another round, shows nothing, or a picture holds more than pixels.
    """
    about, table = read_metadata(path, "draw"), read_table(path, _COLUMNS)
    if about.get("round") != number:
        raise InputError(f"{path} was drawn for round {about.get('round')}, not for round {number}: give that one's.")
    if table.empty:
        raise InputError(f"{path} shows no patch: draw it again.")
    pictures: dict[int, dict[str, bytes]] = {int(cluster): {} for cluster in sorted(table["cluster"].unique())}
    for cluster, patch, picture in table[_COLUMNS].itertuples(index=False, name=None):
        _check_pixels_only(bytes(picture), f"Patch {patch} of {path}")
        pictures[int(cluster)][str(patch)] = bytes(picture)
    return Draw(number, int(about["seed"]), str(about["fingerprint"]), pictures)


def _check_pixels_only(png: bytes, origin: str) -> None:
    """Refuse text beside the pixels: some endpoints could read it out to the judge."""
    place, end = len(_SIGNATURE), len(png)
    if not png.startswith(_SIGNATURE):
        raise InputError(f"{origin} is no PNG: draw it again.")
    while place < end:
        kind = png[place + 4 : place + 8]
        if kind not in _PIXELS:
            raise InputError(f"{origin} holds more than pixels ({kind.decode('latin-1')!r}): draw it again.")
        place += 12 + int.from_bytes(png[place : place + 4])
