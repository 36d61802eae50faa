"""How servers are asked: with_retries, and with addresses that are signed right before each read.

Source of the protocol of signatures: the Planetary Computer's SAS API; account, container and token are read with its
own SDK, which also reads `PC_SDK_SAS_URL` and `PC_SDK_SUBSCRIPTION_KEY`.
"""

import datetime
import email.utils
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlsplit

import httpx2
import pydantic
from planetary_computer.sas import BLOB_STORAGE_DOMAIN, SASToken
from planetary_computer.settings import Settings
from planetary_computer.utils import parse_blob_url

from rankscape.foundation.errors import DownloadError, InputError
from rankscape.scenes.addresses import redacted, unsigned

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that may pass by themselves."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to try again; only times depend on chance, never results."""

    attempts: int = 6
    """Attempts in a row without progress before giving up."""
    base_s: float = 1.0
    """Wait before the second attempt; doubled each time."""
    longest_s: float = 120.0
    """Longest wait, also where a server asks for more."""
    stall_s: float = 30.0
    """A connection that is silent for so long, or slower than `slowest_bytes_s` all the while, is given up."""
    slowest_bytes_s: float = 1024.0
    """Bytes a second below which a connection is of no use."""

    def wait_s(self, failures: int, retry_after: str | None = None) -> float:
        """Return the seconds to wait after so many failures in a row.

        Exponential backoff with jitter of a factor .5 to 1.5, so that many jobs do not come back at once; a server's
        own Retry-After is waited for in full, up to `longest_s`.

        Args:
            failures: Failures in a row, 1 or more.
            retry_after: The server's header: seconds, or an HTTP date.
        """
        backoff_s = self.base_s * 2.0 ** (failures - 1) * random.uniform(0.5, 1.5)
        return min(max(backoff_s, _asked_s(retry_after)), self.longest_s)


class NoAnswerError(Exception):
    """A server did not give what it was asked for; the message is a few words without the address."""


class KeyDemandedError(DownloadError, InputError):
    """A server gives nothing without a key, or not with the one that it got."""


_UNKNOWN = ("HTTP 401", "HTTP 403")


def ask(
    client: httpx2.Client, address: str, retries: RetryPolicy, headers: Mapping[str, str] | None = None
) -> httpx2.Response:
    """Get a small document, with retries of what may pass by itself.

    Raises:
        NoAnswerError: If the server refuses, or is not reached in all attempts.
    """
    complaint = ""
    for failures in range(1, retries.attempts + 1):
        retry_after = None
        try:
            answer = client.get(address, headers=headers)
        except httpx2.TransportError as error:
            complaint = type(error).__name__
        else:
            if answer.status_code == HTTPStatus.OK:
                return answer
            complaint, retry_after = f"HTTP {answer.status_code}", answer.headers.get("retry-after")
            if answer.status_code not in TRANSIENT:
                break
        if failures < retries.attempts:
            time.sleep(retries.wait_s(failures, retry_after))
    raise NoAnswerError(complaint)


def _asked_s(retry_after: str | None) -> float:
    if retry_after is None:
        return 0.0
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        moment = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return max(0.0, (moment - datetime.datetime.now(datetime.UTC)).total_seconds())


_SPARE_S = 300.0
"""A token with less left is replaced before it is used; lives from 45 minutes to two days have been seen."""


class Signer(Protocol):
    """Makes addresses readable."""

    def sign(self, href: str) -> str:
        """Return the address to read now; it must not be written down or shown."""
        ...

    def renew(self, signed: str) -> bool:
        """Forget the token with which an address was refused; False if signing anew cannot help."""
        ...


class NoSigner:
    """For catalogues whose assets are open."""

    def sign(self, href: str) -> str:
        """Return the address as it is."""
        return href

    def renew(self, signed: str) -> bool:  # noqa: ARG002
        """Say that signing cannot help."""
        return False


class PlanetaryComputerSigner:
    """Signs addresses of Azure blobs with tokens of the Planetary Computer; other addresses are left as they are."""

    def __init__(self, retries: RetryPolicy | None = None) -> None:
        self._retries = retries or RetryPolicy()
        self._tokens: dict[tuple[str, str], SASToken] = {}
        self._lock = threading.Lock()

    def sign(self, href: str) -> str:
        """Return the address with a token that is still good for minutes.

        Raises:
            DownloadError: If the token endpoint does not give a token.
        """
        place = _container(href)
        if place is None:
            return href
        with self._lock:
            token = self._tokens.get(place)
            if token is None or token.ttl() < _SPARE_S:
                token = self._tokens[place] = self._token(*place)
        return f"{unsigned(href)}?{token.token}"

    def renew(self, signed: str) -> bool:
        """Forget the token with which an address was refused, whatever its expiry says."""
        place = _container(signed)
        if place is None:
            return False
        with self._lock:
            token = self._tokens.get(place)
            # Another thread may have replaced the refused token already.
            if token is not None and signed.endswith(token.token):
                del self._tokens[place]
        return True

    def _token(self, account: str, container: str) -> SASToken:
        settings = Settings.get()
        address = f"{settings.sas_url}/{account}/{container}"
        headers = {"Ocp-Apim-Subscription-Key": settings.subscription_key} if settings.subscription_key else {}
        try:
            # A redirect would carry the subscription key to another host.
            with httpx2.Client(timeout=30.0, follow_redirects=False) as client:
                return _read_token(address, ask(client, address, self._retries, headers))
        except NoAnswerError as error:
            if str(error) in _UNKNOWN:
                refused = "refuses the key" if settings.subscription_key else "demands a key"
                raise KeyDemandedError(
                    f"The token endpoint {redacted(address)} {refused} ({error}): set the environment variable "
                    "PC_SDK_SUBSCRIPTION_KEY to that of your account."
                ) from None
            raise DownloadError(
                f"The token endpoint {redacted(address)} gave no token ({error}): try again later."
            ) from None


def _read_token(address: str, answer: httpx2.Response) -> SASToken:
    try:
        return SASToken(**answer.json())
    except (ValueError, TypeError, pydantic.ValidationError):
        raise DownloadError(
            f"The token endpoint {redacted(address)} answered something that is no token: mend PC_SDK_SAS_URL, or try "
            "again later."
        ) from None


def _container(href: str) -> tuple[str, str] | None:
    parts = urlsplit(href)
    if not parts.netloc.endswith(BLOB_STORAGE_DOMAIN):
        return None
    try:
        account, container = parse_blob_url(parts)
    except ValueError:
        return None
    return account, container


def signer_of(signing: str, retries: RetryPolicy | None = None) -> Signer:
    """Return the signer that the search settings name: `none` or `planetary-computer`."""
    return PlanetaryComputerSigner(retries) if signing == "planetary-computer" else NoSigner()
