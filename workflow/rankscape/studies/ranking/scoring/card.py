"""The model card: what people should know before they use a score model, in plain words."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from rankscape.foundation.package_files import assets

ASSETS = assets(__file__, "card.md.j2")

_NOTHING = "–"


def model_card(record: Mapping[str, Any], curves: str | None = None) -> str:
    """Write the card of a score model.

    Args:
        record: The document `score.json`, with `model` and `provenance`.
        curves: Path of the picture of its learning curves, as seen from the card; None leaves it out.

    Returns:
        Markdown: use, data, training, metrics, limits, settings, provenance; the same record gives the same text.
    """
    environment = Environment(
        loader=FunctionLoader(ASSETS.text),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": _number, "percent": _percent, "cell": _cell}
    text: str = environment.get_template("card.md.j2").render(
        record=record, parts=record["model"]["parts"], curves=curves
    )
    return text


def _number(value: float | None, digits: int = 3) -> str:
    return _NOTHING if value is None else f"{value:,.{digits}f}"


def _percent(share: float | None) -> str:
    return _NOTHING if share is None else f"{share:.1%}".replace("%", " %")


def _cell(value: Any) -> str:
    """Write any value into a cell of a table, where a bar or a new line would end it."""
    return " ".join(str(value).replace("|", "\\|").split()) if value is not None else "null"
