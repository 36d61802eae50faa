"""Work that is done ahead comes in order, and ends when it is no longer wanted."""

import threading
import time
from collections.abc import Iterator

import pytest
from rankscape.foundation.ahead import ahead


def counted(made: list[int], until: int = 10) -> Iterator[int]:
    for number in range(until):
        made.append(number)
        yield number


def settled(made: list[int], count: int) -> bool:
    deadline = time.monotonic() + 10
    while len(made) < count and time.monotonic() < deadline:
        time.sleep(0.005)
    return len(made) == count


@pytest.mark.parametrize("count", [0, 1, 3, 50])
def test_items_come_in_their_order(count: int):
    assert list(ahead(counted([]), count)) == list(range(10))


def test_no_more_is_made_than_may_wait():
    made: list[int] = []
    items = ahead(counted(made), 2)
    assert made == []
    assert next(items) == 0
    # Two wait, and a third is made for when there is room.
    assert settled(made, 4)
    time.sleep(0.05)
    assert len(made) == 4
    items.close()


def test_without_ahead_nothing_is_made_before_it_is_asked_for():
    made: list[int] = []
    items = ahead(counted(made), 0)
    next(items)
    assert made == [0]


@pytest.mark.parametrize("count", [0, 2])
def test_an_error_comes_where_its_item_would_have(count: int):
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("no second")

    items = ahead(broken(), count)
    assert next(items) == 1
    with pytest.raises(ValueError, match="no second"):
        next(items)


def test_the_thread_ends_with_the_iteration():
    before = threading.active_count()
    items = ahead(counted([], 1000), 1)
    next(items)
    assert threading.active_count() == before + 1
    items.close()
    assert threading.active_count() == before
