"""K-means: clusters with the best number by silhouette, and pseudo labels for training (docs/methods/clusters.md)."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, pairwise_distances, silhouette_score
from threadpoolctl import threadpool_limits

from rankscape.foundation.progress import say, track
from rankscape.studies.ranking.clusters.settings import ClusterSettings

STARTS = 4
"""Starts of each k-means; the one with the least inertia is kept."""
_SILHOUETTE_STREAM = 1
"""Keeps the draw for silhouettes apart from the starts of k-means."""


@dataclass(frozen=True)
class KMeansGrouping:
    """How the patches of one category were grouped."""

    labels: np.ndarray
    """int32, shape (patches,): group of each patch, 0 ... k-1, in no particular order."""
    k: int
    """Number of groups."""
    k_given: bool
    """True if K was given and not chosen by silhouette."""
    silhouettes: dict[int, float]
    """Mean silhouette of every K tried, in [-1, 1]."""
    stability_by_seed: tuple[float, ...]
    """Adjusted Rand index (Hubert & Arabie 1985) between this grouping and one from each other seed; 1 is the same."""

    @property
    def stability(self) -> float | None:
        """Mean of `stability_by_seed`; None where there is one group."""
        return float(np.mean(self.stability_by_seed)) if self.stability_by_seed else None


def scaled(features: np.ndarray, how: str) -> np.ndarray:
    """Bring features to one scale.

    Args:
        features: float32, shape (patches, dims).
        how: `standardise`: each feature to mean 0 and variance 1 over the patches, a constant one to 0; `l2`: each
            patch's features to Euclidean length 1.

    Returns:
        float32, shape (patches, dims).
    """
    values = np.asarray(features, np.float64)
    if how == "standardise":
        values = values - values.mean(axis=0)
        size = values.std(axis=0, keepdims=True)
    else:
        size = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.where(size > 0, size, 1), np.float32)


def ks_to_try(patches: int, distinct: int, given: int | None, k_min: int, k_max: int) -> list[int]:
    """Return the numbers of groups to try for one category.

    A group has two patches or more on average, so that a small category is tried with fewer groups, and one of three
    patches or fewer is one group. A given number is taken as it is, up to the number of distinct patches.

    Args:
        patches: Patches of the category.
        distinct: Those with features unlike any other's.
        given: Number of groups that the settings give.
        k_min: Fewest groups tried.
        k_max: Most groups tried.
    """
    if given is not None:
        return [min(given, distinct)]
    most = min(k_max, patches // 2, distinct)
    return list(range(k_min if most >= k_min else 2, most + 1)) or [1]


def group(
    features: np.ndarray, name: str, settings: ClusterSettings, threads: int, *, given: int | None
) -> KMeansGrouping:
    """Group the patches of one category by look.

    Args:
        features: float32, shape (patches, dims), patches > 0; already scaled.
        name: Category, for the log.
        settings: Range of K, seeds and sizes of samples.
        threads: Threads to compute with; they change no result.
        given: Number of groups, where it is not to be chosen.

    Returns:
        The grouping with the best silhouette; of equals the one with fewer groups.
    """
    distinct = len(np.unique(features, axis=0))
    tried = ks_to_try(len(features), distinct, given, settings.k_min, settings.k_max)
    if given is None and tried[0] < settings.k_min:
        say(
            f"{name}: {len(features)} patches, {distinct} distinct, are few: K is tried from {tried[0]} to {tried[-1]}."
        )
    if given is not None and tried[0] < given:
        say(f"{name}: K = {given} is given, but only {distinct} patches are distinct: K = {tried[0]}.")
    if tried == [1]:
        return KMeansGrouping(np.zeros(len(features), np.int32), 1, given is not None, {}, ())
    labels = dict(zip(tried, _fit_all(features, [(k, settings.seed, 0) for k in tried], name, threads), strict=True))
    silhouettes = _silhouettes(features, labels, settings)
    # An undefined silhouette (a sample that falls into one group) can only lose.
    best = max(tried, key=lambda k: (silhouettes.get(k, -np.inf), -k))
    others = [(best, settings.seed, trial) for trial in range(1, settings.stability_seeds)]
    again = _fit_all(features, others, f"{name}, other seeds", threads)
    indices = tuple(float(adjusted_rand_score(labels[best], other)) for other in again)
    return KMeansGrouping(labels[best], int(labels[best].max()) + 1, given is not None, silhouettes, indices)


def _fit_all(features: np.ndarray, runs: Sequence[tuple[int, int, int]], name: str, threads: int) -> list[np.ndarray]:
    with ThreadPoolExecutor(threads) as pool:
        results: Iterable[np.ndarray] = pool.map(lambda run: _fit(features, *run), runs)
        return list(track(results, f"k-means, {name}", unit="run", total=len(runs)))


def _fit(features: np.ndarray, k: int, seed: int, trial: int) -> np.ndarray:
    start = int(np.random.default_rng([seed, k, trial]).integers(2**31))
    # Several OpenMP threads add up centroids in any order, and the last digits would differ from run to run.
    with threadpool_limits(1):
        labels = KMeans(k, n_init=STARTS, random_state=start).fit_predict(features)
    return np.asarray(np.unique(labels, return_inverse=True)[1], np.int32)


def _silhouettes(features: np.ndarray, labels: dict[int, np.ndarray], settings: ClusterSettings) -> dict[int, float]:
    size = min(len(features), settings.max_silhouette_patches)
    generator = np.random.default_rng([settings.seed, len(features), _SILHOUETTE_STREAM])
    sample = np.sort(generator.choice(len(features), size, replace=False))
    with threadpool_limits(1):
        distances = pairwise_distances(features[sample].astype(np.float64))
    sampled = {k: groups[sample] for k, groups in labels.items()}
    return {
        k: float(silhouette_score(distances, groups, metric="precomputed"))
        for k, groups in sampled.items()
        if 2 <= len(np.unique(groups)) < size
    }


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
        New labels; each of 0 ... groups-1 occurs once at least.
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
