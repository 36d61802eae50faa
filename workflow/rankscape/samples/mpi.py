"""Cutting with MPI: every rank reads and writes its own steps of the source, into one file."""

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from mpi4py import MPI

from rankscape.foundation.errors import DeviceError, DiskError
from rankscape.foundation.files import atomic_path, raise_if_disk_full
from rankscape.samples.cutting import Opener, array_header, write_steps
from rankscape.samples.source import Layout, PatchSource, check_any_data, shares_of

Result = TypeVar("Result")
_LAUNCHED = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
"""Variables in which launchers say how many processes they started."""


def cut_with_ranks(opener: Opener, out: Path, ranks: int | None, threads: int = 1) -> tuple[Layout, np.ndarray] | None:
    """Do what `cutting.cut` does with all ranks; the file's bytes are the same for any number of them.

    If a rank fails, all stop: one reports, and nothing is published.

    Args:
        opener: Opens the source.
        out: Array of all patches; rank 0 publishes it when every rank has written.
        ranks: Number of ranks that there must be; None accepts any.
        threads: Threads of each rank, as `cut` takes them.

    Returns:
        Layout and shares as `cut` returns them, on rank 0; None on the others, which have nothing left to do.

    Raises:
        DeviceError: If the communicator has another size than asked for.
        RasterError: If the source cannot be read or holds no data.
        DiskError: If the disk is full or cannot be written.
    """
    comm = MPI.COMM_WORLD
    _together(comm, lambda: _check_size(comm.size, ranks))
    with contextlib.ExitStack() as stack:
        source = _together(comm, lambda: stack.enter_context(opener()))
        mine = _together(comm, lambda: stack.enter_context(atomic_path(out)) if comm.rank == 0 else None)
        temporary = str(comm.bcast(mine))
        file = _together(comm, lambda: MPI.File.Open(comm, temporary, MPI.MODE_CREATE | MPI.MODE_WRONLY))
        stack.callback(file.Close)
        own = _together(comm, lambda: _write_own(comm, file, temporary, source, out, threads))
        counts = comm.reduce(own, op=MPI.SUM)
        shares = None if counts is None else shares_of(counts, source.layout.grid.patch_px)
        _together(comm, lambda: None if shares is None else check_any_data(shares, source.layout.granule))
        file.Sync()
    return None if shares is None else (source.layout, shares)


def _check_size(size: int, ranks: int | None) -> None:
    launched = max((int(os.environ.get(name, "1")) for name in _LAUNCHED), default=1)
    wanted = ranks if ranks is not None else launched if size == 1 else size
    if size != wanted:
        raise DeviceError(
            f"{wanted} MPI rank(s) asked for, but the communicator has {size}: start it as `mpiexec -n {wanted}`, with"
            f" the launcher of the MPI that mpi4py uses here ({MPI.Get_library_version().splitlines()[0].strip()})."
        )


def _write_own(comm: Any, file: Any, name: str, source: PatchSource, out: Path, threads: int) -> np.ndarray:
    """Write this rank's steps at their places; return its part of the counts, int64, shape (patches, 2)."""
    try:
        if comm.rank == 0:
            file.Write_at(0, array_header(source.layout))
        steps = np.array_split(np.arange(source.layout.steps), comm.size)[comm.rank].tolist()
        with Path(name).open("rb") as handle:
            return write_steps(source, steps, file.Write_at, handle.fileno(), threads)
    except MPI.Exception as error:
        # MPI-IO names the cause in words only; the class of a full disk is often just "other".
        cause = " ".join(error.Get_error_string().split())
        if os.strerror(errno.ENOSPC) in cause:
            raise_if_disk_full(OSError(errno.ENOSPC, cause), out)
        raise DiskError(f"{out} cannot be written ({cause}): mend the disk and start again.") from error


def _together(comm: Any, work: Callable[[], Result]) -> Result:
    """Do a part of the work on every rank; if it fails on one, all leave, and the first that failed says why."""
    result, failure = None, None
    try:
        result = work()
    except Exception as error:
        failure = error
    codes = comm.allgather(None if failure is None else int(getattr(failure, "exit_code", 1)))
    first = next((rank for rank, code in enumerate(codes) if code is not None), None)
    if first is None:
        return result  # type: ignore[return-value]
    if failure is not None and comm.rank == first:
        raise failure
    raise SystemExit(codes[first])
