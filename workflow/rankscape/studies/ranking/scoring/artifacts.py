"""Files of networks: backbone, features, score model, scores, and what shows why a place has its score."""

from typing import Annotated, Any

from pydantic import BeforeValidator

from rankscape.artifacts import Array, Column, Document, DocumentKeys, File, Keys, Table, empty_as
from rankscape.products.agreement.artifacts import SCORE, SCORE_STD, UNSCORED
from rankscape.samples.artifacts import GRANULE, PATCH_ID

Facts = Annotated[dict[str, Any], empty_as(dict)]
Epochs = Annotated[list[dict[str, Any]], BeforeValidator(lambda value: value if isinstance(value, list) else [])]
"""Measures of each epoch; a mere count of epochs counts as none."""


class Curve(Keys):
    """One network's training."""

    seed: int | None = None
    """Seed of the network."""
    best_epoch: int | None = None
    """Epoch whose weights were kept."""
    epochs: Epochs = []
    """Measures of each epoch."""
    validation: Facts = {}
    """Metrics of this network on the held-out patches."""
    calibration: Facts = {}
    """Slope and shift that brought its scores to the scale of the targets."""
    ridge: Facts = {}
    """Penalty and errors of a ridge regression."""

    @property
    def name(self) -> str:
        """Name in legends and tables."""
        return "network" if self.seed is None else f"seed {self.seed}"

    def series(self, measure: str) -> list[tuple[int, float]]:
        """Return (epoch, value) of one measure, epochs counted from 1; epochs without it are left out."""
        return [
            (int(epoch.get("epoch", number)), float(epoch[measure]))
            for number, epoch in enumerate(self.epochs, 1)
            if _is_number(epoch.get(measure))
        ]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class TrainingRecord(DocumentKeys):
    """How the score networks were trained, and how well they learned."""

    objective: str = ""
    """What the training minimised."""
    learned: str = "order"
    """What the targets come from: `order` or `values`."""
    levels: list[list[int]] = []
    """Clusters by level, best first."""
    targets: dict[int, float] = {}
    """Target of every cluster."""
    tolerance: float = 0.07
    """A score this near to its target counts as right."""
    seeds: list[Curve]
    """One network each."""
    validation: Facts = {}
    """Metrics of the model's score on the held-out patches."""
    parts: list[dict[str, Any]] = []
    """Parts of the model, with their weights and metrics."""
    uncertainty: dict[str, Any] | None = None
    """How score_std was calibrated; null with too few held-out patches."""
    patches: Facts = {}
    """Patches by side of the split."""
    blocks: Facts = {}
    """Blocks by side of the split."""
    places: str = "blocks"
    """What `blocks` counts."""
    clusters: dict[int, dict[str, int]] = {}
    """Patches of every cluster by side of the split."""
    settings: Facts = {}
    """Settings of the training."""
    limits: Annotated[list[str], empty_as(list)] = []
    """What the metrics do not show, a sentence each."""
    model: Facts = {}
    """Architecture and preparation of the model's parts."""


class BackboneRecord(DocumentKeys):
    """How the backbone was fitted to the land categories."""

    architecture: str = ""
    """Name of the network."""
    channels: int = 0
    """Channels of its input."""
    preparation: Facts = {}
    """How patches become its input."""
    categories: list[str] = []
    """Land categories."""
    uninhabited: str | None = None
    """The category without people."""
    weights: str = ""
    """What it started from."""
    dims: int = 0
    """Length of a feature vector."""
    labels: int = 0
    """Labelled patches."""
    epochs: Epochs = []
    """Measures of each epoch."""
    fitted: Facts = {}
    """Metrics on the patches that it was fitted to."""
    held_out: Facts = {}
    """Metrics on held-out patches."""
    method: str = ""
    """How it learned."""
    unlabelled: int = 0
    """Patches without a label that it learned from too."""
    held_out_blocks: int = 0
    """Blocks that were held out."""
    block_m: float | None = None
    """Side of a block."""
    nothing_held_out_because: str | None = None
    """Why nothing was held out; null where something was."""

    @property
    def curve(self) -> Curve:
        """The fit's history."""
        return Curve(epochs=self.epochs)


class PretrainedRecord(DocumentKeys):
    """How the backbone was pretrained without labels."""

    architecture: str
    """Name of the network."""
    channels: int
    """Channels of its input."""
    preparation: dict[str, Any]
    """How patches become its input."""
    categories: list[str]
    """None: nobody named any."""
    uninhabited: None
    """None, likewise."""
    dims: int
    """Length of a feature vector."""
    weights: str
    """What it started from."""
    patches: int
    """Patches seen."""
    epochs: Epochs
    """Measures of each epoch."""


class FeatureRecord(DocumentKeys):
    """Where features come from."""

    granule: str
    """Granule."""
    patches: int
    """Patches."""
    usable: int
    """Those with features."""
    dims: int
    """Length of a feature vector."""
    backbone: dict[str, Any]
    """The network that made them."""


class SaliencyRecord(DocumentKeys):
    """How a granule's saliency maps were made."""

    granule: str
    """Granule."""
    method: str
    """`grad-cam` or `occlusion`."""
    cells: int
    """Places a side."""
    scale: float
    """Contribution that 127 steps stand for, in scores."""
    reason: Annotated[str, empty_as(str)] = ""
    """Why some patches have no map."""
    array: str = ""
    """Name of the file of the maps."""


class InspectionKeys(DocumentKeys):
    """What inspection sheets show."""

    sheets: list[dict[str, Any]]
    """Name, title, file, reason and patches of each."""
    note: str
    """What a reader must bear in mind."""


ENSEMBLE_STD = Column(
    "ensemble_std", "number", "score",
    "Standard deviation over the networks alone, before it is fitted to what they miss",
    UNSCORED,
)  # fmt: skip
SCORE_COLUMNS = (PATCH_ID, GRANULE, SCORE, SCORE_STD, ENSEMBLE_STD)
_WHY = "ranking saliency"

PRETRAINED = File(
    "ranking/model/pretrained.safetensors", "ranking pretrain", "Weights of the backbone, pretrained without labels"
)
PRETRAINED_RECORD = Document(
    "ranking/model/pretrained.json", "ranking pretrain", "How they were pretrained", model=PretrainedRecord
)
BACKBONE = File("ranking/model/backbone.safetensors", "ranking adapt", "Weights of the backbone")
BACKBONE_RECORD = Document(
    "ranking/model/backbone.json", "ranking adapt", "How it was fitted to the land categories", model=BackboneRecord
)
FEATURES = Array(
    "ranking/features/{granule}.npy",
    "ranking embed",
    "Features of every patch (float32)",
    dimensions=("patch", "feature"),
)
FEATURE_RECORD = Document(
    "ranking/features/{granule}.json", "ranking embed", "Where they come from", model=FeatureRecord
)
MODEL = File("ranking/model/score.safetensors", "ranking train", "Weights of the networks that score", "collection")
TRAINING = Document(
    "ranking/model/score.json", "ranking train", "How they were trained, and how well they learned the order",
    "collection", model=TrainingRecord,
)  # fmt: skip
CARD = File("ranking/model/score.md", "ranking train", "The model card", "collection")
CURVES = File("ranking/model/score-curves.png", "ranking train", "Curves of the training", "collection")
SCORES = Table(
    "ranking/scores/{granule}.parquet", "ranking predict", "Score of every patch of a granule",
    row="one patch of a granule", columns=SCORE_COLUMNS,
)  # fmt: skip
BASELINE_MODEL = File(
    "ranking/baselines/{baseline}/model/score.safetensors", "ranking train", "Weights of a baseline model"
)
BASELINE_TRAINING = Document(
    "ranking/baselines/{baseline}/model/score.json", "ranking train", "How it was trained", model=TrainingRecord
)
BASELINE_CARD = File("ranking/baselines/{baseline}/model/score.md", "ranking train", "Its model card")
BASELINE_CURVES = File("ranking/baselines/{baseline}/model/score-curves.png", "ranking train", "Curves of its training")
BASELINE_SCORES = Table(
    "ranking/baselines/{baseline}/scores/{granule}.parquet", "ranking predict", "Score of a baseline model at patches",
    row="one patch of a granule, scored by a baseline model", columns=SCORE_COLUMNS,
)  # fmt: skip
SALIENCY_RECORD = Document(
    "ranking/saliency/{granule}.json",
    _WHY,
    "How the saliency maps of a granule's patches were made",
    model=SaliencyRecord,
)
SALIENCY = Array(
    "ranking/saliency/{granule}.npy", _WHY, "What raised and what lowered the score of each patch",
    dimensions=("patch", "row", "column"),
)  # fmt: skip
INSPECTION = File(
    "ranking/inspection", "ranking inspection-sheets", "Folder of sheets of patches to judge the score by (PNG)"
)
INSPECTION_INDEX = Document(
    "ranking/inspection/index.json", "ranking inspection-sheets", "What they show", model=InspectionKeys
)
