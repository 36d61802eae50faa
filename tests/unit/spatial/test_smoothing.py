"""Labels smoothed over the distance."""

import json

import numpy as np
import pytest
from rankscape.spatial.smoothing import SIGMAS, great_circle_degrees, smooth, smooth_nested, smooth_places


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "golden/embeddings/golden.json").read_text())


@pytest.mark.shared
def test_published_values(golden):
    lat, lon = (np.array(golden["checkerboard"][name]) for name in ("lat", "lon"))
    known = golden["interpolation"]
    labels = np.array(known["labels"])[:30]
    squared = great_circle_degrees(lon[30:], lat[30:], (lon[:30], lat[:30])) ** 2
    np.testing.assert_allclose(squared[0], known["squared_degrees_first_row"], rtol=1e-9)
    for sigma, wanted in known["predictions"].items():
        found = smooth_places(lon[30:], lat[30:], (lon[:30], lat[:30]), labels, float(sigma))
        np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_where_all_weights_vanish_the_mean_is_taken():
    assert smooth(np.array([[100.0, 200.0]]), np.array([1.0, 3.0]), 0.1).tolist() == [2.0]


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
                found = smooth_places(lon[held], lat[held], (lon[train], lat[train]), labels[train], sigma)
                total += ((found - labels[held]) ** 2).sum()
            errors.append(total)
        best, train = SIGMAS[int(np.argmin(errors))], folds != outer
        assert chosen[outer] == best
        wanted = smooth_places(lon[~train], lat[~train], (lon[train], lat[train]), labels[train], best)
        np.testing.assert_allclose(predicted[~train], wanted, rtol=1e-9)
