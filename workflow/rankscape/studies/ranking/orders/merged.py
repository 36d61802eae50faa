"""What every ensemble returns, and what every ensemble is given."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Merged:
    """Merged ranks and what each judge counts for."""

    ranks: np.ndarray
    """float64, shape (clusters,); 1 is the most developed."""
    weights: np.ndarray
    """float64, shape (judges,); they sum to 1."""
    iterations: int
    """Iterations taken."""
    scale: float | None
    """Scale of the last iteration in ranks (sigma); None for methods without one."""

    @property
    def effective_judges(self) -> float:
        """Number of equally weighted judges that would count as much: 1/sum(weights²)."""
        return float(1 / (self.weights**2).sum())


def uniform(judges: int) -> np.ndarray:
    """Return equal weights, float64, shape (judges,)."""
    return np.full(judges, 1 / judges)


def checked(ranks: np.ndarray) -> np.ndarray:
    """Return rank vectors as a numeric matrix, without a copy where they are one.

    Raises:
        ValueError: If `ranks` is no finite matrix with at least one judge and one cluster.
    """
    matrix = shaped(ranks)
    # A sum is finite only if every number is; it takes no copy.
    if not np.isfinite(matrix.sum(dtype=np.float64)):
        raise not_finite(matrix)
    return matrix


def shaped(ranks: np.ndarray) -> np.ndarray:
    """Return rank vectors as a numeric matrix, finite or not.

    Raises:
        ValueError: If `ranks` is no matrix with at least one judge and one cluster.
    """
    matrix = np.asarray(ranks)
    if matrix.dtype.kind not in "iuf":
        matrix = matrix.astype(np.float64)
    if matrix.ndim != 2 or not matrix.size:
        raise not_finite(matrix)
    return matrix


def not_finite(matrix: np.ndarray) -> ValueError:
    """Say what ranks must be."""
    return ValueError(f"ranks must be a finite matrix (judges, clusters), not of shape {matrix.shape}")
