"""What people build outside settlements: industrial zones, farmsteads, herders' pens."""

from dataclasses import dataclass

import numpy as np

from rankscape.synthetic.layout import PIXEL_M, around
from rankscape.synthetic.nature import Nature
from rankscape.synthetic.noise import cell_number, fractal, hashed, rise
from rankscape.synthetic.settlements import Settlement
from rankscape.synthetic.spectra import lay, palette, spectrum

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
