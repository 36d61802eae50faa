"""The text of a partial order: lines of clusters joined by signs.

Reads the two forms that Ahn et al. (Nature Communications 2023) use, an annotator's line (`3=4=6>1=2=7>0`, `>` is more
developed) and a graph's lines (`0<1`, `1=2=3`), and one sign more: `5~8` ties two clusters without making them alike
towards the others, as margins of scores do.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rankscape.foundation.errors import OrderError

Pair = tuple[int, int]

_SIGNS = re.compile(r"\s*([<>=~])\s*")
_COMMENT = re.compile(r"#.*")


@dataclass
class Statements:
    """What a text says of pairs of clusters, before conclusions."""

    named: set[int] = field(default_factory=set)
    """Every cluster that occurs."""
    higher: list[Pair] = field(default_factory=list)
    """(a, b): a is more developed than b."""
    equal: list[Pair] = field(default_factory=list)
    """Alike: what holds of one holds of the other."""
    tied: list[Pair] = field(default_factory=list)
    """Tied with each other, whatever they are to others."""


def read_text(path: Path) -> str:
    """Read an order's text.

    Raises:
        OrderError: If the file is missing, or no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise OrderError(f"{path} does not exist: write the order there, such as 3=4>1>0=2.") from None
    except UnicodeDecodeError as error:
        raise OrderError(f"{path} is no UTF-8 text ({error}): save it as UTF-8.") from None


def order_lines(text: str) -> list[tuple[int, str]]:
    """Return the lines that say something, without comments, each with its number from 1."""
    stripped = ((number, _COMMENT.sub("", line).strip()) for number, line in enumerate(text.splitlines(), start=1))
    return [(number, line) for number, line in stripped if line]


def read_statements(text: str, origin: str) -> Statements:
    """Read the lines of an order; `#` begins a comment, blank lines are passed over.

    Args:
        text: Lines of cluster numbers joined by `>`, `<`, `=` or `~`; a number alone leaves a cluster out.
        origin: Where the text is from, for messages.

    Raises:
        OrderError: If a line is no such chain, or the text names no cluster.
    """
    statements = Statements()
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        content = _COMMENT.sub("", line).strip()
        if content:
            _read_line(content, statements, f"{origin}, line {number}")
    if not statements.named:
        raise OrderError(f"{origin} names no cluster: write an order such as 3=4>1>0=2.")
    return statements


def _read_line(content: str, statements: Statements, place: str) -> None:
    parts = _SIGNS.split(content)
    numbers, signs = parts[::2], parts[1::2]
    wrong = next((number for number in numbers if not re.fullmatch(r"[0-9]{1,9}", number)), None)
    if wrong is not None:
        raise OrderError(
            f"{place}: {wrong!r} is no cluster number; write numbers joined by >, <, = or ~, such as 3=4>1>0=2."
        )
    clusters = [int(number) for number in numbers]
    statements.named.update(clusters)
    for left, sign, right in zip(clusters, signs, clusters[1:], strict=False):
        if sign in "<>":
            statements.higher.append((left, right) if sign == ">" else (right, left))
        else:
            (statements.equal if sign == "=" else statements.tied).append((left, right))


def write_levels(levels: Sequence[Collection[int]]) -> str:
    """Write levels, best first, as one annotator's line."""
    return ">".join("=".join(map(str, sorted(level))) for level in levels)


def write_pairs(
    clusters: Iterable[int],
    relation: Callable[[int, int], str],
    edges: Iterable[Pair],
    alike: Iterable[Collection[int]],
) -> str:
    """Write any partial order as graph lines: classes of alike clusters, edges from higher to lower, single ties.

    Args:
        clusters: One cluster of every class, in ascending order.
        relation: Relation of two clusters by name.
        edges: The transitive reduction among `clusters`.
        alike: Classes of two or more alike clusters.
    """
    representatives = list(clusters)
    tied = [(a, b) for place, a in enumerate(representatives) for b in representatives[place + 1 :]]
    tied = [(a, b) for a, b in tied if relation(a, b) == "equal"]
    lines = [f"{a}>{b}" for a, b in edges] + [f"{a}~{b}" for a, b in tied]
    joined = "\n".join(["=".join(map(str, sorted(group))) for group in alike] + lines)
    alone = [str(a) for a in representatives if not re.search(rf"(?m)(^|[>=~]){a}([>=~]|$)", joined)]
    return "\n".join([*([joined] if joined else []), *alone])
