"""Which pixels are clear, by the scene classification (SCL) of Sen2Cor."""

from collections.abc import Collection

import numpy as np

NO_DATA, CLEAR, CLOUDY = 0, 1, 2
"""Values of the quality raster."""
CLASSES = {
    0: "no data", 1: "saturated or defective", 2: "dark or topographic shadow", 3: "cloud shadow", 4: "vegetation",
    5: "not vegetated", 6: "water", 7: "unclassified", 8: "cloud, medium probability", 9: "cloud, high probability",
    10: "thin cirrus", 11: "snow or ice",
}  # fmt: skip
"""Classes of the scene classification."""


def clear_pixels(seen: np.ndarray, classes: np.ndarray | None, cloud_classes: Collection[int]) -> np.ndarray:
    """Return where a scene was seen without cloud or cloud shadow.

    Args:
        seen: bool; where there is data.
        classes: Scene classification of the same shape, or None: then all that was seen counts as clear.
        cloud_classes: Classes that count as cloud or cloud shadow.

    Returns:
        bool, the same shape.
    """
    if classes is None:
        return seen.copy()
    return np.asarray(seen & ~np.isin(classes, list(cloud_classes)))


def quality(seen: np.ndarray, clear: np.ndarray) -> np.ndarray:
    """Return 0 where there is no data, 1 where it is clear, 2 where only cloud or shadow was seen; uint8."""
    return np.where(clear, CLEAR, np.where(seen, CLOUDY, NO_DATA)).astype(np.uint8)
