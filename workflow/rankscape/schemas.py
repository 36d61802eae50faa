"""Writes the JSON schemas of configuration and granule sheet, and the tables of `config/README.md`.

`python -m rankscape.schemas` writes them; a test fails when they differ from the settings models.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from rankscape.config import Config
from rankscape.foundation.errors import InputError
from rankscape.foundation.files import write_bytes
from rankscape.foundation.progress import say
from rankscape.scenes.granule_table import GranuleRow

ROOT = Path(__file__).resolve().parents[2]
"""Root of the checkout."""
SCHEMAS: dict[str, type[BaseModel]] = {
    "workflow/schemas/config.schema.json": Config,
    "workflow/schemas/granules.schema.json": GranuleRow,
}
README = "config/README.md"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BEGIN, _END = "<!-- generated: {} -->", "<!-- end of generated: {} -->"
_LIMITS = {"minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}", "exclusiveMaximum": "below {}"}

Schema = dict[str, Any]


def write_schemas(root: Path) -> None:
    """Write schemas and tables below the root of a checkout.

    Raises:
        InputError: If `config/README.md` lacks a marker of a generated part.
    """
    for path, text in generated(root).items():
        write_bytes(path, text.encode())
        say(f"wrote {path}")


def generated(root: Path) -> dict[Path, str]:
    """Return every generated file with the text that it should have.

    Raises:
        InputError: If `config/README.md` is missing or lacks a marker of a generated part.
    """
    files = {root / name: schema_text(model) for name, model in SCHEMAS.items()}
    readme = root / README
    if not readme.is_file():
        raise InputError(f"{readme} does not exist: write it, with the markers of the generated parts.")
    text = readme.read_text(encoding="utf-8")
    text = between(text, "granule sheet", sheet_table(), readme)
    return {**files, readme: between(text, "settings", settings_tables(), readme)}


def schema_text(model: type[BaseModel]) -> str:
    """Return a model's JSON schema as text."""
    return json.dumps({"$schema": _DIALECT, **model.model_json_schema()}, indent=2, ensure_ascii=False) + "\n"


def between(text: str, part: str, content: str, origin: Path) -> str:
    """Replace what stands between the markers of a generated part.

    Raises:
        InputError: If a marker is missing.
    """
    begin, end = _BEGIN.format(part), _END.format(part)
    before, first, rest = text.partition(begin)
    _, second, after = rest.partition(end)
    if not first or not second:
        raise InputError(f"{origin} lacks the markers {begin} and {end}: put them where the tables belong.")
    return f"{before}{begin}\n\n{content}\n{end}{after}"


def sheet_table() -> str:
    """Return the table of the granule sheet's columns; a cell that is not given is empty there."""
    return _table(GranuleRow.model_json_schema(), {}, first="column").replace("`null`", "empty")


def settings_tables() -> str:
    """Return the keys that belong to no stage, then a table for every section."""
    schema = Config.model_json_schema()
    definitions: dict[str, Schema] = schema["$defs"]
    sections = {name: _section(value, definitions) for name, value in schema["properties"].items()}
    plain = {name: schema["properties"][name] for name, section in sections.items() if section is None}
    parts = ["### The region\n\n" + _table({**schema, "properties": plain}, definitions)]
    parts += [
        f"### `{name}`\n\n{_one_line(section.get('description', ''))}\n\n{_table(section, definitions)}"
        for name, section in _headed(schema["properties"], sections, definitions)
    ]
    return "\n".join(parts)


def _headed(
    properties: Schema, sections: dict[str, Schema | None], definitions: dict[str, Schema]
) -> Iterable[tuple[str, Schema]]:
    """Sections by heading, each followed by the sections within it."""
    for name, section in sections.items():
        if section is None:
            continue
        heading = f"{name}.<name>" if _values_of(properties[name]) else name
        yield heading, section
        for key, value in section["properties"].items():
            inner = [_section(one, definitions) for one in value.get("anyOf", [value.get("items", value)])]
            yield from ((f"{heading}.{key}", one) for one in inner if one and "properties" in one)


def _section(value: Schema, definitions: dict[str, Schema]) -> Schema | None:
    """The model that a key of the configuration holds, alone or by name; None for a plain value."""
    reference = value.get("$ref") or (_values_of(value) or {}).get("$ref")
    return definitions[reference.rpartition("/")[2]] if reference else None


def _values_of(value: Schema) -> Schema | None:
    """What a mapping of names holds; None for anything else."""
    if value.get("type") != "object":
        return None
    held = value.get("additionalProperties") or next(iter(value.get("patternProperties", {}).values()), None)
    return held if isinstance(held, dict) else None


def _table(schema: Schema, definitions: dict[str, Schema], first: str = "key") -> str:
    required = schema.get("required", [])
    rows = [(first, "allowed", "default", "description"), ("---",) * 4]
    for name, value in schema["properties"].items():
        default = "*required*" if name in required else _code(value.get("default"))
        rows.append((f"`{name}`", allowed(value, definitions), default, _one_line(value.get("description", ""))))
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |\n" for row in rows)


def allowed(value: Schema, definitions: dict[str, Schema]) -> str:
    """Say in a few words what a JSON schema allows."""
    if "$ref" in value:
        return allowed(definitions[value["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in value:
        return " or ".join(allowed(one, definitions) for one in value["anyOf"])
    if "const" in value or "enum" in value:
        return ", ".join(_code(one) for one in value.get("enum", [value.get("const")]))
    return _of_type(value, definitions)


def _of_type(value: Schema, definitions: dict[str, Schema]) -> str:
    kind = value["type"]
    if kind in {"integer", "number"}:
        return " ".join([kind, *(text.format(f"{value[key]:,}") for key, text in _LIMITS.items() if key in value)])
    if kind == "array":
        return f"list of {allowed(value['items'], definitions)}"
    if kind == "object":
        held = _values_of(value)
        return f"names, each with {allowed(held, definitions)}" if held else "keys"
    return {"boolean": "`true`, `false`", "null": "`null`", "string": _text(value)}[kind]


def _text(value: Schema) -> str:
    if value.get("format") == "date":
        return "date, such as `2023-06-30`"
    return f"text like `{value['pattern']}`" if "pattern" in value else "text"


def _code(value: Any) -> str:
    if isinstance(value, str):
        return f"`{value}`" if value else "empty"
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


if __name__ == "__main__":
    write_schemas(ROOT)
