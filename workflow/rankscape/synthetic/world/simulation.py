"""A synthetic world as a whole: what it reflects, and how developed every place truly is."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from rankscape.synthetic.world.farmland import Fields, farmsteads, herd, industrialise, plough, zones_of_industry
from rankscape.synthetic.world.land_cover import Nature, grow, lay, spectrum
from rankscape.synthetic.world.primitives import rise
from rankscape.synthetic.world.settlements import (
    Habitation,
    Roads,
    Settlement,
    connect,
    earlier,
    inhabit,
    regional_wealth,
    settle,
)
from rankscape.synthetic.world.terrain import COARSE_PX, carve, elevation_m, refine, zones
from rankscape.synthetic.world.towns import build
from rankscape.synthetic.world.world_grid import WorldGrid

_FULL_PX = 1024
_NEAR_PX = 190.0
_TRUTH_BLUR_PX = 6.0
_LEAST_TRUTH = 0.01
"""Below this a place counts as undeveloped, so that the blur's tail orders nothing."""
_OPTICS_PX = 0.5
"""Standard deviation of the instrument's point spread function."""


@dataclass(frozen=True)
class World:
    """The world without sky; arrays of the world's shape, float32."""

    reflectance: np.ndarray
    """shape (4, height, width), bands `spectra.BANDS`, shaded by the relief."""
    truth: np.ndarray
    """Development in [0, 1]."""
    people_per_ha: np.ndarray
    built: np.ndarray
    """Share under roofs, yards and streets of settlements and industry."""
    farmed: np.ndarray
    grazed: np.ndarray
    highland: np.ndarray
    water: np.ndarray
    roads: np.ndarray
    settlements: tuple[Settlement, ...]


@dataclass(frozen=True)
class _Ground:
    """What is the same at all dates: the land before houses stand on it, and where people settle."""

    nature: Nature
    wealth: np.ndarray
    settlements: list[Settlement]
    roads: Roads
    scale: float


def simulate_world(layout: WorldGrid, seed: int) -> World:
    """Simulate a world: terrain, water, cover, settlements, roads, fields; the same seed gives the same world."""
    ground = _ground(layout, seed)
    return _live(ground, ground.settlements, seed)


def simulate_dates(layout: WorldGrid, seed: int) -> tuple[World, World]:
    """Simulate the world of today, as `simulate_world` does, and the same world some years earlier.

    Only houses differ: roads, industry and fields are those of today, so that what changed is known place by place.
    """
    ground = _ground(layout, seed)
    return _live(ground, ground.settlements, seed), _live(ground, earlier(ground.settlements, layout), seed)


def _ground(layout: WorldGrid, seed: int) -> _Ground:
    chance = [np.random.default_rng([seed, part]) for part in range(6)]
    scale = min(1.0, layout.granule_px / _FULL_PX) ** 0.75
    zone = zones(layout.shape, chance[0])
    elevation, rivers, river_px = carve(elevation_m(zone, chance[1]), chance[2])
    nature = grow(elevation, zone, rivers, river_px, chance[3])
    wealth = regional_wealth(nature, chance[4])
    settlements = settle(nature, wealth, scale, chance[5])
    return _Ground(nature, wealth, settlements, connect(settlements, nature), scale)


def _live(ground: _Ground, then: list[Settlement], seed: int) -> World:
    """Let people live in the settlements of a date, and change the land."""
    homes = inhabit(then, ground.nature, np.random.default_rng([seed, 6]))
    chance = np.random.default_rng([seed, 7])
    return _people(ground.nature, homes, ground.settlements, ground.roads, ground.wealth, ground.scale, chance)


def _people(
    nature: Nature, homes: Habitation, settlements: list[Settlement], roads: Roads, wealth: np.ndarray, scale: float,
    rng: np.random.Generator,
) -> World:  # fmt: skip
    """Let people change the land, the widest things first."""
    canvas = nature.reflectance.copy()
    near = _nearness(settlements, nature.slope.shape, _NEAR_PX * scale)
    fields = plough(nature.arable, near, wealth, rng)
    farmed = fields.share * (homes.density < 0.05)
    lay(canvas, fields.share, fields.reflectance)
    farmsteads(canvas, farmed, fields.wealth)
    grazed = herd(canvas, nature, near, rng)
    highway, paved, track = roads.covered(canvas.shape[1:])
    for share, cover in ((track, "dirt_road"), (paved, "asphalt"), (highway, "concrete")):
        lay(canvas, share, spectrum(cover))
    build(canvas, homes, settlements, rng)
    zones = zones_of_industry(settlements, nature, scale)
    industry = industrialise(canvas, zones, nature)
    lit = canvas * np.where(farmed > 0.5, 1, nature.light) ** np.float32(0.8)
    seen = ndimage.gaussian_filter(lit, (0, _OPTICS_PX, _OPTICS_PX))
    reach = _reach(highway, 6) * 0.13 + _reach(paved, 4) * 0.07 + _reach(track, 3) * 0.02
    truth = _truth(homes, fields, grazed, industry, reach)
    return World(
        reflectance=np.asarray(np.clip(seen, 0.001, 1.0), np.float32),
        truth=truth,
        people_per_ha=_people_per_ha(homes, fields, industry),
        built=np.maximum(homes.density, industry),
        farmed=farmed,
        grazed=grazed,
        highland=nature.plateau,
        water=nature.water,
        roads=np.maximum(np.maximum(highway, paved), track),
        settlements=tuple(settlements),
    )


def _nearness(settlements: list[Settlement], shape: tuple[int, int], near_px: float) -> np.ndarray:
    """1 inside settlements, falling to 0 with the distance to the nearest, float32."""
    row, col = ((axis + 0.5) * COARSE_PX for axis in np.ogrid[: shape[0] // COARSE_PX, : shape[1] // COARSE_PX])
    beyond = np.full((row.size, col.size), np.inf)
    for one in settlements:
        np.minimum(beyond, np.hypot(row - one.row, col - one.col) - one.radius_px, out=beyond)
    return refine(np.exp(-((np.maximum(beyond, 0) / near_px) ** 2)), shape)


def _reach(share: np.ndarray, width_px: float) -> np.ndarray:
    """How much a road serves the land beside it, in [0, 1]."""
    return rise(ndimage.gaussian_filter(share, width_px) * width_px * 2.5, 0.05, 0.9)


def _truth(
    homes: Habitation, fields: Fields, grazed: np.ndarray, industry: np.ndarray, reach: np.ndarray
) -> np.ndarray:
    """Development: settlements by density, size and wealth; fields by wealth; industry; roads on top."""
    town = homes.density**0.7 * (0.28 + 0.24 * homes.size + 0.46 * homes.wealth)
    farm = fields.share * (0.10 + 0.34 * fields.wealth)
    peak = np.maximum(np.maximum(town, 0.82 * industry), np.maximum(farm, 0.07 * grazed))
    truth = ndimage.gaussian_filter(1 - (1 - peak) * (1 - reach), _TRUTH_BLUR_PX).clip(0, 1)
    return np.where(truth < _LEAST_TRUTH, 0, truth).astype(np.float32)


def _people_per_ha(homes: Habitation, fields: Fields, industry: np.ndarray) -> np.ndarray:
    """People a hectare: poor quarters are fuller than rich ones of the same size."""
    town = homes.density * (25 + 130 * homes.size) * (1.35 - 0.6 * homes.wealth)
    return np.asarray(np.maximum(town, 0.35 * fields.share) + 3 * industry, np.float32)
