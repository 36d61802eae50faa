"""What is to be brought, and the ways in which that may fail."""

from dataclasses import dataclass
from pathlib import Path

from rankscape.foundation.errors import DownloadError
from rankscape.scenes.addresses import redacted
from rankscape.scenes.checksums import Checksum


@dataclass(frozen=True)
class Asset:
    """One file to bring."""

    label: str
    """Granule, item and asset, for messages."""
    href: str
    """Unsigned address, or path."""
    path: Path
    """Where it goes."""
    size_bytes: int | None = None
    """Size that the catalogue states."""
    checksum: Checksum | None = None
    """Checksum that the catalogue states."""
    empty_percent: float | None = None
    """Share of pixels that are 0 in all bands, by what the item states; None where nothing may be held against it."""
    empty_tolerance_percent: float = 1.0
    """Percentage points by which the true share may differ."""


class UnusableAssetError(DownloadError):
    """An asset can never be had from here; the next candidate may be whole."""


class MissingAssetError(UnusableAssetError):
    """The catalogue names an asset that is not there any more."""


class ContradictedAssetError(UnusableAssetError):
    """An asset came whole, but it is not what its item says."""


class StoppedError(Exception):
    """Another asset failed; this one need not go on."""


class AgainError(Exception):
    """An attempt failed in a way that may pass."""

    def __init__(self, complaint: str, retry_after: str | None = None) -> None:
        super().__init__(complaint)
        self.retry_after = retry_after


class RefusedError(Exception):
    """The server answered 403; a new signature may help."""

    def __init__(self, signed: str) -> None:
        super().__init__("HTTP 403")
        self.signed = signed


class SpoiltError(Exception):
    """What has come of an asset is of no use; it must be begun anew."""


def failure(asset: Asset, complaint: str) -> DownloadError:
    """Return the error that says in one line that an asset could not be brought."""
    return DownloadError(f"{asset.label}: {redacted(asset.href)} could not be downloaded ({complaint}).")
