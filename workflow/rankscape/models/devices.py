"""The device that networks run on, and what makes it repeat its results."""

import os

import torch

from rankscape.foundation.errors import DeviceError


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
