"""Score any images: a folder of images, or a GeoTIFF.

For people who have a trained model and images of their own; the workflow itself uses `predict`.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import pandas as pd
from cyclopts import Parameter
from cyclopts.validators import Number

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import atomic_path, write_json
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.learning.processes import use_device
from rankscape.samples.settings import Broken
from rankscape.stages.options import Gpus, Threads, WhiteReflectance
from rankscape.studies.ranking.scoring.images import RASTERS, find_images
from rankscape.studies.ranking.scoring.model import read_model
from rankscape.studies.ranking.scoring.prediction import exposure_of, score_images, score_raster
from rankscape.studies.ranking.scoring.settings import PredictSettings


def score(
    source: Annotated[Path, Parameter(help="Folder of images (png, jpg, webp, tif), or one GeoTIFF.")],
    /,
    *,
    model: Annotated[Path, Parameter(help="Score model: score.safetensors.")],
    out: Annotated[
        Path, Parameter(help="Table to write (CSV): file, or row, col, lon, lat; score, score_std, ensemble_std.")
    ],
    patch_px: Annotated[
        int | None,
        Parameter(
            help="Side of the patches that a GeoTIFF is cut into; default: as the model was trained.",
            validator=Number(gte=1),
        ),
    ] = None,
    white_reflectance: WhiteReflectance = None,
    views: Annotated[
        int, Parameter(help="Views of each image that its score is the mean of: 1, 4 turns, or 8 with mirrors.")
    ] = 1,
    broken: Annotated[
        Broken, Parameter(help="A broken image of a folder: an error, or `skip`: a warning and an empty score.")
    ] = "refuse",
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Score any images: every image of a folder and the folders in it, or the patches of a GeoTIFF."""
    options = {"patch_px": patch_px, "white_reflectance": white_reflectance, "broken": broken}
    scored = score_source(
        source, model, patch_px=patch_px, white_reflectance=white_reflectance, broken=broken, views=views, gpus=gpus,
        threads=threads,
    )  # fmt: skip
    _write(out, scored.table)
    inputs = {"model": model, **{f"source {name}": path for name, path in scored.images.items()}}
    origin = provenance("ranking score", scored.settings, inputs, seed=scored.seed, backend=scored.device)
    write_json(out.with_name(f"{out.name}.json"), {"options": options, "provenance": origin})
    found = int(scored.table["score"].notna().sum())
    say(f"{found} scores of {len(scored.table)} in {out}, where they come from in {out.name}.json")


@dataclass(frozen=True)
class ScoredImages:
    """Scores of images, and what they come from."""

    table: pd.DataFrame
    """A row an image, or a patch."""
    images: dict[str, Path]
    """Files by their names below the folder."""
    settings: PredictSettings
    seed: int | None
    """First seed of the model."""
    device: str
    """What computed them, such as `cpu`."""


def score_source(
    source: Path,
    model: Path,
    *,
    patch_px: int | None = None,
    white_reflectance: float | None = None,
    views: int = 1,
    broken: Broken = "refuse",
    gpus: int = 0,
    threads: int = 1,
) -> ScoredImages:
    """Score images; the options are those of the command.

    Raises:
        InputError: If there is no such file, or images are of another kind than those trained on.
    """
    values = PredictSettings.checked({"views": views}, "options of score")
    if not source.exists():
        raise InputError(f"{source} does not exist: give a folder of images or a GeoTIFF.")
    whole = source.is_file() and source.suffix.lower() in RASTERS
    if patch_px is not None and not whole:
        raise InputError(f"--patch-px cuts a GeoTIFF; {source} is none. Images are scored whole.")
    device = use_device(gpus, threads)
    networks = replace(read_model(model, device), views=values.views)
    exposure = exposure_of(networks, white_reflectance)
    folder = source if source.is_dir() else source.parent
    images = find_images(source)
    if whole:
        side = patch_px or networks.patch_px
        frame = score_raster(networks, source, side, device, values.batch_size, exposure)
    else:
        frame = score_images(networks, images, folder, device, values.batch_size, exposure, skip=broken == "skip")
    named = {path.relative_to(folder).as_posix(): path for path in images}
    return ScoredImages(frame, named, values, networks.seed, device.type)


def _write(out: Path, frame: pd.DataFrame) -> None:
    """Write a CSV; an image without data has empty scores."""
    with atomic_path(out) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6f", lineterminator="\n")
