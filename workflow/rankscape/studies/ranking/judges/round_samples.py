"""What a round shows: patches of every cluster, the same for all judges and prompts, as images."""

import hashlib
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from rankscape.foundation.errors import InputError, TableError
from rankscape.foundation.tables import read_metadata
from rankscape.products.fonts import Lettering
from rankscape.samples.patches import open_patches
from rankscape.samples.rendering import PatchLookup, as_png
from rankscape.studies.ranking.judges.artifacts import SAMPLE
from rankscape.studies.ranking.judges.settings import SampleSettings
from rankscape.studies.ranking.orders.order_files import Ranked

_COLUMNS = ["cluster", "patch_id", "image"]
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
"""Parts of a PNG that hold the image; text and other metadata stand in others."""


@dataclass(frozen=True)
class RoundSample:
    """What a round shows of every cluster."""

    number: int
    """Number of the round."""
    seed: int
    """Seed of the sampling; the replies' seeds follow from it."""
    fingerprint: str
    """Hash of which patch is in which cluster."""
    images: Mapping[int, Mapping[str, bytes]]
    """PNG by patch id, by cluster; clusters ascending."""

    @property
    def clusters(self) -> tuple[int, ...]:
        """Clusters in ascending order."""
        return tuple(self.images)

    @property
    def sha256(self) -> str:
        """Hash of all images in their order."""
        return hashlib.sha256(b"".join(png for own in self.images.values() for png in own.values())).hexdigest()


def round_sample_table(sample: Mapping[int, Sequence[str]], images: Mapping[str, bytes]) -> pd.DataFrame:
    """Return a sample as a table.

    Args:
        sample: Patch ids by cluster.
        images: PNG by patch id.

    Returns:
        Columns cluster (int32), patch_id, image (bytes); a row a patch.
    """
    rows = [(cluster, patch, images[patch]) for cluster, patches in sample.items() for patch in patches]
    return pd.DataFrame(rows, columns=_COLUMNS).astype({"cluster": "int32"})


def write_round_sample(
    path: Path, table: pd.DataFrame, ranked: Ranked, seed: int, number: int, provenance: dict[str, Any]
) -> None:
    """Write a sample.

    Args:
        path: Final name.
        table: Columns as `round_sample_table` gives them.
        ranked: The clusters shown.
        seed: Seed of the sampling.
        number: Number of the round.
        provenance: Where it came from.
    """
    about = {"fingerprint": ranked.fingerprint, "round": number, "seed": seed}
    SAMPLE.write(path, table, provenance, sample=about)


def read_round_sample(path: Path, number: int) -> RoundSample:
    """Read the images of a round.

    Args:
        path: Table that `sample` wrote.
        number: Number of the round.

    Raises:
        TableError: If the file is no table of a sample.
        InputError: If it was sampled for another round, shows nothing, or an image holds more than pixels.
    """
    about, table = read_metadata(path, "sample"), SAMPLE.read(path, *_COLUMNS)
    if about.get("round") != number:
        raise InputError(f"{path} was sampled for round {about.get('round')}, not for round {number}: give that one's.")
    if table.empty:
        raise InputError(f"{path} shows no patch: sample it again.")
    images: dict[int, dict[str, bytes]] = {int(cluster): {} for cluster in sorted(table["cluster"].unique())}
    for cluster, patch, image in table[_COLUMNS].itertuples(index=False, name=None):
        _check_pixels_only(bytes(image), f"Patch {patch} of {path}")
        images[int(cluster)][str(patch)] = bytes(image)
    return RoundSample(number, int(about["seed"]), str(about["fingerprint"]), images)


def _check_pixels_only(png: bytes, origin: str) -> None:
    """Refuse text beside the pixels: some endpoints could read it out to the judge."""
    place, end = len(_SIGNATURE), len(png)
    if not png.startswith(_SIGNATURE):
        raise InputError(f"{origin} is no PNG: sample it again.")
    while place < end:
        kind = png[place + 4 : place + 8]
        if kind not in _PIXELS:
            raise InputError(f"{origin} holds more than pixels ({kind.decode('latin-1')!r}): sample it again.")
        place += 12 + int.from_bytes(png[place : place + 4])


def sample_patches(
    table: pd.DataFrame, clusters: Sequence[int], settings: SampleSettings, number: int
) -> dict[int, list[str]]:
    """Sample the patches of a round; all judges and prompts of one round see the same.

    Args:
        table: Columns patch_id and cluster.
        clusters: Clusters to sample from.
        settings: Patches a cluster, seed.
        number: Number of the round.

    Returns:
        Patch ids by cluster, sorted; all of a cluster's patches where it has no more than are asked for.

    Raises:
        TableError: If a cluster has no patch.
    """
    members = {cluster: sorted(table.loc[table["cluster"] == cluster, "patch_id"]) for cluster in clusters}
    empty = [cluster for cluster, patches in members.items() if not patches]
    if empty:
        raise TableError(f"The clusters {empty} have no patch in the table of clusters: make the clusters again.")
    return {cluster: _sampled(members[cluster], settings, [settings.seed, number, cluster]) for cluster in clusters}


def _sampled(patches: list[str], settings: SampleSettings, seed: list[int]) -> list[str]:
    if len(patches) <= settings.images_per_cluster:
        return patches
    sampled = np.random.default_rng(seed).choice(len(patches), settings.images_per_cluster, replace=False)
    return sorted(patches[place] for place in sampled)


def load_images(tiles: Sequence[Path], patches: Sequence[str], min_image_px: int) -> dict[str, bytes]:
    """Load patches as PNG images.

    Args:
        tiles: Patch arrays.
        patches: Patch ids.
        min_image_px: Smaller patches are enlarged by a whole factor, without smoothing, to at least this side.

    Returns:
        PNG by patch id.

    Raises:
        TableError: If a patch is in none of the arrays.
    """
    lookup = PatchLookup(map(open_patches, tiles), patches)
    return {patch: lookup.png(patch, min_image_px) for patch in patches}


PAPER = (255, 255, 255)
"""Colour between patches."""
_INK, _GAP_PX, _DIVIDE_PX, _TITLE_PX, _FONT_PX = (20, 20, 20), 8, 96, 40, 28


def montage(patches: Iterable[bytes]) -> bytes:
    """Lay patches in a near-square grid.

    Args:
        patches: PNG of each patch; one or more, all of one size.

    Returns:
        PNG without metadata.
    """
    return as_png(_grid(patches))


def side_by_side(left: Iterable[bytes], right: Iterable[bytes], titles: tuple[str, str]) -> bytes:
    """Lay two clusters' patches side by side, with a wide gap between them and a title above each.

    Args:
        left: PNG of each patch of the first cluster.
        right: PNG of each patch of the second cluster.
        titles: Line above each.

    Returns:
        PNG without metadata.
    """
    halves = [
        Image.fromarray(_titled(_grid(patches), title)) for patches, title in zip((left, right), titles, strict=True)
    ]
    width = sum(half.width for half in halves) + _DIVIDE_PX
    canvas = Image.new("RGB", (width, max(half.height for half in halves)), PAPER)
    canvas.paste(halves[0], (0, 0))
    canvas.paste(halves[1], (halves[0].width + _DIVIDE_PX, 0))
    return as_png(np.asarray(canvas))


def _grid(patches: Iterable[bytes]) -> np.ndarray:
    images = [Image.open(io.BytesIO(png)).convert("RGB") for png in patches]
    columns = math.ceil(math.sqrt(len(images)))
    width, height = max(one.width for one in images) + _GAP_PX, max(one.height for one in images) + _GAP_PX
    rows = math.ceil(len(images) / columns)
    canvas = Image.new("RGB", (columns * width + _GAP_PX, rows * height + _GAP_PX), PAPER)
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        canvas.paste(image, (_GAP_PX + column * width, _GAP_PX + row * height))
    return np.asarray(canvas)


def _titled(image: np.ndarray, title: str) -> np.ndarray:
    font = Lettering(_FONT_PX)
    width = max(image.shape[1], math.ceil(font.getlength(title)) + 2 * _GAP_PX)
    canvas = Image.new("RGB", (width, image.shape[0] + _TITLE_PX), PAPER)
    font.write(ImageDraw.Draw(canvas), (_GAP_PX, 2), title, _INK)
    canvas.paste(Image.fromarray(image), (0, _TITLE_PX))
    return np.asarray(canvas)
