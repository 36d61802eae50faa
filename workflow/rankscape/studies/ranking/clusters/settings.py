"""Settings of land categories and clusters (docs/methods/clusters.md)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rankscape.foundation.settings import Section, worded

CategoryName = Annotated[
    str,
    Field(
        pattern=worded(r"^[a-z][a-z0-9_]{0,31}$", "up to 32 lower-case letters, digits and _, beginning with a letter")
    ),
]


class LabelSettings(Section):
    """Where the land-category labels come from."""

    source: Literal["none", "file", "judge"] = "none"
    """`file`: a table of soft labels; `judge`: a judge is asked; `none`: all land is one category."""
    file: str | None = None
    """CSV or TSV with the column `patch_id` and one column a category; the shares of each row add up to 1."""
    column: str = "patch_id"
    """Column of the file that names the patch; any other than `patch_id` holds names of images, such as 7 or 0007."""
    categories: tuple[CategoryName, ...] = ("land",)
    """Land categories, the same in the labels file."""
    uninhabited: CategoryName | None = None
    """Category without people: one cluster of its own, the lowest, never shown to judges."""
    judge: str | None = None
    """Name of the judge of source `judge`, one of those under `judges`."""
    sample: Annotated[int, Field(ge=1, le=100_000)] = 400
    """So many patches are drawn for the judge to label."""
    replies: Annotated[int, Field(ge=1, le=20)] = 3
    """Replies asked for each patch; the shares of the answers are the soft label."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the draw."""

    @model_validator(mode="after")
    def _complete(self) -> "LabelSettings":
        if not self.categories:
            raise ValueError("categories is empty; name one at least")
        if len(set(self.categories)) != len(self.categories):
            raise ValueError(f"a category is listed twice in {list(self.categories)}")
        own = sorted({"patch_id", self.column} & {*self.categories})
        if own:
            raise ValueError(f"`{own[0]}` is a column of the labels, no category")
        if self.uninhabited is not None and self.uninhabited not in self.categories:
            raise ValueError(f"uninhabited = {self.uninhabited!r} is none of categories {list(self.categories)}")
        if self.source == "file" and not self.file:
            raise ValueError("source `file` needs the key `file`")
        if self.source == "judge" and not self.judge:
            raise ValueError("source `judge` needs the key `judge`")
        if self.source == "none" and len(self.categories) != 1:
            raise ValueError(f"source `none` allows one category, not {list(self.categories)}")
        return self


class ClusterSettings(Section):
    """How patches of one category are grouped by look, or which clusters are given."""

    given: Literal["none", "folders", "file"] = "none"
    """`folders`: the name of an image's subfolder, a whole number, is its cluster; `file`: a table says it; `none`:
    patches are grouped by look."""
    file: str | None = None
    """CSV or TSV with the columns `patch_id` and `cluster`, for `given: file`."""
    categories: dict[CategoryName, tuple[Annotated[int, Field(ge=0)], ...]] = {}
    """Given clusters by land category; one that is not listed takes the category of most of its patches."""
    k_min: Annotated[int, Field(ge=2, le=100)] = 3
    """Fewest clusters tried in a category."""
    k_max: Annotated[int, Field(ge=2, le=100)] = 20
    """Most clusters tried in a category."""
    k: dict[CategoryName, Annotated[int, Field(ge=1, le=100)]] = {}
    """Number of clusters by category, where it is given and not chosen by silhouette."""
    features: Literal["standardise", "l2"] = "l2"
    """Features are scaled to unit variance, or each patch's to unit length, before k-means."""
    max_silhouette_patches: Annotated[int, Field(ge=100, le=20_000)] = 5000
    """Silhouettes are means over at most so many patches of a category, drawn with the seed; memory grows with the
    square: 200 MB for 5,000."""
    stability_seeds: Annotated[int, Field(ge=2, le=50)] = 5
    """Clusterings compared for the adjusted Rand index: the one that is kept, and others from other seeds."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the k-means starts."""
    method: Literal["kmeans", "deepcluster"] = "kmeans"
    """Features that are grouped: those of the adapted backbone, or of one that DeepCluster trains further in each
    category (`refine`)."""

    @model_validator(mode="after")
    def _range(self) -> "ClusterSettings":
        if self.k_min > self.k_max:
            raise ValueError(f"k_min = {self.k_min} is above k_max = {self.k_max}")
        return self

    @model_validator(mode="after")
    def _given_whole(self) -> "ClusterSettings":
        if (self.given == "file") != bool(self.file):
            raise ValueError(
                f"given = {self.given!r} and file = {self.file!r}: given `file` and the key `file` go together"
            )
        if self.given == "none" and self.categories:
            raise ValueError("categories lists given clusters, but given is 'none'")
        if self.given != "none" and self.method == "deepcluster":
            raise ValueError(f"method = 'deepcluster' groups by look, but the clusters are given ({self.given})")
        if self.given != "none" and self.k:
            raise ValueError(f"k = {self.k} divides categories by look, but the clusters are given ({self.given})")
        listed = [cluster for members in self.categories.values() for cluster in members]
        twice = sorted({cluster for cluster in listed if listed.count(cluster) > 1})
        if twice:
            raise ValueError(f"categories lists the clusters {twice} twice")
        return self


class RefineSettings(Section):
    """How DeepCluster trains the backbone within a category, where `cluster.method` asks for it."""

    groups: Annotated[int, Field(ge=2, le=10_000)] = 50
    """Groups whose numbers are the pseudo labels; fewer where a category has less than twice as many patches."""
    epochs: Annotated[int, Field(ge=1, le=1000)] = 20
    """Times that features are grouped and the network is trained on the groups."""
    batch_size: Annotated[int, Field(ge=2, le=4096)] = 64
    """Patches a step, at most; steps are made equally large."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Learning rate of backbone and classifier (AdamW)."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 1e-2
    """Weight decay of AdamW."""
    pca_dims: Annotated[int, Field(ge=0, le=4096)] = 0
    """Features are reduced to so many whitened principal components before they are grouped; 0 leaves them."""
    networks: Literal["category", "inhabited"] = "category"
    """One network for each land category, or one for all but the uninhabited together."""
    runs: Annotated[int, Field(ge=1, le=20)] = 1
    """Whole trainings, each from its own seed, compared by the adjusted Rand index; the first is kept."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the first training."""
