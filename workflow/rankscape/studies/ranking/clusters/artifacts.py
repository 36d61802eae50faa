"""Files of land categories and clusters."""

from typing import Annotated, Any

from rankscape.artifacts import Array, Column, Document, DocumentKeys, File, Keys, Table, empty_as
from rankscape.samples.artifacts import GRANULE, PATCH_ID


class ClusterKeys(Keys):
    """One cluster."""

    cluster: int
    """Number of the cluster."""
    category: str
    """Its land category."""
    size: int
    """Patches in it."""
    uninhabited: bool = False
    """Whether it is the category without people."""
    medoid: str | None = None
    """The patch nearest to the mean."""


class CategoryKeys(Keys):
    """How the number of clusters of one land category was chosen."""

    k: int
    """Number of clusters."""
    k_given: bool = False
    """Whether the settings gave it."""
    silhouettes: Annotated[dict[int, float | None], empty_as(dict)] = {}
    """Mean silhouette of every number tried."""
    stability: float | None = None
    """Mean adjusted Rand index with the groupings from other seeds."""
    stability_by_seed: list[float] = []
    """The same for each of them."""


class ClusterSummary(DocumentKeys):
    """What is known of every cluster."""

    clusters: list[ClusterKeys]
    """Clusters, by number."""
    categories: Annotated[dict[str, CategoryKeys], empty_as(dict)] = {}
    """Land categories."""
    uninhabited: int | None = None
    """The cluster without people."""
    fingerprint: str | None = None
    """Hash of which patch is in which cluster."""
    centroids: list[list[float]] = []
    """Mean features of every cluster."""


class RefinedKeys(DocumentKeys):
    """How the backbone was refined by its own clusters."""

    networks: dict[str, Any]
    """What is known of each network's training."""
    dims: int
    """Length of a feature vector."""


class SheetKeys(DocumentKeys):
    """What contact sheets show."""

    sheets: list[dict[str, Any]]
    """Cluster, file, title and patches of each."""


CATEGORY = Column("category", "text", "", "Land category of the patch's cluster")
CLUSTER = Column("cluster", "integer", "", "Cluster: patches that look alike")
_PERSON = "Share of the labels of this patch that name this land category"

LABELS = Table(
    "ranking/categories/labels.parquet", "ranking label", "Land category of the labelled patches",
    row="one labelled patch", columns=(PATCH_ID, Column("{category}", "number", "share", _PERSON)),
)  # fmt: skip
CATEGORIES = Table(
    "ranking/categories/categories.parquet", "ranking categorize", "Probability of every land category of patches",
    row="one patch that was learned from",
    columns=(
        PATCH_ID, GRANULE, Column("p_{category}", "number", "0 to 1", "Probability of this land category"),
        Column("category", "text", "", "Most probable land category"),
    ),
)  # fmt: skip
REFINED = Document(
    "ranking/clusters/refined.json", "ranking refine", "How the backbone was refined by its own clusters",
    model=RefinedKeys,
)  # fmt: skip
REFINED_FEATURES = Array(
    "ranking/clusters/refined/{granule}.npy", "ranking refine", "Features after that (float32)",
    dimensions=("patch", "feature"),
)  # fmt: skip
CLUSTERS = Table(
    "ranking/clusters/clusters.parquet", "ranking cluster",
    "Land category and cluster of the patches that were learned from", "collection",
    row="one patch that was learned from", columns=(PATCH_ID, GRANULE, CATEGORY, CLUSTER),
)  # fmt: skip
SUMMARY = Document(
    "ranking/clusters/clusters.json", "ranking cluster",
    "Size and land category of every cluster, and how many were tried", "collection", model=ClusterSummary,
)  # fmt: skip
CONTACT_SHEETS = File(
    "ranking/contact-sheets", "ranking contact-sheets", "Folder of contact sheets, one a cluster (PNG)"
)
CONTACT_SHEETS_INDEX = Document(
    "ranking/contact-sheets/index.json", "ranking contact-sheets", "What they show", model=SheetKeys
)
