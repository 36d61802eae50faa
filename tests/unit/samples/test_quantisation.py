"""Published bytes of embeddings, back to numbers."""

import json

import numpy as np
import pytest
from rankscape.samples.quantisation import dequantise_alphaearth, dequantise_tessera


@pytest.mark.shared
def test_published_formulas(shared):
    golden = json.loads((shared / "golden/embeddings/golden.json").read_text())["dequantise"]
    found = dequantise_alphaearth(np.array(golden["alphaearth_int8"], np.int8))
    np.testing.assert_allclose(found, np.array(golden["alphaearth_float"], float), rtol=1e-6)
    scales = np.array(golden["tessera_scale"], float).astype(np.float32)
    found = dequantise_tessera(np.array(golden["tessera_int8"], np.int8), scales)
    np.testing.assert_allclose(found, np.array(golden["tessera_float"], float), rtol=1e-6)


def test_scales_that_are_none_give_none():
    found = dequantise_tessera(np.ones((4, 2), np.int8), np.array([1.0, np.inf, 0.0, np.nan], np.float32))
    assert np.isfinite(found).all(1).tolist() == [True, False, False, False]
