"""Which hosts assets may come from: those of their catalogue, and those that the settings name."""

import fnmatch
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from rankscape.foundation.errors import InputError
from rankscape.scenes.addresses import is_remote, redacted

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
                "if you trust it, add it to fetch.hosts."
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
