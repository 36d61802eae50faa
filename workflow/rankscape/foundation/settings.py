"""What every settings section shares: closed, frozen, described, and canonical as text."""

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rankscape.foundation.errors import SettingsError

_PATTERNS: dict[str, str] = {}
"""What a pattern allows in words, for messages."""


def worded(pattern: str, words: str) -> str:
    """Return a pattern for a field, and remember what it allows in words: nobody is shown a regular expression."""
    _PATTERNS[pattern] = words
    return pattern


KIND = "<"
"""Tags of sections of several kinds begin so; messages leave them out."""

Identifier = Annotated[
    str,
    Field(
        pattern=worded(
            r"^[a-z0-9]+(-[a-z0-9]+)*$",
            "lower-case letters and digits, joined by single hyphens, such as my-name",
        ),
        max_length=64,
    ),
]
"""A name that a user gives: lower case, digits, hyphens."""


class Section(BaseModel):
    """One section of the configuration: unknown keys are refused, values cannot be changed.

    The docstring below a field is its description in the JSON schema and in the table of `config/README.md`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    def canonical(self) -> str:
        """Return the section as one line of JSON with sorted keys: the same settings give the same text."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str, name: str) -> Self:
        """Read the section from canonical JSON, or from the YAML configuration file that holds it.

        Args:
            text: A JSON object, or the path of a YAML file that has the section.
            name: Path of the section in the file, as `at_path` takes it; also for messages.

        Raises:
            SettingsError: If a key or value is wrong; the message names key, value and what is allowed.
        """
        if text.lstrip().startswith("{"):
            origin, values = f"--settings of {name}", parse_json(text, name)
        else:
            origin, values = text, at_path(read_yaml(Path(text)), name)
        return cls.checked(values, f"{origin}", name)

    @classmethod
    def checked(cls, values: Any, origin: str, prefix: str = "") -> Self:
        """Validate values; all mistakes stand in one message.

        Raises:
            SettingsError: If a key or value is wrong.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError(explain(error, origin, prefix, cls)) from None


def at_path(values: Mapping[str, Any], name: str) -> Any:
    """Return what lies at a path of keys; an empty mapping where a key is missing.

    Args:
        values: A configuration.
        name: Keys joined by dots, such as `ranking.train`; `*` is any key, so that `acquisitions.*` is the only one.

    Raises:
        SettingsError: If `*` leaves a choice.
    """
    found: list[Any] = [values]
    for key in name.split("."):
        sections = [one for one in found if isinstance(one, Mapping)]
        found = [one[every] for one in sections for every in (one if key == "*" else [key]) if every in one]
    if len(found) > 1:
        raise SettingsError(f"{name} is given {len(found)} times: give one of them as a JSON object.")
    return {} if not found or found[0] is None else found[0]


def parse_json(text: str, name: str, option: str = "--settings") -> dict[str, Any]:
    """Parse a JSON object given on the command line.

    Raises:
        SettingsError: If it is no JSON object.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise SettingsError(f"{option} of {name} is no valid JSON: {error}.") from None
    if not isinstance(values, dict):
        raise SettingsError(f"{option} of {name} must be a JSON object, not a {type(values).__name__}.")
    return values


class _Loader(yaml.SafeLoader):
    """Reads plain YAML, and refuses a key that is given twice: the first value would vanish without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                said = f"the key {key.value} is given twice"
                raise yaml.constructor.ConstructorError(None, None, said, key.start_mark)
            seen |= {key.value} if isinstance(key, yaml.ScalarNode) else set()
        return super().construct_mapping(node, deep)


def _text_of(path: Path) -> str:
    """Text as editors of all systems write it: UTF-8 with or without its mark."""
    return path.read_bytes().decode("utf-8-sig")


_FAULTS = {
    "'\\t'": "indent with spaces, not with tabs",
    "mapping values are not allowed": "indent all keys of a section alike, and put a value with a colon in quotes",
    "expected <block end>": "indent all keys of a section alike",
    "could not find expected ':'": "write `key: value`, and close all quotes",
    "expected ',' or": "close the bracket",
    "<stream end>": "close the bracket",
    "cannot start any token": "put a value that begins with such a sign in quotes",
}
"""What to do, by words of the parser."""


def _fault(error: yaml.MarkedYAMLError) -> str:
    said = f"{error.context or ''} {error.problem or ''}"
    if "quoted scalar" in said:
        return "close the quote"
    what = next((words for part, words in _FAULTS.items() if part in said), None)
    return what or " ".join(said.split())


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        SettingsError: If the file is missing or holds no mapping.
    """
    try:
        values = yaml.load(_text_of(path), _Loader)
    except FileNotFoundError:
        raise SettingsError(f"{path} does not exist: give the path of a configuration file.") from None
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read ({error.strerror}): give the path of a configuration file."
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is no valid YAML: it is no UTF-8 text; save it as UTF-8.") from None
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}," if error.problem_mark else ""
        raise SettingsError(f"{path}{line} is no valid YAML: {_fault(error)}.") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is no valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise SettingsError(f"{path} must hold keys and values, not a {type(values).__name__}.")
    return values


def explain(error: ValidationError, origin: str, prefix: str = "", section: type[BaseModel] | None = None) -> str:
    """Say in one line what Pydantic found: file, key, value, what is allowed, and the nearest key to an unknown one."""
    parts = []
    for fault in error.errors():
        loc = tuple(part for part in fault["loc"] if not str(part).startswith(KIND))
        places = [prefix, *map(str, loc)] if prefix else [str(part) for part in loc]
        key = ".".join(places) or "this combination"
        if fault["type"] == "extra_forbidden":
            near = difflib.get_close_matches(places[-1], _keys(section, loc[:-1]), n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            parts.append(f"{key} is no known key (its value here: {fault['input']!r}{meant})")
        elif fault["type"] == "missing":
            parts.append(f"{key} is missing")
        else:
            parts.append(f"{key}{_given(fault['input'])} is refused: {_allowed(fault)}")
    return f"{origin}: " + "; ".join(parts) + ". The keys are explained in config/README.md."


def _allowed(fault: Any) -> str:
    """What is allowed, in words where Pydantic shows a regular expression or the name of a class."""
    if fault["type"] == "string_pattern_mismatch":
        words = _PATTERNS.get(fault["ctx"]["pattern"])
        return f"write {words}" if words else str(fault["msg"])
    if fault["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return "it must hold keys and values"
    return str(fault["msg"]).removeprefix("Value error, ")


def _keys(section: type[BaseModel] | None, place: tuple[int | str, ...]) -> list[str]:
    """The keys that there are at a place of a section; a part that is no field of it names an entry or a number."""
    models = [] if section is None else [section]
    for part in place:
        fields = [model.model_fields[part] for model in models if isinstance(part, str) and part in model.model_fields]
        models = [model for field in fields for model in _models_in(field.annotation)] or models
    return [key for model in models for key in model.model_fields]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _given(value: Any) -> str:
    """The value, where it is one; a whole section would fill the line, and the message names the keys that disagree."""
    return "" if isinstance(value, dict) else f" = {value!r}"
