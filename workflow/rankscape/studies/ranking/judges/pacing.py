"""How many requests of a judge are under way at once, and when the next may go."""

import asyncio
import heapq
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_NARROWER = 0.7
"""What congestion leaves of the places; half would leave an endpoint idle after each."""
_SMOOTHING = 0.2
"""Weight of the newest round trip in their mean."""
_SHORTEST_COUNT_S, _FEWEST_COUNTED = 0.5, 10
"""A rate that is counted for less, or on fewer requests, is mostly chance."""
_SHORTEST_PLATEAU_S, _LONGEST_PLATEAU_S = 1.5, 5.0
"""Time at a learned rate before more is tried: that of ten requests, within these bounds."""
_GROWTH = 0.1
"""How much more is tried after two plateaus; it grows with the square of the time."""
_SHARE_OF_KNOWN = 0.6
"""Below this share of the rate that the settings name, the settings are wrong."""
_ROOM = 1.5
"""Places for a rate, over what a mean round trip takes: some take longer."""
_BURST_S = 1.0
"""Seconds' worth of requests that may go at once after a pause."""


class Slots:
    """Places for requests; their number follows the endpoint's answers.

    Additive increase, multiplicative decrease (Chiu & Jain, Computer Networks and ISDN Systems 1989): every answer
    widens by 1/size, which is one place in the time of a round trip; congestion takes three tenths. All requests that
    were sent before places were last taken belong to the same congestion, and take none again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = float(most)
        """Requests that may be under way at once; whole ones count."""
        self.under_way = 0
        """Requests that are."""
        self._narrowed_at_s = -1.0
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

    def narrow(self, sent_at_s: float, least: float = 1.0) -> bool:
        """A request met congestion.

        Args:
            sent_at_s: When it was sent, on the clock of `time.monotonic`.
            least: Places to keep.

        Returns:
            Whether this is a new congestion.
        """
        if sent_at_s <= self._narrowed_at_s:
            return False
        self.size = max(1.0, self.size * _NARROWER, min(least, self.size))
        self._narrowed_at_s = time.monotonic()
        return True


class Rate:
    """Requests a second that an endpoint allows, learned from its refusals.

    A refusal says that the endpoint's allowance is used up at this moment. So what it let through between two refusals
    is what it allows in that time, whatever kind of bucket it counts with, and the next requests are let out at that
    rate. After a while they go faster, ever more so, to notice when more is allowed.
    """

    def __init__(self, known: float | None = None) -> None:
        """Begin to learn.

        Args:
            known: What the endpoint is said to allow; the rate is no lower, unless it is refused again and again.
        """
        self.per_s: float | None = None
        """The rate; None until it was refused twice."""
        self._known = known
        self._since_s: float | None = None
        self._let_out = 0
        self._before: tuple[int, float] | None = None
        self._level = 0.0
        self._level_at_s = 0.0
        self._refused_at_s = 0.0

    def delay_s(self, now_s: float) -> float:
        """Let a request out; return the seconds that it must wait before."""
        self._let_out += 1
        if self.per_s is None:
            return 0.0
        rate = self._tried(now_s)
        level = min(max(1.0, rate * _BURST_S), self._level + (now_s - self._level_at_s) * rate) - 1
        self._level, self._level_at_s = level, now_s
        return max(0.0, -level / rate)

    def _tried(self, now_s: float) -> float:
        """The rate that is tried at a moment."""
        per_s = self.per_s or 1.0
        if self._known is not None and per_s >= _SHARE_OF_KNOWN * self._known:
            return self._known
        plateau_s = min(_LONGEST_PLATEAU_S, max(_SHORTEST_PLATEAU_S, _FEWEST_COUNTED / per_s))
        return per_s * (1 + _GROWTH * max(0.0, (now_s - self._refused_at_s) / plateau_s - 1) ** 2)

    def refused(self, sent_at_s: float, now_s: float) -> None:
        """A request was refused.

        Args:
            sent_at_s: When it was sent.
            now_s: When it was refused.
        """
        if self._since_s is not None and sent_at_s <= self._since_s:
            # It was let out, and counted, before the refusal that ended the count.
            if self._before is not None:
                self._count(self._before[0] - 1, self._before[1])
            return
        self._let_out -= 1
        self._level, self._level_at_s, self._refused_at_s = 0.0, now_s, now_s
        if self._since_s is not None:
            counted_s = now_s - self._since_s
            if counted_s < _SHORTEST_COUNT_S or self._let_out < _FEWEST_COUNTED:
                return
            self._count(self._let_out, counted_s)
        self._since_s, self._let_out = now_s, 0

    def _count(self, let_through: int, seconds: float) -> None:
        # One more, for the parts of requests that were left over. Too high a rate is noticed sooner than too low a one.
        self._before = (let_through, seconds)
        self.per_s = max(1, let_through + 1) / seconds


class Door:
    """Lets requests out one by one: none during a pause, and afterwards not all at once."""

    def __init__(self, slots: Slots, known_per_s: float | None = None) -> None:
        """Open the door.

        Args:
            slots: Places for requests under way.
            known_per_s: Requests a second that the endpoint is said to allow.
        """
        self._slots = slots
        self._rate = Rate(known_per_s)
        self._not_before_s = 0.0
        self._spaced = 0
        self._round_trip_s = 0.0
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for this request's turn; while the block runs, no other request gets one."""
        async with self._lock:
            await self._pause_over()
            yield
            await asyncio.sleep(self._rate.delay_s(time.monotonic()))
            await self._pause_over()
            if self._spaced > 0 and self._rate.per_s is None:
                # As if they had not waited: what the pause held back is spread over a round trip.
                self._spaced -= 1
                self._not_before_s = time.monotonic() + self._round_trip_s / self._slots.size

    async def _pause_over(self) -> None:
        # A pause may be prolonged while it is waited for.
        while (rest_s := self._not_before_s - time.monotonic()) > 0:
            await asyncio.sleep(rest_s)

    def answered(self, seconds: float) -> None:
        """A request was answered after so many seconds."""
        known = self._round_trip_s
        self._round_trip_s = known + _SMOOTHING * (seconds - known) if known else seconds
        self._slots.widen()

    def refused(self, sent_at_s: float, pause_s: float | None, usual_pause_s: float) -> None:
        """A request was refused because too many came.

        Args:
            sent_at_s: When it was sent, on the clock of `time.monotonic`.
            pause_s: Pause that the endpoint asks for.
            usual_pause_s: Pause where it asks for none.
        """
        # Where the rate is known, it is what keeps to the limit, and needs places for a round trip.
        least = (self._rate.per_s or 0.0) * self._round_trip_s * _ROOM
        new = self._slots.narrow(sent_at_s, least)
        self._rate.refused(sent_at_s, time.monotonic())
        if new or pause_s is not None:
            self.shut(usual_pause_s if pause_s is None else pause_s)

    def shut(self, pause_s: float) -> None:
        """Let nothing out for so many seconds."""
        self._not_before_s = max(self._not_before_s, time.monotonic() + pause_s)
        self._spaced = int(self._slots.size)
