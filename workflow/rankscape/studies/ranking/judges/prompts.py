"""Prompts: what a judge is asked, one Markdown file each."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from rankscape.foundation.errors import PromptError, SettingsError
from rankscape.foundation.settings import Section, worded
from rankscape.studies.ranking.judges.settings import ModeName

_FRONT_MATTER = re.compile(r"---[ \t]*\n(?P<yaml>.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Prompt:
    """One question to judges."""

    name: str
    """Name of the file without its ending."""
    text: str
    """What is sent, without front matter and without white space around it."""
    sha256: str
    """Hash of the text."""
    mode: ModeName | None = None
    """Mode of asking that the file names; None leaves it to the settings."""
    language: str | None = None
    """Language that the file names."""

    @property
    def identity(self) -> str:
        """All that jobs read of the file: a version that is put back has an old time, which says nothing."""
        return f"{self.sha256} {self.mode} {self.language}"


class FrontMatter(Section):
    """What a prompt file may say of itself, between lines of `---` at its top; it is not sent."""

    mode: ModeName | None = None
    """Mode of asking; by default that of section `rate`."""
    language: (
        Annotated[
            str, Field(pattern=worded(r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", "a language tag, such as en or zh-Hant"))
        ]
        | None
    ) = None
    """Language of the prompt, such as `en` or `zh-Hant`."""


def read_prompt(path: Path) -> Prompt:
    """Read a prompt: the question, below front matter where there is some.

    Raises:
        PromptError: If the file is missing, holds no question, or is no UTF-8 text; or its front matter is wrong.
    """
    try:
        content = Path(path).read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise PromptError(f"{path} does not exist: write the prompt there, or take its name from `prompts`.") from None
    except UnicodeDecodeError as error:
        raise PromptError(f"{path} is no UTF-8 text ({error}): save it as UTF-8.") from None
    about, text = _parted(content.lstrip(), path)
    if not text:
        raise PromptError(f"{path} is empty: write the question that judges are to answer.")
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Prompt(Path(path).stem, text, digest, about.mode, about.language)


def _parted(content: str, path: Path) -> tuple[FrontMatter, str]:
    """Part front matter from the question."""
    if content.partition("\n")[0].rstrip() != "---":
        return FrontMatter(), content.strip()
    found = _FRONT_MATTER.match(content)
    if found is None:
        raise PromptError(f"{path} begins with --- and never ends its front matter: put --- below it, or take it out.")
    return _front_matter(found["yaml"], path), content[found.end() :].strip()


def _front_matter(text: str, path: Path) -> FrontMatter:
    try:
        values: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PromptError(f"The front matter of {path} is no valid YAML: {' '.join(str(error).split())}") from None
    if values is not None and not isinstance(values, dict):
        raise PromptError(f"The front matter of {path} must hold keys and values, such as `mode: pairs`.")
    try:
        return FrontMatter.checked(values or {}, f"The front matter of {path}")
    except SettingsError as error:
        raise PromptError(str(error).replace("The keys are explained in config/README.md.", _KEYS)) from None


_KEYS = "Its keys are mode (scores, pairs, tiers) and language."
