"""Cutting with MPI: the same bytes, whatever the number of ranks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rankscape.__main__ import main
from rankscape.samples.patches import read_index
from workflow_copy import PATIENCE_S

MPIEXEC = Path(sys.executable).parent / "mpiexec"
pytestmark = pytest.mark.skipif(not MPIEXEC.exists(), reason="no mpiexec beside this Python")


def arguments(source: Path, out: Path, *more: object, patch_px: int = 16) -> list[str]:
    chosen = json.dumps({"patch_px": patch_px})
    given = ["tile", "--settings", chosen, "--source", source, "--granule", "03TVF", "--out", out, *more]
    return [str(one) for one in given]


def serial(source: Path, out: Path, *more: object) -> None:
    """Cut without MPI, in this process."""
    with pytest.raises(SystemExit) as end:
        main(arguments(source, out, *more))
    assert not end.value.code


def tile(
    ranks: int, source: Path, out: Path, *more: object, patch_px: int = 16, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Cut with a launcher; 0 ranks start the program without one."""
    start = [str(MPIEXEC), "-n", str(ranks)] if ranks else []
    return subprocess.run(
        [*start, sys.executable, "-m", "rankscape", *arguments(source, out, *more, patch_px=patch_px)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
    )


@pytest.fixture
def alone(scene, quality, tmp_path) -> Path:
    """What one process without MPI makes."""
    out = tmp_path / "alone" / "03TVF.npy"
    serial(scene, out, "--quality", quality)
    return out


@pytest.mark.parametrize("ranks", [1, 2, 3, 7])
def test_any_number_of_ranks_gives_the_same_bytes(scene, quality, alone, tmp_path, ranks):
    out = tmp_path / "ranks" / "03TVF.npy"
    done = tile(ranks, scene, out, "--quality", quality, "--mpi", "--ranks", ranks)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == alone.read_bytes()
    assert out.with_suffix(".parquet").read_bytes() == alone.with_suffix(".parquet").read_bytes()
    assert sorted(path.name for path in out.parent.iterdir()) == ["03TVF.npy", "03TVF.parquet"]


@pytest.mark.parametrize(("ranks", "threads"), [(1, 2), (2, 1), (3, 2), (7, 1)])
def test_ranks_that_meet_inside_patches_write_every_part_of_them(raster, tmp_path, ranks, threads):
    """Blocks of 64 rows and patches of 100: every rank begins and ends in the middle of patches."""
    pixels = np.random.default_rng(1).integers(1, 255, (3, 520, 430), dtype=np.uint8)
    pixels[:, 90:200, 40:300] = 0
    source = raster("visual.tif", pixels, compress="deflate", block_px=64)
    out = tmp_path / "out" / "03TVF.npy"
    done = tile(ranks, source, out, "--mpi", "--ranks", ranks, "--threads", threads, patch_px=100)
    assert done.returncode == 0, done.stderr
    squares = pixels[:, :500, :400].reshape(3, 5, 100, 4, 100).transpose(1, 3, 2, 4, 0).reshape(20, 100, 100, 3)
    np.testing.assert_array_equal(np.load(out), squares)
    shares = read_index(out.with_suffix(".parquet"))["valid_fraction"].to_numpy()
    np.testing.assert_array_equal(shares, squares.any(-1).mean((1, 2)).astype(np.float32))


def test_tiles_of_a_folder_are_shared_among_ranks_too(picture, tmp_path):
    for number in range(5):
        picture(tmp_path / "folder" / f"10_{number}.png", seed=number)
    outs = [tmp_path / name / "03TVF.npy" for name in "ab"]
    serial(tmp_path / "folder", outs[0])
    assert tile(2, tmp_path / "folder", outs[1], "--mpi").returncode == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_a_failure_is_told_once_and_leaves_nothing(tmp_path):
    source = tmp_path / "text.tif"
    source.write_text("no image")
    done = tile(3, source, tmp_path / "out" / "03TVF.npy", "--mpi")
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if line.startswith("rankscape:")] == [done.stderr.strip()]
    assert "text.tif is no GeoTIFF or JPEG 2000" in done.stderr
    assert not (tmp_path / "out" / "03TVF.npy").exists()


def test_an_image_without_data_is_refused_before_it_is_published(raster, reflectance, tmp_path):
    done = tile(2, raster("s.tif", reflectance * float("nan")), tmp_path / "out" / "03TVF.npy", "--mpi")
    assert done.returncode == 2
    assert "no data at all" in done.stderr
    assert not list((tmp_path / "out").iterdir())


LIMITED = """
import resource, sys
from mpi4py import MPI  # first, since MPI shares its memory through files that are larger
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
from rankscape.__main__ import main
main(sys.argv[1:])
"""


def test_a_disk_that_takes_no_more_is_one_line_and_leaves_nothing(raster, tmp_path):
    source, out = raster("s.tif", np.ones((3, 160, 160), np.float32)), tmp_path / "out" / "03TVF.npy"
    command = [str(MPIEXEC), "-n", "2", sys.executable, "-c", LIMITED, *arguments(source, out, "--mpi")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1
    assert f"rankscape: {out} cannot be written" in done.stderr
    assert not list(out.parent.iterdir())


def test_another_number_of_ranks_than_asked_for_is_an_error(scene, tmp_path):
    done = tile(2, scene, tmp_path / "03TVF.npy", "--mpi", "--ranks", 3)
    assert done.returncode == 1
    assert "3 MPI rank(s) asked for, but the communicator has 2" in done.stderr


def test_one_rank_where_a_launcher_started_more_is_an_error(scene, tmp_path):
    """A launcher of another MPI starts programs that do not know of each other."""
    done = tile(0, scene, tmp_path / "03TVF.npy", "--mpi", OMPI_COMM_WORLD_SIZE="4")
    assert done.returncode == 1
    assert "4 MPI rank(s) asked for, but the communicator has 1" in done.stderr
    assert not (tmp_path / "03TVF.npy").exists()
