"""Scores of patches, of images in a folder, and of the patches of a GeoTIFF."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from rankscape.foundation import progress
from rankscape.foundation.errors import RasterError
from rankscape.learning.feeding import fed
from rankscape.samples.patches import Patches
from rankscape.studies.ranking.scoring.images import (
    MIN_VALID_FRACTION,
    ScoredRaster,
    cut_raster,
    look_at_raster,
    patch_centres,
    read_image,
    valid_fraction,
)
from rankscape.studies.ranking.scoring.model import ScoreModel
from rankscape.studies.ranking.scoring.network import Part

_WHITE = 255.0

Exposure = Callable[[np.ndarray, str], np.ndarray]
"""Turns the pixels of an image, of the origin named, into what the model reads."""


def score_patches(
    model: ScoreModel, patches: Patches, device: torch.device, batch_size: int, origin: str
) -> pd.DataFrame:
    """Score the usable patches of one granule.

    Args:
        model: The score model.
        patches: Patch store; batches are read from its mapped array.
        device: Device that holds the model.
        batch_size: Patches a forward pass.
        origin: File of the patches, for messages.

    Returns:
        Columns patch_id, granule, score, score_std and ensemble_std (float32), in the array's order; NaN where a
        patch is not usable.

    Raises:
        RasterError: If the patches have another size, pixel type or other bands than those trained on.
    """
    check_store(model, patches, origin)
    usable = np.flatnonzero(patches.index["usable"].to_numpy(bool))
    scores = np.full((len(model.networks), len(patches.array)), np.nan)
    batches = [usable[start : start + batch_size] for start in range(0, len(usable), batch_size)]
    feeds = [fed(_reader(part, patches), batches, device) for part in model.parts]
    for chosen in progress.track(batches, f"scoring {origin}", unit="batch"):
        found = [
            part.scores(part.preparation.normalised(part.preparation.values(next(feed))), device, model.views)
            for part, feed in zip(model.parts, feeds, strict=True)
        ]
        scores[:, chosen] = np.concatenate(found)
    return _with_scores(model, pd.DataFrame(patches.index[["patch_id", "granule"]]), scores)


def _reader(part: Part, patches: Patches) -> Callable[[np.ndarray], np.ndarray]:
    """Return how rows of a patch store are read as large as a part sees them."""
    return lambda rows: part.preparation.resized(patches.array[rows])


def score_images(
    model: ScoreModel,
    images: list[Path],
    folder: Path,
    device: torch.device,
    batch_size: int,
    exposure: Exposure,
    *,
    skip: bool = False,
) -> pd.DataFrame:
    """Score images of any size; each is resized to the network's input by itself, whatever its proportions.

    Args:
        model: The score model.
        images: Files.
        folder: Folder that they lie in.
        device: Device that holds the model.
        batch_size: Images a forward pass.
        exposure: Turns an image's pixels into what the model reads.
        skip: Whether a broken image gets no score and a line in the log; otherwise it is an error.

    Returns:
        Columns file (path below `folder`), score, score_std, ensemble_std; NaN where less than half of the pixels hold
        data, or the image was skipped.

    Raises:
        RasterError: If an image is broken and none may be skipped, or all are, or one is of another kind than those
            trained on; the message names it.
    """
    scores = np.full((len(model.networks), len(images)), np.nan)
    read = 0
    for start in progress.track(range(0, len(images), batch_size), "scoring images", unit="batch"):
        batch = dict(enumerate(images[start : start + batch_size], start))
        whole = {place: pixels for place, path in batch.items() if (pixels := _pixels(path, skip=skip)) is not None}
        exposed = {place: exposure(pixels, str(images[place])) for place, pixels in whole.items()}
        if exposed:
            scores[:, list(exposed)] = _score_each(model, list(exposed.values()), device)
        read += len(exposed)
    if not read:
        raise RasterError(f"None of the {len(images)} images in {folder} can be read: the log says why of each.")
    frame = pd.DataFrame({"file": [path.relative_to(folder).as_posix() for path in images]})
    return _with_scores(model, frame, scores)


def _pixels(path: Path, *, skip: bool) -> np.ndarray | None:
    """Pixels of an image; None where it is broken and may be skipped."""
    try:
        return read_image(path)
    except RasterError as error:
        if not skip:
            raise RasterError(f"{error} Or give --broken skip.") from None
        progress.say(f"Warning: skipped, and without a score: {error}")
        return None


def _score_each(model: ScoreModel, images: list[np.ndarray], device: torch.device) -> np.ndarray:
    """Score images of any sizes in one forward pass, shape (networks, images)."""
    scores = model.score(images, device)
    scores[:, [bool(valid_fraction(one[None])[0] < MIN_VALID_FRACTION) for one in images]] = np.nan
    return scores


def score_raster(
    model: ScoreModel, path: Path, patch_px: int, device: torch.device, batch_size: int, exposure: Exposure
) -> pd.DataFrame:
    """Cut a GeoTIFF into patches from its upper left corner and score them; memory holds one row of patches.

    Returns:
        Columns row, col, lon and lat of the centre where the raster has a CRS, score, score_std, ensemble_std; NaN
        where less than half of a patch's pixels hold data.

    Raises:
        RasterError: If the raster is broken, smaller than a patch, or of another kind than the images trained on.
    """
    raster = look_at_raster(path, patch_px)
    if raster.names is not None and _are_bands(raster.names):
        model.check_bands(raster.names, str(path))
    scores = np.concatenate(
        [
            _score_row(model, exposure(strip, str(path)), device, batch_size)
            for strip in progress.track(cut_raster(raster), f"scoring {path.name}", unit="row", total=raster.rows)
        ],
        axis=1,
    )
    return _with_scores(model, _places(raster), scores)


def exposure_of(model: ScoreModel, white_reflectance: float | None) -> Exposure:
    """Return how pixels become what the model reads.

    A model of reflectance takes reflectance. How 8-bit images were stretched is not written in them, so they are
    refused unless the reflectance that 255 stands for is given; then bytes are scaled by it.

    Args:
        model: The score model.
        white_reflectance: Reflectance of the value 255; None if not given.

    Raises:
        RasterError: If it is given for a model of 8-bit images, which need none.
    """
    if white_reflectance is not None and model.pixels == "uint8":
        raise RasterError("--white-reflectance is for models of reflectance; this one was trained on 8-bit images.")

    def expose(pixels: np.ndarray, origin: str) -> np.ndarray:
        if pixels.dtype == np.uint8 and model.pixels == "float32":
            model.check_count(pixels.shape[-1], origin)
            return _as_reflectance(pixels, white_reflectance, origin)
        model.check(pixels.dtype, pixels.shape[-1], origin)
        return pixels

    return expose


def _as_reflectance(pixels: np.ndarray, white: float | None, origin: str) -> np.ndarray:
    if white is None:
        raise RasterError(
            f"{origin} holds 8-bit pixels, the model was trained on reflectance: give reflectance (float32), or say "
            "with --white-reflectance which reflectance 255 stands for (0.3 in images that Rankscape made)."
        )
    reflectance = pixels.astype(np.float32) * np.float32(white / _WHITE)
    reflectance[(pixels == 0).all(axis=-1)] = np.nan
    return reflectance


def check_store(model: ScoreModel, patches: Patches, origin: str) -> None:
    """Refuse patches of another size, pixel type or other bands than those trained on; `origin` names their file.

    Raises:
        RasterError: If they differ.
    """
    model.check(patches.array.dtype, len(patches.grid.bands), origin)
    model.check_bands(patches.grid.bands, origin)
    if patches.grid.patch_px != model.patch_px:
        raise RasterError(
            f"{origin} holds patches of {patches.grid.patch_px} px, the model was trained on {model.patch_px} px, "
            "which show more or less land: cut them with the same tile.patch_px."
        )


def _score_row(model: ScoreModel, strip: np.ndarray, device: torch.device, batch_size: int) -> np.ndarray:
    parts = [strip[start : start + batch_size] for start in range(0, len(strip), batch_size)]
    scores = np.concatenate([model.score(part, device) for part in parts], axis=1)
    scores[:, valid_fraction(strip) < MIN_VALID_FRACTION] = np.nan
    return scores


def _places(raster: ScoredRaster) -> pd.DataFrame:
    rows, cols = np.divmod(np.arange(raster.rows * raster.cols), raster.cols)
    frame = pd.DataFrame({"row": rows, "col": cols})
    centres = patch_centres(raster)
    if centres is not None:
        frame["lon"], frame["lat"] = centres
    return frame


def _with_scores(model: ScoreModel, frame: pd.DataFrame, scores: np.ndarray) -> pd.DataFrame:
    frame["score"], frame["score_std"], frame["ensemble_std"] = model.combined(scores)
    return frame


def _are_bands(names: tuple[str, ...]) -> bool:
    return all(name[:1] == "B" and name[1:2].isdigit() for name in names)
