"""Prompts: what a judge is asked, one Markdown file each."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from rankscape.foundation.errors import PromptError


@dataclass(frozen=True)
class Prompt:
    """One question to judges."""

    name: str
    """Name of the file without its ending."""
    text: str
    """What is sent, without white space around it."""
    sha256: str
    """Hash of the text."""


def read_prompt(path: Path) -> Prompt:
    """Read a prompt; the whole file is the question.

    Raises:
        PromptError: If the file is missing, empty or no UTF-8 text.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig").strip()
    except (FileNotFoundError, IsADirectoryError):
        raise PromptError(f"{path} does not exist: write the prompt there, or take its name from `prompts`.") from None
    except UnicodeDecodeError as error:
        raise PromptError(f"{path} is no UTF-8 text ({error}): save it as UTF-8.") from None
    if not text:
        raise PromptError(f"{path} is empty: write the question that judges are to answer.")
    return Prompt(Path(path).stem, text, hashlib.sha256(text.encode()).hexdigest())
