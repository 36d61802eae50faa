"""What a judge may use: requests at once and a minute, tokens a minute, and money (docs/methods/ranking.md)."""

import asyncio
import json
import os
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import filelock

from rankscape.foundation.errors import BudgetError
from rankscape.studies.ranking.judges.settings import JudgeSettings

BURST_S = 1.0
"""A limit a minute is kept as a bucket that holds so many seconds' worth: endpoints count in short windows too."""
LONGEST_PAUSE_S = 600.0
_MINUTE_S = 60.0
_SLACK_S = 5.0


class Pace:
    """So many requests of a process under way at once, sent one by one, and none during a pause."""

    def __init__(self, most: int) -> None:
        self.places = asyncio.Semaphore(most)
        """Held by each request that waits for its turn or is under way."""
        self._turns = asyncio.Lock()
        self._not_before_s = 0.0
        self._paused_at_s = -1.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for this request's turn; while the block runs, no other request gets one."""
        async with self._turns:
            await self._pause_over()
            yield
            await self._pause_over()

    async def _pause_over(self) -> None:
        # A pause may be prolonged while it is waited for.
        while (rest_s := self._not_before_s - time.monotonic()) > 0:
            await asyncio.sleep(rest_s)

    def pause(self, seconds: float) -> None:
        """Let nothing out for so many seconds."""
        self._paused_at_s = time.monotonic()
        self._not_before_s = max(self._not_before_s, self._paused_at_s + seconds)

    def refused(self, sent_at_s: float, seconds: float) -> None:
        """Pause after a refusal; requests that were sent before the last pause met the same congestion.

        Args:
            sent_at_s: When the request was sent, on the clock of `time.monotonic`.
            seconds: Length of the pause.
        """
        if sent_at_s > self._paused_at_s:
            self.pause(seconds)


class Limits:
    """Requests and tokens a minute and the budget of one judge, counted for all processes that share a store.

    The state is a small JSON file beside the store, changed under a lock, so that rounds that run at once keep one
    limit; without a file it is this process's own. The file holds numbers only; losing it forgets at most a minute.
    """

    def __init__(
        self, name: str, settings: JudgeSettings, spent: Callable[[], float], folder: Path | None = None
    ) -> None:
        """Prepare the limits of a judge.

        Args:
            name: Name of the judge.
            settings: Its limits, prices, budget, longest wait.
            spent: Returns what the judge has cost so far, in all processes.
            folder: Folder of the shared file; None keeps the state in this process.
        """
        self._name = name
        self._settings = settings
        self._spent = spent
        self._state = SharedState(None if folder is None else folder / f"{_file_name(name)}.json")

    @property
    def needed(self) -> bool:
        """Whether there is anything to keep."""
        given = self._settings
        return not (given.requests_per_minute is given.tokens_per_minute is given.budget is None)

    def reserve(self, ticket: str, tokens: int, cost: float) -> float:
        """Set aside what a request will use.

        Args:
            ticket: Name of the request, unlike that of all others.
            tokens: Tokens that it may take, question and answer.
            cost: Money that it may cost.

        Returns:
            Seconds to wait before it is sent.

        Raises:
            BudgetError: If the budget could be exceeded; nothing is set aside then.
        """
        given = self._settings
        with self._state.locked() as state:
            now_s = time.time()
            if given.budget is not None:
                self._reserve_money(state, ticket, cost, now_s)
            waits = [min(state.get("not_before", 0.0) - now_s, LONGEST_PAUSE_S), 0.0]
            if given.requests_per_minute is not None:
                waits.append(_take(state, "requests", given.requests_per_minute / _MINUTE_S, 1, now_s))
            if given.tokens_per_minute is not None:
                waits.append(_take(state, "tokens", given.tokens_per_minute / _MINUTE_S, tokens, now_s))
            return float(max(waits))

    def _reserve_money(self, state: dict[str, Any], ticket: str, cost: float, now_s: float) -> None:
        held = {name: entry for name, entry in state.get("held", {}).items() if entry[1] > now_s}
        spent, under_way = self._spent(), sum(money for money, _ in held.values())
        budget, currency = self._settings.budget or 0.0, self._settings.currency
        if spent + under_way + cost > budget:
            raise BudgetError(
                f"Judge {self._name} has a budget of {budget:g} {currency}: {spent:.6g} is spent, {under_way:.6g} may "
                f"be under way, and one more request may cost {cost:.6g}. Every answer is kept: raise "
                f"ranking.judges.{self._name}.budget and run again, and only what is missing is asked."
            )
        # A request of a killed process is forgotten when it can no longer be under way.
        state["held"] = held | {ticket: [cost, now_s + self._settings.timeout_s + _SLACK_S]}

    def settle(self, ticket: str, tokens: int) -> None:
        """Correct what was set aside, after the request.

        Args:
            ticket: Name of the request.
            tokens: Tokens that it took more than thought; below 0 where it took less.
        """
        with self._state.locked() as state:
            state.get("held", {}).pop(ticket, None)
            if self._settings.tokens_per_minute is not None and "tokens" in state:
                state["tokens"][0] -= tokens

    def postpone(self, pause_s: float) -> None:
        """Let no process send a request for so many seconds."""
        with self._state.locked() as state:
            state["not_before"] = max(state.get("not_before", 0.0), time.time() + pause_s)


def _take(state: dict[str, Any], name: str, rate: float, amount: float, now_s: float) -> float:
    """Take from a bucket, which may go into debt; return the seconds until the debt is paid.

    A request larger than the bucket would never find it full enough; with debt, those after it wait the longer.
    """
    capacity = max(1.0, rate * BURST_S)
    level, at_s = state.get(name, [capacity, now_s])
    level = min(capacity, level + max(0.0, now_s - at_s) * rate)
    needed = min(amount, capacity)
    state[name] = [level - amount, now_s]
    return float(max(0.0, (needed - level) / rate))


class SharedState:
    """A JSON object in a file that processes change in turn; in memory where there is no file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._own: dict[str, Any] = {}
        self._threads = threading.Lock()
        self._lock = nullcontext() if path is None else filelock.FileLock(f"{path}.lock", thread_local=False)

    @contextmanager
    def locked(self) -> Iterator[dict[str, Any]]:
        """Yield the object; what is changed in it during the block is kept, unless the block raises."""
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._threads, self._lock:
            state = self._read()
            yield state
            self._write(state)

    def _read(self) -> dict[str, Any]:
        if self._path is None:
            return self._own
        try:
            state = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def _write(self, state: dict[str, Any]) -> None:
        if self._path is None:
            return
        # Renamed into place: a process killed while it writes leaves the old state, not half a one.
        temporary = self._path.with_suffix(f".{os.getpid()}.part")
        temporary.write_text(json.dumps(state))
        temporary.replace(self._path)


def _file_name(judge: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", judge)
