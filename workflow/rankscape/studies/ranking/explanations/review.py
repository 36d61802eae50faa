"""Which patches to judge a score by: from the lowest to the highest, uncertain ones, ones against their cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rankscape.foundation.errors import TableError


@dataclass(frozen=True)
class Reviewed:
    """One patch to look at."""

    patch_id: str
    """Its id."""
    granule: str
    """Its granule."""
    score: float
    """Its score."""
    score_std: float
    """Standard deviation over the networks."""
    cluster: int | None
    """Its cluster; None for patches that were not clustered."""
    target: float | None
    """Score that its cluster should get."""

    @property
    def words(self) -> str:
        """Say in a sentence what was scored and what was expected."""
        spread = f" ± {self.score_std:.2f}" if self.score_std > 0 else ""
        if self.target is None:
            return f"scored {self.score:.2f}{spread}"
        return f"cluster {self.cluster} (target {self.target:.2f}) scored {self.score:.2f}{spread}"

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "patch_id": self.patch_id, "granule": self.granule, "score": round(self.score, 6),
            "score_std": round(self.score_std, 6), "cluster": self.cluster, "target": self.target, "words": self.words,
        }  # fmt: skip


def scored_patches(scores: pd.DataFrame, clusters: pd.DataFrame, targets: Mapping[int, float]) -> pd.DataFrame:
    """Join the scores of patches with their clusters and targets.

    Args:
        scores: Columns patch_id, granule, score, score_std; patches without a score are left out.
        clusters: Columns patch_id, cluster.
        targets: Target of every cluster.

    Returns:
        Columns patch_id, granule, score, score_std, cluster, target, from the lowest score to the highest; NaN for
        patches without a cluster. Patches of one score stand by their ids.

    Raises:
        TableError: If no patch has a score, or a cluster has no target.
    """
    known = scores.dropna(subset=["score"])
    if known.empty:
        raise TableError("No patch has a score, so there is nothing to look at: predict the scores again.")
    joined = known.merge(clusters[["patch_id", "cluster"]], on="patch_id", how="left", validate="one_to_one")
    strange = sorted({int(cluster) for cluster in joined["cluster"].dropna()} - set(targets))
    if strange:
        raise TableError(f"The clusters {strange} have no target in the training's record: train again on them.")
    joined["target"] = joined["cluster"].map(dict(targets)).astype(float)
    return joined.sort_values(["score", "patch_id"], kind="stable", ignore_index=True)


def spectrum(patches: pd.DataFrame, count: int) -> list[Reviewed]:
    """Take patches from the lowest score to the highest, at evenly spaced quantiles, both ends among them."""
    chosen = np.unique(np.rint(np.linspace(0, len(patches) - 1, min(count, len(patches)))).astype(int))
    return _entries(patches.iloc[chosen])


def uncertain(patches: pd.DataFrame, count: int) -> list[Reviewed]:
    """Take the patches on which the networks agree least, the most uncertain first; none where all agree."""
    spread = patches[patches["score_std"] > 0].sort_values(["score_std", "patch_id"], ascending=[False, True])
    return _entries(spread.head(count))


def contradictions(patches: pd.DataFrame, count: int) -> list[Reviewed]:
    """Take the patches whose score is farthest from the target of their cluster, the farthest first."""
    known = patches.dropna(subset=["target"])
    distance = (known["score"] - known["target"]).abs()
    worst = known.assign(distance=distance).sort_values(["distance", "patch_id"], ascending=[False, True])
    return _entries(worst[worst["distance"] > 0].head(count))


def _entries(patches: pd.DataFrame) -> list[Reviewed]:
    names = ("patch_id", "granule", "score", "score_std", "cluster", "target")
    return [_entry(*row) for row in zip(*(patches[name] for name in names), strict=True)]


def _entry(patch_id: str, granule: str, score: float, score_std: float, cluster: float, target: float) -> Reviewed:
    clustered = cluster == cluster  # noqa: PLR0124  # NaN, which equals nothing, where the patch has no cluster
    return Reviewed(
        str(patch_id), str(granule), float(score), float(score_std), int(cluster) if clustered else None,
        round(float(target), 6) if clustered else None,
    )  # fmt: skip
