"""Labels smoothed over the distance."""

import json

import numpy as np
import pytest
from rankscape.spatial.smoothing import SIGMAS, great_circle_degrees, smooth_nested


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "golden/embeddings/golden.json").read_text())


@pytest.mark.shared
def test_published_values(golden):
    lat, lon = (np.array(golden["checkerboard"][name]) for name in ("lat", "lon"))
    known = golden["interpolation"]
    labels = np.array(known["labels"])
    squared = great_circle_degrees(lon[30:], lat[30:], (lon[:30], lat[:30])) ** 2
    np.testing.assert_allclose(squared[0], known["squared_degrees_first_row"], rtol=1e-9)
    folds = np.where(np.arange(40) < 30, 1 + np.arange(40) % 2, 0)
    for sigma, wanted in known["predictions"].items():
        found, _ = smooth_nested(lon, lat, labels, folds, sigmas=[float(sigma)])
        np.testing.assert_allclose(found[30:], wanted, rtol=1e-9)


def smooth(lon, lat, known, labels, sigma):
    """Smooth labels by the textbook."""
    weights = np.exp(-(great_circle_degrees(lon, lat, known) ** 2) / (2 * sigma**2))
    total = weights.sum(1)
    return np.divide(weights @ labels, total, out=np.full(len(weights), labels.mean()), where=total > 0)


def test_the_width_is_chosen_inside_the_other_folds():
    chance = np.random.default_rng(2)
    lon, lat = chance.uniform(0, 3, (2, 60))
    labels, folds = np.sin(lon) + lat + 0.1 * chance.normal(size=60), np.arange(60) % 4
    predicted, chosen = smooth_nested(lon, lat, labels, folds)
    for outer in range(4):
        errors = []
        for sigma in SIGMAS:
            total = 0.0
            for inner in {0, 1, 2, 3} - {outer}:
                train, held = (folds != outer) & (folds != inner), folds == inner
                found = smooth(lon[held], lat[held], (lon[train], lat[train]), labels[train], sigma)
                total += ((found - labels[held]) ** 2).sum()
            errors.append(total)
        best, train = SIGMAS[int(np.argmin(errors))], folds != outer
        assert chosen[outer] == best
        wanted = smooth(lon[~train], lat[~train], (lon[train], lat[train]), labels[train], best)
        np.testing.assert_allclose(predicted[~train], wanted, rtol=1e-9)
