"""Part files: what has come of an asset so far, and whether a later run may go on from there."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from rankscape.foundation.files import write_json


@dataclass(frozen=True)
class Origin:
    """Which version of an asset a part file holds the beginning of."""

    href: str
    """Unsigned address."""
    validator: str | None
    """Strong ETag or Last-Modified; None if the server gave neither, so that the part cannot be continued."""
    size_bytes: int | None
    """Size of the whole asset; None if the server did not say."""


class Part:
    """The part file of an asset, with a note of its origin beside it."""

    def __init__(self, final: Path) -> None:
        self.path = final.with_name(final.name + ".part")
        self._note = final.with_name(final.name + ".part.json")

    @property
    def size_bytes(self) -> int:
        """Bytes that have come so far."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def origin(self, href: str) -> Origin | None:
        """Return the origin of a part that may be continued; any other part is thrown away."""
        try:
            origin = Origin(**json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            origin = None
        too_long = origin is not None and origin.size_bytes is not None and self.size_bytes > origin.size_bytes
        if origin is None or origin.href != href or origin.validator is None or too_long or not self.size_bytes:
            self.discard()
            return None
        return origin

    def begin(self, origin: Origin) -> None:
        """Start anew and note where the bytes come from."""
        self.discard()
        write_json(self._note, asdict(origin))

    def open_end(self) -> BinaryIO:
        """Open the part for writing at its end."""
        return self.path.open("ab")

    def discard(self) -> None:
        """Throw the part and its note away."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def finish(self, final: Path) -> None:
        """Give the verified part its final name."""
        self.path.replace(final)
        self._note.unlink(missing_ok=True)
