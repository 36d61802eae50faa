"""Progress bars that speak on a terminal and are silent elsewhere, and the lines that a stage logs."""

import sys
from collections.abc import Iterable
from typing import Any, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def track(items: Iterable[Item], what: str, *, unit: str = "it", total: int | None = None) -> Iterable[Item]:
    """Iterate with a progress bar on standard error; silent when that is no terminal."""
    return tqdm(items, desc=what, unit=unit, total=total, disable=None, file=sys.stderr)


def bar(what: str, *, unit: str, total: int | None = None, scale: bool = False) -> "tqdm[Any]":
    """Return a progress bar that is moved by hand; `scale` shows thousands as k, M, G."""
    return tqdm(desc=what, unit=unit, total=total, unit_scale=scale, disable=None, file=sys.stderr)


def say(line: str) -> None:
    """Print one line for the log."""
    tqdm.write(line, file=sys.stderr)
