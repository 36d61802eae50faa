"""Fields of which the spatial correlation is known."""

from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture(scope="session")
def gaussian_field() -> Callable[..., np.ndarray]:
    """Draw Gaussian fields of variance 1 on a grid whose exponential correlation is down to .05 at `range_px`."""

    def draw(side: int, *, range_px: float, count: int, seed: int) -> np.ndarray:
        wide = 2 * side  # circulant embedding (Dietrich and Newsam 1997): a torus wide enough for both directions
        away = np.minimum(np.arange(wide), wide - np.arange(wide))
        power = np.fft.fft2(np.exp(-3 * np.hypot(away[:, None], away) / range_px)).real.clip(0)
        noise = np.random.default_rng(seed).normal(size=(2, count, wide, wide))
        fields = np.fft.fft2(np.sqrt(power) / wide * (noise[0] + 1j * noise[1])).real
        return np.asarray(fields[:, :side, :side])

    return draw
