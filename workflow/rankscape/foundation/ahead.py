"""Doing the next pieces of work while the last one is used."""

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

_LOOK_S = 0.1
"""How often a thread whose work is no longer wanted looks up."""


def ahead(items: Iterable[Item], count: int) -> Iterator[Item]:
    """Iterate over what another thread makes, so many items before they are used.

    The order stays, and an error of the thread is raised where its item would have come. The thread ends when the
    iteration does, also where that is given up half way.

    Args:
        items: What to iterate over; only the thread touches it.
        count: Most items that wait, one more being made; 0 makes each when it is asked for, without a thread.
    """
    if count == 0:
        yield from items
        return
    waiting: queue.Queue[tuple[Item | None, BaseException | None, bool]] = queue.Queue(count)
    unwanted = threading.Event()
    thread = threading.Thread(target=_fill, args=(items, waiting, unwanted), daemon=True)
    thread.start()
    try:
        while True:
            item, error, is_over = waiting.get()
            if error is not None:
                raise error
            if is_over:
                return
            yield item  # type: ignore[misc]
    finally:
        unwanted.set()
        thread.join()


def _fill(
    items: Iterable[Item],
    waiting: "queue.Queue[tuple[Item | None, BaseException | None, bool]]",
    unwanted: threading.Event,
) -> None:
    try:
        for item in items:
            if not _put(waiting, (item, None, False), unwanted):
                return
        _put(waiting, (None, None, True), unwanted)
    except BaseException as error:
        _put(waiting, (None, error, False), unwanted)


def _put(
    waiting: "queue.Queue[tuple[Item | None, BaseException | None, bool]]",
    entry: tuple[Item | None, BaseException | None, bool],
    unwanted: threading.Event,
) -> bool:
    """Wait for room; False if nobody wants the entry any more."""
    while not unwanted.is_set():
        try:
            waiting.put(entry, timeout=_LOOK_S)
        except queue.Full:
            continue
        return True
    return False
