"""How a judge is asked: from the store first, in turn, within its limits, until there is an answer; then kept."""

import asyncio
import itertools
import math
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol

from rankscape.foundation.errors import JudgeError
from rankscape.studies.ranking.judges.completions import Completion, Failure, same_refusal
from rankscape.studies.ranking.judges.limits import Limits, Pace
from rankscape.studies.ranking.judges.questions import (
    Question,
    Reply,
    endpoint_name,
    estimated_prompt_tokens,
    first_messages,
    question_key,
    repair_key,
    repair_messages,
)
from rankscape.studies.ranking.judges.reply_store import LIMITS_FOLDER, Ledger, ReplyStore
from rankscape.studies.ranking.judges.settings import JudgeSettings

Read = Callable[[Reply], str | None]
"""Says why a reply cannot be used; None where it can."""
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
_REFUSED_ALIKE = 2
_LOOK_S = 0.01


class Line(Protocol):
    """What carries a request to the endpoint."""

    async def carry(self, messages: list[dict[str, Any]], question: Question) -> Completion | Failure:
        """Send a conversation, once."""

    async def advice(self, failure: Failure) -> str:
        """Say what to do about an endpoint that refuses every request."""


class Judge:
    """One vision-language model; ask it through `ask`, everything at once: it keeps to the limits by itself."""

    def __init__(
        self,
        name: str,
        settings: JudgeSettings,
        store: ReplyStore | None,
        line: Line,
    ) -> None:
        self.name = name
        self.settings = settings
        self._ledger = Ledger(name, settings, store)
        self._line = line
        self._pace = Pace(settings.concurrency)
        folder = None if store is None else store.folder / LIMITS_FOLDER
        self._limits = Limits(name, settings, self._ledger.spent, folder)
        self._answers = 0
        self._longest_answer = 0
        self._counted_to_estimated = 0.0
        self._closed: Failure | None = None
        self._refused: list[Failure] = []
        self._placed = 0
        self._advice = ""
        self._finished = False
        self._numbers = itertools.count()
        self._sent: set[int] = set()
        self._under_way: set[asyncio.Task[Reply | Failure]] = set()
        self._wanted: dict[str, asyncio.Task[Reply | Failure]] = {}

    @property
    def endpoint(self) -> str:
        """Address of the endpoint without user, password and query, for messages."""
        return endpoint_name(self.settings)

    @property
    def spent(self) -> float | None:
        """What this judge has cost, as the store knows; None without prices."""
        if self.settings.price_in is None and self.settings.price_out is None:
            return None
        return self._ledger.spent()

    def key(self, question: Question) -> str:
        """Return the name of a question in the store."""
        return question_key(question, self.settings)

    async def ask(self, question: Question, read: Read | None = None) -> Reply:
        """Ask a question, or take the reply from the store.

        Tries again after 408, 409, 429, 5xx, a time-out or a broken connection, with exponentially growing waits and
        jitter, or after the time that the server asks for; then all requests of this judge wait. Once the endpoint
        has turned out to be closed (never reached, or it refuses key, address or model) before it answered anything,
        requests that have not begun are not sent any more.

        Args:
            question: What is asked.
            read: Says why a reply cannot be used; the judge is then asked to mend it, `repairs` times at most.

        Returns:
            The reply; with `error` where there is none after all attempts. Never raises for a failing endpoint: see
            `raise_if_closed`.

        Raises:
            BudgetError: If the request could exceed the budget.
            SecretError: If the environment variable that must hold the key is unset, empty or holds no key.
            DiskError: If the reply cannot be kept.
        """
        key = self.key(question)
        more: list[dict[str, Any]] = []
        found = await self._answer(key, question, more)
        if isinstance(found, Failure):
            return Reply("", "", 0, 0, found.seconds, found.reason, found.attempts)
        for _ in range(self.settings.repairs):
            reason = read(found) if read is not None and found.error is None else None
            if reason is None:
                break
            key = repair_key(key, found.text, reason)
            more = more + repair_messages(question, found.text, reason)
            mended = await self._answer(key, question, more)
            if isinstance(mended, Failure):
                break
            found = _joined(found, mended)
        return found

    async def _answer(self, key: str, question: Question, more: list[dict[str, Any]]) -> Reply | Failure:
        """One answer: from the store, or by asking; the same question at the same time is asked once."""
        if (kept := self._ledger.get(key)) is not None:
            return kept
        if key not in self._wanted:
            asking = asyncio.ensure_future(self._until_answered(key, question, more))
            self._wanted[key] = asking
            asking.add_done_callback(lambda _: self._wanted.pop(key, None))
        return await self._wanted[key]

    async def _until_answered(self, key: str, question: Question, more: list[dict[str, Any]]) -> Reply | Failure:
        sent, failed = 0, 0
        while True:
            async with self._place():
                estimate = self._estimate(question, more)
                ticket = await self._turn(estimate)
                if ticket is None:
                    return self._closed or Failure("the judge was closed")
                sent += 1
                outcome = await self._kept_alive(self._send(key, question, more, sent, ticket, estimate))
                if isinstance(outcome, Failure) and (
                    not outcome.again or failed + outcome.counts >= self.settings.attempts
                ):
                    await self._note_closed(outcome)
            if isinstance(outcome, Reply):
                return outcome
            failed += outcome.counts
            if not outcome.again or failed >= self.settings.attempts:
                return replace(outcome, attempts=sent)
            await self._back_off(outcome, failed)

    async def _turn(self, estimate: tuple[int, int]) -> str | None:
        """Wait until a request may be sent.

        Returns:
            The name under which its share of the limits is set aside; None if it is not to be sent any more.
        """
        ticket, reserved, goes = secrets.token_hex(8), False, False
        if not self._open:
            return None
        try:
            async with self._pace.turn():
                if self._limits.needed and self._open:
                    cost = self._ledger.cost(*estimate) or 0.0
                    wait_s = await asyncio.to_thread(self._limits.reserve, ticket, sum(estimate), cost)
                    reserved = True
                    await asyncio.sleep(wait_s)
            goes = self._open
        finally:
            if reserved and not goes:
                self._limits.settle(ticket, -sum(estimate))
        return ticket if goes else None

    @property
    def _open(self) -> bool:
        return self._closed is None and not self._finished

    async def _kept_alive(self, sending: Coroutine[Any, Any, Reply | Failure]) -> Reply | Failure:
        """A request that was sent may be paid: it is awaited and kept even when nobody wants it any more."""
        task = asyncio.ensure_future(sending)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def finish(self) -> None:
        """Send nothing more; wait for what is under way, so that it is kept."""
        self._finished = True
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=self.settings.timeout_s)
            for task in late:
                task.cancel()
        for asking in self._wanted.values():
            asking.cancel()

    async def _send(
        self,
        key: str,
        question: Question,
        more: list[dict[str, Any]],
        attempts: int,
        ticket: str,
        estimate: tuple[int, int],
    ) -> Reply | Failure:
        """Send one request, and keep what comes back."""
        taken, begin_s, number = 0, time.monotonic(), next(self._numbers)
        self._sent.add(number)
        try:
            outcome = await self._line.carry(first_messages(question, self.settings) + more, question)
            seconds = round(time.monotonic() - begin_s, 3)
            if isinstance(outcome, Failure):
                await self._note_failure(outcome, begin_s)
                # A limit that lets others through is no failure of this request: it waits its turn.
                return replace(outcome, seconds=seconds, counts=not outcome.congested or number == min(self._sent))
            self._note_answer(outcome, question, more)
            if outcome.pause_s:
                await self._pause(outcome.pause_s)
            taken = outcome.prompt_tokens + outcome.completion_tokens or sum(estimate)
            return await self._ledger.keep(key, question, outcome, estimate, seconds, attempts)
        finally:
            self._sent.discard(number)
            if self._limits.needed:
                await asyncio.to_thread(self._limits.settle, ticket, taken - sum(estimate))

    def _estimate(self, question: Question, more: list[dict[str, Any]]) -> tuple[int, int]:
        """Tokens that a request may take: its question, as this endpoint has counted others, and the longest answer."""
        tokens = estimated_prompt_tokens(question, more) * (self._counted_to_estimated or 1.0)
        return math.ceil(tokens), max(self.settings.max_tokens, self._longest_answer)

    def _note_answer(self, found: Completion, question: Question, more: list[dict[str, Any]]) -> None:
        self._answers += 1
        # Where thoughts are not bound by max_tokens, answers can be longer.
        self._longest_answer = max(self._longest_answer, found.completion_tokens)
        if self._closed is not None and self._closed.closed != "account":
            self._closed = None
        ratio = found.prompt_tokens / estimated_prompt_tokens(question, more)
        self._counted_to_estimated = max(self._counted_to_estimated, ratio)

    async def _pause(self, seconds: float) -> None:
        """Send nothing for a while, in no process that shares the limits."""
        self._pace.pause(seconds)
        if self._limits.needed:
            await asyncio.to_thread(self._limits.postpone, seconds)

    async def _note_failure(self, failure: Failure, sent_at_s: float) -> None:
        if failure.wait_s is not None:
            await self._pause(failure.wait_s)
        elif failure.congested:
            self._pace.refused(sent_at_s, _wait_s(0))

    async def _back_off(self, failure: Failure, failed: int) -> None:
        # Congestion makes all wait; the request that met it waits longer only where nothing gets through.
        if failure.wait_s is None and (not failure.congested or failed > 1):
            await asyncio.sleep(_wait_s(max(0, failed - 1)))

    async def _note_closed(self, failure: Failure) -> None:
        """Close the judge where no request can succeed; an account can turn out to be empty after many answers."""
        if failure.closed == "request" and not self._answers:
            self._refused.append(failure)
            alike = all(same_refusal(failure.reason, one.reason) for one in self._refused)
            closed = alike and len(self._refused) >= _REFUSED_ALIKE
        else:
            closed = failure.closed == "account" or (failure.closed not in {None, "request"} and not self._answers)
        if closed and self._closed is None:
            self._closed = failure
            self._advice = await self._line.advice(failure)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Hold a place among the requests at once; after a refused form, until those before have shown if all are."""
        async with self._pace.places:
            while self._refused and not self._answers and self._open and self._placed:
                await asyncio.sleep(_LOOK_S)
            self._placed += 1
            try:
                yield
            finally:
                self._placed -= 1

    def raise_if_closed(self) -> None:
        """Raise when the endpoint cannot be reached, refuses key, address, model or requests, or the account is empty.

        Raises:
            JudgeError: With the endpoint, the reason and what to mend in one line.
        """
        if self._closed is not None:
            key = f", key from {self.settings.key_variable}" if self.settings.key_variable else ", no key_variable"
            raise JudgeError(
                f"Judge {self.name} cannot be asked at {self.endpoint} (model {self.settings.model}{key}): "
                f"{self._closed.reason}. {self._advice}, and run again."
            )


def _wait_s(failed: int) -> float:
    """Growing waits with jitter, so that requests that failed together do not come back together."""
    longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * math.pow(2, failed))
    return longest * (0.5 + random.random() / 2)


def _joined(first: Reply, mended: Reply) -> Reply:
    """The mended answer, with what both took."""
    costs = [reply.cost for reply in (first, mended) if reply.cost is not None]
    return replace(
        mended,
        prompt_tokens=first.prompt_tokens + mended.prompt_tokens,
        completion_tokens=first.completion_tokens + mended.completion_tokens,
        seconds=round(first.seconds + mended.seconds, 3),
        attempts=first.attempts + mended.attempts,
        repairs=first.repairs + 1,
        stored=first.stored and mended.stored,
        cost=sum(costs) if costs else None,
    )
