"""The store of replies: what is in it stays in it, whoever dies while writing."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from judge_client import killed_at_random
from judge_server import JudgeServer, running
from rankscape.foundation.errors import DiskError, InputError
from rankscape.studies.ranking.judges.reply_store import ReplyStore

KEYS = [f"{number:064x}" for number in range(1000)]


def record(text: str = '{"score": 50}', judge: str = "anna", **changes: Any) -> dict[str, Any]:
    return {
        "judge": judge, "text": text, "finish_reason": "stop", "prompt_tokens": 10, "completion_tokens": 2,
        "seconds": 0.5, "error": None, "attempts": 1, "cost": 0.25, "body": {"choices": []}, **changes,
    }  # fmt: skip


def test_what_is_put_is_there_for_all(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path / "replies")
    assert store.get(KEYS[0]) is None
    store.put(KEYS[0], record("数字"))
    store.put(KEYS[1], record("b", "berta", cost=None))
    for one in (store, ReplyStore(tmp_path / "replies")):
        reply = one.get(KEYS[0])
        assert reply is not None
        assert (reply.text, reply.stored, reply.cost, reply.prompt_tokens) == ("数字", True, 0.25, 10)
        assert one.keys() == {KEYS[0], KEYS[1]}
        assert len(one) == 2
        assert KEYS[1] in one
        assert KEYS[2] not in one
        assert (one.spent("anna"), one.spent("berta"), one.spent("nobody")) == (0.25, 0.0, 0.0)
    (segment,) = (tmp_path / "replies").glob("*.jsonl")
    assert json.loads(segment.read_text().splitlines()[0])["body"] == {"choices": []}


def test_an_unused_store_makes_no_folder(tmp_path: Path) -> None:
    ReplyStore(tmp_path / "replies")
    assert not (tmp_path / "replies").exists()


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "replies").write_text("")
    with pytest.raises(InputError, match="is a file, but the store of replies is a folder"):
        ReplyStore(tmp_path / "replies")


def test_every_process_writes_to_its_own_segment_and_sees_the_others(tmp_path: Path) -> None:
    first, second = ReplyStore(tmp_path), ReplyStore(tmp_path)
    first.put(KEYS[0], record())
    second.put(KEYS[1], record())
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert first.get(KEYS[1]) is None
    first.refresh()
    second.refresh()
    second.refresh()
    assert first.keys() == second.keys() == {KEYS[0], KEYS[1]}
    assert first.spent("anna") == second.spent("anna") == 0.5
    first.put(KEYS[2], record())
    second.refresh()
    assert second.spent("anna") == 0.75


def test_what_two_asked_at_once_was_paid_twice_but_counts_once(tmp_path: Path) -> None:
    first, second = ReplyStore(tmp_path), ReplyStore(tmp_path)
    first.put(KEYS[0], record("first"))
    second.put(KEYS[0], record("second"))
    third = ReplyStore(tmp_path)
    assert len(third) == 1
    assert third.spent("anna") == 0.5


@pytest.mark.parametrize("kept_bytes", [0, 1, 40, -2, -1])
def test_a_torn_last_line_is_passed_over(tmp_path: Path, kept_bytes: int) -> None:
    store = ReplyStore(tmp_path)
    for key in KEYS[:3]:
        store.put(key, record())
    (segment,) = tmp_path.glob("*.jsonl")
    lines = segment.read_bytes().split(b"\n")
    segment.write_bytes(b"\n".join(lines[:2]) + b"\n" + (lines[2] + b"\n")[:kept_bytes])
    again = ReplyStore(tmp_path)
    assert again.keys() == {KEYS[0], KEYS[1]}
    again.put(KEYS[2], record())
    assert ReplyStore(tmp_path).keys() == set(KEYS[:3])


def test_a_line_that_is_still_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    line = json.dumps({"key": KEYS[0], **record()}).encode() + b"\n"
    segment = tmp_path / "other-1-a.jsonl"
    segment.write_bytes(line[:30])
    store = ReplyStore(tmp_path)
    assert len(store) == 0
    with segment.open("ab") as handle:
        handle.write(line[30:])
    store.refresh()
    assert store.keys() == {KEYS[0]}


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\x00\x00\x00", b"null", b"[1]", b"{}", b"\xff\xfe", b"{" * 5000, b'{"key": "x"}',
        json.dumps({"key": "short", **record()}).encode(),
        json.dumps({"key": KEYS[5], **record(text=None)}).encode(),
        json.dumps({"key": KEYS[5], **record(cost="much")}).encode(),
        json.dumps({"key": KEYS[5], **record(judge=7)}).encode(),
    ],
)  # fmt: skip
def test_lines_that_are_no_records_are_passed_over(tmp_path: Path, line: bytes) -> None:
    whole = json.dumps({"key": KEYS[0], **record()}).encode()
    (tmp_path / "other-1-a.jsonl").write_bytes(
        whole.replace(KEYS[0].encode(), KEYS[1].encode()) + b"\n" + line + b"\n" + whole
    )
    with (tmp_path / "other-1-a.jsonl").open("ab") as handle:
        handle.write(b"\n")
    assert ReplyStore(tmp_path).keys() == {KEYS[0], KEYS[1]}


def test_only_whole_records_are_put(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no record of a reply"):
        ReplyStore(tmp_path).put(KEYS[0], {"judge": "anna"})
    assert list(tmp_path.iterdir()) == []


def test_threads_share_a_segment(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path)
    threads = [
        threading.Thread(target=lambda own=own: [store.put(key, record()) for key in KEYS[own::8][:25]])
        for own in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ReplyStore(tmp_path)) == len(store) == 200
    assert len(list(tmp_path.glob("*.jsonl"))) == 1


def test_replies_are_on_the_disk_before_they_are_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(
        "rankscape.studies.ranking.judges.reply_store.os.fsync", lambda handle: flushed.append(os.fstat(handle).st_size)
    )
    store = ReplyStore(tmp_path)
    for key in KEYS[:3]:
        store.put(key, record())
        (segment,) = tmp_path.glob("*.jsonl")
        assert flushed[-1] == segment.stat().st_size


def test_a_full_disk_spoils_one_line_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, write = ReplyStore(tmp_path), os.write
    store.put(KEYS[0], record())

    def full(handle: int, data: Any) -> int:
        if len(data) > 20:
            return write(handle, bytes(data[:20]))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rankscape.studies.ranking.judges.reply_store.os.write", full)
    with pytest.raises(DiskError, match="No disk space left"):
        store.put(KEYS[1], record(text="x" * 9))
    monkeypatch.undo()
    store.put(KEYS[2], record())
    assert store.keys() == ReplyStore(tmp_path).keys() == {KEYS[0], KEYS[2]}


def test_a_closed_store_begins_another_segment(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path)
    store.put(KEYS[0], record())
    store.close()
    store.put(KEYS[1], record())
    store.refresh()
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert store.spent("anna") == 0.5
    assert ReplyStore(tmp_path).keys() == {KEYS[0], KEYS[1]}


def test_kill_9_loses_nothing_that_was_acknowledged_and_pays_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    with running(JudgeServer(latency_s=(0.02, 0.2))) as server:
        found = killed_at_random(server, tmp_path, kills=8, seed=4)
    assert (found.kills, found.lost, found.paid_twice) == (8, 0, 0)
    # Six are under way at once: what a kill can cost.
    assert found.under_way <= 8 * 6
