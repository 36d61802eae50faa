"""The kernels that fill rasters, by name; the one asked for runs, or nothing does."""

import contextlib
from collections.abc import Callable, Iterator

import numpy as np

from rankscape.mapping import cuda
from rankscape.mapping.cpu import fill_rows

Fill = Callable[[np.ndarray, int, int, np.ndarray], None]
"""values (rows, cols), patch_px, start_px, out (height, width): see `mapping.cpu.fill_rows`."""


@contextlib.contextmanager
def open_fill(backend: str) -> Iterator[Fill]:
    """Yield the kernel of a backend.

    Args:
        backend: `cpu` or `cuda`.

    Raises:
        DeviceError: If `cuda` is asked for where there is no PyCUDA or no GPU; it is never replaced by the CPU.
    """
    if backend == "cuda":
        with cuda.open_fill() as fill:
            yield fill
    else:
        yield fill_rows
