"""Templates, style sheets and scripts of the pages, and the filters that all templates write numbers with."""

from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from rankscape.foundation.package_files import PackageFiles, assets
from rankscape.products.report import wording

ASSETS = assets(__file__, "parts.html.j2", "page.css")


@dataclass(frozen=True)
class TableView:
    """A plain table of a page, for the macro `table` of parts.html.j2: the first column names the row."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def page_styles() -> Markup:
    """Return the style sheet that all pages share."""
    return Markup(ASSETS.text("page.css"))


def template(files: PackageFiles, name: str) -> Any:
    """Return a template among a module's declared files; it may import `parts.html.j2`. An unknown name is an error."""
    environment = Environment(
        loader=FunctionLoader(lambda wanted: (ASSETS if wanted == "parts.html.j2" else files).text(wanted)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": wording.number, "percent": wording.percent, "interval": wording.interval}
    environment.globals |= {"count": wording.count}
    return environment.get_template(name)


def fill(files: PackageFiles, name: str, **values: Any) -> Markup:
    """Return a template among a module's declared files, filled with values."""
    return Markup(template(files, name).render(**values))
