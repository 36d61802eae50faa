"""Patches on their way to the network: read and resized ahead of their use, kept where memory allows.

What costs the most is done once: a patch of 256 px that the network sees at 128 px is resized when it is first shown
and kept as bytes, a quarter of the patch. Everything that chance changes comes after that, on the network's device. So
a training shows the same images, bit for bit, whatever is kept and however far ahead is read.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from rankscape.foundation.ahead import ahead
from rankscape.learning.selection import Selection
from rankscape.models.preparation import Preparation

_BYTES_PER_MB = 1_000_000
_AHEAD = {"cpu": 0, "cuda": 3}
"""Batches made ahead. On the CPU a second thread takes from the network what it gives (docs/benchmarks.md). A thread,
not the processes of PyTorch's DataLoader: these would each keep resized samples of their own."""


class ResizedSamples:
    """Samples at the size that the network sees; those shown first are kept while there is room."""

    def __init__(self, samples: Selection, preparation: Preparation, keep_mb: float = 0.0) -> None:
        """Read nothing yet.

        Args:
            samples: The samples.
            preparation: How they become network input.
            keep_mb: Memory for resized patches, in units of 1,000,000 bytes; patches that have the network's size
                already are not kept, since the operating system keeps files that are read again.
        """
        self._samples, self._preparation = samples, preparation
        self._keep_bytes = keep_mb * _BYTES_PER_MB
        self._slot = np.full(len(samples), -1)
        self._kept: np.ndarray | None = None
        self._used = 0

    def resized(self, chosen: np.ndarray) -> np.ndarray:
        """Return patches as `Preparation.resized` does.

        Args:
            chosen: Positions in the selection, int64, shape (m,).

        Returns:
            The patches' type, shape (m, input_px, input_px, bands seen), in the order of `chosen`.
        """
        known = self._slot[chosen] >= 0
        if self._kept is None or not known.any():
            return self._remembered(chosen)
        result = np.empty((len(chosen), *self._kept.shape[1:]), self._kept.dtype)
        result[known] = self._kept[self._slot[chosen[known]]]
        if not known.all():
            result[~known] = self._remembered(chosen[~known])
        return result

    def batches(self, parts: Iterable[np.ndarray], device: torch.device) -> Iterator[Tensor]:
        """Yield batches on a device as `resized` returns them; see `fed`."""
        return fed(self.resized, parts, device)

    def _remembered(self, chosen: np.ndarray) -> np.ndarray:
        made = self._preparation.resized(self._samples.pixels(chosen))
        if self._kept is None:
            self._kept = self._room(made)
        # A patch may stand twice in a batch.
        new, first = np.unique(chosen, return_index=True)
        is_new = self._slot[new] < 0
        new, first = new[is_new], first[is_new]
        count = min(len(new), len(self._kept) - self._used)
        slots = np.arange(self._used, self._used + count)
        self._kept[slots] = made[first[:count]]
        self._slot[new[:count]] = slots
        self._used += count
        return made

    def _room(self, made: np.ndarray) -> np.ndarray:
        is_resized = made.shape[1:3] != self._samples.stores[0].array.shape[1:3]
        rows = int(min(len(self._samples), self._keep_bytes // made[0].nbytes)) if is_resized else 0
        return np.empty((rows, *made.shape[1:]), made.dtype)


def fed(
    read: Callable[[np.ndarray], np.ndarray], parts: Iterable[np.ndarray], device: torch.device
) -> Iterator[Tensor]:
    """Yield batches on a device, in their order.

    For a GPU another thread reads them ahead into pinned memory, from which they are copied while the GPU computes.

    Args:
        read: Turns positions into patches, shape (m, height, width, bands).
        parts: Positions of each batch, int64.
        device: Where the batches are used.

    Yields:
        The patches' type and shape.
    """
    is_far = device.type == "cuda"
    ready = (_pinned(read(part)) if is_far else torch.from_numpy(read(part)) for part in parts)
    for batch in ahead(ready, _AHEAD[device.type]):
        yield batch.to(device, non_blocking=True)


def _pinned(patches: np.ndarray) -> Tensor:
    return torch.from_numpy(patches).pin_memory()
