"""Grad-CAM: which places of an image raise or lower its score, and which made it change.

Selvaraju et al., "Grad-CAM: Visual explanations from deep networks via gradient-based localization", ICCV 2017; used
on a score of development by Ahn et al., Nature Communications 2023.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from captum.attr import LayerAttribution, LayerGradCam
from torch import Tensor, nn

from rankscape.foundation.errors import RasterError
from rankscape.studies.ranking.explanations.place_scores import Sight, head_value, link_of, sights
from rankscape.studies.ranking.scoring.model import ScoreModel
from rankscape.studies.ranking.scoring.network import ScoreNetwork, combine


@dataclass(frozen=True)
class Saliency:
    """Why an image got its score."""

    score: float
    """Score in [0, 1]."""
    score_std: float
    """Standard deviation over the networks."""
    places: np.ndarray
    """What each place contributes, float64, shape (rows, columns): above 0 it raises the score, below it lowers it.

    In scores, where the link is steepest; the mean over the image is how far its value is from that of one half.
    """

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"score": round(self.score, 6), "score_std": round(self.score_std, 6), "places": _listed(self.places)}


@dataclass(frozen=True)
class Change:
    """Why the score of a place changed between two dates."""

    before: Saliency
    """The earlier image."""
    after: Saliency
    """The later image."""
    places: np.ndarray
    """What each place adds to the change, float64, shape (rows, columns); above 0 it made the score rise."""

    @property
    def difference(self) -> float:
        """Score after less score before."""
        return self.after.score - self.before.score

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        dates = {"score_before": self.before, "score_after": self.after}
        return {
            **{name: round(date.score, 6) for name, date in dates.items()},
            "difference": round(self.difference, 6),
            "places_before": _listed(self.before.places),
            "places_after": _listed(self.after.places),
            "places": _listed(self.places),
        }


class _Rest(nn.Module):
    """What follows the last map of features; `places` is the layer that Grad-CAM looks at."""

    def __init__(self, network: ScoreNetwork) -> None:
        super().__init__()
        self.network, self.places = network, nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        return head_value(self.network, self.places(maps))


def explain(model: ScoreModel, images: Sequence[np.ndarray], device: torch.device) -> list[Saliency]:
    """Say for each image which places raise its score, and which lower it.

    With A_k the last feature maps of a network, g_k the mean over places of the gradient of its value (before the link,
    as Grad-CAM takes a class's score before the softmax) with respect to A_k, and n places:

        cam(p) = n * sum_k g_k A_k(p),      map(p) = cam(p) - mean(cam) + (value - value of the score one half)

    There is no ReLU, since a score falls as well as it rises (Selvaraju et al. keep what speaks for one class). The
    second formula moves the whole map by one number, so that its mean says what the image's value is: with a head
    that is linear in the pooled features, map(p) is the head's value for the place alone, its constant included. Maps
    of several networks are averaged by their shares, each in units of score at its link's steepest point, and
    interpolated to the finest of them.

    Args:
        model: The score model.
        images: uint8 or float32, each of shape (height, width, bands).
        device: Device that holds the model.

    Raises:
        WeightsError: If a network keeps no map of features by place.
    """
    return [_explain(model, image, device) for image in images]


def explain_change(model: ScoreModel, before: np.ndarray, after: np.ndarray, device: torch.device) -> Change:
    """Say which places made the score change between two dates.

    The change is s(after) - s(before). Its gradient with respect to the features of the later image is that of its
    score, and with respect to those of the earlier one, minus that of its score. So each date has the map that
    `explain` makes with its own gradient, and the map of the change is after less before. Its mean over the image is
    the difference of the two values.

    Args:
        model: The score model.
        before: Earlier image, uint8 or float32, shape (height, width, bands).
        after: Later image of the same land, of the same shape.
        device: Device that holds the model.

    Raises:
        RasterError: If the images differ in size or bands.
        WeightsError: If a network keeps no map of features by place.
    """
    if before.shape != after.shape:
        raise RasterError(
            f"The dates differ: {_size(before)} before, {_size(after)} after. Cut the same land from both, at one"
            " resolution, so that places can be compared."
        )
    first, second = explain(model, [before, after], device)
    return Change(first, second, second.places - first.places)


def _explain(model: ScoreModel, image: np.ndarray, device: torch.device) -> Saliency:
    found = [one for sight in sights(model) for one in _of_networks(sight, image, device)]
    combined = model.combined(np.array([[score] for score, _ in found]))
    size = max(places.shape for _, places in found)
    maps = np.stack([interpolated(places, size) for _, places in found])
    return Saliency(float(combined.score[0]), float(combined.score_std[0]), combine(maps, model.parts)[0])


def _of_networks(sight: Sight, image: np.ndarray, device: torch.device) -> Iterator[tuple[float, np.ndarray]]:
    """Yield the score of an image by each network, and its map."""
    with torch.no_grad():
        maps = sight.maps(sight.preparation.tensor(image[None]).to(device))
    for network in sight.networks:
        rest, link = _Rest(network), link_of(network)
        with torch.no_grad():
            value = rest(maps).double()
        cam = LayerGradCam(rest, rest.places).attribute(maps.requires_grad_(), relu_attributions=False)
        cam = cam.detach()[0, 0].double() * maps[0, 0].numel()
        places = (cam - cam.mean() + value - link.middle) * link.slope
        yield float(link.apply(value)), places.cpu().numpy()


def interpolated(places: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Interpolate a map between the centres of its places.

    Args:
        places: Shape (rows, columns).
        size: Rows and columns wanted.

    Returns:
        float64 of that shape.
    """
    if places.shape == size:
        return places
    finer = LayerAttribution.interpolate(torch.from_numpy(places)[None, None], size, "bilinear")
    return np.asarray(finer[0, 0])


def _listed(places: np.ndarray) -> list[list[float]]:
    return [[round(float(value), 4) for value in row] for row in places]


def _size(image: np.ndarray) -> str:
    height, width, bands = image.shape
    return f"{height} x {width} px of {bands} bands"
