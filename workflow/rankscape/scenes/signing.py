"""Signing asset addresses right before they are read, so that a signature is never older than its token.

Source of the protocol: the Planetary Computer's SAS API; account, container and token are read with its own SDK, which
also reads `PC_SDK_SAS_URL` and `PC_SDK_SUBSCRIPTION_KEY`.
"""

import threading
from typing import Protocol
from urllib.parse import urlsplit

import httpx2
import pydantic
from planetary_computer.sas import BLOB_STORAGE_DOMAIN, SASToken
from planetary_computer.settings import Settings
from planetary_computer.utils import parse_blob_url

from rankscape.foundation.errors import DownloadError
from rankscape.scenes.addresses import redacted, unsigned
from rankscape.scenes.retries import NoAnswerError, Patience, ask

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

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
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
                return _read_token(address, ask(client, address, self._patience, headers))
        except NoAnswerError as error:
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


def signer_of(signing: str, patience: Patience | None = None) -> Signer:
    """Return the signer that the search settings name: `none` or `planetary-computer`."""
    return PlanetaryComputerSigner(patience) if signing == "planetary-computer" else NoSigner()
