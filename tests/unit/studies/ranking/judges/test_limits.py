"""How many requests are under way, and when the next may go."""

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rankscape.foundation.errors import BudgetError
from rankscape.studies.ranking.judges.limits import Limits, Pace, SharedState
from rankscape.studies.ranking.judges.settings import JudgeSettings


class LoopOfItsOwnTime(asyncio.SelectorEventLoop):
    """A loop whose clock stands still while it works, and jumps to whatever is due next; no machine is too slow."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 100.0

    def time(self) -> float:
        return self.now_s

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.now_s = max(self.now_s, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def run_in_own_time(monkeypatch: pytest.MonkeyPatch, work: Coroutine[Any, Any, Any]) -> Any:
    loop = LoopOfItsOwnTime()
    monkeypatch.setattr("rankscape.studies.ranking.judges.limits.time", SimpleNamespace(monotonic=loop.time))
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(work)


async def turn_s(pace: Pace) -> float:
    """When a request gets its turn."""
    async with pace.turn():
        return asyncio.get_running_loop().time()


def test_a_pause_holds_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> list[float]:
        begin, pace = asyncio.get_running_loop().time(), Pace(4)
        pace.pause(0.1)
        return [went - begin for went in await asyncio.gather(*(turn_s(pace) for _ in range(3)))]

    assert run_in_own_time(monkeypatch, run()) == pytest.approx([0.1, 0.1, 0.1], abs=1e-6)


def test_a_pause_that_is_prolonged_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> float:
        begin, pace = asyncio.get_running_loop().time(), Pace(2)
        pace.pause(0.05)

        async def prolong() -> None:
            await asyncio.sleep(0.02)
            pace.pause(0.1)
            pace.pause(0.01)

        went, _ = await asyncio.gather(turn_s(pace), prolong())
        return float(went - begin)

    assert run_in_own_time(monkeypatch, run()) == pytest.approx(0.12, abs=1e-6)


def test_refusals_of_one_congestion_pause_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> float:
        begin, pace = asyncio.get_running_loop().time(), Pace(2)
        pace.refused(begin, 0.1)
        await asyncio.sleep(0.05)
        pace.refused(begin - 0.01, 0.1)
        return await turn_s(pace) - begin

    assert run_in_own_time(monkeypatch, run()) == pytest.approx(0.1, abs=1e-6)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of limits stands still, so that no machine is too slow for what is compared."""
    monkeypatch.setattr("rankscape.studies.ranking.judges.limits.time", SimpleNamespace(time=lambda: 1_000_000.0))


def limits(folder: Path | None = None, spent: Callable[[], float] = lambda: 0.0, **given: Any) -> Limits:
    return Limits("anna", JudgeSettings(model="m", **given), spent, folder)


def test_nothing_to_keep() -> None:
    assert not limits().needed
    assert limits(requests_per_minute=5).needed
    assert limits(tokens_per_minute=5).needed
    assert limits(budget=5, price_in=1, price_out=1).needed


@pytest.mark.usefixtures("still")
def test_requests_a_minute_are_a_bucket_of_a_second() -> None:
    kept = limits(requests_per_minute=600)
    waits = [kept.reserve(str(number), 100, 0.0) for number in range(30)]
    assert waits[:10] == [0.0] * 10
    assert waits[29] == pytest.approx(2.0, abs=0.05)
    slow = limits(requests_per_minute=6)
    assert slow.reserve("a", 1, 0) == 0
    assert slow.reserve("b", 1, 0) == pytest.approx(10, abs=0.1)


@pytest.mark.usefixtures("still")
def test_tokens_are_corrected_afterwards() -> None:
    kept = limits(tokens_per_minute=60_000)
    assert kept.reserve("a", 900, 0.0) == 0.0
    assert kept.reserve("b", 900, 0.0) == pytest.approx(0.8, abs=0.02)
    kept.settle("a", -800)
    kept.settle("b", -800)
    assert kept.reserve("c", 700, 0.0) == 0.0
    kept.settle("c", 2000)
    assert kept.reserve("d", 1, 0.0) == pytest.approx(1.9, abs=0.1)


@pytest.mark.usefixtures("still")
def test_a_request_larger_than_the_bucket_makes_the_next_wait() -> None:
    kept = limits(tokens_per_minute=6000)
    assert kept.reserve("a", 1000, 0.0) == 0.0
    assert kept.reserve("b", 10, 0.0) == pytest.approx(9.1, abs=0.1)


def test_a_budget_counts_what_is_spent_and_what_is_under_way() -> None:
    money = [0.5]
    kept = limits(spent=lambda: money[0], budget=1.0, price_in=1, price_out=1)
    kept.reserve("a", 1, 0.2)
    kept.reserve("b", 1, 0.2)
    with pytest.raises(BudgetError) as caught:
        kept.reserve("c", 1, 0.2)
    assert str(caught.value) == (
        "Judge anna has a budget of 1 USD: 0.5 is spent, 0.4 may be under way, and one more request may cost 0.2. "
        "Every answer is kept: raise ranking.judges.anna.budget and run again, and only what is missing is asked."
    )
    kept.settle("a", 0)
    money[0] = 0.55
    kept.reserve("c", 1, 0.2)


def test_a_killed_process_holds_money_no_longer_than_its_request_can_last(tmp_path: Path) -> None:
    given = {"budget": 1.0, "price_in": 1, "price_out": 1}
    limits(tmp_path, timeout_s=0.001, **given).reserve("dead", 1, 0.9)
    alive = limits(tmp_path, **given)
    with pytest.raises(BudgetError):
        alive.reserve("a", 1, 0.2)
    state = SharedState(tmp_path / "anna.json")
    with state.locked() as document:
        document["held"]["dead"][1] -= 10
    alive.reserve("a", 1, 0.2)


@pytest.mark.usefixtures("still")
def test_processes_share_a_limit(tmp_path: Path) -> None:
    first, second = (limits(tmp_path, requests_per_minute=600) for _ in range(2))
    waits = [one.reserve(f"{number}", 1, 0.0) for number in range(10) for one in (first, second)]
    assert waits[:10] == [0.0] * 10
    assert 0.5 < waits[19] <= 1.0
    second.postpone(5)
    assert first.reserve("late", 1, 0.0) == pytest.approx(5, abs=0.1)
    assert list(tmp_path.glob("*.part")) == []


def count_up(path: Path, times: int) -> None:
    state = SharedState(path)
    for _ in range(times):
        with state.locked() as document:
            document["count"] = document.get("count", 0) + 1


def test_no_change_is_lost_between_processes(tmp_path: Path) -> None:
    starter = multiprocessing.get_context("fork")
    clients = [starter.Process(target=count_up, args=(tmp_path / "a.json", 50)) for _ in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(30)
    with SharedState(tmp_path / "a.json").locked() as document:
        assert document == {"count": 200}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_a_spoilt_state_is_forgotten(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "anna.json").write_bytes(content)
    assert limits(tmp_path, requests_per_minute=60).reserve("a", 1, 0.0) == 0.0


def test_what_raises_changes_nothing(tmp_path: Path) -> None:
    state = SharedState(tmp_path / "a.json")

    def fail() -> None:
        with state.locked() as document:
            document["a"] = 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with state.locked() as document:
        assert document == {}


def test_any_name_of_a_judge_makes_a_file(tmp_path: Path) -> None:
    Limits("../é/x", JudgeSettings(model="m", requests_per_minute=6), lambda: 0.0, tmp_path).reserve("a", 1, 0.0)
    assert [path.name for path in tmp_path.glob("*.json")] == [".._ _x.json".replace(" ", "_")]


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=40), st.floats(600, 600_000))
def test_a_bucket_never_gives_more_than_its_rate(amounts: list[int], per_minute: float) -> None:
    kept = limits(tokens_per_minute=per_minute)
    begin = time.time()
    waits = [kept.reserve(str(number), amount, 0.0) for number, amount in enumerate(amounts)]
    rate = per_minute / 60
    for place, wait in enumerate(waits):
        # What was let out before may exceed the bucket by the debt of one request that is larger than it.
        before = sum(amounts[:place])
        assert before <= rate * (1 + wait + time.time() - begin) + max(amounts) + 1
