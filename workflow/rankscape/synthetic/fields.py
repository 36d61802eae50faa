"""Fields of the invented land: crooked, dry and mixed where people are poor; large, green and straight where rich."""

from dataclasses import dataclass

import numpy as np

from rankscape.synthetic.noise import cell_number, cells, fractal, hashed, rise, seed_place
from rankscape.synthetic.spectra import palette

_DISTRICT_PX = 75.0
_CROOKED_BELOW = 0.42
"""Wealth below which parcels are crooked."""
CROPS = (
    "soil_light", "soil_dark", "stubble", "fallow", "sparse_crop", "grain", "maize", "alfalfa", "orchard", "greenhouse",
)  # fmt: skip
_POOR = np.array([0.22, 0.14, 0.22, 0.22, 0.14, 0.05, 0.01, 0.00, 0.00, 0.00])
_RICH = np.array([0.02, 0.04, 0.05, 0.02, 0.02, 0.10, 0.31, 0.22, 0.21, 0.02])


@dataclass(frozen=True)
class Fields:
    """Farmland, arrays of the world's shape, float32."""

    share: np.ndarray
    """Part of each pixel that is farmed, in [0, 1]."""
    wealth: np.ndarray
    """Wealth of the district that a place belongs to, in [0, 1]."""
    reflectance: np.ndarray
    """shape (4, height, width)."""


def plough(arable: np.ndarray, nearness: np.ndarray, wealth: np.ndarray, rng: np.random.Generator) -> Fields:
    """Divide arable land into districts, districts into parcels, and sow them.

    Args:
        arable: How well the land suits fields, in [0, 1], shape (height, width).
        nearness: 1 beside a settlement, falling to 0 far from all.
        wealth: Wealth of the countryside; a district takes that of its middle.
        rng: Source of crooked borders and patchy growth.
    """
    shape = arable.shape
    row, col = (np.asarray(axis, np.float32) for axis in np.indices(shape))
    bend = [fractal(shape, wavelength, rng, 2.4) for wavelength in (50, 50, 7, 7)]
    district, _ = cells(row + 6 * bend[0], col + 6 * bend[1], _DISTRICT_PX, salt=11)
    own = _district_wealth(district, wealth)
    crooked = own < _CROOKED_BELOW + 0.1 * (hashed(district, 0, 13) - 0.5)
    parcel, edge = _straight(row + 0.3 * bend[0], col + 0.3 * bend[1], district, own)
    small, border = cells(row + 1.2 * bend[2], col + 1.2 * bend[3], 6.5, salt=15)
    parcel, edge = np.where(crooked, small, parcel), np.where(crooked, border, edge)
    used = hashed(parcel, district, 17) < 1.3 * arable * rise(nearness + 0.35 * own, 0.22, 0.75)
    share = (used * rise(arable, 0.25, 0.4)).astype(np.float32)
    return Fields(share, own, _sown(parcel, district, own, edge, crooked, rng))


def _district_wealth(district: np.ndarray, wealth: np.ndarray) -> np.ndarray:
    """Wealth of every district: that of the countryside at its seed, a little changed."""
    numbers, inverse = np.unique(district, return_inverse=True)
    i, j = numbers // 4096 - 1, numbers % 4096 - 1
    places = zip(seed_place(i, j, _DISTRICT_PX, 11), wealth.shape, strict=True)
    at_row, at_col = (np.clip(axis.astype(int), 0, side - 1) for axis, side in places)
    own = wealth[at_row, at_col] + 0.24 * (hashed(numbers, 0, 12) - 0.5)
    return np.asarray(np.clip(own, 0, 1).astype(np.float32)[inverse.reshape(district.shape)])


def _straight(row: np.ndarray, col: np.ndarray, district: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Parcels in straight rows along the district's own direction; their sides grow with wealth."""
    angle = hashed(district, 0, 14) * np.float32(np.pi / 2)
    along, across = _turned(row, col, angle)
    width = 6 + 5 * own * (0.7 + 0.6 * hashed(district, 1, 14))
    length = width * (1.3 + 1.5 * hashed(district, 2, 14))
    part_u, part_v = along / length, across / width
    u, v = np.floor(part_u), np.floor(part_v)
    edge = np.minimum((0.5 - np.abs(part_u - u - 0.5)) * length, (0.5 - np.abs(part_v - v - 0.5)) * width)
    return cell_number(u % 4000, v % 4000), edge


def _turned(row: np.ndarray, col: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cosine, sine = np.cos(angle), np.sin(angle)
    return row * cosine + col * sine, col * cosine - row * sine


def _sown(
    parcel: np.ndarray,
    district: np.ndarray,
    own: np.ndarray,
    edge: np.ndarray,
    crooked: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Reflectance of crops, their uneven growth, and the strips between parcels."""
    draw = hashed(parcel, district, 18)
    crop = np.zeros(parcel.shape, np.uint8)
    chances = zip(np.cumsum(_POOR)[:-1], np.cumsum(_RICH)[:-1], strict=True)
    for poor, rich in chances:
        crop += draw > poor + (rich - poor) * own
    tone = 1 + (0.34 - 0.26 * own) * (hashed(parcel, district, 19) - 0.5)
    tone += (0.05 - 0.03 * own) * fractal(parcel.shape, 8, rng, 2.0)
    strip = rise(edge, 0.75, 0.15) * np.where(crooked, 0.45, 0.55)
    strips = palette("dirt_road", "garden")
    colours = palette(*CROPS)
    planes = []
    for band in range(4):
        sown = colours[crop, band] * tone
        between = np.where(own < 0.55, strips[0, band], strips[1, band])
        planes.append(sown + strip * (between - sown))
    return np.asarray(planes, np.float32)
