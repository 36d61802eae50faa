"""What taught the rivals that are compared with the score: agreement with one's own teacher is no evidence."""

from collections.abc import Collection, Sequence

from rankscape.foundation.errors import InputError


def teachers(given: Sequence[str], rivals: Collection[str]) -> dict[str, str]:
    """Read `NAME=REFERENCE` as given on the command line: the reference that a rival learned from, by the rival's name.

    Raises:
        InputError: If one is no such text, names no rival, or names one that has another teacher already.
    """
    found: dict[str, str] = {}
    for text in given:
        name, _, reference = text.partition("=")
        if not name or not reference:
            raise InputError(f"--taught {text}: write NAME=REFERENCE.")
        if name not in rivals:
            raise InputError(f"--taught {text}: there is no --rival {name}; the rivals are {sorted(rivals)}.")
        if found.setdefault(name, reference) != reference:
            raise InputError(f"--taught {text}: {name} learned from {found[name]} already; name one reference.")
    return found


def marks_of(teacher: str, reference: str) -> dict[str, str]:
    """Say of a rival what taught it, and mark it where that is the very reference that it is compared with."""
    marks = {"taught_by": teacher}
    return {**marks, "learned_from": "reference"} if teacher == reference else marks
