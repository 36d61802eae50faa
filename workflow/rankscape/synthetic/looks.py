"""What the stand-in judge measures in a picture: colours, fine structure, order. Pixels only; it is no vision model."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

_BLOCK_PX = 4
_CLOUD_PX = 7
"""White squares of this side are cloud; at 10 m a pixel the widest halls are narrower."""
_LARGEST_FACTOR = 64
_FAINT = 0.02
"""Mean gradient of brightness at which order counts half: faint edges show no order."""


@dataclass(frozen=True)
class Looks:
    """Aspects of a picture, each from 0 to 1."""

    roofs: float
    """White and red surfaces, as roofs are."""
    close: float
    """How fine the structure is: contrast between single pixels against contrast of any size."""
    order: float
    """How far edges run along one direction and the one across it, as streets and surveyed fields do."""
    mixture: float
    """How much green differs within the picture: fields, gardens and built land side by side."""
    crops: float
    """Bright green, as irrigated crops are."""
    worked: float
    """Contrast within squares of four pixels."""
    pasture: float
    """Olive green, as grazed grassland is."""
    woods: float
    """Dark green, as forest is."""
    rough: float
    """Contrast between squares of four pixels, as relief and shadow make it."""
    stone: float
    """Dark grey, as shaded rock and water are."""


def look(picture: np.ndarray) -> Looks:
    """Measure a picture; enlarging it by repeating its pixels changes nothing.

    Args:
        picture: uint8, shape (height, width, 3).
    """
    colour = native(picture).astype(np.float64) / 255
    red, green, blue = np.moveaxis(colour, -1, 0)
    total = colour.sum(-1) + 1e-3
    greenness, warmth, brightness = (2 * green - red - blue) / total, (red - blue) / total, total / 3
    grey = (np.abs(greenness) < 0.07) & (warmth < 0.10)
    red_roofs, white_roofs = (greenness < -0.06) & (warmth > 0.12), _without_clouds(grey & (brightness > 0.72))
    within, between = _contrast_by_size(brightness)
    fine, order = _structure(brightness)
    return Looks(
        roofs=_ramp(_share(red_roofs) + _share(white_roofs), 0, 0.12),
        close=_ramp(fine, 1.35, 2.1),
        order=_ramp(order, 0.04, 0.30),
        mixture=_ramp(float(greenness.std()), 0.03, 0.16),
        crops=_ramp(_share((greenness > 0.25) & (brightness > 0.115) & (brightness < 0.22)), 0, 0.45),
        worked=_ramp(within, 0.015, 0.08),
        pasture=_ramp(_share((greenness > 0.14) & (greenness < 0.30) & (brightness > 0.2)), 0, 0.8),
        woods=_ramp(_share((greenness > 0.2) & (brightness <= 0.115)), 0, 0.5),
        rough=_ramp(between, 0.03, 0.14),
        stone=_ramp(_share(grey & (brightness <= 0.22)), 0, 0.25),
    )


def native(picture: np.ndarray) -> np.ndarray:
    """Undo an enlargement by a whole factor: return the smallest picture whose repeated pixels make up this one."""
    sides = np.gcd(*picture.shape[:2])
    for factor in range(min(int(sides), _LARGEST_FACTOR), 1, -1):
        if sides % factor == 0 and min(picture.shape[:2]) // factor >= _BLOCK_PX:
            small = picture[::factor, ::factor]
            if np.array_equal(small.repeat(factor, 0).repeat(factor, 1), picture):
                return small
    return picture


def _without_clouds(white: np.ndarray) -> np.ndarray:
    """Leave out white areas so wide that no roof fills them."""
    square = np.ones((_CLOUD_PX, _CLOUD_PX), bool)
    return np.asarray(white & ~ndimage.binary_opening(white, square))


def _ramp(value: float, low: float, high: float) -> float:
    return float(np.clip((value - low) / (high - low), 0, 1))


def _share(mask: np.ndarray) -> float:
    return float(mask.mean())


def _contrast_by_size(brightness: np.ndarray) -> tuple[float, float]:
    """Standard deviation within squares of a few pixels, and of the squares' means."""
    rows, cols = (side // _BLOCK_PX for side in brightness.shape)
    blocks = brightness[: rows * _BLOCK_PX, : cols * _BLOCK_PX].reshape(rows, _BLOCK_PX, cols, _BLOCK_PX)
    means = blocks.mean((1, 3), keepdims=True)
    return float((blocks - means).std()), float(means.std())


def _structure(brightness: np.ndarray) -> tuple[float, float]:
    """Fineness (Laplacian against gradient), and agreement of edges' directions up to quarter turns, 0 to 1."""
    down, across = np.gradient(brightness)
    strength = np.hypot(down, across)
    inner = brightness[1:-1, 1:-1]
    around = brightness[2:, 1:-1] + brightness[:-2, 1:-1] + brightness[1:-1, 2:] + brightness[1:-1, :-2]
    laplacian = np.abs(4 * inner - around).mean()
    turned = np.abs((strength * np.exp(4j * np.arctan2(down, across))).sum())
    return float(laplacian / (strength.mean() + 0.003)), float(turned / (strength.sum() + _FAINT * strength.size))
