"""Addresses of assets: what is remote, what is a path, and what of it may be written down or shown."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

_SIGNATURES = {"sig", "se", "st", "sp", "sv", "sr", "skoid", "sktid", "skt", "ske", "sks", "skv", "signature", "token"}
_SAFE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def is_remote(href: str) -> bool:
    """Whether an address is read over HTTP."""
    return href.lower().startswith(("http://", "https://"))


def local_path(href: str) -> Path | None:
    """Return the path that an address means, from `file://` or plain; None for any other scheme."""
    parts = urlsplit(href)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    # GDAL's virtual systems (/vsicurl/, /vsizip/) would reach beyond plain files.
    return None if parts.scheme or href.startswith("/vsi") else Path(href)


def unsigned(href: str) -> str:
    """Return an address without its query where that holds a signature; any other query stays."""
    parts = urlsplit(href)
    names = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    if not is_remote(href) or not (names & _SIGNATURES or any(name.startswith("x-amz-") for name in names)):
        return href
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))


def redacted(href: str) -> str:
    """Return an address fit for messages: without user, password, query and fragment."""
    if not is_remote(href):
        return href
    parts = urlsplit(href)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def is_safe_name(name: str) -> bool:
    """Whether an id from a catalogue may name a file or folder: it cannot leave the folder that it is put in."""
    return _SAFE_NAME.fullmatch(name) is not None and ".." not in name and name != "."
