"""Finer maps: a score every 32 px of the network's input, from windows that overlap by half (docs/methods/maps.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from affine import Affine
from scipy.special import expit, logit

from rankscape.foundation.errors import RasterError
from rankscape.foundation.progress import bar
from rankscape.products.maps import backends
from rankscape.products.maps.backends import Blend
from rankscape.products.maps.granules import tag_statistics
from rankscape.products.maps.pieces import RasterForm, WindowPlaces
from rankscape.products.maps.surface import BANDS
from rankscape.products.maps.windows import Windows, WindowStrip
from rankscape.samples.patches import Grid, Patches, is_located
from rankscape.scenes.cogs import cog_writer
from rankscape.studies.ranking.explanations.place_scores import Sight, local_scores, places_a_side, sights
from rankscape.studies.ranking.scoring.model import ScoreModel
from rankscape.studies.ranking.scoring.network import combine
from rankscape.studies.ranking.scoring.prediction import check_store

TOLERANCE = 0.02
"""A patch's mean over the dense map differs from its score by less."""
_CLOSE_ENOUGH, _MOST_ROUNDS = 1e-3, 500
_END, _LEAST_SLOPE = 1e-4, 0.01
"""Scores count as at least this far from 0 and 1, and patches as at least this ready to move: logits stay finite."""


@dataclass(frozen=True)
class Dense:
    """The dense map of one granule."""

    values: np.ndarray
    """score and score_std, float32, shape (2, rows * cells, cols * cells); NaN outside of usable patches."""
    cells: int
    """WindowPlaces a side of a patch."""
    grid: Grid
    """Grid of the patches."""
    facts: dict[str, Any]
    """How far the mean of a patch is from its score, before the last correction and after it."""

    @property
    def transform(self) -> Affine:
        """Affine transform of the places."""
        return Affine(*self.grid.transform) @ Affine.scale(self.grid.patch_px / self.cells)


def dense_map(
    model: ScoreModel,
    patches: Patches,
    device: torch.device,
    batch_size: int,
    origin: str,
    blend: Blend = backends.blend,
) -> Dense:
    """Score every place of a granule.

    Windows of a patch's size are scored at steps of half a patch, and so is every place in them
    (`scoring.local.local_scores`): the mean over a window is the window's score. Where windows overlap they are
    averaged with weights that fall to the window's edges as a raised cosine does, so that no edge shows. The mean over
    a patch is then that of its window and of its neighbours' windows: `corrected` brings it back to the patch's score.

    Args:
        model: The score model.
        patches: Patches of the granule; the mapped array is read row by row.
        device: Device that holds the model.
        batch_size: Windows a forward pass.
        origin: File of the patches, for messages.
        blend: Kernel that blends the windows.

    Raises:
        RasterError: If the patches have no coordinates, or are of another kind than those trained on.
        WeightsError: If a network of the model keeps no map of features by place.
    """
    _check(model, patches, origin)
    seen = sights(model)
    cells = max(2, *map(places_a_side, seen))
    windows = Windows(patches, cells)
    scores, targets = _blended(seen, windows, patches.grid, cells, device, batch_size, blend)
    found, aim = model.combined(scores), combine(targets, model.parts)[0]
    score = found.score.astype(np.float64)
    final = corrected(score, aim, cells)
    usable = ~np.isnan(final)
    values = np.stack([final, np.where(usable, found.score_std, np.nan)]).astype(np.float32)
    facts = {"blended": deviations(score, aim, cells), "final": deviations(final, aim, cells)}
    return Dense(values, cells, patches.grid, facts)


def _check(model: ScoreModel, patches: Patches, origin: str) -> None:
    if not is_located(patches.index):
        raise RasterError(f"{origin} holds images without coordinates, which have no map: leave dense.enabled off.")
    check_store(model, patches, origin)


def _blended(
    seen: Sequence[Sight],
    windows: Windows,
    grid: Grid,
    cells: int,
    device: torch.device,
    batch_size: int,
    blend: Blend,
) -> tuple[np.ndarray, np.ndarray]:
    """Blended scores of every network by place, and its scores of the patches; NaN where there is no usable patch."""
    form = RasterForm(sum(len(sight.networks) for sight in seen), grid.rows * cells, grid.cols * cells)
    targets = np.full((form.layers, grid.rows, grid.cols), np.nan)
    seen_maps, index = [np.empty((form.layers, 0, cells, cells))], np.full((windows.steps, 2 * grid.cols - 1), -1)
    with bar("dense", unit="strip", total=windows.steps) as progress:
        for strip in windows.strips(batch_size):
            whole, local = _scored(seen, strip, cells, device)
            seen_maps.append(local)
            index[strip.down, strip.across] = 0
            if strip.down % 2 == 0:
                own = strip.across % 2 == 0
                targets[:, strip.down // 2, strip.across[own] // 2] = whole[:, own]
            progress.update(strip.down - progress.n)
    index[index == 0] = np.arange((index == 0).sum())
    tops, lefts = (np.array([windows.offset(step) for step in range(steps)], np.int32) for steps in index.shape)
    drawn = blend(
        np.concatenate(seen_maps, axis=1, dtype=np.float32),
        raised_cosine(cells),
        WindowPlaces(tops, lefts, index),
        form,
    )
    scores = np.empty((form.layers, form.height, form.width))
    for piece in drawn:
        scores[piece.layers, piece.rows] = piece.pixels
    return scores, targets


def _scored(
    seen: Sequence[Sight], strip: WindowStrip, cells: int, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the windows, shape (networks, n), and of their places, shape (networks, n, cells, cells)."""
    whole, local = [], []
    for sight in seen:
        with torch.inference_mode():
            maps = sight.maps(sight.preparation.tensor(strip.pixels).to(device))
        for network in sight.networks:
            scores, places = local_scores(network, maps, cells)
            whole.append(scores.cpu().numpy())
            local.append(places.cpu().numpy())
    return np.stack(whole), np.stack(local)


def raised_cosine(cells: int) -> np.ndarray:
    """Weights of the places of a window: sin² across and down, so that windows at half steps add up to one.

    Returns:
        float64, shape (cells, cells), above 0.
    """
    side = np.sin(np.pi * (np.arange(cells) + 0.5) / cells) ** 2
    return np.outer(side, side)


def corrected(score: np.ndarray, aim: np.ndarray, cells: int) -> np.ndarray:
    """Bend scores by a smooth field, so that the mean over each patch is its score.

    The field is added to the logits of the scores, so that they keep their order and stay between 0 and 1. It is given
    at the centres of the patches and interpolated between them (bilinear), so that it has no edges. It grows by what is
    missing over the slope of the patch's mean, until every patch is within 0.001. Between a field at the centres and
    its means over patches lies a matrix with eigenvalues between 1/4 and 1 (3/4 + 1/4 cos, once a direction), so that
    what is missing keeps shrinking.

    Args:
        score: Scores by place, shape (rows * cells, cols * cells); NaN where there is no usable patch.
        aim: Scores of the patches, shape (rows, cols); NaN likewise.
        cells: WindowPlaces a side of a patch.

    Returns:
        The corrected scores, in (0, 1), of the same shape.
    """
    down, across = (_between(side, cells) for side in aim.shape)
    logits, field = logit(np.clip(score, _END, 1 - _END)), np.zeros(aim.shape)
    final = score
    for _ in range(_MOST_ROUNDS):
        final = expit(logits + down @ field @ across.T)
        missing = np.nan_to_num(aim - patch_means(final, cells))
        if np.abs(missing).max(initial=0) < _CLOSE_ENOUGH:
            break
        slope = np.nan_to_num(patch_means(final * (1 - final), cells))
        field += np.clip(missing / np.maximum(slope, _LEAST_SLOPE), -1, 1)
    return np.asarray(final)


def _between(patches: int, cells: int) -> np.ndarray:
    """Weights that interpolate values at patch centres to places, shape (patches * cells, patches)."""
    places = (np.arange(patches * cells) + 0.5) / cells - 0.5
    return np.stack([np.interp(places, np.arange(patches), row) for row in np.eye(patches)], axis=1)


def patch_means(places: np.ndarray, cells: int) -> np.ndarray:
    """Return the mean over the places of every patch, shape (rows, cols)."""
    rows, cols = (side // cells for side in places.shape)
    means: np.ndarray = places.reshape(rows, cells, cols, cells).mean((1, 3))
    return means


def deviations(score: np.ndarray, aim: np.ndarray, cells: int) -> dict[str, float]:
    """Return the largest and the mean difference between the mean over a patch and its score."""
    found = np.abs(patch_means(score, cells) - aim)
    found = found[np.isfinite(found)]
    if not len(found):
        return {"largest": 0.0, "mean": 0.0}
    return {"largest": round(float(found.max()), 6), "mean": round(float(found.mean()), 6)}


def write_dense(path: Path, found: Dense, tags: dict[str, str], threads: int) -> None:
    """Write a dense map as a COG, one pixel a place.

    Args:
        path: Raster to write.
        found: The map.
        tags: Metadata of the raster.
        threads: Threads that compress.
    """
    with cog_writer(
        path, shape=found.values.shape, dtype="float32", crs=found.grid.crs, transform=found.transform, names=BANDS,
        nodata=np.nan, tags=tags, threads=threads,
    ) as dataset:  # fmt: skip
        dataset.write(found.values)
        tag_statistics(dataset, found.values)
