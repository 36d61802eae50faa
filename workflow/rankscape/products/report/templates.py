"""Templates, style sheets and scripts of the pages, and the filters that all templates write numbers with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rankscape.products.report import wording

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class TableView:
    """A plain table of a page, for the macro `table` of parts.html.j2: the first column names the row."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def asset(name: str, folder: Path = _FOLDER) -> str:
    """Return the text of a style sheet or script; all that a page reads of the package goes through here."""
    return (folder / name).read_text(encoding="utf-8")


def page_styles() -> Markup:
    """Return the style sheet that all pages share."""
    return Markup(asset("page.css"))


def template(folder: Path, name: str) -> Any:
    """Return a template; it may include those of its own folder and of this one. An unknown name is an error."""
    environment = Environment(
        loader=FileSystemLoader([folder, _FOLDER]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": wording.number, "percent": wording.percent, "interval": wording.interval}
    environment.globals |= {"count": wording.count}
    return environment.get_template(name)


def fill(folder: Path, name: str, **values: Any) -> Markup:
    """Return a template filled with values."""
    return Markup(template(folder, name).render(**values))
