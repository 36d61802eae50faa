"""Templates of the pages, and the filters that all of them write numbers with."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rankscape.products.report import wording

_FOLDER = Path(__file__).parent


def page_styles() -> Markup:
    """Return the style sheet that all pages share."""
    return Markup((_FOLDER / "page.css").read_text(encoding="utf-8"))


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
