"""Does the network wait for its data? Images a second of training and prediction against the bare network.

The whole loop is the product's own: patches of 256 px are read from a mapped array, resized, normalised, augmented;
then forward, backward and optimiser step, or forward alone, by one network and by an ensemble of three as trained by
default. The bare network is given a ready batch of as many images as the loop puts through it (`regression` shows
half as many mixtures again) on the same device, in the same precision, with the same optimiser. Loop and bare network
take turns; a ratio is that of their medians, since other work on the machine changes from minute to minute. On one
thread of the CPU, seconds are those that the processor spent on this process (both clocks agree where nothing else
runs, since nothing is waited for). An epoch reads what one before it resized and kept; `first epoch` has to resize.

    .venv/bin/python benchmarks/training_throughput.py
    .venv/bin/python benchmarks/training_throughput.py --gpus 1 --architecture resnet50 --input-px 256 \
        --batch-size 256 --precision bfloat16 --batches 40
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from rankscape.learning import trainer
from rankscape.learning.processes import use_device
from rankscape.learning.selection import Selection
from rankscape.learning.targets import TargetTable
from rankscape.models.preparation import Preparation
from rankscape.samples.patches import Grid, Patches
from rankscape.studies.ranking.scoring import training
from rankscape.studies.ranking.scoring.model import ScoreModel
from rankscape.studies.ranking.scoring.network import Part, ScoreNetwork, start_network
from rankscape.studies.ranking.scoring.prediction import score_patches
from rankscape.studies.ranking.scoring.settings import TrainSettings
from rankscape.studies.ranking.scoring.training import ScoreTask

BANDS = ("B04", "B03", "B02")
PATCH_PX = 256
LEVELS = 8
KEPT_MB = 4000
MORE = 4
"""Batches that are scored, as a multiple of those trained on."""
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", nargs="+", default=["resnet18", "tf_efficientnet_lite0"])
    parser.add_argument("--precision", nargs="+", default=["bfloat16", "float32"])
    parser.add_argument("--input-px", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--batches", type=int, default=2, help="batches of an epoch")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--gpus", type=int, default=0, choices=(0, 1))
    parser.add_argument("--clock", choices=(*CLOCKS,), help="default: processor on one CPU thread, else wall")
    given = parser.parse_args()
    given.clock = given.clock or ("processor" if given.threads == 1 and not given.gpus else "wall")
    return given


def synthetic(folder: Path, count: int) -> Patches:
    """Write and map patches like real ones: smooth land with noise, and one row at the edge without data."""
    rng = np.random.default_rng(0)
    array = np.lib.format.open_memmap(folder / "03TVF.npy", "w+", np.uint8, (count, PATCH_PX, PATCH_PX, len(BANDS)))
    for patch in array:
        land = np.kron(rng.integers(40, 200, (8, 8, len(BANDS))), np.ones((PATCH_PX // 8, PATCH_PX // 8, 1)))
        patch[:] = np.clip(land + rng.normal(0, 12, land.shape), 1, 255)
        patch[-1] = 0
    array.flush()
    ids = [f"03TVF-{row:05d}" for row in range(count)]
    index = pd.DataFrame({"patch_id": ids, "granule": "03TVF", "usable": True})
    grid = Grid("EPSG:32603", (10.0, 0.0, 0.0, 0.0, -10.0, 0.0), PATCH_PX * count, PATCH_PX, PATCH_PX, count, 1, BANDS)
    return Patches(np.load(folder / "03TVF.npy", mmap_mode="r"), index, grid)


def pool_of(patches: Patches, count: int) -> Selection:
    cluster = np.arange(count) % LEVELS
    targets = TargetTable.of({"cluster": cluster, "level": cluster, "target": 1 - cluster / (LEVELS - 1)})
    return Selection((patches,), np.zeros(count, np.int64), np.arange(count), targets)


def timed(work: Callable[[], object], device: torch.device, clock: Callable[[], float]) -> float:
    start = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def in_turns(
    works: list[Callable[[], object]], repeats: int, device: torch.device, clock: Callable[[], float]
) -> list[float]:
    """Median seconds of each, after one turn that is not counted."""
    turns = [[timed(work, device, clock) for work in works] for _ in range(repeats + 1)]
    return [statistics.median(times) for times in zip(*turns[1:], strict=True)]


def bare_training(network: ScoreNetwork, images: torch.Tensor, steps: int) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    targets = torch.linspace(0, 1, len(images), device=images.device)

    def run() -> None:
        network.train()
        for _ in range(steps):
            loss = (network(images) - targets).abs().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def measured(name: str, precision: str, patches: Patches, given: argparse.Namespace) -> list[tuple[str, float, float]]:
    """Return (what, images a second of the loop, of the bare network)."""
    device, clock = use_device(given.gpus, given.threads), CLOCKS[given.clock]
    stored = len(patches.array)
    count = given.batches * given.batch_size
    pool = pool_of(patches, count)
    preparation = Preparation(given.input_px, "rgb", "imagenet", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), BANDS)
    settings = TrainSettings(
        batch_size=given.batch_size, precision=precision, appearance=0.5, epochs=1000, learning_rate=1e-4
    )
    task = ScoreTask(pool, pool, preparation, settings, device, cache_mb=KEPT_MB)
    network, bare = (start_network(name, "random", 3, 0).to(device) for _ in range(2))
    for one in (network, bare):
        one.use(precision)
    state = training._start(network, task, 0)
    shown = round(given.batch_size * (1 + settings.linearity_share))
    ready = preparation.tensor(patches.array[np.arange(shown) % stored]).to(device)
    epoch = lambda: trainer._one_epoch(task, state, None, name)  # noqa: E731
    steps = bare_training(bare, ready, given.batches)
    bare.train()
    timed(steps, device, clock)
    first = timed(epoch, device, clock)
    loop, alone = in_turns([epoch, steps], given.repeats, device, clock)
    rows = [("training, first epoch", count / first, count / alone), ("training", count / loop, count / alone)]
    for networks in (1, 3):
        part = Part((bare,) * networks, name, preparation, tuple(range(networks)))
        model = ScoreModel((part,), "uint8", PATCH_PX)
        rows.append((f"prediction, {networks} network(s)", *predicted(model, patches, ready, given, device)))
    return rows


def predicted(
    model: ScoreModel, patches: Patches, ready: torch.Tensor, given: argparse.Namespace, device: torch.device
) -> tuple[float, float]:
    batch, part = ready[: given.batch_size], model.parts[0]

    def whole() -> None:
        score_patches(model, patches, device, given.batch_size, "patches")

    def forward() -> None:
        for _ in range(given.batches * MORE):
            part.scores(batch, device)

    times = in_turns([whole, forward], given.repeats, device, CLOCKS[given.clock])
    return len(patches.array) / times[0], len(patches.array) / times[1]


def main() -> None:
    given = options()
    device = torch.cuda.get_device_name() if given.gpus else f"CPU, {given.threads} thread(s)"
    sizes = f"{PATCH_PX} px to {given.input_px} px; batches of {given.batch_size}"
    print(f"{device}; PyTorch {torch.__version__}; {sizes}; {given.clock} clock")
    print("\n| network | precision | | images/s | bare, images/s | ratio |\n|---|---|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        patches = synthetic(Path(folder), MORE * given.batches * given.batch_size)
        for name in given.architecture:
            for precision in given.precision:
                for what, loop, bare in measured(name, precision, patches, given):
                    print(
                        f"| {name} | {precision} | {what} | {loop:.1f} | {bare:.1f} | {loop / bare:.3f} |", flush=True
                    )


if __name__ == "__main__":
    main()
