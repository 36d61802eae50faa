"""What filters answer to images, pooled over whole images or their cells."""

import torch
from torch import Tensor

_TILE = 1 << 18
"""Answers that are computed at once on the CPU where only means are wanted: 1 MB, so that they stay in its cache."""
_TOGETHER = 512
"""Filters that are multiplied at once with a tile of windows."""


def means_of_answers(images: Tensor, filters: Tensor, thresholds: tuple[float, float]) -> Tensor:
    """Mean over whole images of answers above thresholds, by one product and one pass; float32, shape (n, 2 k).

    The mean of relu(r - t) is half of mean |r - t| + mean r - t, and the mean of r = I * f is the product of f and the
    mean window of I (exact, not an approximation). Images follow one another, and products are made in tiles that stay
    in the cache, so that memory grows with neither.
    """
    found = filters.new_empty(len(images), 2 * len(filters))
    for row, image in zip(found, images, strict=True):
        row.copy_(_means_of_one(image, filters, thresholds))
    return found


def _means_of_one(image: Tensor, filters: Tensor, thresholds: tuple[float, float]) -> Tensor:
    """Means of one image, float64, shape (2 k,)."""
    count, size = len(filters), filters.shape[-1]
    flat = filters.reshape(count, -1)
    windows = image.unfold(1, size, 1).unfold(2, size, 1)
    height, width = windows.shape[1:3]
    rows = max(_TILE // (width * min(count, _TOGETHER)), 1)
    sizes = torch.zeros(2, count, dtype=torch.float64)
    for first in range(0, height, rows):
        tile = windows[:, first : first + rows].permute(0, 3, 4, 1, 2).reshape(flat.shape[1], -1)
        for few in range(0, count, _TOGETHER):
            part = slice(few, few + _TOGETHER)
            answers = flat[part] @ tile
            if thresholds != (0, 0):
                sizes[1, part] += (answers + thresholds[1]).abs_().sum(1)
                answers -= thresholds[0]
            sizes[0, part] += answers.abs_().sum(1)
    if thresholds == (0, 0):
        sizes[1] = sizes[0]
    mean = flat.double() @ _mean_window(image, size)
    signed = torch.stack([mean - thresholds[0], -mean - thresholds[1]])
    return ((sizes / (height * width) + signed) / 2).clamp_min_(0).flatten()


def _mean_window(image: Tensor, size: int) -> Tensor:
    """Mean of all windows of an image, float64, shape (channels * size * size,)."""
    height, width = (side - size + 1 for side in image.shape[-2:])
    across = torch.stack([image[..., at : at + width].double().mean(-1) for at in range(size)], -1)
    return torch.stack([across[:, at : at + height].mean(1) for at in range(size)], 1).flatten()


def pooled_answers(
    images: Tensor, filters: Tensor, thresholds: tuple[float, float], cells: tuple[int, int], *, rms: bool
) -> Tensor:
    """Pool what filters answer over each cell of each image, shape (n, measures, filters, *cells).

    Measures are means of positive and of negated answers above their thresholds; with `rms` mean squares follow.
    """
    responses = torch.nn.functional.conv2d(images, filters)
    high, low = thresholds
    if cells == (1, 1) and high == low == 0:
        return _pooled_whole(responses, rms)[..., None, None]
    sides = [_measures(side.relu(), rms, cells) for side in (responses - high, -responses - low)]
    return torch.stack([measure for measures in zip(*sides, strict=True) for measure in measures], 1)


def _pooled_whole(responses: Tensor, rms: bool) -> Tensor:
    """Pool over whole images in few passes, shape (n, measures, filters); overwrites responses that want no gradient.

    relu(-r) = relu(r) - r and relu(-r)² = r² - relu(r)², so sums of r and of relu(r) say all four.
    """
    mean, square = responses.mean((-2, -1)), _mean_square(responses) if rms else None
    kept = responses.relu() if responses.requires_grad else responses.relu_()
    above = kept.mean((-2, -1))
    measures = [above, (above - mean).clamp_min(0)]
    if square is not None:
        high = _mean_square(kept)
        measures += [high, (square - high).clamp_min(0)]
    return torch.stack(measures, 1)


def _mean_square(values: Tensor) -> Tensor:
    """Mean square over the places, without a tensor of squares."""
    norm: Tensor = torch.linalg.vector_norm(values, dim=(-2, -1))
    return norm.square() / values.shape[-2:].numel()


def _measures(kept: Tensor, rms: bool, cells: tuple[int, int]) -> list[Tensor]:
    return [_means(kept, cells), _means(kept.square(), cells)] if rms else [_means(kept, cells)]


def _means(kept: Tensor, cells: tuple[int, int]) -> Tensor:
    """Means over equally large cells, shape (n, filters, *cells)."""
    down, across = (_shares(side, count, kept) for side, count in zip(kept.shape[-2:], cells, strict=True))
    return down @ kept @ across.T


def _shares(side: int, cells: int, like: Tensor) -> Tensor:
    """Share of every response in the mean of every cell, shape (cells, side); each row adds up to 1."""
    edges = torch.linspace(0, side, cells + 1, dtype=torch.float64)
    start = torch.arange(side, dtype=torch.float64)
    covered = torch.minimum(edges[1:, None], start + 1) - torch.maximum(edges[:-1, None], start)
    return (covered.clamp_min(0) * cells / side).to(like)
