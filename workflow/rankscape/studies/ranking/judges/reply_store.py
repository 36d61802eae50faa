"""Every reply of every judge, as received: asked once, paid once, kept for good.

The store is a folder of segments, one for each process that ever wrote to it. A segment is a file of JSON lines that
only grows: no line is changed, so that any number of processes, also on other nodes, read it while its owner writes. A
line counts when it is whole; what a killed process left behind half written is passed over.
"""

import asyncio
import json
import os
import re
import secrets
import socket
import threading
from pathlib import Path
from typing import Any

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import raise_if_disk_full, sync_folder
from rankscape.foundation.visible_files import has_suffix, visible
from rankscape.studies.ranking.judges.completions import Completion
from rankscape.studies.ranking.judges.questions import Question, Reply, endpoint_name
from rankscape.studies.ranking.judges.settings import JudgeSettings

_ENDING = ".jsonl"
LIMITS_FOLDER = "limits"
"""What processes that ask one judge agree on; it lies beside the segments of replies."""
_KEY = re.compile(r"[0-9a-f]{64}")
_NUMBER = (int, float)
_FIELDS: dict[str, tuple[type, ...]] = {
    "text": (str,), "finish_reason": (str,), "prompt_tokens": (int,), "completion_tokens": (int,), "seconds": _NUMBER,
    "error": (str, type(None)), "attempts": (int,), "cost": (*_NUMBER, type(None)),
}  # fmt: skip


class ReplyStore:
    """Replies by the names of their questions; safe for several processes at once, also after `kill -9`."""

    def __init__(self, folder: Path) -> None:
        """Open a store and read what it has.

        Args:
            folder: Folder of segments; it is made with the first reply.

        Raises:
            InputError: If `folder` is a file, or has other files than those of replies.
        """
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{folder} is a file, but the store of replies is a folder: give another path.")
        files = [path for path in visible(self.folder) if path.name != LIMITS_FOLDER]
        strange = next((path for path in files if not has_suffix(path, _ENDING)), None)
        if strange is not None:
            raise InputError(
                f"{strange} is no file of replies (they end in {_ENDING}): unpack it, or move it to another folder."
            )
        self._replies: dict[str, Reply] = {}
        self._spent: dict[str, float] = {}
        self._read_bytes: dict[Path, int] = {}
        self._lock = threading.Lock()
        self._segment = _Segment(self.folder)
        self.refresh()

    def refresh(self) -> None:
        """Read what other processes have added since."""
        with self._lock:
            for path in visible(self.folder):
                if has_suffix(path, _ENDING) and path not in self._segment.paths:
                    self._read(path)

    def _read(self, path: Path) -> None:
        begin = self._read_bytes.get(path, 0)
        if path.stat().st_size == begin:
            return
        with path.open("rb") as handle:
            handle.seek(begin)
            content = handle.read()
        whole = content.rfind(b"\n") + 1
        self._read_bytes[path] = begin + whole
        for line in content[:whole].split(b"\n"):
            if record := _record(line):
                self._add(record)

    def _add(self, record: dict[str, Any]) -> None:
        key, judge = record["key"], record["judge"]
        if key not in self._replies:
            self._replies[key] = Reply(**{name: record[name] for name in _FIELDS}, stored=True)
        # A question that two processes asked at the same moment was paid twice.
        self._spent[judge] = self._spent.get(judge, 0.0) + (record["cost"] or 0.0)

    def get(self, key: str) -> Reply | None:
        """Return the reply to a question; None where there is none yet."""
        return self._replies.get(key)

    def put(self, key: str, record: dict[str, Any]) -> None:
        """Keep a reply; when this returns, it survives `kill -9` and a power cut.

        Args:
            key: Name of the question.
            record: `judge`, the fields of the reply, and whatever else is worth keeping, such as the answer's body.

        Raises:
            DiskError: If the disk is full; the reply is then not kept.
        """
        whole = {"key": key, **record}
        line = json.dumps(whole, separators=(",", ":")).encode() + b"\n"
        if _record(line) is None:
            raise ValueError(f"no record of a reply: {sorted(whole)}")
        try:
            self._segment.append(line)
        except OSError as error:
            raise_if_disk_full(error, self.folder / "replies")
            raise
        with self._lock:
            self._add(whole)

    def spent(self, judge: str) -> float:
        """Return what all stored replies of a judge cost, in the judge's currency."""
        return self._spent.get(judge, 0.0)

    def judges(self) -> frozenset[str]:
        """Return the names of all judges that have replies."""
        return frozenset(self._spent)

    def keys(self) -> frozenset[str]:
        """Return the names of all questions that have a reply."""
        return frozenset(self._replies)

    def __contains__(self, key: str) -> bool:
        return key in self._replies

    def __len__(self) -> int:
        return len(self._replies)

    def close(self) -> None:
        """Close this process's segment; the next reply begins another."""
        self._segment.close()


class _Segment:
    """The file that this process writes to: made with the first line, flushed to disk with every line.

    Lines that arrive while another is being flushed share the next flush.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.paths: set[Path] = set()
        self._handle = -1
        self._owner = 0
        self._written = 0
        self._flushed = 0
        self._writing, self._flushing = threading.Lock(), threading.Lock()

    def append(self, line: bytes) -> None:
        try:
            with self._writing:
                if self._handle < 0 or self._owner != os.getpid():
                    self._begin()
                _write_whole(self._handle, line)
                self._written += 1
                mine = self._written
            with self._flushing:
                if self._flushed < mine:
                    reached = self._written
                    os.fsync(self._handle)
                    self._flushed = reached
        except OSError:
            # A full disk may have taken a part of the line: nothing is written behind that.
            self.close()
            raise

    def _begin(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        # A name of its own for every process ever: nobody writes behind a line that a killed process left torn.
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(8)}.jsonl"
        path = self._folder / name
        self.paths.add(path)
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)
        self._owner = os.getpid()
        sync_folder(self._folder)

    def close(self) -> None:
        with self._writing, self._flushing:
            if self._handle >= 0:
                os.close(self._handle)
            self._handle = -1


def _write_whole(handle: int, line: bytes) -> None:
    rest = memoryview(line)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _record(line: bytes) -> dict[str, Any] | None:
    """Read one line; None where it is torn or no record."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("judge"), str):
        return None
    whole = all(name in record and isinstance(record[name], kinds) for name, kinds in _FIELDS.items())
    return record if whole and _KEY.fullmatch(str(record.get("key"))) else None


_MILLION = 1_000_000


class Ledger:
    """The replies of one judge: kept in a store where there is one, and paid for."""

    def __init__(self, name: str, settings: JudgeSettings, store: ReplyStore | None) -> None:
        self._name = name
        self._settings = settings
        self._store = store
        self._own = 0.0

    def get(self, key: str) -> Reply | None:
        """Return what is kept of a question."""
        return None if self._store is None else self._store.get(key)

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Return the price of so many tokens; None without prices."""
        price_in, price_out = self._settings.price_in, self._settings.price_out
        if price_in is price_out is None:
            return None
        return (prompt_tokens * (price_in or 0.0) + completion_tokens * (price_out or 0.0)) / _MILLION

    def spent(self) -> float:
        """Return what the judge has cost so far, in all processes that share the store."""
        if self._store is None:
            return self._own
        self._store.refresh()
        return self._store.spent(self._name)

    async def keep(
        self,
        key: str,
        question: Question,
        found: Completion,
        estimate: tuple[int, int],
        seconds: float,
        attempts: int,
    ) -> Reply:
        """Keep an answer as received; when this returns, it is on the disk.

        Args:
            key: Name of the question.
            question: What was asked.
            found: What came back.
            estimate: Tokens of question and answer, where the endpoint does not count: it may charge all the same.
            seconds: How long it took.
            attempts: Requests that were sent for it.

        Raises:
            DiskError: If the disk is full.
        """
        counted = (found.prompt_tokens, found.completion_tokens)
        error = f"refused: {found.refusal}" if found.refusal else None
        cost = self.cost(*(counted if any(counted) else estimate))
        reply = Reply(found.text, found.finish_reason, *counted, seconds, error, attempts, cost=cost)
        self._own += cost or 0.0
        if self._store is not None:
            asked = {
                "judge": self._name,
                "model": self._settings.model,
                "endpoint": endpoint_name(self._settings),
                "number": question.number,
                "seed": question.seed,
                "currency": self._settings.currency,
            }
            await asyncio.to_thread(self._store.put, key, asked | vars(reply) | {"body": found.body})
        return reply
