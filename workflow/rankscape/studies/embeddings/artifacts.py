"""Files of the study, each declared beside what is said of it where it travels."""

from pathlib import Path

from rankscape.artifacts import (
    Array,
    Column,
    Credits,
    Document,
    DocumentKeys,
    File,
    Interval,
    Keys,
    Raster,
    Table,
    Words,
)
from rankscape.samples.artifacts import CLOUD, FOOTPRINT, GRANULE, PATCH_ID, VALID

UNIT_SPLITS = ("inside", "years", "outside")
"""Ways to hold units out: other units of known groups; whole years; whole groups, such as facilities."""
SPLITS = ("random", "blocks", "places")
"""Ways to put places into folds: one by one by chance; blocks of land; whole granules."""
HELD_OUT = "held_out"
"""One part of the land that is held out from ridge and networks alike."""
EVALUATED = (*SPLITS, HELD_OUT)
"""All ways in which predictions are judged."""
PARTS = ("train", "validation", "test")
"""Parts of the split that networks share."""


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
    learned: list[str] = []
    """Tasks whose labels the network learned from."""


class SplitKeys(DocumentKeys):
    """One split of places for all networks and tasks."""

    block_m: float
    """Side of the blocks of land."""
    block_origin: str
    """Where it comes from: given, or the widest of the tasks."""
    blocks: int
    """Blocks with usable patches."""
    patches: dict[str, int]
    """Usable patches of each part."""
    labels: dict[str, dict[str, int]]
    """Labels of each part, by task."""


class TrialKeys(Keys):
    """One trial of the search."""

    l1: float
    """Weight of the absolute weights of the last layers."""
    milestones: list[int]
    """Epochs after which the learning rate falls."""
    hidden: int | None
    """Width of the layer between; null for none."""
    dropout: float
    """Share of its answers that is set to 0."""
    validation_loss: float
    """Mean squared error of standardised labels at validation places, the mean over tasks."""


class LearnedTaskKeys(Keys):
    """One task as a network learned it."""

    labels: dict[str, int]
    """Labels of each part."""
    mean: float
    """Mean label of the training part, which was subtracted."""
    std: float
    """Deviation there, by which labels were divided."""
    validation_r2: float | None
    """Coefficient of determination at validation places."""
    log_variance: float | None = None
    """Learned log variance, where tasks are balanced by it."""


class NetworkKeys(DocumentKeys):
    """How a network learned from labels."""

    network: str
    """Network."""
    architecture: str
    """Name of its trunk."""
    dims: int
    """Length of its vectors."""
    tasks: dict[str, LearnedTaskKeys]
    """Tasks, in their order."""
    patches: dict[str, int]
    """Labelled patches of each part."""
    chosen: TrialKeys
    """What was trained with; its loss is that of the best epoch."""
    trials: list[TrialKeys]
    """What the search tried; empty without one."""
    best_epoch: int
    """Epoch whose weights are kept."""
    epochs: list[dict[str, float]]
    """Losses after each epoch."""


class Tile2VecKeys(DocumentKeys):
    """How a network learned from what lies near each other."""

    network: str
    """Network."""
    architecture: str
    """Its name."""
    dims: int
    """Length of its vectors."""
    patches: int
    """Usable patches."""
    anchors: int
    """Patches with a neighbour."""
    neighbour_m: float | None
    """Neighbours are no farther, east and north; null where tiles of one image are neighbours."""
    epochs: list[dict[str, float]]
    """Loss after each epoch."""


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
    label_noise: float | None = None
    """Of displaced points: mean variance of the survey's own error, in squared units of the label."""
    label_noise_origin: str | None = None
    """Where it comes from."""
    r2_limit: float | None = None
    """Largest R² that can be expected with such labels: 1 - noise / variance."""
    patches_a_label: float | None = None
    """Of displaced points: mean number of patches in a disc."""
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
    """By split; a split with fewer than three folds is left out, and all but `held_out` for networks that learned."""
    learned: list[str] = []
    """Tasks whose labels an embedding learned from."""
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


class UnitsKeys(DocumentKeys):
    """How well features of units, embeddings of their places, and both predict a label of units."""

    units: str
    """Name of the table."""
    rows: int
    """Rows of the table."""
    unlabelled: int
    """Rows without a label, which are left out."""
    without_features: int
    """Labelled rows that lack a feature, which are left out."""
    without_embedding: int
    """Other rows whose place has no embedding, which are left out."""
    groups: int
    """Groups, such as facilities, of the rows that are used."""
    features: list[str]
    """Features of units."""
    embeddings: dict[str, int]
    """Length of each embedding."""
    components: int
    """Most principal components that coefficients are predicted from."""
    fits: dict[str, dict[str, FitKeys]]
    """By model and split. Models: `units`, an embedding, `units+` it, and `units*` it, where the embedding predicts the
    coefficients of the units' features. Splits: `inside`, `years`, `outside`. Intervals resample groups."""
    differences: list[DifferenceKeys]
    """Paired differences of models, with intervals from resampled groups."""
    warnings: list[str]
    """What a reader must know."""


class EstimateKeys(Keys):
    """One estimate of a coefficient."""

    coefficient: float
    """Estimate, in the label's unit per unit of the column."""
    std_error: float
    """Standard error, clustered by blocks of land."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""


class CorrectedKeys(Keys):
    """One coefficient by three estimators."""

    column: str
    """The intercept, or a reference."""
    naive: EstimateKeys
    """Predictions taken for labels; the interval leaves their errors out."""
    labelled: EstimateKeys
    """Labelled places alone."""
    corrected: EstimateKeys
    """Predictions, corrected by the labelled places."""


class InferenceKeys(DocumentKeys):
    """A regression whose outcome is predicted."""

    regression: str
    """Name of the regression."""
    task: str
    """Task whose label is explained."""
    title: str
    """Title of its reference."""
    features: str
    """What it is predicted from."""
    labelled: int
    """Labelled places."""
    unlabelled: int
    """Other places."""
    left_out: int
    """Places without features or without a covariate."""
    confidence: float
    """Coverage of the intervals."""
    trust: float
    """How far predictions are trusted: 0, labelled places alone, to 1."""
    clusters: dict[str, int]
    """Blocks of land by estimator."""
    coefficients: list[CorrectedKeys]
    """The intercept, then the references."""
    notes: list[str]
    """What a reader must know."""


class ContrastKeys(DocumentKeys):
    """All paired differences of one task."""

    task: str
    """Task."""
    differences: list[DifferenceKeys]
    """Each pair of sets, for each split."""


class RegressionKeys(DocumentKeys):
    """A ridge regression of all labelled places, and how far its predictions are wrong."""

    task: str
    """Task."""
    title: str
    """Title of its reference."""
    transform: str
    """How values became labels."""
    features: str
    """Embedding or combination."""
    embeddings: list[str]
    """Embeddings that it consists of."""
    widths: list[int]
    """Features of each."""
    penalties: list[float]
    """Penalty of each, chosen over the folds."""
    intercept: float
    """Prediction where all features are 0."""
    n: int
    """Labels."""
    split: str
    """Split whose folds chose the penalties and give the residuals: blocks, or random where there are too few."""
    r2: float | None
    """Coefficient of determination in that split."""
    half_width: float | None
    """Half of the width of an interval around a prediction: the quantile of the absolute residuals with the rank
    (n + 1) x confidence; null where there are too few labels for it."""
    confidence: float
    """Share of places whose label such an interval contains."""
    coverage: float | None
    """The share that was found: each fold with the half-width of the others."""
    shown: tuple[float, float]
    """Labels between which colours of maps are spread."""


class PointKeys(Keys):
    """A point of a curve."""

    size: float
    """Number of labels trained on or of features, or the penalty."""
    r2: float | None
    """Coefficient of determination."""


class CurveKeys(DocumentKeys):
    """How much R² depends on the number of labels, on that of features, and on the penalty."""

    task: str
    """Task."""
    features: str
    """Embedding or combination."""
    split: str
    """Split in which places are predicted: blocks, or random where there are too few."""
    labels: list[PointKeys]
    """By number of labels trained on, from all features."""
    dims: list[PointKeys]
    """By number of features, from all labels."""
    penalties: list[PointKeys]
    """By penalty, one for all features."""


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
SPLIT = Table(
    "embeddings/split.parquet", "embeddings split", "The part of each place, for all networks and tasks", optional=True,
    row="one usable patch",
    columns=(
        PATCH_ID, GRANULE,
        Column("block", "integer", "", "Number of the block of land; a name, not consecutive"),
        Column("part", "text", "", "train, validation or test"),
        Column("fold", "integer", "", "Fold in which ridge chooses penalties; -1 in the test part"),
    ),
)  # fmt: skip
SPLIT_RECORD = Document(
    "embeddings/split.json", "embeddings split", "How places were split", model=SplitKeys, optional=True
)
TILE2VEC = File(
    "embeddings/tile2vec/{network}.safetensors", "embeddings tile2vec",
    "Weights of a network that learned from neighbours, and how patches are prepared", optional=True,
)  # fmt: skip
TILE2VEC_RECORD = Document(
    "embeddings/tile2vec/{network}.json", "embeddings tile2vec", "How a network learned from neighbours",
    model=Tile2VecKeys, optional=True,
)  # fmt: skip
NETWORK = File(
    "embeddings/networks/{network}.safetensors", "embeddings train",
    "Trunk of a network that learned from labels, and how patches are prepared", optional=True,
)  # fmt: skip
NETWORK_RECORD = Document(
    "embeddings/networks/{network}.json", "embeddings train", "How a network learned from labels", model=NetworkKeys,
    optional=True,
)  # fmt: skip
NETWORK_PREDICTIONS = Table(
    "embeddings/networks/{network}.parquet", "embeddings train", "What a network itself predicts", optional=True,
    row="one patch of a task, labelled or not",
    columns=(
        PATCH_ID,
        Column("task", "text", "", "Task"),
        Column("part", "text", "", "Part of the patch: train, validation or test"),
        Column("prediction", "number", "as the label", "Prediction"),
    ),
)  # fmt: skip
EMBEDDING_TABLE = Table(
    "embeddings/tables/{embedding}/{granule}.parquet", "embeddings embed",
    "An embedding of every patch of a granule, for other programs (GeoParquet 1.1)", row="one patch of a granule",
    columns=(
        Column("id", "text", "", "Id of the patch: granule, row and column, joined by _"), VALID, CLOUD,
        Column("datetime", "text", "", "Day of the images, where it is one", optional=True),
        Column("start_datetime", "text", "", "First day of the images, where it is known", optional=True),
        Column("end_datetime", "text", "", "Last day of the images, where it is known", optional=True),
        FOOTPRINT,
        Column("bbox", "box", "degrees", "Bounds of the footprint"),
        Column("embedding", "number", "", "List of numbers, all lists of one length (float32)",
               "null where the patch has no embedding"),
    ),
)  # fmt: skip
EMBEDDING_ITEM = Document(
    "embeddings/tables/{embedding}/{granule}.json", "embeddings embed", "The table of an embedding in the catalogue",
    "item",
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
        Column("disc", "text", "", "Of displaced points: patches within the disc, and their shares", optional=True),
        Column("variance", "number", "as in its source", "Of displaced points: variance of the value", optional=True),
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
        Column(
            HELD_OUT, "number", "as the label", "Prediction of the test part", "empty in the other parts", optional=True
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

CURVE = Document(
    "embeddings/curves/{task}/{features}.json",
    "embeddings curve",
    "R² by number of labels, of features, and by penalty",
    model=CurveKeys,
    optional=True,
)
REGRESSION = File(
    "embeddings/regressions/{mapped}.safetensors", "embeddings regress", "Ridge regression of all labels of a task",
    "collection", optional=True,
)  # fmt: skip
REGRESSION_RECORD = Document(
    "embeddings/regressions/{mapped}.json", "embeddings regress", "What the regression is, and how far it is wrong",
    "collection", optional=True, model=RegressionKeys,
)  # fmt: skip
RESIDUALS = Table(
    "embeddings/regressions/{mapped}.parquet", "embeddings regress", "Residuals at labelled places", "collection",
    optional=True, row="one labelled patch with features",
    columns=(
        PATCH_ID,
        Column("label", "number", "see the record beside it", "Label"),
        Column("held_out", "number", "as the label", "Prediction by a model that has not seen its fold"),
        Column("residual", "number", "as the label", "Label minus that prediction"),
    ),
)  # fmt: skip
MAP_BANDS = ("prediction", "half_width", "residual")
"""Bands of a task's map: prediction, half of the width of its interval, and at labelled places the residual."""
_NO_FEATURES = "empty (NaN) where the patch has no features"
_UNIT = "the reference's"
PATCH_PREDICTIONS = Table(
    "embeddings/maps/{mapped}/{granule}.parquet", "embeddings predict", "Prediction of a task at every patch",
    optional=True, row="one patch of a granule",
    columns=(
        PATCH_ID,
        Column("prediction", "number", "as the label", "Prediction from all labels", _NO_FEATURES),
        Column("half_width", "number", "as the label", "Half of the width of its interval", _NO_FEATURES),
        Column("label", "number", "as the label", "Label", "empty (NaN) where there is none"),
        Column("residual", "number", "as the label", "Label minus the prediction without its fold", "as label"),
        Column("value", "number", _UNIT, "Prediction, its logarithm undone", _NO_FEATURES),
        Column("value_low", "number", _UNIT, "Lower end of its interval", _NO_FEATURES),
        Column("value_high", "number", _UNIT, "Upper end of its interval", _NO_FEATURES),
    ),
)  # fmt: skip
TASK_ITEM = Document(
    "embeddings/maps/{mapped}/{granule}.json", "embeddings predict", "Map of a task as STAC item", "item", optional=True
)
TASK_MAP = Raster(
    "embeddings/maps/{mapped}/{granule}.tif", "embeddings predict", "Map of a task, one pixel a patch (COG, float32)",
    optional=True, bands=MAP_BANDS,
)  # fmt: skip
TASK_STYLE = File("embeddings/maps/{mapped}/{granule}.qml", "embeddings predict", "QGIS style", optional=True)
PIXEL_ITEM = Document(
    "embeddings/pixels/{localized}/{granule}.json", "embeddings localize",
    "Map of a task at pixels as STAC item", "item", optional=True,
)  # fmt: skip
PIXEL_MAP = Raster(
    "embeddings/pixels/{localized}/{granule}.tif", "embeddings localize",
    "What every pixel adds to the prediction of its patch, whose mean is the prediction (COG, float32)",
    optional=True, bands=MAP_BANDS[:1],
)  # fmt: skip
PIXEL_STYLE = File("embeddings/pixels/{localized}/{granule}.qml", "embeddings localize", "QGIS style", optional=True)
UNITS = Document(
    "embeddings/units/{units}.json", "embeddings units", "How well units and embeddings predict a label of units",
    optional=True, model=UnitsKeys,
)  # fmt: skip
UNIT_PREDICTIONS = Table(
    "embeddings/units/{units}.parquet", "embeddings units",
    "Predictions of units, each by a model that has not seen its fold", optional=True,
    row="one unit, for each split and model",
    columns=(
        Column("line", "integer", "", "Line of the unit in its table, from 1"),
        Column("group", "text", "", "Group, such as the facility or the district"),
        Column("split", "text", "", "inside, years or outside"),
        Column("model", "text", "", "What predicts: units, an embedding, or both"),
        Column("label", "number", "as in the table, transformed", "Label"),
        Column("prediction", "number", "as the label", "Prediction"),
    ),
)  # fmt: skip

INFERENCE = Document(
    "embeddings/inference/{regression}.json", "embeddings infer", "Regression of a predicted label, corrected",
    optional=True, model=InferenceKeys,
)  # fmt: skip


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
