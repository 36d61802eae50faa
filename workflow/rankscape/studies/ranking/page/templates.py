"""Templates of the pages, and the filters that all of them write numbers with."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rankscape.studies.ranking.page import wording


def template(folder: Path, name: str) -> Any:
    """Return a template; what it includes lies in the same folder, and a name that nobody gave is an error."""
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": wording.number, "percent": wording.percent, "interval": wording.interval}
    environment.globals |= {"count": wording.count}
    return environment.get_template(name)
