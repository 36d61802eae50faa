"""Embeddings as they are published in bytes, back to numbers."""

import numpy as np

ALPHAEARTH_NONE = -128
"""Byte of AlphaEarth where there is no embedding."""
_ALPHAEARTH_SCALE = 127.5


def dequantise_alphaearth(values: np.ndarray) -> np.ndarray:
    """Turn bytes of AlphaEarth into numbers: sign(v) (v / 127.5)², NaN for -128.

    Source: the data's own description (Google DeepMind, "Satellite Embedding"). Whole vectors have the length 1,
    but for rounding.

    Args:
        values: int8, any shape.

    Returns:
        float32, the same shape.
    """
    ratio = values.astype(np.float32) / np.float32(_ALPHAEARTH_SCALE)
    return np.where(values == ALPHAEARTH_NONE, np.float32(np.nan), np.sign(ratio) * ratio**2)


def dequantise_tessera(values: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Turn bytes of TESSERA into numbers: byte times the scale of its pixel, NaN where the scale is not finite or 0.

    Args:
        values: int8, shape (..., dims).
        scales: float32, shape (...).

    Returns:
        float32, shape (..., dims).
    """
    usable = np.where(np.isfinite(scales) & (scales != 0), scales, np.nan).astype(np.float32)
    return np.asarray(values.astype(np.float32) * usable[..., None])
