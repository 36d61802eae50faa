"""A plain table of the page."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TableView:
    """A table of the page: headings and rows of text, the first column naming the row."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
