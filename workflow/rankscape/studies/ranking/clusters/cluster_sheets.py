"""Contact sheets: what the patches of a cluster look like, one image a cluster."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from rankscape.foundation.errors import TableError
from rankscape.foundation.files import write_bytes
from rankscape.foundation.progress import track
from rankscape.products.fonts import Lettering
from rankscape.samples.patches import Patches
from rankscape.samples.rendering import PatchLookup, as_png, as_rgb, enlarged
from rankscape.studies.ranking.clusters.artifacts import CONTACT_SHEETS_INDEX

SMALLEST_PX, LARGEST_PX = 96, 192
"""Sides between which a patch is shown, where a whole factor allows it."""
_GAP_PX, _TITLE_PX, _FONT_PX = 4, 26, 16
_CAPTION_PX, _CAPTION_STEP_PX, _CAPTION_LINE_PX = 13, 14, 17
_PAPER, _INK = (255, 255, 255), (20, 20, 20)
INDEX = "index.json"


SHEET_PATCHES = 25
"""Most patches on a sheet: five rows of five fill a screen."""


@dataclass(frozen=True)
class ContactSheet:
    """One cluster's sheet."""

    cluster: int
    """Number of the cluster."""
    title: str
    """Line above the patches."""
    patch_ids: tuple[str, ...]
    """Patches in the order shown: row by row."""

    @property
    def file(self) -> str:
        """Name of the image."""
        return f"{self.cluster:02d}.png"


def plan_contact_sheets(
    table: pd.DataFrame, clusters: Sequence[Mapping[str, Any]], patches: int, seed: int
) -> list[ContactSheet]:
    """Draw the patches that stand for each cluster.

    Args:
        table: Columns patch_id and cluster.
        clusters: Clusters of the summary: cluster, category, size, uninhabited.
        patches: Most patches on a sheet.
        seed: Seed of the draw, used together with the cluster's number.

    Raises:
        TableError: If table and summary belong to different clusterings.
    """
    by_cluster = {int(str(number)): list(part) for number, part in table.groupby("cluster")["patch_id"]}
    sizes = {int(one["cluster"]): int(one["size"]) for one in clusters}
    if {number: len(ids) for number, ids in by_cluster.items()} != sizes:
        raise TableError("The clusters' table and summary belong to different clusterings: run cluster again.")
    sheets = []
    for one in clusters:
        ids = by_cluster[int(one["cluster"])]
        size = min(patches, len(ids))
        chosen = np.sort(np.random.default_rng([seed, int(one["cluster"])]).choice(len(ids), size, replace=False))
        sheets.append(ContactSheet(int(one["cluster"]), _title(one, size), tuple(ids[place] for place in chosen)))
    return sheets


def _title(cluster: Mapping[str, Any], shown: int) -> str:
    people = ", uninhabited" if cluster["uninhabited"] else ""
    counted = "1 patch" if cluster["size"] == 1 else f"{cluster['size']:,} patches"
    sample = f" ({shown} shown)" if shown < cluster["size"] else ""
    return f"Cluster {cluster['cluster']}: {cluster['category']}{people}, {counted}{sample}"


def write_contact_sheets(
    folder: Path, sheets: Sequence[ContactSheet], granules: Sequence[Patches], record: dict[str, Any]
) -> None:
    """Write one PNG a cluster, and last `index.json`, which names the patches; images of earlier clusters go.

    Args:
        folder: Where the images go; made if it is missing.
        sheets: What to show.
        granules: Patches of all granules that the sheets show.
        record: Provenance.

    Raises:
        TableError: If a patch is in none of the granules.
    """
    images = PatchLookup(granules)
    for sheet in track(sheets, "contact sheets", unit="sheet"):
        shown = [as_rgb(images.pixels(patch)) for patch in sheet.patch_ids]
        write_bytes(folder / sheet.file, as_png(contact_sheet(sheet.title, shown)))
    named = [
        {"cluster": sheet.cluster, "file": sheet.file, "title": sheet.title, "patches": list(sheet.patch_ids)}
        for sheet in sheets
    ]
    for path in set(folder.glob("[0-9]*.png")) - {folder / sheet.file for sheet in sheets}:
        path.unlink()
    CONTACT_SHEETS_INDEX.write(folder / INDEX, {"sheets": named}, record)


def contact_sheet(title: str, patches: Sequence[np.ndarray], captions: Sequence[str] = ()) -> np.ndarray:
    """Draw patches in a near-square grid below a title.

    Args:
        title: One line.
        patches: uint8, each of shape (patch_px, patch_px, 3); one or more.
        captions: A text under each patch, of as many lines each; none by default.

    Returns:
        uint8, shape (height, width, 3).
    """
    shown = [resized(patch) for patch in patches]
    font, small = Lettering(_FONT_PX), Lettering(_CAPTION_PX)
    lines = [line for caption in captions for line in caption.split("\n")]
    side = max(*(max(image.shape[:2]) for image in shown), *(math.ceil(small.getlength(line)) for line in lines), 0)
    tall = max(image.shape[0] for image in shown) + len(lines) // len(shown) * _CAPTION_LINE_PX
    columns = math.ceil(math.sqrt(len(shown)))
    rows = math.ceil(len(shown) / columns)
    width = max(columns * (side + _GAP_PX) + _GAP_PX, math.ceil(font.getlength(title)) + 2 * _GAP_PX)
    canvas = Image.new("RGB", (width, _TITLE_PX + rows * (tall + _GAP_PX)), _PAPER)
    draw = ImageDraw.Draw(canvas)
    font.write(draw, (_GAP_PX, _GAP_PX), title, _INK)
    for number, (image, caption) in enumerate(zip(shown, captions or [""] * len(shown), strict=True)):
        row, column = divmod(number, columns)
        left, top = _GAP_PX + column * (side + _GAP_PX), _TITLE_PX + row * (tall + _GAP_PX)
        canvas.paste(Image.fromarray(image), (left, top))
        for below, line in enumerate(caption.split("\n")):
            small.write(draw, (left, top + image.shape[0] + below * _CAPTION_STEP_PX), line, _INK)
    return np.asarray(canvas)


def resized(patch: np.ndarray) -> np.ndarray:
    """Show a small patch larger and a large one smaller, by a whole factor, so that every pixel counts alike.

    Args:
        patch: uint8, shape (patch_px, patch_px, 3).

    Returns:
        uint8; each pixel repeated where the patch is below `SMALLEST_PX`; means of squares of pixels where it is above
        `LARGEST_PX`.
    """
    side = patch.shape[0]
    if side < SMALLEST_PX:
        return enlarged(patch, SMALLEST_PX)
    return np.asarray(Image.fromarray(patch).reduce(math.ceil(side / LARGEST_PX)))
