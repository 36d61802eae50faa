"""What every settings section shares: closed, frozen, described, and canonical as text."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rankscape.foundation.errors import SettingsError

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
"""A name that a user gives: lower case, digits, hyphens."""


class Section(BaseModel):
    """One section of the configuration: unknown keys are refused, values cannot be changed.

    The docstring below a field is its description in the JSON schema and in the table of `config/README.md`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

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
            raise SettingsError(explain(error, origin, prefix)) from None


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


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        SettingsError: If the file is missing or holds no mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path} does not exist: give the path of a configuration file.") from None
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read ({error.strerror}): give the path of a configuration file."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        tab = ": indent with spaces, not with tabs" if "'\\t'" in str(error) else ""
        raise SettingsError(f"{path} is no valid YAML{tab}: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise SettingsError(f"{path} must hold keys and values, not a {type(values).__name__}.")
    return values


def explain(error: ValidationError, origin: str, prefix: str = "") -> str:
    """Say in one line what Pydantic found: file, key, value, what is allowed."""
    parts = []
    for fault in error.errors():
        places = [prefix, *map(str, fault["loc"])] if prefix else [str(part) for part in fault["loc"]]
        key = ".".join(places) or "this combination"
        if fault["type"] == "extra_forbidden":
            parts.append(f"{key} is no known key (its value here: {fault['input']!r})")
        elif fault["type"] == "missing":
            parts.append(f"{key} is missing")
        else:
            parts.append(f"{key}{_given(fault['input'])} is refused: {fault['msg'].removeprefix('Value error, ')}")
    return f"{origin}: " + "; ".join(parts) + ". The keys are explained in config/README.md."


def _given(value: Any) -> str:
    """The value, where it is one; a whole section would fill the line, and the message names the keys that disagree."""
    return "" if isinstance(value, dict) else f" = {value!r}"
