"""How many requests of a judge are under way at once, and when the next may go."""

import asyncio
import heapq
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_NARROWER = 0.5
_SMOOTHING = 0.2


class Slots:
    """Places for requests; their number follows the endpoint's answers.

    Additive increase, multiplicative decrease (Chiu & Jain, Computer Networks and ISDN Systems 1989): every answer
    widens by 1/size, which is one place in the time of a round trip; congestion halves. All requests that were sent
    before the last halving belong to the same congestion, and halve nothing again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = float(most)
        """Requests that may be under way at once; whole ones count."""
        self.under_way = 0
        """Requests that are."""
        self._halved_at_s = -1.0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._tickets = itertools.count()

    @asynccontextmanager
    async def place(self, order: int) -> AsyncIterator[None]:
        """Wait for a place and keep it during the block; lower `order` goes first, so that a retry goes ahead."""
        await self._enter(order)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, order: int) -> None:
        if self.under_way < int(self.size) and not self._waiting:
            self.under_way += 1
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (order, next(self._tickets), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        self.under_way -= 1
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self.under_way < int(self.size):
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self.under_way += 1
                turn.set_result(None)

    def widen(self) -> None:
        """A request was answered."""
        self.size = min(float(self._most), self.size + 1 / self.size)
        self._let_in()

    def narrow(self, sent_at_s: float) -> bool:
        """A request met congestion.

        Args:
            sent_at_s: When it was sent, on the clock of `time.monotonic`.

        Returns:
            Whether this is a new congestion.
        """
        if sent_at_s <= self._halved_at_s:
            return False
        self.size = max(1.0, self.size * _NARROWER)
        self._halved_at_s = time.monotonic()
        return True


class Door:
    """Lets requests out one by one: none during a pause, and afterwards not all at once."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._not_before_s = 0.0
        self._spaced = 0
        self._round_trip_s = 0.0
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for this request's turn; while the block runs, no other request gets one."""
        async with self._lock:
            await self.pause_over()
            yield
            await self.pause_over()
            if self._spaced > 0:
                # What would have been spread over a round trip is spread over one after a pause, too.
                self._spaced -= 1
                self._not_before_s = time.monotonic() + self._round_trip_s / self._slots.size

    async def pause_over(self) -> None:
        """Wait until the pause is over, however often it is prolonged meanwhile."""
        while (rest_s := self._not_before_s - time.monotonic()) > 0:
            await asyncio.sleep(rest_s)

    def shut(self, pause_s: float) -> None:
        """Let nothing out for so many seconds."""
        self._not_before_s = max(self._not_before_s, time.monotonic() + pause_s)
        self._spaced = int(self._slots.size)

    def measure(self, seconds: float) -> None:
        """Note how long an answer took."""
        known = self._round_trip_s
        self._round_trip_s = known + _SMOOTHING * (seconds - known) if known else seconds
