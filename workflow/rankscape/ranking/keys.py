"""Keys of judges: read from the environment, in no file, blanked wherever an endpoint or a command repeats them."""

import os

from rankscape.foundation.errors import SecretError
from rankscape.foundation.settings.ranking import JudgeSettings

SHORTEST_SECRET = 6
"""A key shorter than any real one is a word: it is not blanked."""


def read_key(name: str, settings: JudgeSettings) -> str | None:
    """Return a judge's key; None for a judge without one.

    Args:
        name: Name of the judge, for messages.
        settings: The variable that holds the key.

    Raises:
        SecretError: If the variable is unset, empty or holds no key.
    """
    variable = settings.key_variable
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise SecretError(f"Judge {name} needs its key in the environment variable {variable}, which is not set.")
    if not (key.isascii() and key.isprintable()):
        raise SecretError(f"The environment variable {variable} of judge {name} holds characters that no key has.")
    return key


def without_key(text: str, key: str | None) -> str:
    """Return a text with the key blanked."""
    return text if key is None or len(key) < SHORTEST_SECRET else text.replace(key, "[redacted]")
