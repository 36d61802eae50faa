"""People who rank the clusters: what they may be called, and which file of a folder is whose."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rankscape.foundation.errors import OrderError
from rankscape.foundation.visible_files import has_suffix, same_but_for_case, visible
from rankscape.studies.ranking.orders.notation import order_lines, read_text
from rankscape.studies.ranking.orders.settings import PeopleSettings

ANNOTATOR_PATTERN = r"[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*"
"""Name of an annotator: part of file names, and of the source `person--{annotator}`."""
_LONGEST = 64
SUFFIXES = (".txt", ".json")
"""Files of orders: text that a person wrote, and annotations of `rankscape ranking annotate`."""


@dataclass(frozen=True)
class PersonOrder:
    """Where a person's order is."""

    file: str
    """The person's own file, or a collection."""
    line: str | None = None
    """The person's line of a collection."""


def orders_of_people(settings: PeopleSettings) -> dict[str, PersonOrder]:
    """Find the orders that people gave, by annotator: files of a folder, then lines of a collection.

    Raises:
        OrderError: If a file, line or name is wrong, or a name stands in both.
    """
    found = {}
    if settings.folder is not None:
        found = {name: PersonOrder(file) for name, file in annotation_files(Path(settings.folder)).items()}
    if settings.collection is None:
        return found
    names = None if settings.annotators is None else Path(settings.annotators)
    for name, (number, line) in collection_lines(Path(settings.collection), names).items():
        if name in found:
            raise OrderError(
                f"{found[name].file} and {settings.collection}, line {number}, are orders of one annotator, {name}: "
                "keep one, or rename one."
            )
        found[name] = PersonOrder(settings.collection, line)
    _check_case(found, f"{settings.folder} and {settings.collection}")
    return found


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
        OrderError: If there is none, a file is none of an order, a name cannot be an annotator's, or two files have one
            name.
    """
    files = visible(folder)
    for file in files:
        if file.is_dir() or not has_suffix(file, *SUFFIXES):
            raise OrderError(
                f"{file} is no order: the files of people.folder end in {' or '.join(SUFFIXES)}. Rename it, or move it "
                "to another folder."
            )
    if not files:
        raise OrderError(f"people.folder = {folder} holds no .txt or .json file of an order{_drafts(folder)}.")
    found: dict[str, str] = {}
    for file in files:
        name = check_annotator(file.stem, str(file))
        if name in found:
            raise OrderError(f"{found[name]} and {file} are orders of one annotator, {name}: keep one, or rename one.")
        found[name] = str(file)
    _check_case(found, str(folder))
    return found


def numbered_lines(text: str, path: Path) -> dict[str, tuple[int, str]]:
    """Name the lines of a collection by the file and their numbers: line 3 of poll.txt is poll-03.

    Args:
        text: The file's text; `#` begins a comment, blank lines are passed over.
        path: The file.

    Returns:
        Number and text of each line by name.

    Raises:
        OrderError: If there is no line.
    """
    lines = order_lines(text)
    if not lines:
        raise OrderError(f"{path} holds no order: write one order a line, such as 3=4>1>0=2.")
    width = max(2, len(str(lines[-1][0])))
    return {f"{path.stem}-{number:0{width}d}": (number, line) for number, line in lines}


def collection_lines(path: Path, annotators: Path | None) -> dict[str, tuple[int, str]]:
    """Read a collection of orders, one a line, a person each.

    Args:
        path: Text file of the orders.
        annotators: Text file of the people's names, one a line in the same order; None numbers them by line.

    Returns:
        Number and text of each line by annotator.

    Raises:
        OrderError: If a file is missing or empty, the two differ in length, or a name is wrong or stands twice.
    """
    numbered = numbered_lines(read_text(path), path)
    if annotators is None:
        return {check_annotator(name, str(path)): line for name, line in numbered.items()}
    names = order_lines(read_text(annotators))
    if len(names) != len(numbered):
        raise OrderError(
            f"{annotators} names {len(names)} people, {path} holds {len(numbered)} orders: give one name a line, in "
            "the order of the lines there."
        )
    found: dict[str, tuple[int, str]] = {}
    for (place, name), line in zip(names, numbered.values(), strict=True):
        if check_annotator(name, f"{annotators}, line {place}") in found:
            raise OrderError(f"{annotators}, line {place}: {name} is named twice: each person has one order.")
        found[name] = line
    _check_case(found, str(annotators))
    return found


def _check_case(names: Iterable[str], origin: str) -> None:
    """Refuse two people whose files many disks take for one."""
    if alike := same_but_for_case(names):
        raise OrderError(f"{origin}: {alike[0]} and {alike[1]} differ only in capitals: rename one.")


def _drafts(folder: Path) -> str:
    names = sorted(path.name.removeprefix(".").removesuffix(".draft.json") for path in folder.glob(".*.draft.json"))
    if names:
        return f", only unfinished annotations of {', '.join(names)}: finish one with `rankscape ranking annotate`"
    return ": add some, make one with `rankscape ranking annotate`, or set it to null"
