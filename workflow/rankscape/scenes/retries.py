"""Asking a server again: how often, and after how long."""

import datetime
import email.utils
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import httpx2

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that may pass by themselves."""


@dataclass(frozen=True)
class Patience:
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


def ask(
    client: httpx2.Client, address: str, patience: Patience, headers: Mapping[str, str] | None = None
) -> httpx2.Response:
    """Get a small document, with retries of what may pass by itself.

    Raises:
        NoAnswerError: If the server refuses, or is not reached in all attempts.
    """
    complaint = ""
    for failures in range(1, patience.attempts + 1):
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
        if failures < patience.attempts:
            time.sleep(patience.wait_s(failures, retry_after))
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
