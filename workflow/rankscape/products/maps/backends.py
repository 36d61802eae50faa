"""The mosaic kernels, by name; the ones asked for run, or nothing does."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from rankscape.products.maps import cpu, cuda
from rankscape.products.maps.pieces import Form, Piece, Places

Fill = Callable[[np.ndarray, int, Form], Iterator[Piece]]
"""values (layers, rows, cols), patch_px, form: see `mapping.cpu.fill`."""
Blend = Callable[[np.ndarray, np.ndarray, Places, Form], Iterator[Piece]]
"""windows (layers, n, side, side), weights (side, side), places, form: see `mapping.cpu.blend`."""


@dataclass(frozen=True)
class Kernels:
    """The kernels of one backend."""

    fill: Fill
    """Fills rasters with the values of patches."""
    blend: Blend
    """Blends overlapping windows."""


@contextlib.contextmanager
def open_kernels(backend: str) -> Iterator[Kernels]:
    """Yield the kernels of a backend.

    Args:
        backend: `cpu` or `cuda`.

    Raises:
        DeviceError: If `cuda` is asked for where there is no PyCUDA or no GPU; it is never replaced by the CPU.
    """
    if backend == "cuda":
        with cuda.open_module() as (driver, module):
            gpu = cuda.Gpu(driver, module)
            yield Kernels(gpu.fill, gpu.blend)
    else:
        yield Kernels(cpu.fill, cpu.blend)
