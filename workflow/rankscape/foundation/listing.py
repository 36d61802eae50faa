"""Lists of names in messages."""

from collections.abc import Iterable


def brief_list(names: Iterable[object], most: int = 12) -> str:
    """Name some things, and how many more there are."""
    given = list(map(str, names))
    more = len(given) - most
    return ", ".join(given[:most]) + (f" and {more} more" if more > 0 else "")
