"""Random convolutional features: filters that are patches of the images themselves, whitened; nothing is trained.

The construction of MOSAIKS (Rolf et al., "A generalizable and accessible approach to machine learning with global
satellite imagery", Nature Communications 2021, Methods).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rankscape.foundation.errors import WeightsError
from rankscape.models.answers import means_of_answers, pooled_answers

FAMILY = "random-convolutions"
"""First part of the names of such architectures."""
CPU_MB, GPU_MB = 4, 256
"""MB that responses of filters may take, however many images and filters there are; about a cache on the CPU."""
_BANK = r"([1-9]\d?)px-([1-9]\d{0,5})"
_NUMBER = r"-?\d+(?:\.\d+)?"
_SHAPE = re.compile(rf"{FAMILY}-({_BANK}(?:\+{_BANK})*)((?:-(?:rms|log|standard|bias{_NUMBER}|offset{_NUMBER}))*)")
_EXTRAS = ("rms", "log", "standard")
CELL_PX = 32
"""Side of the cells that answers are averaged over where a map of them is asked for."""
_LARGEST_PX, _MOST_FILTERS = 32, 65_536
_SMALLEST_NORM = 1e-8
"""Patches of a smaller norm have no shape and stay as they are (the authors' code)."""
_WHITENING = 1e-3
"""Added to the eigenvalues of the covariance, so that directions of little variance are not blown up (same)."""
_LOG_FLOOR = 1e-3
"""Added before the logarithm: a filter that still water leaves silent is not infinitely far from one it stirs."""
_SMALLEST_POWER = 1e-12
"""Mean squares count as at least this: the slope of the root at 0 is infinite."""
_COPIES = 4
"""Tensors as large as the responses that live at once where they are pooled by cell: responses, their negative, what is
kept of it, its square. Over whole images only the responses live."""


@dataclass(frozen=True)
class Form:
    """What the name of such an architecture says."""

    size_px: int
    """Side of the filters."""
    filters: int
    """Number of filters."""
    rms: bool = False
    """Whether root mean squares stand beside the means."""
    log: bool = False
    """Whether features are logarithms."""
    standard: bool = False
    """Whether features have mean 0 and deviation 1 over the images that the filters come from."""
    bias: float = 0.0
    """Subtracted from answers of either sign before they are cut off at 0, as MOSAIKS does."""
    offset: float = 0.0
    """Added to answers before both signs are cut off at 0, as torchgeo does with its bias."""

    @property
    def thresholds(self) -> tuple[float, float]:
        """What positive and what negated answers must exceed to count."""
        return self.bias - self.offset, self.bias + self.offset

    @property
    def features(self) -> int:
        """Length of a feature vector."""
        return self.filters * (4 if self.rms else 2)

    @property
    def name(self) -> str:
        """Name of the architecture."""
        extras = [extra for extra in _EXTRAS if getattr(self, extra)]
        extras += [f"{word}{value:g}" for word in ("bias", "offset") if (value := getattr(self, word))]
        return "-".join([FAMILY, f"{self.size_px}px", str(self.filters), *extras])


def form_of(architecture: str) -> Form | None:
    """Read the name of an architecture of one size of filters, as `forms_of`; of several sizes the first."""
    return next(iter(forms_of(architecture)), None)


def forms_of(architecture: str) -> tuple[Form, ...]:
    """Read the name of an architecture, a form for each size of filters; none for those of another family.

    `random-convolutions-3px-128` has 128 filters of 3 x 3 px, `random-convolutions-4px-64+6px-64` filters of two sizes
    side by side; `-rms`, `-log`, `-standard`, `-bias0.5` and `-offset-1` may follow, in any order.

    Raises:
        WeightsError: If the name begins with the family's and has another form.
    """
    if not architecture.startswith(FAMILY):
        return ()
    found = _SHAPE.fullmatch(architecture)
    if found:
        banks = [(int(size), int(count)) for size, count in re.findall(_BANK, found[1])]
        extras = re.findall(rf"-(rms|log|standard|bias|offset)({_NUMBER})?", architecture[found.end(1) :])
        words = [word for word, _ in extras]
        fits = all(size <= _LARGEST_PX and count <= _MOST_FILTERS for size, count in banks)
        cut = {"bias", "offset"} & set(words)
        if fits and len(set(words)) == len(words) and not (cut and "rms" in words):
            values = {word: float(value) if value else True for word, value in extras}
            return tuple(Form(size, count, **values) for size, count in banks)  # type: ignore[arg-type]
    raise WeightsError(
        f"adapt.architecture = {architecture!r} cannot be read: write {FAMILY}-3px-128 for 128 filters of 3 px"
        f" (1 to {_MOST_FILTERS} filters of 1 to {_LARGEST_PX} px), with +5px-64 for more of another size; of -rms,"
        " -log and -standard each may follow once, and without -rms -bias0.5 or -offset-1."
    )


def whitened_filters(patches: np.ndarray) -> np.ndarray:
    """Make filters of patches.

    Each patch loses its mean and is divided by its norm. With C the covariance of these rows P, and W the ZCA whitening
    V (L + 1e-3)^(-1/2) V' of C = V L V', the filters are P W W (Rolf et al. 2021), which is P (C + 1e-3 I)^-1.

    Args:
        patches: Patches of images, shape (k, channels, size, size).

    Returns:
        Filters, float32, of the same shape. Flat patches give filters of zeros.
    """
    rows = patches.reshape(len(patches), -1).astype(np.float64)
    rows -= rows.mean(1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(norms < _SMALLEST_NORM, 1.0, norms)
    covariance = rows.T @ rows / len(rows)
    filters = np.linalg.solve(covariance + _WHITENING * np.eye(len(covariance)), rows.T).T
    return filters.reshape(patches.shape).astype(np.float32)


class RandomConvolutions(nn.Module):
    """Images to means of what each filter answers.

    Filters are buffers, no parameters: an optimiser finds nothing to change. A new one has filters of zeros, and runs
    once they are set (`vision.filters`) or loaded.

    Attributes:
        filters: float32, shape (k, channels, size, size).
        centre: Subtracted from the features, shape (features,); only of the form `-standard`.
        scale: Features are then divided by it, shape (features,); only of the form `-standard`.
    """

    filters: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, form: Form, channels: int, activation_mb: float | None = None) -> None:
        """Make one without filters.

        Args:
            form: Size and number of filters, and what is made of their answers.
            channels: Channels of the images.
            activation_mb: MB (2^20 bytes) that responses may take; one image with one filter is always allowed. None
                allows 4 on the CPU and 256 on a GPU.
        """
        super().__init__()
        self.form, self.activation_mb, self.num_features = form, activation_mb, form.features
        self.register_buffer("filters", torch.zeros(form.filters, channels, form.size_px, form.size_px))
        if form.standard:
            self.register_buffer("centre", torch.zeros(form.features))
            self.register_buffer("scale", torch.ones(form.features))

    @property
    def fitted(self) -> bool:
        """Whether it has filters."""
        return bool(self.filters.any())

    def forward(self, images: Tensor) -> Tensor:
        """Compute features.

        Args:
            images: Prepared images, float32, shape (n, channels, height, width), on the device of the filters.

        Returns:
            float32, shape (n, features): of every filter f the mean of relu(I * f - b) over all places where it fits
            into the image, then those of relu(-I * f - b), b the bias; with `rms` the root mean squares of both follow;
            with `log` the logarithm of all, plus 0.001.

        Raises:
            WeightsError: If there are no filters yet.
        """
        return self.forward_head(self._answers(images, (1, 1)))

    def forward_features(self, images: Tensor) -> Tensor:
        """Compute the map of answers, as networks of timm do: their means over each cell of the image.

        Cells are about 32 px wide, the stride of usual networks, and equally large: a response that lies on an edge
        counts in both cells by its share. So the mean over the cells is the mean over the image.

        Args:
            images: As for `forward`.

        Returns:
            float32, shape (n, features, height / 32, width / 32), one cell at least: means of relu(I * f) and of
            relu(-I * f), and with `rms` the mean squares of both.

        Raises:
            WeightsError: If there are no filters yet.
        """
        height, width = images.shape[-2:]
        return self._answers(images, (max(1, height // CELL_PX), max(1, width // CELL_PX)))

    def forward_head(self, answers: Tensor) -> Tensor:
        """Turn a map of answers into the features of the whole image.

        Args:
            answers: What `forward_features` returns, of any height and width.

        Returns:
            float32, shape (n, features).
        """
        # Features of many images are large: they are copied only where something is done to them.
        pooled = answers.flatten(1) if answers.shape[-2:] == (1, 1) else answers.mean((-2, -1))
        measures, count = pooled, 2 * self.form.filters
        if self.form.rms:
            measures = torch.cat([pooled[:, :count], pooled[:, count:].clamp_min(_SMALLEST_POWER).sqrt()], 1)
        features = (measures + _LOG_FLOOR).log() if self.form.log else measures
        return (features - self.centre) / self.scale if self.form.standard else features

    def _answers(self, images: Tensor, cells: tuple[int, int]) -> Tensor:
        """Means, and mean squares, over each of so many cells, shape (n, measures * k, *cells)."""
        if not self.fitted:
            raise WeightsError(
                f"{self.form.name} has no filters yet: adapt takes them from patches; start from the file that it wrote"
                " (train.start: adapted)."
            )
        if cells == (1, 1) and not self.form.rms and images.device.type == "cpu" and not images.requires_grad:
            found = means_of_answers(images.to(self.filters.dtype), self.filters, self.form.thresholds)
            return found[..., None, None]
        together, filters = self._at_once(images, 1 if cells == (1, 1) else _COPIES)
        # Reduced precision would lose the digits of means over thousands of pixels.
        with torch.autocast(images.device.type, enabled=False):
            answers = [
                torch.cat(
                    [
                        pooled_answers(some, few, self.form.thresholds, cells, rms=self.form.rms)
                        for few in torch.split(self.filters, filters)
                    ],
                    2,
                )
                for some in torch.split(images.to(self.filters.dtype), together)
            ]
        return torch.cat(answers).flatten(1, 2)

    def _at_once(self, images: Tensor, copies: int) -> tuple[int, int]:
        """Images and filters whose responses fit into memory together."""
        height, width = (side - self.form.size_px + 1 for side in images.shape[-2:])
        pair_bytes = copies * self.filters.element_size() * max(height * width, 1)
        usual = CPU_MB if images.device.type == "cpu" else GPU_MB
        allowed = usual if self.activation_mb is None else self.activation_mb
        room = max(int(allowed * 2**20) // pair_bytes, 1)
        filters = min(self.form.filters, room)
        return room // filters, filters


class SideBySide(nn.Module):
    """Random convolutions of several sizes, whose features follow one another in the order of the name."""

    def __init__(self, forms: Sequence[Form], channels: int, activation_mb: float | None = None) -> None:
        """Make them without filters; arguments as for `RandomConvolutions`."""
        super().__init__()
        self.parts = nn.ModuleList(RandomConvolutions(form, channels, activation_mb) for form in forms)
        self.num_features = sum(form.features for form in forms)

    def forward(self, images: Tensor) -> Tensor:
        """Compute features, float32, shape (n, features); as `RandomConvolutions.forward`."""
        return torch.cat([part(images) for part in self.parts], 1)


def banks_of(network: nn.Module) -> tuple[RandomConvolutions, ...]:
    """Return the random convolutions that a network consists of; none for other networks."""
    if isinstance(network, RandomConvolutions):
        return (network,)
    if not isinstance(network, SideBySide):
        return ()
    return tuple(part for part in network.parts if isinstance(part, RandomConvolutions))


class BandStatistics(nn.Module):
    """Mean and standard deviation of every channel: the simplest features of an image."""

    NAME = "band-statistics"
    """Name of the architecture."""

    def __init__(self, channels: int) -> None:
        """Make one for images of so many channels."""
        super().__init__()
        self.num_features = 2 * channels
        self.register_buffer("scale", torch.ones(()))  # a network has a device

    def forward(self, images: Tensor) -> Tensor:
        """Compute features, float32, shape (n, 2 channels): means, then deviations."""
        return torch.cat([images.mean((-2, -1)), images.std((-2, -1), correction=0)], 1)
