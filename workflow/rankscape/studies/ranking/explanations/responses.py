"""What the networks responded to in every patch of a granule, coarse and small (docs/methods/explanations.md)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from rankscape.foundation.errors import WeightsError
from rankscape.foundation.progress import track
from rankscape.models.feature_maps import at_each_place
from rankscape.studies.ranking.explanations.place_scores import Sight, head_value, link_of, places_a_side, sights
from rankscape.studies.ranking.scoring.model import ScoreModel
from rankscape.studies.ranking.scoring.network import combine
from rankscape.studies.ranking.scoring.settings import SaliencySettings

GRAD_CAM, OCCLUSION = "grad-cam", "occlusion"
_OCCLUDED_CELLS = 4
_ZERO, _STEPS, _LEAST = 128, 127, 1e-6


@dataclass(frozen=True)
class Found:
    """Maps of one granule."""

    maps: np.ndarray
    """uint8, shape (patches, cells, cells): 0 without a map, else 128 + 127 x contribution / scale."""
    scale: float
    """Largest contribution, in scores; never 0."""
    method: str
    """`grad-cam` or `occlusion`."""
    reason: str
    """Why patches without a map have none; empty where only unusable ones have none."""


def respond(
    model: ScoreModel, patches: np.ndarray, scores: np.ndarray, deviations: np.ndarray, settings: SaliencySettings,
    device: torch.device,
) -> Found:  # fmt: skip
    """Say which places of each patch raise its score and which lower it.

    Where networks tell places apart, this is the Grad-CAM of `saliency.explain`, all patches of a batch at once: with a
    head that is linear in the pooled features it is the head's value for each place alone. Otherwise places are
    occluded (Zeiler & Fergus, ECCV 2014): a square takes the patch's mean colour, and the score without it is
    subtracted from the score. That costs a pass a square, so that it is done for the lowest, the highest and the most
    uncertain scores alone.

    Args:
        model: The score model.
        patches: uint8 or float32, shape (patches, height, width, bands).
        scores: Score of each patch, shape (patches,); NaN where it is not usable.
        deviations: Uncertainty of each score, shape (patches,).
        settings: How fine, and how many patches are occluded.
        device: Device that holds the model.
    """
    seen = sights(model)
    if _tells_places_apart(seen):
        rows = np.flatnonzero(np.isfinite(scores))
        return Found(*_packed(_cams(model, seen, patches, rows, settings, device)), GRAD_CAM, "")
    rows = _telling(scores, deviations, settings.occluded_patches)
    reason = (
        f"The network sees each patch as one place, so that squares were covered instead, for {len(rows)} patches of "
        "each granule: those of the lowest, the highest and the most uncertain scores."
    )
    return Found(*_packed(_occluded(model, patches, rows, settings, device)), OCCLUSION, reason)


def _tells_places_apart(seen: Sequence[Sight]) -> bool:
    try:
        return min(map(places_a_side, seen)) > 1
    except WeightsError:
        return False


def _cams(
    model: ScoreModel, seen: Sequence[Sight], patches: np.ndarray, rows: np.ndarray, settings: SaliencySettings,
    device: torch.device,
) -> np.ndarray:  # fmt: skip
    finest = max(map(places_a_side, seen))
    cells = min(settings.cells, finest)
    found = np.full((len(patches), cells, cells), np.nan)
    cuts = range(settings.batch_size, len(rows), settings.batch_size)
    for batch in track(np.split(rows, cuts), "saliency", unit="batch"):
        pixels = np.asarray(patches[batch])
        maps = [_finer(one, finest) for sight in seen for one in _contributions(sight, pixels, device)]
        mean = torch.from_numpy(combine(np.stack([m.numpy() for m in maps]), model.parts)[0])
        found[batch] = F.adaptive_avg_pool2d(mean[:, None], cells)[:, 0].numpy()
    return found


def _contributions(sight: Sight, pixels: np.ndarray, device: torch.device) -> list[Tensor]:
    """What each place adds, by network: float64, shape (n, rows, columns), in units of score at the steepest point."""
    found = []
    with torch.inference_mode():
        maps = sight.maps(sight.preparation.tensor(pixels).to(device))
        for network in sight.networks:
            link, whole = link_of(network), head_value(network, maps).double()
            values = network.head(at_each_place(network.backbone, maps)).squeeze(-1).double()
            moved = values - values.mean((1, 2), keepdim=True) + whole[:, None, None] - link.middle
            found.append((moved * link.slope).cpu())
    return found


def _finer(maps: Tensor, side: int) -> Tensor:
    if maps.shape[-1] == side:
        return maps
    return F.interpolate(maps[:, None], (side, side), mode="bilinear", align_corners=False)[:, 0]


def _telling(scores: np.ndarray, deviations: np.ndarray, count: int) -> np.ndarray:
    """Rows of the lowest, the highest and the most uncertain scores, a third each."""
    known = np.flatnonzero(np.isfinite(scores))
    third = -(-count // 3)
    by_score = known[np.argsort(scores[known], kind="stable")]
    by_doubt = known[np.argsort(-np.nan_to_num(deviations[known]), kind="stable")]
    listed = np.concatenate([by_score[:third], by_score[::-1][:third], by_doubt])
    _, first = np.unique(listed, return_index=True)
    return np.asarray(np.sort(listed[np.sort(first)][:count]))


def _occluded(
    model: ScoreModel, patches: np.ndarray, rows: np.ndarray, settings: SaliencySettings, device: torch.device
) -> np.ndarray:
    cells = min(settings.cells, _OCCLUDED_CELLS, *patches.shape[1:3])
    found = np.full((len(patches), cells, cells), np.nan)
    for row in track(rows.tolist(), "saliency", unit="patch"):
        patch = np.asarray(patches[row])
        shown = np.concatenate([patch[None], _covered(patch, cells)])
        cuts = range(settings.batch_size, len(shown), settings.batch_size)
        scores = np.concatenate([model.score(part, device) for part in np.split(shown, cuts)], axis=1)
        score = combine(scores, model.parts)[0]
        found[row] = (score[0] - score[1:]).reshape(cells, cells)
    return found


def _covered(patch: np.ndarray, cells: int) -> np.ndarray:
    """The patch once for each square, which takes the patch's mean colour; row by row."""
    colour = np.nanmean(patch.reshape(-1, patch.shape[-1]).astype(np.float64), axis=0)
    edges = [np.linspace(0, side, cells + 1).round().astype(int) for side in patch.shape[:2]]
    shown = np.repeat(patch[None], cells * cells, axis=0)
    for number, (row, col) in enumerate(np.ndindex(cells, cells)):
        shown[number, edges[0][row] : edges[0][row + 1], edges[1][col] : edges[1][col + 1]] = colour
    return shown


def _packed(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Contributions as bytes, and the contribution that 127 steps stand for; NaN, where there is no map, is 0."""
    known = np.isfinite(values)
    scale = float(np.abs(values[known]).max(initial=_LEAST))
    steps = np.rint(_STEPS * np.where(known, values, 0) / scale)
    return np.where(known, _ZERO + steps, 0).astype(np.uint8), scale
