"""Assets that are wanted, the checksums that anybody states of them, and the ways in which bringing them may fail."""

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from rankscape.foundation.errors import DownloadError
from rankscape.scenes.addresses import redacted

_CHUNK_BYTES = 1 << 20
_MULTIHASHES = {"1220": "sha256", "1340": "sha512", "1114": "sha1", "d50110": "md5"}
"""Code and length of a multihash, in hexadecimal, and the algorithm that they mean (multiformats registry)."""
_REPRESENTATION = re.compile(r"sha-(256|512)=:([A-Za-z0-9+/=]+):")
_HEX_MD5 = re.compile(r'"([0-9a-fA-F]{32})"')


@dataclass(frozen=True)
class Checksum:
    """A checksum of a whole asset."""

    algorithm: str
    """`md5`, `sha1`, `sha256` or `sha512`."""
    hex: str
    """The digest, lower case."""
    source: str
    """Who states it, for messages."""


def catalogue_checksum(multihash: str) -> Checksum | None:
    """Read `file:checksum` of a STAC item, a multihash in hexadecimal; None for algorithms that are not known here."""
    for start, algorithm in _MULTIHASHES.items():
        digest = multihash.lower().removeprefix(start)
        if digest != multihash.lower() and len(digest) == 2 * hashlib.new(algorithm).digest_size:
            return Checksum(algorithm, digest, "the catalogue")
    return None


def header_checksums(headers: Mapping[str, str], status: int) -> tuple[Checksum, ...]:
    """Read what a server's answer says of the whole asset.

    `Repr-Digest` (RFC 9530), `x-ms-blob-content-md5` (Azure) and `x-goog-hash` (Google) are of the whole also where a
    part is given; `Content-MD5` only where the whole is. An ETag of S3 is the MD5 of an object that was stored in one
    piece with no key of the customer's or of the key service; elsewhere an ETag may be anything.

    Args:
        headers: Headers of the answer, by any case that the mapping understands.
        status: HTTP status.
    """
    found = [
        Checksum(f"sha{bits}", digest, "the server's Repr-Digest")
        for bits, text in _REPRESENTATION.findall(headers.get("repr-digest", ""))
        if (digest := _hex(text, int(bits) // 8))
    ]
    encoded = {"x-ms-blob-content-md5": headers.get("x-ms-blob-content-md5", "")}
    encoded["x-goog-hash"] = headers.get("x-goog-hash", "").partition("md5=")[2].partition(",")[0]
    if status == HTTPStatus.OK:
        encoded["Content-MD5"] = headers.get("content-md5", "")
    found += [
        Checksum("md5", digest, f"the server's {name}") for name, text in encoded.items() if (digest := _hex(text, 16))
    ]
    etag = _HEX_MD5.fullmatch(headers.get("etag", ""))
    if etag and _is_plain_s3(headers):
        found.append(Checksum("md5", etag[1].lower(), "the server's ETag"))
    return tuple(found)


def _hex(text: str, length: int) -> str:
    try:
        digest = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return digest.hex() if len(digest) == length else ""


def _is_plain_s3(headers: Mapping[str, str]) -> bool:
    plain = headers.get("x-amz-server-side-encryption", "AES256") == "AES256"
    own_key = "x-amz-server-side-encryption-customer-algorithm" in headers
    return headers.get("server") == "AmazonS3" and plain and not own_key


def digests(path: Path, algorithms: Collection[str]) -> dict[str, str]:
    """Return a file's digests by several algorithms, as hexadecimal, from one reading in pieces of 1 MiB."""
    running = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK_BYTES):
            for digest in running.values():
                digest.update(chunk)
    return {name: digest.hexdigest() for name, digest in running.items()}


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


class RetryableError(Exception):
    """An attempt failed in a way that may pass."""

    def __init__(self, complaint: str, retry_after: str | None = None) -> None:
        super().__init__(complaint)
        self.retry_after = retry_after


class RefusedError(Exception):
    """The server answered 403; a new signature may help."""

    def __init__(self, signed: str) -> None:
        super().__init__("HTTP 403")
        self.signed = signed


class CorruptAssetError(Exception):
    """What has come of an asset is of no use; it must be begun anew."""


def failure(asset: Asset, complaint: str) -> DownloadError:
    """Return the error that says in one line that an asset could not be brought."""
    return DownloadError(f"{asset.label}: {redacted(asset.href)} could not be downloaded ({complaint}).")
