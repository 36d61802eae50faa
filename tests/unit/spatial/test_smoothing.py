"""Labels smoothed over the distance."""

import json

import numpy as np
import pytest
from rankscape.spatial.smoothing import great_circle_degrees, smooth, smooth_places


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
