"""Settings of networks that are trained here, as embeddings: from labels, or from what lies near each other."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rankscape.foundation.settings import Identifier, Section

_Weight = Annotated[float, Field(ge=0, le=100)]
_Share = Annotated[float, Field(ge=0, lt=1)]
_Width = Annotated[int, Field(ge=1, le=65_536)]
_Epoch = Annotated[int, Field(ge=1, le=10_000)]


class NetworkSearchSettings(Section):
    """A short search at validation places: trials are drawn from all combinations, the network's own settings first."""

    l1: tuple[_Weight, ...] = ()
    """Values of `l1` to try."""
    milestone: tuple[_Epoch, ...] = ()
    """Epochs to try after which the learning rate falls."""
    hidden: tuple[_Width | None, ...] = ()
    """Widths of the layer between to try; null for none."""
    dropout: tuple[_Share, ...] = ()
    """Values of `dropout` to try."""
    trials: Annotated[int, Field(ge=1, le=1000)] = 6
    """Most combinations that are tried."""
    epochs: _Epoch = 5
    """Epochs of a trial."""


class NetworkSettings(Section):
    """A network that learns labels from images; an embedding is what its last layer reads, before a hidden layer."""

    kind: Literal["multitask", "single"] = "multitask"
    """One network of all tasks, or one of each task, named `<name>-<task>`."""
    tasks: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    """Tasks that it learns."""
    samples: tuple[tuple[Identifier, ...], ...] = ()
    """Groups of tasks whose labels come from different samples of places: each has a head, and batches alternate."""
    trunk: str = "resnet18"
    """A model of timm, or `tile2vec-512`."""
    weights: str = "random"
    """What the trunk starts from, as `embedders.<name>.weights`."""
    input_px: Annotated[int, Field(ge=8, le=1024)] | None = None
    """Patches are resized to squares of this side; null leaves them as they are."""
    colour: Literal["rgb", "all", "grey"] = "all"
    """Channels that the network sees."""
    normalisation: Literal["imagenet", "patches", "each", "none"] = "patches"
    """Mean and deviation of each channel, as `adapt.normalisation`; `patches` are those of the training part."""
    weighting: Literal["equal", "random", "uncertainty"] = "uncertainty"
    """How tasks are balanced: alike, by weights drawn anew at each step, or by learned uncertainty."""
    l1: _Weight = 0.01
    """Weight of the absolute weights of the last layer in the loss."""
    hidden: _Width | None = None
    """Width of a layer between trunk and last layer; null for none."""
    dropout: _Share = 0.0
    """Share of that layer's answers that training sets to 0."""
    epochs: _Epoch = 50
    """Passes over the training places, at most."""
    patience: _Epoch = 10
    """Training stops after so many epochs without a better loss at validation places."""
    milestones: tuple[_Epoch, ...] = (10,)
    """Epochs after which the learning rate falls to a tenth."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Learning rate at first (SGD, momentum 0.9)."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Weight decay; learned uncertainties have none."""
    batch_size: Annotated[int, Field(ge=4, le=4096)] = 16
    """Patches a step, at most; steps are made equally large."""
    smallest_crop: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Smallest share of a patch that training shows; 1 shows all."""
    search: NetworkSearchSettings | None = None
    """A short search before training; null trains with the values above."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of weights, order, augmentation and trials."""

    @model_validator(mode="after")
    def _tasks_fit(self) -> "NetworkSettings":
        if len(set(self.tasks)) < len(self.tasks):
            raise ValueError(f"tasks = {list(self.tasks)} names a task twice")
        grouped = [task for group in self.samples for task in group]
        if self.samples and (sorted(grouped) != sorted(self.tasks) or not all(self.samples)):
            raise ValueError(f"samples = {self.samples} must name each of tasks {list(self.tasks)} once")
        if self.samples and self.kind == "single":
            raise ValueError("samples divides the tasks of one network: leave it out of kind `single`")
        return self

    def alone(self, task: str) -> "NetworkSettings":
        """Return the settings of the network of one task."""
        return self.model_copy(update={"kind": "multitask", "tasks": (task,), "weighting": "equal"})

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Tasks of each head."""
        return self.samples or (self.tasks,)


class Tile2VecSettings(Section):
    """A network that learns, without labels, that neighbours are alike and distant tiles are not (Tile2Vec)."""

    architecture: str = "tile2vec-512"
    """`tile2vec-` and the length of a vector; with `-w16` and the like a narrower network, published is 64. Or a model
    of timm."""
    tile_px: Annotated[int, Field(ge=8, le=1024)] | None = None
    """Side of tiles cut out of patches by chance; null takes whole patches."""
    neighbour_m: Annotated[float, Field(gt=0)] | None = None
    """Neighbours are no farther, east and north; distant tiles are. Null takes 100 pixels, one patch at least."""
    colour: Literal["rgb", "all", "grey"] = "all"
    """Channels that the network sees."""
    normalisation: Literal["imagenet", "patches", "each", "none"] = "none"
    """Mean and deviation of each channel, as `adapt.normalisation`."""
    margin: Annotated[float, Field(gt=0, le=1e6)] = 10.0
    """By how much nearer than a distant tile a neighbour should be."""
    l2: _Weight = 0.01
    """Weight of the length of vectors in the loss."""
    triplets: Annotated[int, Field(ge=2, le=10_000_000)] | None = None
    """Triplets of an epoch; null takes each patch once as anchor."""
    epochs: _Epoch = 50
    """Passes over the triplets."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Learning rate (Adam, betas 0.5 and 0.999)."""
    batch_size: Annotated[int, Field(ge=2, le=4096)] = 50
    """Triplets a step, at most; steps are made equally large."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of weights, triplets and turns."""
