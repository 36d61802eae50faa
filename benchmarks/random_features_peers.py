"""Time random convolutional features against those of torchgeo and of IDinsight's `mosaiks`, and measure their memory.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/random_features_peers.py

Both packages are installed from the package index into a temporary folder, without their dependencies: only the file of
their model is imported, unchanged, and runs on the same PyTorch as ours. One thread, CPU seconds, least of several
turns; images and filters are seeded noise. `bare product` multiplies filters with windows that are there already.
"""

import importlib.util
import multiprocessing
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from rankscape.models.convolutions import RandomConvolutions, form_of

PACKAGES = {"torchgeo": "0.8.1", "mosaiks": "1.0.2"}
SIDE, FILTERS, IMAGES, TURNS = 256, 512, 4, 3


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        wanted = [f"{name}=={version}" for name, version in PACKAGES.items()]
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder, *wanted]
        subprocess.run(command, check=True)
        speed(Path(folder))
    memory()


def speed(folder: Path) -> None:
    """Print CPU milliseconds an image, and how many times faster ours are."""
    images, filters = torch.rand(IMAGES, 3, SIDE, SIDE), torch.randn(FILTERS, 3, 3, 3)
    windows = torch.nn.functional.unfold(images[:1], 3)[0].contiguous()
    flat, answers = filters.flatten(1), torch.empty(FILTERS, windows.shape[1])
    peer = mosaiks_model(folder, filters)
    ways: dict[str, Callable[[], Any]] = {
        "rankscape": partial_of(ours(FILTERS, filters), images),
        "bare product": lambda: [torch.mm(flat, windows, out=answers) for _ in images],
        f"torchgeo {PACKAGES['torchgeo']}": partial_of(torchgeo_model(folder, filters), images),
        f"mosaiks {PACKAGES['mosaiks']}": lambda: [peer(one) for one in images],
    }
    far = np.abs(ways["rankscape"]().numpy() - ways[f"torchgeo {PACKAGES['torchgeo']}"]().numpy()).max()
    took = {name: [] for name in ways}
    for _ in range(TURNS):  # in turns, so that other work on the machine meets all
        for name, way in ways.items():
            begin = time.process_time()
            way()
            took[name].append((time.process_time() - begin) / IMAGES)
    print(f"| {SIDE} px, {FILTERS} filters of 3 px | CPU ms an image | times ours |\n|---|--:|--:|")
    for name, seconds in took.items():
        print(f"| {name} | {1000 * min(seconds):.0f} | {min(seconds) / min(took['rankscape']):.2f} |")
    print(f"\nLargest difference from torchgeo's features: {far:.0e}.")


def partial_of(network: torch.nn.Module, images: torch.Tensor) -> Callable[[], Any]:
    return lambda: network(images)


def ours(filters: int, tensor: torch.Tensor) -> RandomConvolutions:
    form = form_of(f"random-convolutions-3px-{filters}")
    assert form is not None
    network = RandomConvolutions(form, 3)
    network.filters.copy_(tensor)
    return network


def torchgeo_model(folder: Path, filters: torch.Tensor) -> torch.nn.Module:
    """Load RCF of torchgeo; of its package it needs the name of a class only."""
    for name in ("torchgeo", "torchgeo.models", "torchgeo.datasets"):
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = []  # type: ignore[attr-defined]
    sys.modules["torchgeo.datasets"].NonGeoDataset = object  # type: ignore[attr-defined]
    model = loaded("torchgeo.models.rcf", folder / "torchgeo/models/rcf.py").RCF(3, 2 * FILTERS, 3, 0.0)
    model.weights.copy_(filters)
    return model


def mosaiks_model(folder: Path, filters: torch.Tensor) -> torch.nn.Module:
    """Load RCF of IDinsight, which takes one image at a time."""
    model = loaded("mosaiks_model", folder / "mosaiks/featurize/model.py").RCF(2 * FILTERS, 3, 3)
    model.conv1.weight.copy_(filters)
    return model


def loaded(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def memory() -> None:
    """Print the most memory above the images, of 4,096 filters."""
    print("\n| images | px | filters | peak above the images, MB |\n|--:|--:|--:|--:|")
    for images, side in ((10, 256), (10, 64), (1000, 64)):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(f"| {images:,} | {side} | 4,096 | {pool.apply(peak, (images, side)):.0f} |")


def peak(count: int, side: int) -> float:
    torch.set_num_threads(1)
    network = ours(4096, torch.randn(4096, 3, 3, 3))
    with torch.inference_mode():
        network(torch.rand(1, 3, 8, 8))  # libraries are loaded
        images = torch.rand(count, 3, side, side)
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is in use
        before = memory_mb("VmRSS")
        network(images)
    return memory_mb("VmHWM") - before


def memory_mb(key: str) -> float:
    """Memory of this process, as Linux counts it."""
    return int(re.search(rf"{key}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024  # type: ignore[index]


if __name__ == "__main__":
    main()
