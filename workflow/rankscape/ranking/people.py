"""People who rank the clusters: what they may be called, and which file of a folder is whose."""

import re
from pathlib import Path

from rankscape.foundation.errors import OrderError

ANNOTATOR_PATTERN = r"[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*"
"""Name of an annotator: part of file names, and of the source `person--{annotator}`."""
_LONGEST = 64
SUFFIXES = (".txt", ".json")
"""Files of orders: text that a person wrote, and annotations of `rankscape annotate`."""


def check_annotator(name: str, origin: str) -> str:
    """Return an annotator's name if it can be part of a file's name.

    Raises:
        OrderError: If it is empty, too long, or has other characters than letters, digits, _ and single hyphens.
    """
    if len(name) > _LONGEST or not re.fullmatch(ANNOTATOR_PATTERN, name):
        raise OrderError(
            f"{origin}: {name!r} cannot be an annotator's name: up to {_LONGEST} Latin letters, digits and _, joined "
            f"by single hyphens, such as anna or li-wei."
        )
    return name


def annotation_files(folder: Path) -> dict[str, str]:
    """List the orders of a folder by annotator; hidden files, such as drafts, are passed over.

    Raises:
        OrderError: If there is none, a name cannot be an annotator's, or two files have one name.
    """
    files = sorted(path for path in folder.glob("*") if path.suffix in SUFFIXES and not path.name.startswith("."))
    if not files:
        raise OrderError(f"people.folder = {folder} holds no .txt or .json file of an order{_drafts(folder)}.")
    found: dict[str, str] = {}
    for file in files:
        name = check_annotator(file.stem, str(file))
        if name in found:
            raise OrderError(f"{found[name]} and {file} are orders of one annotator, {name}: keep one, or rename one.")
        found[name] = str(file)
    return found


def _drafts(folder: Path) -> str:
    names = sorted(path.name.removeprefix(".").removesuffix(".draft.json") for path in folder.glob(".*.draft.json"))
    if names:
        return f", only unfinished annotations of {', '.join(names)}: finish one with `rankscape annotate`"
    return ": add some, make one with `rankscape annotate`, or set it to null"
