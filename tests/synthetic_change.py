"""Two invented dates of one land, with a score, light, noise and changes that are known."""

from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
from rankscape.products.change.change import ChangeFindings, measure_change
from rankscape.products.change.dates import PairedDates
from rankscape.products.change.invariants import Radiometry
from rankscape.products.change.settings import ChangeSettings
from rankscape.samples.patches import Grid, Patches
from scipy import ndimage

SIDE = 30
"""Places along each side of the land."""
LIGHT = Radiometry(np.array([1.10, 0.92, 1.15]), np.array([0.020, -0.008, 0.012]))
"""From the earlier light to the later one."""
BRIGHTER, ROUGHER = 0.03, 0.02
"""What building does to the look of a place."""


@dataclass(frozen=True)
class World:
    """What is invented."""

    seen: PairedDates
    """Both dates."""
    changed: np.ndarray
    """Which places truly changed."""
    errors: np.ndarray
    """Errors of the score before its link at the earlier date, shape (places,)."""

    def score_again(self, one: PairedDates, light: Radiometry) -> tuple[np.ndarray, np.ndarray]:
        """Score the earlier pictures in another light, with the errors that they had."""
        pixels = light.applied(np.asarray(one.before.array[one.rows[0]]))
        return scores_of(pixels, self.errors[one.rows[0]]), np.zeros(len(pixels))

    def measured(self, **settings: object) -> ChangeFindings:
        """Measure the change."""
        return measure_change([self.seen], ChangeSettings(**settings), self.score_again)


def scores_of(pixels: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Score by brightness and texture, between 0 and 1."""
    value = 9 * pixels.mean((1, 2, 3)) + 25 * pixels.std((1, 2)).mean(-1) - 3.6 + errors
    return 1 / (1 + np.exp(-value))


def synthetic_dates(
    seed: int,
    *,
    changed_share: float = 0.08,
    light: Radiometry | None = LIGHT,
    correlation_places: float = 0.0,
    tails: float = np.inf,
    look_noise: float = 0.002,
    error: float = 0.05,
) -> World:
    """Invent a land of 900 places at two dates.

    Args:
        seed: Seed of everything.
        changed_share: Share of the places that are built on between the dates.
        light: What the later light and sensor do to pixels; None for the same at both dates.
        correlation_places: How far noise reaches from place to place, in places.
        tails: Degrees of freedom of the noise; infinity is normal.
        look_noise: Noise of a place's brightness at each date, which the score sees.
        error: Noise of the score at each date that no look shows, before its link.
    """
    generator = np.random.default_rng(seed)
    count = SIDE**2
    wealth = _field(generator, 3.0, np.inf)
    bright = 0.16 + 0.10 * _ranks(wealth)[:, None, None, None] + generator.normal(0, 0.02, (count, 1, 1, 3))
    rough = 0.01 + 0.05 * _ranks(wealth + generator.normal(0, 0.4, count))
    grain = generator.standard_normal((count, 6, 6, 3)) * rough[:, None, None, None]
    changed = np.zeros(count, bool)
    changed[generator.choice(count, round(changed_share * count), replace=False)] = True
    growth = np.where(changed, generator.uniform(0.3, 1.7, count), 0)[:, None, None, None]
    built = growth * (BRIGHTER + ROUGHER * generator.standard_normal((count, 6, 6, 3)))
    dates, errors = [], []
    for pixels in (bright + grain, bright + grain + built):
        veil = look_noise * _field(generator, correlation_places, tails)[:, None, None, None]
        dates.append((pixels + veil + 0.001 * generator.standard_normal(pixels.shape)).clip(0.002, 0.9))
        errors.append(error * _field(generator, correlation_places, tails))
    after = dates[1] if light is None else light.applied(dates[1])
    return World(_seen(dates[0], after, errors), changed, errors[0])


def _field(generator: np.random.Generator, reach: float, tails: float) -> np.ndarray:
    """Noise of variance about 1, shape (places,)."""
    plain = generator.standard_normal((SIDE, SIDE)) if np.isinf(tails) else generator.standard_t(tails, (SIDE, SIDE))
    smooth = ndimage.gaussian_filter(plain, reach, mode="wrap") if reach else plain
    return np.asarray(smooth / smooth.std()).ravel()


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.asarray(values.argsort().argsort() / len(values))


def _seen(before: np.ndarray, after: np.ndarray, errors: list[np.ndarray]) -> PairedDates:
    count = len(before)
    row, col = np.divmod(np.arange(count), SIDE)
    grid = Grid(
        "EPSG:32603", (10.0, 0.0, 0.0, 0.0, -10.0, 0.0), SIDE * 6, SIDE * 6, 6, SIDE, SIDE, ("B04", "B03", "B02")
    )
    stores = [Patches(pixels.astype(np.float32), gpd.GeoDataFrame(), grid) for pixels in (before, after)]
    frame = pd.DataFrame(
        {
            "patch_id": [f"now_{r}_{c}" for r, c in zip(row, col, strict=True)],
            "before_patch_id": [f"then_{r}_{c}" for r, c in zip(row, col, strict=True)],
            "row": row, "col": col,
            "score_before": scores_of(stores[0].array, errors[0]),
            # The network has seen many lights: its errors stay the same, and the light itself moves its scores.
            "score_after": scores_of(stores[1].array, errors[1]),
            "ensemble_std_before": 0.0, "ensemble_std_after": 0.0,
        }
    )  # fmt: skip
    positions = np.arange(count)
    return PairedDates("land", *stores, (positions, positions), frame, {})


def discoveries(world: World, measured: ChangeFindings) -> tuple[float, float]:
    """Share of false discoveries among those made (0 where none is), and share of the true changes found."""
    found = measured.frame["significant"].to_numpy()
    wrong = float((found & ~world.changed).sum() / max(found.sum(), 1))
    power = float(found[world.changed].mean()) if world.changed.any() else float("nan")
    return wrong, power


def fewer(world: World, count: int) -> World:
    """The same land, of which only the first places are seen at both dates."""
    seen = replace(world.seen, rows=(np.arange(count), np.arange(count)), frame=world.seen.frame.head(count))
    return replace(world, seen=seen)
