"""The network of Tile2Vec (Jean et al., AAAI 2019): a ResNet18 of five stages without a first pooling."""

import re
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

_WIDTH = 64
"""Channels of the first stage of the published network."""
_NAME = re.compile(r"tile2vec-(?P<dims>\d{1,4})(-w(?P<width>\d{1,3}))?")
_POOLED_PX = 4
"""The last map is averaged over squares of this side; of 50 px images it is as large."""


class TileNet(nn.Module):
    """Images to vectors; 50 px give one square of the last map, larger images the mean over all of it."""

    def __init__(self, channels: int, dims: int = 512, width: int = _WIDTH) -> None:
        """Make one.

        Args:
            channels: Channels of the images.
            dims: Length of a vector, as wide as the last stage.
            width: Channels of the first stage; the next three have 2, 4 and 8 times as many.
        """
        super().__init__()
        self.num_features = dims
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        widths = (width, width, 2 * width, 4 * width, 8 * width, dims)
        self.stages = nn.ModuleList(
            nn.Sequential(_Residual(before, width, 2 if number else 1), _Residual(width, width, 1))
            for number, (before, width) in enumerate(pairwise(widths))
        )

    def forward(self, images: Tensor) -> Tensor:
        """Compute vectors, float32, shape (n, dims), of images of shape (n, channels, height, width)."""
        x: Tensor = F.relu(self.bn1(self.conv1(images)))
        for stage in self.stages:
            x = stage(x)
        return F.avg_pool2d(x, min(_POOLED_PX, *x.shape[-2:])).mean((-2, -1))


def tile_net(architecture: str, channels: int) -> TileNet | None:
    """Make the network of a name such as `tile2vec-512`, or `tile2vec-64-w8` with a narrower first stage.

    None for any other name.
    """
    found = _NAME.fullmatch(architecture)
    return TileNet(channels, int(found["dims"]), int(found["width"] or _WIDTH)) if found else None


def is_tile_net(architecture: str) -> bool:
    """Whether an architecture is one of these."""
    return _NAME.fullmatch(architecture) is not None


class _Residual(nn.Module):
    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride != 1 or before != width:
            self.shortcut = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(inner + self.shortcut(x))


def triplet_loss(
    anchor: Tensor, neighbour: Tensor, distant: Tensor, *, margin: float = 10.0, l2: float = 0.01
) -> Tensor:
    """Loss of triplets: a neighbour should lie nearer to its anchor than a distant tile, by a margin.

    The published code penalises the norm of the whole batch, which grows with the batch; here it is the mean norm of a
    vector, as the paper writes it.

    Args:
        anchor: Vectors, shape (n, dims).
        neighbour: Of tiles near the anchors.
        distant: Of tiles elsewhere.
        margin: By how much nearer.
        l2: Weight of the vectors' norms.
    """
    near, far = (torch.linalg.vector_norm(anchor - other, dim=1) for other in (neighbour, distant))
    norms = torch.stack([torch.linalg.vector_norm(one, dim=1).mean() for one in (anchor, neighbour, distant)])
    return F.relu(near - far + margin).mean() + l2 * norms.sum()
