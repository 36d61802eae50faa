"""The mosaic kernels on a GPU, through PyCUDA; the kernels themselves stand in `kernels/mosaic.cu`.

Not yet run on a GPU: where this was written there was none. The kernels compile with nvcc; compiled as C++ they are
held against the CPU's bit for bit, and so is this module on a mock driver. `tests/gpu` does it on a real one.
"""

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rankscape.foundation.errors import DeviceError
from rankscape.foundation.package_files import assets
from rankscape.products.maps.pieces import BUDGET_BYTES, RasterForm, RasterPiece, WindowPlaces, pieces

ASSETS = assets(__file__, "kernels/mosaic.cu")
KERNELS = ASSETS.path("kernels/mosaic.cu")
"""Source of the kernels."""
OPTIONS = ("-O3", "-fmad=false")
"""Options of nvcc; a product is rounded before it is added, as on the CPU."""
THREADS = 256
"""Threads of a block, which writes one row at a time."""
_MOST_BLOCKS = (1 << 31) - 1
_LANES = 2


@contextlib.contextmanager
def open_module() -> Iterator[tuple[Any, Any]]:
    """Compile the kernels for the first GPU; yield PyCUDA's driver module and the compiled module.

    Raises:
        DeviceError: If PyCUDA, a driver, a GPU or the CUDA compiler is missing, or the GPU fails inside the block.
    """
    try:
        from pycuda import driver
        from pycuda.compiler import SourceModule
    except ImportError as error:
        raise DeviceError(
            f"backend = cuda needs PyCUDA and an NVIDIA driver ({error}): install the extra `cuda`, or set cpu."
        ) from None
    try:
        driver.init()
        context = driver.Device(0).retain_primary_context()
        context.push()
    except driver.Error as error:
        raise DeviceError(f"backend = cuda needs a GPU ({error}): run on one, or set cpu.") from None
    try:
        yield driver, _compiled(driver, SourceModule)
    except driver.Error as error:
        raise DeviceError(f"The GPU failed while it drew a map ({error}): start again, or set cpu.") from None
    finally:
        context.pop()


def _compiled(driver: Any, source_module: Any) -> Any:
    try:
        return source_module(KERNELS.read_text(encoding="utf-8"), no_extern_c=True, options=list(OPTIONS))
    except (driver.Error, OSError, RuntimeError) as error:
        raise DeviceError(f"The CUDA kernels could not be compiled ({error}): put nvcc on the PATH.") from None


class Gpu:
    """Kernels like those of `backends`, which draw pieces by turns in two streams.

    While one piece is copied to the host and used there, the next is computed. Memory on the device: two pieces, and
    what they are made of.
    """

    def __init__(self, driver: Any, module: Any) -> None:
        self._module = module
        self._lanes = [_Lane(driver) for _ in range(_LANES)]

    def fill(
        self, values: np.ndarray, patch_px: int, form: RasterForm, budget_bytes: int = BUDGET_BYTES
    ) -> Iterator[RasterPiece]:
        """Fill rasters with the values of the patches that their pixels lie in; see `backends.fill`."""
        kernel = self._module.get_function(f"fill_{form.dtype}")

        def start(lane: _Lane, layers: slice, rows: slice) -> None:
            shape = layers.stop - layers.start, rows.stop - rows.start
            lane.launch(
                kernel, shape, lane.send("values", values[layers], np.float32), lane.out(shape, form),
                np.int64(shape[0]), np.int64(values.shape[1]), np.uint32(values.shape[2]), np.uint32(patch_px),
                np.int64(rows.start), np.int64(shape[1]), np.uint32(form.width),
            )  # fmt: skip

        return self._drawn(form, budget_bytes, start)

    def blend(
        self,
        windows: np.ndarray,
        weights: np.ndarray,
        places: WindowPlaces,
        form: RasterForm,
        budget_bytes: int = BUDGET_BYTES,
    ) -> Iterator[RasterPiece]:
        """Blend overlapping windows; see `backends.blend`.

        Raises:
            RasterError: If places and windows do not belong together.
        """
        places.check(windows)
        kernel, side = self._module.get_function(f"blend_{form.dtype}"), len(weights)
        first_across = np.searchsorted(places.lefts, np.arange(form.width) - side + 1)

        def start(lane: _Lane, layers: slice, rows: slice) -> None:
            shape = layers.stop - layers.start, rows.stop - rows.start
            first, last = np.searchsorted(places.tops, [rows.start - side + 1, rows.stop]).tolist()
            begin, end = places.before[[first, last]].tolist()
            index = places.index[first:last]
            first_down = np.searchsorted(places.tops[first:last], np.arange(rows.start, rows.stop) - side + 1)
            lane.launch(
                kernel, shape, lane.send("windows", windows[layers, begin:end], np.float32),
                lane.send("weights", weights, np.float64), lane.send("tops", places.tops[first:last], np.int32),
                lane.send("lefts", places.lefts, np.int32),
                lane.send("index", np.where(index < 0, -1, index - begin), np.int64),
                lane.send("first_down", first_down, np.int32), lane.send("first_across", first_across, np.int32),
                lane.out(shape, form), np.int64(shape[0]), np.int64(end - begin), np.int32(last - first),
                np.int32(len(places.lefts)), np.int32(side), np.int64(rows.start), np.int64(shape[1]),
                np.uint32(form.width),
            )  # fmt: skip

        return self._drawn(form, budget_bytes, start)

    def _drawn(
        self, form: RasterForm, budget_bytes: int, start: Callable[["_Lane", slice, slice], None]
    ) -> Iterator[RasterPiece]:
        lanes, begun = itertools.cycle(self._lanes), deque[tuple[_Lane, slice, slice]]()
        for layers, rows in pieces(form, budget_bytes):
            if len(begun) == _LANES:
                yield _finished(begun, form)
            lane = next(lanes)
            start(lane, layers, rows)
            begun.append((lane, layers, rows))
        while begun:
            yield _finished(begun, form)


def _finished(begun: "deque[tuple[_Lane, slice, slice]]", form: RasterForm) -> RasterPiece:
    lane, layers, rows = begun.popleft()
    shape = layers.stop - layers.start, rows.stop - rows.start, form.width
    return RasterPiece(layers, rows, lane.wait(form.dtype).reshape(shape))


class _Lane:
    """A stream with its buffers on the device and one in pinned memory of the host; they grow to the largest piece."""

    def __init__(self, driver: Any) -> None:
        self._driver, self._stream = driver, driver.Stream()
        self._buffers: dict[str, tuple[int, Any]] = {}
        self._pinned = np.empty(0, np.uint8)
        self._wanted = 0

    def send(self, name: str, values: np.ndarray, dtype: Any) -> Any:
        """Copy an array to the device in this stream; return its place there."""
        contiguous = np.ascontiguousarray(values, dtype)
        buffer = self._buffer(name, contiguous.nbytes)
        if contiguous.nbytes:
            self._driver.memcpy_htod_async(buffer, contiguous, self._stream)
        return buffer

    def out(self, shape: tuple[int, int], form: RasterForm) -> Any:
        """Return the place of a piece on the device."""
        self._wanted = shape[0] * shape[1] * form.width * np.dtype(form.dtype).itemsize
        return self._buffer("out", self._wanted)

    def _buffer(self, name: str, nbytes: int) -> Any:
        held, buffer = self._buffers.get(name, (0, None))
        if nbytes > held or buffer is None:
            # What is replaced goes first: two of them at once would break the promise on memory.
            self._buffers.pop(name, None)
            del buffer
            held, buffer = max(nbytes, 16), self._driver.mem_alloc(max(nbytes, 16))
            self._buffers[name] = held, buffer
        return buffer

    def launch(self, kernel: Any, shape: tuple[int, int], *arguments: Any) -> None:
        """Start a kernel, a block a row, and the copy of its piece to the host behind it."""
        blocks = min(shape[0] * shape[1], _MOST_BLOCKS)
        kernel(*arguments, block=(THREADS, 1, 1), grid=(blocks, 1), stream=self._stream)
        if self._pinned.size < self._wanted:
            self._pinned = self._driver.pagelocked_empty(self._wanted, np.uint8)
        self._driver.memcpy_dtoh_async(self._pinned[: self._wanted], self._buffers["out"][1], self._stream)

    def wait(self, dtype: str) -> np.ndarray:
        """Wait for the piece and return its pixels, flat, in pinned memory."""
        self._stream.synchronize()
        return self._pinned[: self._wanted].view(dtype)
