"""Stops a training in the middle, as a kill would."""

import contextlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest


class KilledError(Exception):
    """Stands for the end of the process."""


@contextlib.contextmanager
def dying_in(module: ModuleType, name: str, call: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a function of a module raise at its nth call, and expect that."""
    real, calls = getattr(module, name), iter(range(1, 10**6))

    def dies(*arguments: Any) -> Any:
        if next(calls) == call:
            raise KilledError
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(module, name, dies)
        with pytest.raises(KilledError):
            yield
