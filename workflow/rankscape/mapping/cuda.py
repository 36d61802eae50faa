"""The mosaic kernel on a GPU, through PyCUDA; the kernel itself stands in `cuda.cu`.

Not yet run on a GPU: where this was written there was none. The kernel compiles with nvcc, and a test that needs a GPU
holds it against the CPU's kernel.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rankscape.foundation.errors import DeviceError

KERNEL = Path(__file__).with_suffix(".cu")
"""Source of the kernel."""
_THREADS = 256
_MAX_GRID_Y = 65_535


@contextlib.contextmanager
def open_fill() -> Iterator[Callable[[np.ndarray, int, int, np.ndarray], None]]:
    """Compile the kernel for the first GPU and yield it as a function like `mapping.cpu.fill_rows`.

    Raises:
        DeviceError: If PyCUDA, a driver, a GPU or the CUDA compiler is missing.
    """
    driver, kernel, context = _compile()
    try:
        yield _Fill(driver, kernel)
    finally:
        context.pop()


def _compile() -> tuple[Any, Any, Any]:
    """Return PyCUDA's driver module, the compiled kernel, and the context, which is current."""
    try:
        from pycuda import driver
        from pycuda.compiler import SourceModule
    except ImportError as error:
        raise DeviceError(
            f"mosaic.backend = cuda needs PyCUDA and an NVIDIA driver ({error}): install the extra `cuda`, or set cpu."
        ) from None
    try:
        driver.init()
        context = driver.Device(0).retain_primary_context()
    except driver.Error as error:
        raise DeviceError(f"mosaic.backend = cuda needs a GPU ({error}): run on one, or set cpu.") from None
    context.push()
    try:
        module = SourceModule(KERNEL.read_text(encoding="utf-8"), no_extern_c=True)
    except (driver.Error, OSError, RuntimeError) as error:
        context.pop()
        raise DeviceError(f"The CUDA kernel could not be compiled ({error}): put nvcc on the PATH.") from None
    return driver, module.get_function("fill_rows"), context


class _Fill:
    """The compiled kernel with its buffer on the device, which grows to the largest band of rows asked for."""

    def __init__(self, driver: Any, kernel: Any) -> None:
        self._driver, self._kernel = driver, kernel
        self._buffer: Any = None
        self._bytes = 0

    def __call__(self, values: np.ndarray, patch_px: int, start_px: int, out: np.ndarray) -> None:
        if out.nbytes > self._bytes:
            self._buffer, self._bytes = self._driver.mem_alloc(out.nbytes), out.nbytes
        rows, cols = values.shape
        height, width = out.shape
        self._kernel(
            self._driver.In(np.ascontiguousarray(values, np.float32)), self._buffer, np.int64(rows), np.uint32(cols),
            np.uint32(patch_px), np.int64(start_px), np.int64(height), np.uint32(width),
            block=(_THREADS, 1, 1), grid=(-(-width // _THREADS), min(height, _MAX_GRID_Y), 1),
        )  # fmt: skip
        self._driver.memcpy_dtoh(out, self._buffer)
