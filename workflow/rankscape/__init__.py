"""Rankscape measures human development from satellite imagery; these functions are for notebooks (`rankscape.api`)."""

import importlib
from typing import Any

__all__ = ["Run", "evaluate", "merge_orders", "read_run", "score_images"]


def __getattr__(name: str) -> Any:
    """Import the functions for notebooks when one is used: a stage that starts must not import them all."""
    if name == "__version__":
        return importlib.import_module("rankscape.foundation.checkout").package_version()
    if name in __all__:
        return getattr(importlib.import_module("rankscape.api"), name)
    raise AttributeError(f"module 'rankscape' has no attribute {name!r}")
