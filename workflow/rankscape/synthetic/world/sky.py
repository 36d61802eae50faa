"""What stands between the land and the satellite: clouds, their shadows, haze, and the edge of the swath."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from rankscape.synthetic.world.land_cover import BANDS
from rankscape.synthetic.world.primitives import fractal, rise
from rankscape.synthetic.world.terrain import SUN_AZIMUTH_DEG
from rankscape.synthetic.world.world_grid import WorldGrid

NO_DATA, SHADOW, VEGETATION, BARE, WATER, MEDIUM, HIGH, CIRRUS = 0, 3, 4, 5, 6, 8, 9, 10
"""Classes of the scene classification (SCL) that the synthetic scenes use."""
CLASSES = {
    "nodata_pixel": NO_DATA, "cloud_shadow": SHADOW, "vegetation": VEGETATION, "not_vegetated": BARE, "water": WATER,
    "medium_proba_clouds": MEDIUM, "high_proba_clouds": HIGH, "thin_cirrus": CIRRUS,
}  # fmt: skip
"""Classes by the name that their share has in an item's properties."""
_SHADOW_LENGTH_PX = 26.0
_CLOUD_COLOUR = np.array((0.56, 0.55, 0.55, 0.62), np.float32)


@dataclass(frozen=True)
class Passage:
    """One passage of a satellite over the whole world."""

    number: int
    """Seeds the clouds and the sensor's noise."""
    sensed: str
    """Sensing time, UTC."""
    generated: str
    """When the product was made."""
    platform: str
    baseline: str
    """Processing baseline; from 04.00 on, DN carry an offset of 1,000."""
    orbit: int
    """Relative orbit."""
    cloudy: float
    """Share of the world under cloud."""
    cirrus: float
    """Share of the world under thin cirrus."""
    gain: tuple[float, float, float, float]
    """Factor on the reflectance of each band: season and calibration."""
    haze: tuple[float, float, float, float]
    """Reflectance that haze adds."""
    weather: float
    """1 or -1: which two opposite quarters of the fit granules have more cloud, so that each date is best somewhere."""
    edge: tuple[float, float] | None
    """Where the swath ends at the world's upper and lower border, as shares of its width; None beyond the world."""

    @property
    def offset_dn(self) -> int:
        """What the processing adds to the DN."""
        return 1000 if self.baseline >= "04.00" else 0


PASSAGES = (
    Passage(
        0, "2021-07-19T22:05:31.024Z", "2021-07-20T03:41:12.000Z", "Sentinel-2A", "03.01", 72, 0.045, 0.0,
        (1.00, 1.00, 1.01, 0.98), (0.004, 0.003, 0.002, 0.001), -1.0, (0.945, 0.900),
    ),
    Passage(
        1, "2022-06-24T22:05:29.024Z", "2022-06-25T04:10:55.000Z", "Sentinel-2B", "04.00", 29, 0.035, 0.006,
        (0.97, 0.985, 0.96, 1.05), (0.008, 0.006, 0.004, 0.002), 1.0, None,
    ),
)  # fmt: skip
"""The two passages over the synthetic world."""
EARLIER = Passage(
    2, "2016-08-29T22:05:32.026Z", "2016-08-30T02:17:40.000Z", "Sentinel-2A", "02.04", 72, 0.03, 0.0,
    (1.05, 1.04, 1.08, 0.90), (0.022, 0.016, 0.011, 0.005), 1.0, None,
)  # fmt: skip
"""The passage over the earlier world: another season, drier, and more haze."""


@dataclass(frozen=True)
class Recording:
    """What one passage records of the whole world."""

    reflectance: np.ndarray
    """float32, shape (4, height, width), bands `spectra.BANDS`, with the sensor's noise."""
    classes: np.ndarray
    """Scene classification at 10 m, uint8, shape (height, width)."""


def observe(reflectance: np.ndarray, water: np.ndarray, passage: Passage, layout: WorldGrid, seed: int) -> Recording:
    """Record the land in one passage.

    Args:
        reflectance: Land without sky, float32, shape (4, height, width).
        water: Share of water, shape (height, width).
        passage: The passage.
        layout: Grid of the world.
        seed: Seed of the world.
    """
    chance = np.random.default_rng([seed, 100 + passage.number])
    cloud, cirrus = _clouds(layout.shape, passage, chance)
    shadow = _shadow(cloud)
    classes = _classes(reflectance, water, cloud, cirrus, shadow)
    classes[~within_swath(layout, passage)] = NO_DATA
    seen = np.empty_like(reflectance)
    dim = 1 - np.float32(0.62) * shadow
    for band in range(len(BANDS)):
        light = reflectance[band] * np.float32(passage.gain[band]) * dim + np.float32(passage.haze[band])
        light += cirrus * np.float32(0.10) * (1 - light)
        light += cloud * (_CLOUD_COLOUR[band] * (0.75 + 0.5 * cloud) - light)
        seen[band] = light * (1 + np.float32(0.008) * chance.standard_normal(light.shape, dtype=np.float32))
        seen[band] += np.float32(0.0015) * chance.standard_normal(light.shape, dtype=np.float32)
    return Recording(seen, classes)


def within_swath(layout: WorldGrid, passage: Passage) -> np.ndarray:
    """Return where the passage recorded anything, bool, shape (height, width)."""
    rows, cols = layout.shape
    if passage.edge is None:
        return np.ones((rows, cols), bool)
    edge = np.linspace(*passage.edge, rows) * cols
    return np.asarray(np.arange(cols)[None, :] + 0.5 < edge[:, None])


def _clouds(shape: tuple[int, int], passage: Passage, chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Thickness of cumulus and of cirrus, float32 in [0, 1]."""
    y, x = np.ogrid[0 : 1 : shape[0] * 1j, 0 : 1 : shape[1] * 1j]
    weather = np.clip(25 * (x - 0.33) * (y - 0.5), -1, 1) * passage.weather
    heap = fractal(shape, 110, chance, 2.5) + np.float32(0.3) * weather.astype(np.float32)
    edge = np.quantile(heap[::4, ::4], 1 - passage.cloudy)
    cloud = rise(heap, float(edge) - 0.12, float(edge) + 0.5)
    if not passage.cirrus:
        return cloud, np.zeros(shape, np.float32)
    veil = fractal(shape, 200, chance, 2.8)
    edge = np.quantile(veil[::4, ::4], 1 - passage.cirrus)
    return cloud, rise(veil, float(edge) - 0.1, float(edge) + 0.2)


def _shadow(cloud: np.ndarray) -> np.ndarray:
    """Shadow that the clouds throw away from the sun, float32 in [0, 1]."""
    azimuth = np.deg2rad(SUN_AZIMUTH_DEG)
    shift = (round(_SHADOW_LENGTH_PX * np.cos(azimuth)), round(-_SHADOW_LENGTH_PX * np.sin(azimuth)))
    thrown = np.zeros_like(cloud)
    there = tuple(slice(max(0, step), side + min(0, step)) for step, side in zip(shift, cloud.shape, strict=True))
    here = tuple(slice(max(0, -step), side + min(0, -step)) for step, side in zip(shift, cloud.shape, strict=True))
    thrown[there] = cloud[here]
    return np.asarray(ndimage.gaussian_filter(thrown, 1.5) * (1 - cloud), np.float32)


def _classes(
    reflectance: np.ndarray, water: np.ndarray, cloud: np.ndarray, cirrus: np.ndarray, shadow: np.ndarray
) -> np.ndarray:
    """Scene classification as Sen2Cor would make it, uint8."""
    red, nir = reflectance[BANDS.index("B04")], reflectance[BANDS.index("B08")]
    classes = np.where((nir - red) / (nir + red) > 0.4, VEGETATION, BARE).astype(np.uint8)
    for share, limit, number in (
        (water, 0.5, WATER), (shadow, 0.25, SHADOW), (cirrus, 0.3, CIRRUS), (cloud, 0.12, MEDIUM), (cloud, 0.6, HIGH),
    ):  # fmt: skip
        classes[share > limit] = number
    return classes


def as_dn(view: Recording, offset_dn: int, window: tuple[slice, slice]) -> np.ndarray:
    """Return the DN of a window: reflectance times 10,000 plus the offset; 0 where there is no data.

    Returns:
        uint16, shape (4, height, width).
    """
    least = 1 if offset_dn == 0 else 0
    dn = np.rint(view.reflectance[(slice(None), *window)] * 10_000) + offset_dn
    return np.where(view.classes[window] == NO_DATA, 0, np.clip(dn, least, 65_535)).astype(np.uint16)


def coarse_classes(view: Recording, window: tuple[slice, slice]) -> np.ndarray:
    """Return the scene classification at 20 m, as it is delivered: the class of every second pixel, uint8."""
    return np.ascontiguousarray(view.classes[window][::2, ::2])
