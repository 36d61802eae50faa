"""Addresses of assets: what is remote, what may be written down or shown, and which hosts may be asked."""

import fnmatch
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from rankscape.foundation.errors import InputError

_SIGNATURES = {"sig", "se", "st", "sp", "sv", "sr", "skoid", "sktid", "skt", "ske", "sks", "skv", "signature", "token"}
_SAFE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def is_remote(href: str) -> bool:
    """Whether an address is read over HTTP."""
    return href.lower().startswith(("http://", "https://"))


def local_path(href: str) -> Path | None:
    """Return the path that an address means, from `file://` or plain; None for any other scheme.

    Catalogues write a space of a relative address as %20: a part that is not there as it stands is decoded.
    """
    parts = urlsplit(href)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    # GDAL's virtual systems (/vsicurl/, /vsizip/) would reach beyond plain files.
    if parts.scheme or href.startswith("/vsi"):
        return None
    path = Path()
    for part in Path(href).parts:
        decoded = path / unquote(part)
        path = decoded if "%" in part and decoded.exists() and not (path / part).exists() else path / part
    return path


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


MAX_REDIRECTS = 5
_PLANETARY_COMPUTER = "planetarycomputer.microsoft.com"


class ForeignHostError(InputError):
    """An address leads to a host that is neither the catalogue's nor allowed by the settings."""


class Hosts:
    """Names of hosts that may be asked; `*.example.org` stands for all below example.org."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(sorted({name.lower() for name in names}))

    def check(self, label: str, href: str, *, redirected_from: str | None = None) -> None:
        """Let an address pass if its host may be asked.

        Args:
            label: What is fetched, for the message.
            href: Address; its query is never shown.
            redirected_from: Address that sent us here; a secure one must not lead to an insecure one.

        Raises:
            ForeignHostError: If the host may not be asked.
        """
        parts = urlsplit(href)
        host = (parts.hostname or "").lower()
        way = f"{redacted(redirected_from)} redirects to" if redirected_from else "its address leads to"
        lowered = redirected_from is not None and urlsplit(redirected_from).scheme == "https" != parts.scheme
        if lowered or not is_remote(href):
            raise ForeignHostError(f"{label}: {way} {host or 'nowhere'} by {parts.scheme!r}, which is not trusted.")
        if not any(fnmatch.fnmatchcase(host, name) for name in self._names):
            allowed = ", ".join(self._names) or "none"
            raise ForeignHostError(
                f"{label}: {way} the host {host!r}, which is none of those that may be asked ({allowed}): "
                "if you trust it, add it to the acquisition's hosts."
            )


def hosts_of(source: Mapping[str, str], asset_hosts: Mapping[str, tuple[str, ...]], more: Iterable[str] = ()) -> Hosts:
    """Return the hosts of a catalogue's assets.

    Args:
        source: What search wrote of the catalogue: `href`, `signing`.
        asset_hosts: Hosts of the sensor's assets, by the host of their catalogue.
        more: Hosts that the settings allow besides.
    """
    host = urlsplit(source["href"]).hostname if is_remote(source["href"]) else None
    own = [host, *asset_hosts.get(host, ())] if host else []
    signed = asset_hosts.get(_PLANETARY_COMPUTER, ()) if source["signing"] == "planetary-computer" else ()
    return Hosts([*own, *signed, *more])
