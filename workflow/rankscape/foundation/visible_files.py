"""Files that people put into a folder: each is read or refused by name; what machines leave behind is passed over."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_MACHINES = frozenset(
    {
        "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin", "system volume information",
        "@eadir", "@recycle", "#recycle", "@recently-snapshot", "#snapshot", "__macosx", "lost+found", "icon\r",
        "__pycache__",
    }
)  # fmt: skip
"""Files and folders that Windows, macOS and file servers (Synology, QNAP) make beside those of people."""
_MARKS = (".", "~$")
"""Beginnings of the names of hidden files, of macOS's forks (._x), and of lock files of office programs (~$x)."""


def is_passed_over(name: str) -> bool:
    """Whether a file or folder is hidden, or was left by a file server, an operating system or an office program."""
    plain = name.lower()
    return plain.startswith(_MARKS) or plain in _MACHINES or plain.endswith(("@synoeastream", "@synoresource"))


def has_suffix(path: Path, *suffixes: str) -> bool:
    """Whether a file's name ends in one of the suffixes, in small letters or in capitals."""
    return path.name.lower().endswith(suffixes)


def visible(folder: Path) -> list[Path]:
    """Return the files and folders of a folder, sorted by name; none where the folder is missing."""
    return sorted(path for path in folder.glob("*") if not is_passed_over(path.name))


def visible_below(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and of the folders in it, sorted folder by folder."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_passed_over(name))
        yield from (Path(place) / name for name in sorted(files) if not is_passed_over(name))


def same_but_for_case(names: Iterable[str]) -> tuple[str, str] | None:
    """Return two names that differ in nothing but capitals; many disks hold only one of them."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            return other, name
    return None
