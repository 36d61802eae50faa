"""Slots that threads and processes of a node share, and that a killed one gives back."""

import subprocess
import sys
import threading
import time

import pytest
from rankscape.foundation import slots
from rankscape.foundation.errors import DiskError
from rankscape.foundation.slots import Slots, node_folder

HOLD = """
import sys, threading, time
from pathlib import Path
from rankscape.foundation.slots import Slots
with Slots(Path(sys.argv[1]), 1).taken(threading.Event()):
    print("held", flush=True)
    time.sleep(60)
"""


def test_threads_never_hold_more_than_there_are(tmp_path):
    shared, lock, stop = [Slots(tmp_path, 3), Slots(tmp_path, 3)], threading.Lock(), threading.Event()
    held, most = 0, 0

    def work(mine):
        nonlocal held, most
        for _ in range(5):
            with mine.taken(stop) as taken:
                assert taken
                with lock:
                    held += 1
                    most = max(most, held)
                time.sleep(0.005)
                with lock:
                    held -= 1

    threads = [threading.Thread(target=work, args=(shared[place % 2],)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (held, most) == (0, 3)


def test_a_killed_process_gives_its_slot_back(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        stop = threading.Event()
        timer = threading.Timer(0.1, stop.set)
        timer.start()
        with Slots(tmp_path, 1).taken(stop) as taken:
            assert not taken
        holder.kill()
        holder.wait()
        with Slots(tmp_path, 1).taken(threading.Event()) as taken:
            assert taken
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_the_folder_is_this_users_own(tmp_path, monkeypatch):
    monkeypatch.setattr(slots.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = node_folder("connections")
    assert folder == node_folder("connections")
    assert folder.stat().st_mode & 0o077 == 0
    monkeypatch.setattr(slots.os, "getuid", lambda: 4_000_000)
    (tmp_path / "rankscape-4000000").symlink_to(folder.parent)
    with pytest.raises(DiskError, match="belongs to another user"):
        node_folder("connections")
