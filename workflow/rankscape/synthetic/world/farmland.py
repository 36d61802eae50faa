"""Fields, farmsteads, pastures and industry of a synthetic world: what people make of the land outside settlements."""

from dataclasses import dataclass

import numpy as np

from rankscape.synthetic.world.land_cover import Nature, lay, palette, spectrum
from rankscape.synthetic.world.primitives import cell_number, cells, fractal, hashed, rise, seed_place
from rankscape.synthetic.world.settlements import Settlement
from rankscape.synthetic.world.world_grid import PIXEL_M, around

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


_BLOCK_M = (170.0, 120.0)
_SAMPLES = 2
_SURFACES = ("asphalt", "concrete", "lawn", "roof_white", "roof_grey", "roof_blue", "roof_slate", "roof_rust")
_FARM_PX, _PEN_PX = 15, 11


@dataclass(frozen=True)
class Zone:
    """An industrial zone: a rectangle of large halls."""

    row: float
    col: float
    half_px: tuple[float, float]
    angle: float


def zones_of_industry(settlements: list[Settlement], nature: Nature, scale: float) -> list[Zone]:
    """Put two zones beside the city and one beside every large town that is not poor, on the flattest side."""
    zones: list[Zone] = []
    for one in settlements:
        wanted = 2 if one.kind.name == "city" else int(one.kind.name == "large town" and one.wealth > 0.35)
        half_m = (850.0, 500.0) if one.kind.name == "city" else (420.0, 260.0)
        half_px = (half_m[0] * scale / PIXEL_M, half_m[1] * scale / PIXEL_M)
        sides = [_beside(one, half_px, side) for side in range(4)]
        zones += sorted(sides, key=lambda zone: -_flatness(zone, nature))[:wanted]
    return zones


def _beside(one: Settlement, half_px: tuple[float, float], side: int) -> Zone:
    angle = one.angle + side * np.pi / 2
    reach = one.radius_px * 0.9 + half_px[1]
    return Zone(one.row + np.cos(angle) * reach, one.col - np.sin(angle) * reach, half_px, angle)


def _flatness(zone: Zone, nature: Nature) -> float:
    row, col = int(zone.row), int(zone.col)
    rows, cols = nature.slope.shape
    reach = int(zone.half_px[0])
    if not (reach < row < rows - reach and reach < col < cols - reach):
        return -1.0
    window = (slice(row - reach, row + reach), slice(col - reach, col + reach))
    return float(((nature.slope[window] < 0.12) & (nature.water[window] < 0.1)).mean())


def industrialise(canvas: np.ndarray, zones: list[Zone], nature: Nature) -> np.ndarray:
    """Build the zones onto the land, in place; return the share of each pixel that lies in one, float32."""
    total = np.zeros(nature.slope.shape, np.float32)
    for zone in zones:
        reach = int(np.hypot(*zone.half_px)) + 2
        window = around(zone.row, zone.col, reach, total.shape)
        row, col = np.ogrid[window]
        inside, colour = _zone(zone, row, col)
        inside = inside * (nature.water[window] < 0.1) * (nature.slope[window] < 0.25)
        lay(canvas[(slice(None), *window)], inside, colour)
        total[window] = np.maximum(total[window], inside)
    return total


def _zone(zone: Zone, row: np.ndarray, col: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share inside and mean reflectance of each pixel."""
    shape = np.broadcast_shapes(row.shape, col.shape)
    inside, colour = np.zeros(shape, np.float32), np.zeros((4, *shape), np.float32)
    surfaces = palette(*_SURFACES)
    for sample in range(_SAMPLES**2):
        shift = (np.array(divmod(sample, _SAMPLES)) + 0.5) / _SAMPLES
        down, across = (row + shift[0] - zone.row) * PIXEL_M, (col + shift[1] - zone.col) * PIXEL_M
        u = across * np.cos(zone.angle) + down * np.sin(zone.angle)
        v = down * np.cos(zone.angle) - across * np.sin(zone.angle)
        covered = (np.abs(u) < zone.half_px[0] * PIXEL_M) & (np.abs(v) < zone.half_px[1] * PIXEL_M)
        surface, tone, built = _halls(u, v, zone)
        covered &= built
        inside += covered / _SAMPLES**2
        colour += np.moveaxis(surfaces[surface] * (tone * covered)[..., None], -1, 0) / _SAMPLES**2
    return inside, colour / np.maximum(inside, 1e-6)


def _halls(u: np.ndarray, v: np.ndarray, zone: Zone) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Surface, tone and existence of halls on a grid of wide roads; blocks are missing at the zone's edge."""
    block_u, block_v = np.floor(u / _BLOCK_M[0]), np.floor(v / _BLOCK_M[1])
    part_u, part_v = u - block_u * _BLOCK_M[0], v - block_v * _BLOCK_M[1]
    draw = hashed(block_u, block_v, 51)
    out_u, out_v = np.abs(block_u + 0.5) * _BLOCK_M[0], np.abs(block_v + 0.5) * _BLOCK_M[1]
    reach = np.maximum(out_u / zone.half_px[0], out_v / zone.half_px[1]) / PIXEL_M
    built = hashed(block_u, block_v, 53 + int(zone.row)) > 1.6 * (reach - 0.55)
    split = np.where(draw < 0.4, np.floor(part_u / 85), 0)
    lot = hashed(block_u * 4 + split, block_v, 52)
    edge_u = np.where(draw < 0.4, np.abs(part_u % 85 - 42.5) < 31, np.abs(part_u - 92) < 60)
    hall = edge_u & (np.abs(part_v - 67) < 26 + 14 * lot) & (lot < 0.88)
    road = (part_u < 14) | (part_v < 13)
    roof = np.array([3, 3, 3, 4, 4, 4, 5, 6, 7])[np.minimum((lot * 9 / 0.88).astype(int), 8)]
    yard = np.where(draw > 0.85, 2, 1)
    return np.where(hall, roof, np.where(road, 0, yard)), 0.88 + 0.24 * lot, built


def farmsteads(canvas: np.ndarray, farmed: np.ndarray, wealth: np.ndarray) -> None:
    """Put farms between the fields, in place: a barn with trees where rich, a mud hut on bare ground where poor."""
    row, col, draw = _scattered(farmed.shape, _FARM_PX, 61)
    own = wealth[row, col]
    here = (farmed[row, col] > 0.5) & (draw < 0.25 + 0.30 * np.abs(own - 0.4))
    rich = here & (own > 0.5)
    _stamp(canvas, row[rich], col[rich], "garden", (4, 4), 0.8)
    _stamp(canvas, row[rich] + 1, col[rich] + 1, "roof_grey", (1, 2), 0.85)
    _stamp(canvas, row[rich] + 2, col[rich], "roof_tile", (1, 1), 0.8)
    poor = here & ~rich
    _stamp(canvas, row[poor], col[poor], "bare_yard", (2, 3), 0.8)
    _stamp(canvas, row[poor], col[poor] + 1, "roof_brown", (1, 1), 0.7)


def herd(canvas: np.ndarray, nature: Nature, nearness: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Graze the plateaus, in place: trodden pale grass and walled pens, the more the nearer to a hamlet.

    Returns:
        How much a place is grazed, float32 in [0, 1].
    """
    shape = nature.slope.shape
    grass = nature.plateau * (1 - nature.forest) * (1 - nature.water) * rise(nature.slope, 0.35, 0.2)
    grazed = grass * rise(0.9 * nearness + 0.15 * fractal(shape, 60, rng, 2.2), 0.40, 0.60)
    lay(canvas, 0.9 * grazed, spectrum("grazed"))
    row, col, draw = _scattered(shape, _PEN_PX, 71)
    here = draw < 0.6 * grazed[row, col] ** 2
    wide = here & (hashed(row, col, 74) > 0.6)
    _stamp(canvas, row[here], col[here], "gravel", (3, 3), 0.35)
    _stamp(canvas, row[wide], col[wide] + 2, "gravel", (2, 4), 0.35)
    _stamp(canvas, row[here] + 1, col[here] + 1, "soil_dark", (1, 1), 0.8)
    _stamp(canvas, row[wide] + 1, col[wide] + 3, "soil_dark", (1, 2), 0.6)
    return np.asarray(grazed, np.float32)


def _scattered(shape: tuple[int, int], spacing_px: int, salt: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One jittered place in every square, and a number in [0, 1) drawn for it."""
    i, j = (axis.ravel() for axis in np.indices((shape[0] // spacing_px, shape[1] // spacing_px)))
    row = (i + 0.7 * hashed(i, j, salt)) * spacing_px
    col = (j + 0.7 * hashed(i, j, salt + 1)) * spacing_px
    return row.astype(int), col.astype(int), hashed(cell_number(i, j), 0, salt + 2)


def _stamp(
    canvas: np.ndarray, row: np.ndarray, col: np.ndarray, cover: str, size_px: tuple[int, int], share: float
) -> None:
    """Lay a small rectangle of a cover with its upper left corner at every place, in place."""
    colour = spectrum(cover)[:, None]
    for step_row in range(size_px[0]):
        for step_col in range(size_px[1]):
            at_row = np.minimum(row + step_row, canvas.shape[1] - 1)
            at_col = np.minimum(col + step_col, canvas.shape[2] - 1)
            canvas[:, at_row, at_col] += np.float32(share) * (colour - canvas[:, at_row, at_col])
