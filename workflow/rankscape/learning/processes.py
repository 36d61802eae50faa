"""The device of a process, and processes that train one network together.

One process, or several with a GPU each (PyTorch's DistributedDataParallel by Lightning Fabric).

Every process draws the same batches. Each reads and prepares its share of a batch; the shares are put together on every
device, where augmentation and mixtures are drawn for the whole batch as on one device; each puts its share of the
images through the network; the scores are put together, and every process computes the same loss of all of them. So
a loss may compare any two images of a batch, and several devices train what one would have, up to rounding.
"""

import ctypes
import io
import json
import logging
import os
import pickle
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from rankscape.foundation import errors
from rankscape.foundation.errors import DeviceError, RankscapeError
from rankscape.models.backbones import synchronised

Result = TypeVar("Result")
Anything = TypeVar("Anything")

_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""


def use_device(gpus: int, threads: int, rank: int = 0) -> torch.device:
    """Prepare the CPU, or a GPU, so that the same inputs give the same results.

    On the CPU results repeat bit for bit for the same number of threads; between CPU and GPU, or between numbers of
    threads, they differ by rounding. Reduced precision (TF32) is switched off, since it would differ by more.

    Args:
        gpus: GPUs asked for; 0 is the CPU.
        threads: CPU threads of this process.
        rank: Which of the GPUs that `CUDA_VISIBLE_DEVICES` shows this process uses.

    Raises:
        DeviceError: If more GPUs are asked for than there are; nothing falls back to the CPU silently.
    """
    torch.set_num_threads(threads)
    # cuBLAS reads this when it is first used; without it, its results may change from run to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    # Deterministic mode also fills every new tensor with NaN to expose use before writing, which costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if gpus == 0:
        return torch.device("cpu")
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if found < gpus:
        raise DeviceError(
            f"{gpus} GPU(s) asked for, but PyTorch {torch.__version__} finds {found}: ask for 0 to compute on the CPU,"
            " or mend the driver, CUDA_VISIBLE_DEVICES, or a PyTorch built without CUDA."
        )
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.cuda.set_device(rank)
    return torch.device("cuda", rank)


@dataclass(frozen=True)
class ProcessGroup:
    """Processes that train one network together, as one of them sees it."""

    device: torch.device
    """This process's device."""
    rank: int = 0
    """Number of this process; process 0 alone writes files."""
    size: int = 1
    """Number of processes."""
    fabric: Any = None
    """Lightning Fabric, which started the processes; None for one process."""

    @property
    def backend(self) -> str:
        """Device type for the record, with the number of processes if there are several."""
        return self.device.type if self.size == 1 else f"{self.size} x {self.device.type}"

    def share(self, count: int) -> slice:
        """Return which of so many rows are this process's: neighbours, shares alike to one row, one at least.

        With fewer rows than processes some rows are several processes' share; `gather` takes each once.
        """
        start, stop = _share(count, self.rank, self.size)
        return slice(start, stop)

    def gather(self, own: Tensor, count: int) -> Tensor:
        """Put together the shares of `count` rows; the result is the same on every process, and has no gradient.

        Args:
            own: This process's share, shape (rows, ...).
            count: Rows of all shares.

        Returns:
            The same type and device, shape (count, ...).
        """
        if self.size == 1:
            return own
        longest = -(-count // self.size)
        padded = own.new_zeros((longest, *own.shape[1:]))
        padded[: len(own)] = own.detach()
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        torch.distributed.all_gather(parts, padded)
        found, row = [], 0
        for rank, part in enumerate(parts):
            start, stop = _share(count, rank, self.size)
            found.append(part[row - start : stop - start])
            row = max(row, stop)
        return torch.cat(found)

    def broadcast(self, value: Anything) -> Anything:
        """Return process 0's value on every process."""
        return value if self.fabric is None else self.fabric.broadcast(value)

    def distributed(self, network: nn.Module) -> nn.Module:
        """Return the network to train: itself, or one that takes a whole batch and computes a share of it.

        On GPUs batch normalisation then takes the statistics of the whole batch; the network is changed for that.
        """
        if self.size == 1:
            return network
        if self.device.type == "cuda":
            synchronised(network)
        return _Sharded(self.fabric.setup_module(network, move_to_device=False), self)


class _Sharded(nn.Module):
    """A whole batch in, all its scores out, of which this process computes its share and passes gradients to it."""

    def __init__(self, network: nn.Module, group: ProcessGroup) -> None:
        super().__init__()
        self.network, self._group = network, group

    def forward(self, images: Tensor) -> Tensor:
        count = len(images)
        share = self._group.share(count)
        own = self.network(images[share])
        scores = self._group.gather(own, count)
        if own.requires_grad:
            # DistributedDataParallel takes the mean over processes, each of which has the gradient of its share alone.
            weight = self._group.size / self._sharers(share, count)
            own.register_hook(lambda gradient: gradient * weight)
        return torch.cat([scores[: share.start], own, scores[share.stop :]])

    def _sharers(self, share: slice, count: int) -> int:
        """Return how many processes have this share; more than one only where there are fewer rows than processes."""
        shares = [_share(count, rank, self._group.size) for rank in range(self._group.size)]
        return shares.count((share.start, share.stop))


def _share(count: int, rank: int, size: int) -> tuple[int, int]:
    if count < size:
        row = rank * count // size
        return row, row + 1
    cuts = np.linspace(0, count, size + 1).astype(int)
    return int(cuts[rank]), int(cuts[rank + 1])


def launch(work: Callable[..., Result], gpus: int, threads: int, *given: Any, processes: int | None = None) -> Result:
    """Do work on the CPU, on a GPU, or on several GPUs, with a process each.

    Args:
        work: A function of a module, called in every process with its `ProcessGroup` first; process 0's result is
            returned.
        gpus: GPUs; 0 is the CPU.
        threads: CPU threads of all processes together.
        given: Further arguments of `work`, which can be pickled where there are several processes.
        processes: Processes; default: one a GPU. Several on the CPU serve tests: they share its threads.

    Raises:
        DeviceError: If there are fewer GPUs than asked for, or a process died.
        RankscapeError: What one of the processes raised.
    """
    size = max(1, gpus) if processes is None else processes
    if size == 1:
        return work(ProcessGroup(use_device(gpus, threads)), *given)
    use_device(gpus, threads)
    result: Result = _launched(work, size, gpus, max(1, threads // size), given)
    return result


def _launched(work: Any, size: int, gpus: int, threads: int, given: tuple[Any, ...]) -> Any:
    # Importing Fabric takes seconds that one process need not spend.
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.strategies.ddp import DDPStrategy
    from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

    os.environ.pop("MASTER_PORT", None)
    # That the others are ended where one fails is said by the error.
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "error.json"
        fabric = Fabric(
            accelerator="cuda" if gpus else "cpu",
            devices=size,
            # Without it Fabric would take a SLURM job's own number of tasks for that of the processes.
            plugins=[LightningEnvironment()],
            strategy=DDPStrategy(start_method="spawn", static_graph=True),
        )
        try:
            # Fabric looks into collections and dataclasses, and refuses frozen ones.
            member: Callable[..., Any] = _member
            task = pickle.dumps((work, given))
            return fabric.launch(member, task, gpus, threads, os.getpid(), said)
        except ProcessRaisedException:
            if said.exists():
                raise _raised(said) from None
            raise
        except ProcessExitedException as error:
            raise DeviceError(
                f"Process {error.error_index} of {size} ended ({error.signal_name or error.exit_code}), so the others "
                "were ended too: start again; a training goes on from its checkpoint."
            ) from None
        finally:
            os.environ.pop("MASTER_PORT", None)


def _member(fabric: Any, task: bytes, gpus: int, threads: int, parent: int, said: Path) -> Any:
    """Work in one of several processes."""
    _die_with(parent)
    rank = int(fabric.global_rank)
    if rank:
        # Process 0 speaks for all.
        sys.stderr = io.StringIO()
    group = ProcessGroup(use_device(gpus, threads, rank), rank, int(fabric.world_size), fabric)
    work, given = pickle.loads(task)
    try:
        return work(group, *given)
    except RankscapeError as error:
        part = said.with_suffix(f".{rank}")
        part.write_text(json.dumps([type(error).__name__, str(error)]))
        part.replace(said)
        raise


def _die_with(parent: int) -> None:
    """End this process with its parent, however that ends: a process on a GPU may wait for ever for the others."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _raised(said: Path) -> RankscapeError:
    name, message = json.loads(said.read_text())
    found: RankscapeError = getattr(errors, name, RankscapeError)(message)
    return found
