"""CUDA without a GPU: the kernels compiled as C++, and a driver whose streams do nothing before they are waited for."""

import ctypes
import shutil
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from rankscape.products.maps import cuda

KERNELS = ("fill_float32", "fill_uint8", "blend_float32", "blend_uint8")
C_TYPES = {np.dtype("int64"): ctypes.c_longlong, np.dtype("int32"): ctypes.c_int, np.dtype("uint32"): ctypes.c_uint}


class HostModule:
    """The compiled kernels."""

    def __init__(self, folder):
        program, library = folder / "mosaic.cpp", folder / "mosaic.so"
        runs = "".join(f"RUNS({name})\n" for name in KERNELS)
        header = Path(__file__).with_name("host_cuda.h")
        program.write_text(f'#include "{header}"\n#include "{cuda.KERNELS}"\n{runs}')
        command = ["g++", "-std=c++17", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-o", library, program]
        subprocess.run(command, check=True)
        self._library = ctypes.CDLL(library)

    def run(self, name, arguments, blocks, threads=cuda.THREADS, first=0, last=None):
        """Run blocks `first` ... `last` - 1 of a grid of `blocks`; arrays are given by their address."""
        place = ctypes.c_void_p.in_dll(self._library, f"run_{name}").value
        given = [ctypes.c_uint(value) for value in (first, blocks if last is None else last, blocks, threads)]
        given += [
            ctypes.c_void_p(value.ctypes.data) if isinstance(value, np.ndarray) else C_TYPES[value.dtype](value)
            for value in arguments
        ]
        ctypes.CFUNCTYPE(None, *map(type, given))(place)(*given)


@pytest.fixture(scope="session")
def host_module(tmp_path_factory):
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    return HostModule(tmp_path_factory.mktemp("kernels"))


class DriverError(Exception):
    """PyCUDA's `driver.Error`."""


class Stream:
    def __init__(self):
        self.queue = []

    def synchronize(self):
        while self.queue:
            self.queue.pop(0)()


class Allocation:
    """Memory of the device, which holds rubbish at first and begins at multiples of 256 bytes."""

    def __init__(self, driver, size):
        driver.held += size
        driver.most = max(driver.most, driver.held)
        self._driver, self.size = driver, size
        memory = np.full(size + 256, 0xAB, np.uint8)
        start = -memory.ctypes.data % 256
        self.bytes = memory[start : start + size]

    def __del__(self):
        self._driver.held -= self.size


class Driver(types.ModuleType):
    """As much of `pycuda.driver` as the kernels use; a stream does nothing before it is waited for."""

    Error, Stream = DriverError, Stream

    def __init__(self, module):
        super().__init__("pycuda.driver")
        self.module, self.held, self.most, self.pinned, self.fails = module, 0, 0, [], None
        self.contexts, self.options = 0, None

    def init(self):
        if self.fails == "init":
            raise DriverError("no CUDA-capable device is detected")

    def Device(self, number):
        assert number == 0
        return types.SimpleNamespace(retain_primary_context=lambda: self)

    def push(self):
        self.contexts += 1

    def pop(self):
        self.contexts -= 1

    def mem_alloc(self, size):
        if self.fails == "memory":
            raise DriverError("out of memory")
        return Allocation(self, size)

    def pagelocked_empty(self, size, dtype):
        self.pinned.append(np.empty(size, dtype))
        return self.pinned[-1]

    def memcpy_htod_async(self, target, source, stream):
        content = source.tobytes()  # pageable memory is read before the call returns
        stream.queue.append(lambda: target.bytes.__setitem__(slice(len(content)), np.frombuffer(content, np.uint8)))

    def memcpy_dtoh_async(self, target, source, stream):
        assert any(np.shares_memory(target, memory) for memory in self.pinned), "copies to other memory do not overlap"
        stream.queue.append(lambda: target.__setitem__(slice(None), source.bytes[: target.nbytes]))

    def source_module(self, source, no_extern_c, options):
        if self.fails == "compiler":
            raise OSError("nvcc not found")
        assert source == cuda.KERNELS.read_text()
        assert no_extern_c
        self.options = options
        return self

    def get_function(self, name):
        assert name in KERNELS

        def start(*arguments, block, grid, stream):
            given = [value.bytes if isinstance(value, Allocation) else value for value in arguments]
            stream.queue.append(lambda: self.module.run(name, given, grid[0], block[0]))

        return start


@pytest.fixture
def driver(host_module, monkeypatch):
    """PyCUDA's driver, invented, in the place of the real one."""
    found = Driver(host_module)
    package, compiler = types.ModuleType("pycuda"), types.ModuleType("pycuda.compiler")
    package.driver, compiler.SourceModule = found, found.source_module
    for name, module in (("pycuda", package), ("pycuda.driver", found), ("pycuda.compiler", compiler)):
        monkeypatch.setitem(sys.modules, name, module)
    yield found
    assert found.contexts == 0, "a context stays on the stack"
