"""Writes the JSON schemas of configuration and granule table, and the tables of `config/README.md`.

`python -m rankscape.schemas` writes them; a test fails when they differ from the settings models.
"""

import ast
import inspect
import itertools
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema

from rankscape.config import config_model
from rankscape.foundation.errors import InputError
from rankscape.foundation.files import write_bytes
from rankscape.foundation.progress import say
from rankscape.foundation.settings import Section
from rankscape.foundation.studies import in_tree
from rankscape.scenes.granule_table import GranuleRow

ROOT = Path(__file__).resolve().parents[2]
"""Root of the checkout."""
CONFIG_SCHEMA = "workflow/schemas/config.schema.json"
TABLE_SCHEMA = "workflow/schemas/granules.schema.json"
README = "config/README.md"
TOP = 3
"""Level of the headings of the region and of the studies."""
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
    files = {
        root / CONFIG_SCHEMA: schema_text(config_schema()),
        root / TABLE_SCHEMA: schema_text(GranuleRow.model_json_schema(schema_generator=Described)),
    }
    readme = root / README
    if not readme.is_file():
        raise InputError(f"{readme} does not exist: write it, with the markers of the generated parts.")
    text = readme.read_text(encoding="utf-8")
    text = between(text, "granule table", granule_columns(), readme)
    return {**files, readme: between(text, "settings", settings_tables(), readme)}


class Described(GenerateJsonSchema):
    """A JSON schema whose descriptions are the docstrings below the fields.

    Pydantic can read them when a class is made, which would make every plan of the workflow slower.
    """

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        """Describe the fields of one model."""
        found = super().model_schema(schema)
        for name, words in field_docstrings(schema["cls"]).items():
            found.get("properties", {}).get(name, {}).setdefault("description", words)
        return found


def field_docstrings(model: type) -> dict[str, str]:
    """Return the docstring below each field of a settings model and of those that it inherits from."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if not issubclass(one, Section) or one.__module__ == "rankscape.config":  # made, and written nowhere
            continue
        (body,) = (node.body for node in ast.parse(textwrap.dedent(inspect.getsource(one))).body)  # type: ignore[attr-defined]
        for field, below in itertools.pairwise(body):
            text = below.value if isinstance(below, ast.Expr) else None
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Constant) and isinstance(text.value, str):
                found[field.target.id] = inspect.cleandoc(text.value)  # type: ignore[union-attr]
    return found


def config_schema() -> Schema:
    """Return the JSON schema of a configuration of any of the package's studies; their sections may be left out."""
    studies = in_tree()
    schema = config_model(tuple(studies)).model_json_schema(schema_generator=Described)
    schema["required"] = [name for name in schema["required"] if name not in studies]
    return schema


def schema_text(schema: Schema) -> str:
    """Return a JSON schema as text."""
    return json.dumps({"$schema": _DIALECT, **schema}, indent=2, ensure_ascii=False) + "\n"


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


def granule_columns() -> str:
    """Return the table of the granule table's columns; a cell that is not given is empty there."""
    return _table(GranuleRow.model_json_schema(schema_generator=Described), {}, first="column").replace(
        "`null`", "empty"
    )


def settings_tables() -> str:
    """Return the keys that belong to no section, then a table for every shared section, then those of each study."""
    schema = config_schema()
    definitions: dict[str, Schema] = schema["$defs"]
    studies = {name: schema["properties"].pop(name) for name in in_tree()}
    parts = [_heading(TOP, "The region", {**schema, "description": ""}, definitions)]
    parts += [_heading(TOP + 1, f"`{path}`", one, definitions) for path, one in _within("", schema, definitions)]
    for name, value in studies.items():
        section = definitions[value["$ref"].rpartition("/")[2]]
        parts.append(_heading(TOP, f"Study `{name}`", section, definitions))
        parts += [
            _heading(TOP + 1, f"`{path}`", one, definitions) for path, one in _within(f"{name}.", section, definitions)
        ]
    return "\n".join(parts)


def _heading(level: int, title: str, section: Schema, definitions: dict[str, Schema]) -> str:
    """A section's heading, description and table; on top, keys that have a table of their own below are left out."""
    plain = section["properties"]
    if level == TOP:
        plain = {name: value for name, value in plain.items() if not _sections(value, definitions)}
    words = _one_line(section.get("description", ""))
    table = _table({**section, "properties": plain}, definitions) if plain else ""
    return "\n\n".join(part for part in (f"{'#' * level} {title}", words, table) if part)


def _within(path: str, schema: Schema, definitions: dict[str, Schema]) -> Iterator[tuple[str, Schema]]:
    """Sections within a section, by the path of their keys, each followed by those within it."""
    for name, value in schema["properties"].items():
        inner = f"{path}{name}.<name>" if _values_of(value) else f"{path}{name}"
        for number, section in enumerate(_sections(value, definitions)):
            told = f" with {', '.join(section.get('required', []))}" if number else ""
            yield f"{inner}{told}", section
            yield from _within(f"{inner}.", section, definitions)


def _sections(value: Schema, definitions: dict[str, Schema]) -> list[Schema]:
    """The models that a key holds, alone, by name, in a list, beside null, of several kinds; none of a plain value."""
    found = []
    for one in value.get("anyOf", [value]):
        held = _values_of(one) or one.get("items") or one
        for kind in held.get("oneOf", [held]):
            model = definitions[kind["$ref"].rpartition("/")[2]] if "$ref" in kind else {}
            found += [model] if "properties" in model else []
    return found


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
    for several in ("anyOf", "oneOf"):
        if several in value:
            return " or ".join(dict.fromkeys(allowed(one, definitions) for one in value[several]))
    if "const" in value or "enum" in value:
        return ", ".join(_code(one) for one in value.get("enum", [value.get("const")]))
    return _of_type(value, definitions)


def _of_type(value: Schema, definitions: dict[str, Schema]) -> str:
    kind = value["type"]
    if kind in {"integer", "number"}:
        return " ".join([kind, *(text.format(f"{value[key]:,}") for key, text in _LIMITS.items() if key in value)])
    if kind == "array":
        if "prefixItems" in value:
            return f"[{', '.join(allowed(one, definitions) for one in value['prefixItems'])}]"
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
