"""Files of the study, each declared beside what is said of it where it travels."""

from pathlib import Path

from rankscape.artifacts import Array, Column, Credits, Document, DocumentKeys, File, Interval, Keys, Table, Words
from rankscape.samples.artifacts import GRANULE, PATCH_ID

SPLITS = ("random", "blocks", "places")
"""Ways to put places into folds: one by one by chance; blocks of land; whole granules."""


class JoinKeys(Keys):
    """How supplied embeddings were joined to patches."""

    by: str
    """By id, point, footprint or grid."""
    rows: int
    """Rows that were asked for; of grids files, or groups of a Zarr store."""
    unused: int
    """Rows that belong to no patch of this granule."""
    doubled: int
    """Rows beyond the first of a patch; they are averaged."""
    lost: int
    """Rows without an embedding."""
    too_little: int
    """Patches that are covered by less than `min_coverage`."""


class FeatureKeys(DocumentKeys):
    """An embedding of one granule."""

    granule: str
    """Granule."""
    patches: int
    """Patches, usable or not."""
    usable: int
    """Patches with an embedding."""
    dims: int
    """Length of a vector."""
    architecture: str
    """Name of the network, or of the model that supplied embeddings name."""
    joined: JoinKeys | None = None
    """Of supplied embeddings: what became of their rows."""


class TaskKeys(DocumentKeys):
    """The labels of one task."""

    task: str
    """Task."""
    title: str
    """Title of its reference."""
    transform: str
    """How values became labels."""
    patches: int
    """Usable patches of different places."""
    labelled: int
    """Those with a label."""
    clipped: int
    """Labels that were raised or lowered to the ends."""
    mean: float
    """Mean label."""
    std: float
    """Standard deviation of the labels."""
    block_m: float
    """Side of the blocks of land that share a fold."""
    block_origin: str
    """Where it comes from: given, variogram, bounded or fallback."""
    block_note: str | None = None
    """What a reader must know of it."""
    blocks: int
    """Blocks with labels."""
    folds: dict[str, int]
    """Folds of each split; 0 where there are too few blocks or granules for three."""


class FitKeys(Keys):
    """How predictions agree with labels."""

    n: int
    """Places."""
    r2: float | None
    """Coefficient of determination; null where it is not defined."""
    r2_interval: Interval
    """Its interval, from resampled blocks."""
    pearson: float | None
    """Pearson correlation."""
    spearman: float | None
    """Spearman correlation."""
    mae: float | None
    """Mean absolute error, in the label's unit."""
    bias: float | None
    """Mean of prediction minus label."""
    fold_r2: list[float | None]
    """Coefficient of determination within each fold."""
    recall: dict[str, float]
    """Share of the lowest 10, 25 and 40 % of places found by reaching as many with the lowest predictions."""
    targeting_error: float | None
    """Rank-weighted targeting error: 0 for the true order, about 1 for chance."""
    penalties: list[list[float]]
    """Penalties chosen for each fold, one for each embedding; of smoothing the width in degrees, of an MLP epochs."""
    half_width: float | None = None
    """Half-width of the conformal interval around a prediction, in the label's unit; null where places are too few."""
    coverage: float | None = None
    """Share of labels within such intervals, each calibrated on blocks of land (or granules) other than its own."""


class BoardKeys(Keys):
    """A checkerboard."""

    square_m: float
    """Side of a square."""
    r2: float | None
    """Coefficient of determination of both colours, each predicted from the other; the mean over four offsets."""


class DownstreamKeys(DocumentKeys):
    """How well one set of features predicts one task."""

    task: str
    """Task."""
    features: str
    """Embedding, combination or baseline."""
    embeddings: list[str]
    """Embeddings that it consists of; none for a baseline."""
    model: str = "ridge"
    """What predicts from them: ridge, mlp-3 or mlp-5."""
    dims: int
    """Features; 0 for smoothing."""
    without_features: int
    """Labelled places that have no embedding."""
    splits: dict[str, FitKeys]
    """By split; a split with fewer than three folds is left out."""
    checkerboards: list[BoardKeys] = []
    """By side of the squares, ascending."""
    warnings: list[str]
    """What a reader must know."""


class DifferenceKeys(Keys):
    """The difference of two sets of features, on the places that both predict."""

    first: str
    """Set of features."""
    second: str
    """The other set."""
    split: str
    """Split."""
    n: int
    """Places."""
    difference: float | None
    """Coefficient of determination of the first minus that of the second."""
    interval: Interval
    """Its interval: blocks are resampled for both together."""


class ContrastKeys(DocumentKeys):
    """All paired differences of one task."""

    task: str
    """Task."""
    differences: list[DifferenceKeys]
    """Each pair of sets, for each split."""


EMBEDDER = File(
    "embeddings/models/{embedding}.safetensors",
    "embeddings fit",
    "Weights of an embedding, and how patches are prepared",
)
FEATURES = Array(
    "embeddings/features/{embedding}/{granule}.npy", "embeddings embed", "An embedding of every patch of a granule",
    dimensions=("patch", "feature"),
)  # fmt: skip
FEATURE_RECORD = Document(
    "embeddings/features/{embedding}/{granule}.json", "embeddings embed", "What the embedding of a granule is",
    model=FeatureKeys,
)  # fmt: skip
_FOLD = "Fold, from 0; -1 where the split has fewer than three"
LABELS = Table(
    "embeddings/labels/{task}.parquet", "embeddings label", "Labels of a task, and the folds of their places",
    row="one labelled patch",
    columns=(
        PATCH_ID, GRANULE,
        Column("label", "number", "see the record beside it", "Label, transformed and clipped"),
        Column("longitude", "number", "degrees", "Longitude of its centre (WGS 84)"),
        Column("latitude", "number", "degrees", "Latitude of its centre (WGS 84)"),
        Column("block", "integer", "", "Number of the block of land; a name, not consecutive"),
        *(Column(split, "integer", "", _FOLD) for split in SPLITS),
    ),
)  # fmt: skip
TASK = Document("embeddings/labels/{task}.json", "embeddings label", "What the labels of a task are", model=TaskKeys)
PREDICTIONS = Table(
    "embeddings/downstream/{task}/{features}.parquet", "embeddings downstream",
    "Predictions of a task from a set of features, each place by a model that has not seen its fold",
    row="one labelled patch with features",
    columns=(
        PATCH_ID,
        Column("label", "number", "see the task's record", "Label"),
        Column("block", "integer", "", "Number of the block of land"),
        *(
            Column(split, "number", "as the label", f"Prediction, split {split}", "empty where the split is left out")
            for split in SPLITS
        ),
    ),
)  # fmt: skip
DOWNSTREAM = Document(
    "embeddings/downstream/{task}/{features}.json", "embeddings downstream", "How well features predict a task",
    model=DownstreamKeys,
)  # fmt: skip
CONTRASTS = Document(
    "embeddings/contrasts/{task}.json",
    "embeddings contrast",
    "Paired differences of sets of features",
    model=ContrastKeys,
)


def _credits(region: Path) -> Credits:
    tasks = [TASK.read(path) for _, path in TASK.found(region)]
    return Credits({one.task: one.title for one in tasks})


WORDS = Words(
    abstract=(
        "Embeddings of satellite imagery of {region}, and how well ridge regression on them predicts labels: at random "
        "places, in blocks of land that were held out, and in granules that were left out."
    ),
    caution=(
        "A prediction at random places profits from neighbours that were trained on; look at blocks and places.\n"
        "What is predicted from an image is not caused by what the image shows."
    ),
    first=((DOWNSTREAM.path, "how well each set of features predicts each task"),),
    credits=_credits,
)
