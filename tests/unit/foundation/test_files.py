import errno
import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from rankscape.foundation import files
from rankscape.foundation.errors import DiskError, InputError
from rankscape.foundation.files import (
    atomic_path,
    read_array,
    read_json,
    sha256,
    sync_folder,
    write_array,
    write_bytes,
    write_json,
)


def test_a_file_appears_under_its_name_when_the_block_ends(tmp_path):
    path = tmp_path / "deep" / "map.tif"
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        assert temporary.parent == path.parent
        assert temporary.suffix == ".tif"
        assert not path.exists()
    assert path.read_text() == "half"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_inside_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "order.json"
    path.write_text("old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half of the new")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        write_bytes(tmp_path / "a", b"")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_clear_line_and_leaves_the_old_file(tmp_path, monkeypatch, number):
    path = tmp_path / "scene.tif"
    path.write_text("old")

    def full(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match=r"No disk space left to write .*scene\.tif: free some"):
        write_bytes(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_any_other_error_of_the_system_passes(tmp_path):
    def fail() -> None:
        with atomic_path(tmp_path / "a"):
            raise OSError(errno.EIO, "the disk is broken")

    with pytest.raises(OSError, match="the disk is broken"):
        fail()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_array_that_does_not_fit_is_a_full_disk(tmp_path, monkeypatch):
    def device(self: Path, *args: object, **options: object):
        return open("/dev/full", "wb")  # noqa: PTH123

    monkeypatch.setattr(Path, "open", device)
    with pytest.raises(DiskError, match=r"a\.npy"):
        write_array(tmp_path / "a.npy", np.zeros(1_000_000))
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64", "bool"])
def test_an_array_comes_back_mapped_and_read_only(tmp_path, dtype):
    array = np.random.default_rng(0).integers(0, 2, (5, 4, 3, 3)).astype(dtype)
    write_array(tmp_path / "a.npy", array)
    back = read_array(tmp_path / "a.npy")
    assert isinstance(back, np.memmap)
    assert np.array_equal(back, array)
    assert back.dtype == array.dtype
    assert not back.flags.writeable
    assert np.array_equal(np.load(tmp_path / "a.npy"), array)


def test_an_empty_and_a_transposed_array_come_back(tmp_path):
    write_array(tmp_path / "empty.npy", np.zeros((0, 8, 8, 3), np.uint8))
    assert np.load(tmp_path / "empty.npy").shape == (0, 8, 8, 3)
    array = np.arange(6).reshape(2, 3).T
    write_array(tmp_path / "t.npy", array)
    assert np.array_equal(read_array(tmp_path / "t.npy"), array)


@given(arrays.arrays(np.float32, arrays.array_shapes(max_dims=3, max_side=4)))
def test_every_float_comes_back_bit_by_bit(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("arrays") / "a.npy"
    write_array(path, array)
    assert read_array(path).tobytes() == array.tobytes()


def test_a_missing_a_cut_and_a_wrong_array_are_one_line(tmp_path):
    with pytest.raises(InputError, match=r"none\.npy does not exist"):
        read_array(tmp_path / "none.npy")
    write_array(tmp_path / "cut.npy", np.zeros(1000))
    os.truncate(tmp_path / "cut.npy", 4000)
    with pytest.raises(InputError, match=r"cut\.npy is no whole \.npy"):
        read_array(tmp_path / "cut.npy")
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(InputError, match=r"text\.npy is no whole \.npy"):
        read_array(tmp_path / "text.npy")
    np.save(tmp_path / "pickle.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(InputError, match=r"pickle\.npy is no whole"):
        read_array(tmp_path / "pickle.npy")


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none() | st.lists(st.booleans()), max_size=4))
def test_documents_come_back(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("documents") / "d.json"
    write_json(path, document)
    assert read_json(path) == document


def test_documents_are_readable_text_and_refuse_nan(tmp_path):
    write_json(tmp_path / "d.json", {"b": "成都", "a": 1})
    assert (tmp_path / "d.json").read_text(encoding="utf-8") == '{\n "b": "成都",\n "a": 1\n}\n'
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "d.json", {"a": float("nan")})
    assert read_json(tmp_path / "d.json")["a"] == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"{", "no valid JSON"), (b"\xff", "no valid JSON"), (b"[1]", "JSON list, an object is needed")],
)
def test_a_wrong_document_is_one_line(tmp_path, content, said):
    (tmp_path / "d.json").write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_json(tmp_path / "d.json")


def test_a_missing_document_is_one_line(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_json(tmp_path / "none.json")


def test_sha256_reads_files_larger_than_a_piece(tmp_path):
    content = bytes(range(256)) * 10_000
    (tmp_path / "a").write_bytes(content)
    assert sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_sync_folder_takes_any_folder(tmp_path):
    sync_folder(tmp_path)
    assert json.dumps(sorted(p.name for p in tmp_path.iterdir())) == "[]"


STUCK = """
import sys, time
from pathlib import Path
from rankscape.foundation.files import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print(temporary, flush=True)
    time.sleep(60)
"""


def stuck(path: Path) -> tuple[subprocess.Popen, Path]:
    """Start a process that stops in the middle of writing; return it and its temporary file."""
    process = subprocess.Popen([sys.executable, "-c", STUCK, str(path)], stdout=subprocess.PIPE, text=True)
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_writer_left_goes_with_the_next_one_and_what_a_living_one_writes_stays(tmp_path):
    killed, torn = stuck(tmp_path / "order.json")
    killed.kill()
    killed.wait()
    assert torn.exists()
    alive, whole = stuck(tmp_path / "map.tif")
    mine = tmp_path / ".notes.part.txt"
    mine.write_text("no writer of ours")
    try:
        write_bytes(tmp_path / "order.json", b"new")
        assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "order.json", mine, whole])
    finally:
        alive.kill()
        alive.wait()


def test_what_another_machine_left_stays(tmp_path, monkeypatch):
    killed, torn = stuck(tmp_path / "order.json")
    killed.kill()
    killed.wait()
    monkeypatch.setattr(files, "_machine", lambda: "01234567")
    write_bytes(tmp_path / "order.json", b"new")
    assert torn.exists()
