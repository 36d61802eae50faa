"""An order from data: clusters by their mean of a reference, told apart only where the difference is significant."""

from collections.abc import Mapping, Sequence

import numpy as np

from rankscape.foundation.settings.ranking import DeriveSettings
from rankscape.ranking.orders import PartialOrder
from rankscape.ranking.ties import order_of_differences

FEWEST_VALUES = 2
"""A cluster with fewer values has no spread to judge its mean by."""
_BATCH_NUMBERS = 4_000_000


def order_of_values(values: Mapping[int, np.ndarray], settings: DeriveSettings) -> PartialOrder:
    """Order clusters by the means of their values.

    Two clusters are ordered if the percentile interval of the difference of their bootstrap means (Efron 1979) leaves
    out 0, and equal otherwise; what follows from ordered pairs is ordered too. This is the data-guided order of Ahn et
    al. (Nature Communications 2023) with a test in place of plain means. Patches are drawn as if independent.

    Args:
        values: Finite values of each cluster's patches, any unit; a cluster with fewer than two is incomparable.
        settings: Draws, confidence level, seed.

    Returns:
        The order of all clusters; high values are more developed.
    """
    clusters = sorted(cluster for cluster, own in values.items() if len(own) >= FEWEST_VALUES)
    if not clusters:
        return PartialOrder.from_pairs(values, [])
    means = np.array([np.mean(values[cluster]) for cluster in clusters])
    draws = np.array([bootstrap_means(values[cluster], settings, cluster) for cluster in clusters])
    return order_of_differences(clusters, _significant(means, draws, settings.level)).extended(values)


def bootstrap_means(values: np.ndarray, settings: DeriveSettings, cluster: int) -> np.ndarray:
    """Return means over resampled values, float64, shape (draws,); seeded by the settings' seed and the cluster."""
    generator = np.random.default_rng([settings.seed, cluster])
    batch = max(1, _BATCH_NUMBERS // len(values))
    sizes = [min(batch, settings.draws - begin) for begin in range(0, settings.draws, batch)]
    parts = [values[generator.integers(len(values), size=(size, len(values)))].mean(axis=1) for size in sizes]
    return np.concatenate(parts)


def _significant(means: np.ndarray, draws: np.ndarray, level: float) -> np.ndarray:
    """bool, shape (n, n): the row's mean is significantly above the column's."""
    tail = (1 - level) / 2
    rows: Sequence[np.ndarray] = [np.quantile(own[None, :] - draws, tail, axis=1) for own in draws]
    return np.asarray((np.array(rows) > 0) & (means[:, None] > means[None, :]))
