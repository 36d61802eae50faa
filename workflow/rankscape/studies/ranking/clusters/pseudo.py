"""Pseudo labels: groups of features that a network is trained to tell apart (docs/clusters.md).

Caron et al. (2018), §3: features are reduced and whitened by PCA, brought to length 1, and grouped by k-means.
"""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from rankscape.studies.ranking.clusters.grouping import scaled


def reduced(features: np.ndarray, pca_dims: int) -> np.ndarray:
    """Bring features to the form in which they are grouped.

    Args:
        features: float, shape (n, dims).
        pca_dims: Whitened principal components that are kept, at most; 0 keeps the features themselves.

    Returns:
        float32, shape (n, min(pca_dims, n, dims) or dims); rows of Euclidean length 1.
    """
    values = np.asarray(features, np.float64)
    if pca_dims:
        count = min(pca_dims, *values.shape)
        with threadpool_limits(1):
            values = PCA(count, whiten=True, svd_solver="full").fit_transform(values)
    return scaled(values, "l2")


def groups_of(features: np.ndarray, wanted: int) -> int:
    """Return how many groups to make: two patches each on average, and no more than there are distinct ones."""
    return min(wanted, len(features) // 2, len(np.unique(features, axis=0)))


def pseudo_labels(features: np.ndarray, groups: int, seed: int) -> np.ndarray:
    """Group features by k-means from one start, and fill groups that are empty.

    Args:
        features: float32, shape (n, dims), n >= 2 * groups.
        groups: Number of groups.
        seed: Seed of the start.

    Returns:
        int64, shape (n,): the group of each, every group with one at least.
    """
    # Several OpenMP threads add up centroids in any order, and the last digits would differ from run to run.
    with threadpool_limits(1):
        found = KMeans(groups, n_init=1, random_state=seed).fit_predict(features)
    return fill_empty(found.astype(np.int64), features, groups)


def fill_empty(labels: np.ndarray, features: np.ndarray, groups: int) -> np.ndarray:
    """Give every empty group half of the largest one: the half that lies farther from its mean.

    Caron et al. (2018) put the centre of an empty group beside that of a full one, which parts its members by chance;
    this parts them the same way in every run. k-means itself moves a group that runs empty to the patch that lies
    farthest from its centre, so that little is left to do here.

    Args:
        labels: int64, shape (n,), n >= 2 * groups.
        features: float32, shape (n, dims).
        groups: Number of groups.

    Returns:
        New labels; each of 0 ... groups-1 stands there once at least.
    """
    filled = labels.copy()
    for empty in np.setdiff1d(np.arange(groups), labels):
        members = np.flatnonzero(filled == np.bincount(filled, minlength=groups).argmax())
        distance = np.linalg.norm(features[members] - features[members].mean(0), axis=1)
        order = np.argsort(distance, kind="stable")
        filled[members[order[len(members) // 2 :]]] = empty
    return filled


def uniform_order(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw an epoch's patches so that every group is shown equally often (Caron et al. 2018, §3.3).

    Args:
        labels: Group of each patch, int64, shape (n,).
        generator: Source of chance.

    Returns:
        Positions of about n patches, int64, in a random order: as many of each group, give or take none; a group's
        patches are all shown before one of them is shown again.
    """
    groups = np.unique(labels)
    share = -(-len(labels) // len(groups))
    drawn = [_drawn(np.flatnonzero(labels == group), share, generator) for group in groups]
    return generator.permutation(np.concatenate(drawn))


def _drawn(members: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    rounds = [generator.permutation(members) for _ in range(-(-count // len(members)))]
    return np.concatenate(rounds)[:count]
