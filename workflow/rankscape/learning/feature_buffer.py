"""Features of many patches in a set amount of memory: what has no room goes to a temporary file."""

import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import numpy as np

ROOM_MB = 256
"""MB (2^20 bytes) of features that are held in memory."""
BLOCK_MB = 16
"""MB that are read at once."""
_SMALLEST_SCALE = 1e-8
"""Features that change less from row to row are left as large as they are."""


class FeatureBuffer:
    """Rows of float32 features, written once from the first to the last and read any number of times.

    Up to `room_mb` they stay in memory; beyond, all lie in a temporary file (in the folder that TMPDIR names), which
    vanishes with the buffer, also when the process is killed.
    """

    def __init__(self, dims: int, room_mb: float = ROOM_MB) -> None:
        """Start without rows.

        Args:
            dims: Features a row.
            room_mb: MB that may stay in memory.
        """
        self.dims, self._rows = dims, 0
        self._file = tempfile.SpooledTemporaryFile(max_size=int(room_mb * 2**20))  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._rows

    def append(self, features: np.ndarray) -> None:
        """Add rows, shape (n, dims)."""
        self._file.seek(0, 2)
        self._file.write(np.ascontiguousarray(features, np.float32).tobytes())
        self._rows += len(features)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Read all rows, some at a time: which they are, and float32 of shape (rows, dims)."""
        width = 4 * self.dims
        step = max(int(BLOCK_MB * 2**20) // width, 1)
        for start in range(0, self._rows, step):
            end = min(start + step, self._rows)
            self._file.seek(start * width)
            block = np.frombuffer(self._file.read((end - start) * width), np.float32)
            yield slice(start, end), block.reshape(end - start, self.dims)

    def statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of every feature, float64, shape (dims,); 1 for a deviation of 0.

        Blocks are joined without the cancellation of a sum of squares (Chan, Golub & LeVeque 1983).
        """
        count, mean, squares = 0, np.zeros(self.dims), np.zeros(self.dims)
        for _, block in self.blocks():
            rows = block.astype(np.float64)
            own, total = rows.mean(0), count + len(rows)
            squares += ((rows - own) ** 2).sum(0) + (own - mean) ** 2 * (count * len(rows) / total)
            mean += (own - mean) * (len(rows) / total)
            count = total
        scale = np.sqrt(squares / max(count, 1))
        return mean, np.where(scale < _SMALLEST_SCALE, 1.0, scale)
