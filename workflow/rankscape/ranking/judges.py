"""Judges: vision-language models behind an OpenAI-style endpoint, asked about one picture at a time."""

import asyncio
import base64
import email.utils
import json
import os
import random
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import openai

from rankscape.foundation.errors import JudgeError, SecretError, SettingsError
from rankscape.foundation.settings.ranking import JudgeSettings

RETRIED = frozenset({408, 409, 429})
"""Answers after which the same request can succeed, besides 5xx."""
CLOSED = frozenset({401, 403, 404})
"""Answers that say that no request of this judge will succeed: wrong key, wrong address, unknown model."""
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
LONGEST_RETRY_AFTER_S = 600.0
"""A server that asks for a longer pause is not waited for; the reply is missing."""
_PLACEHOLDER_KEY = "none-needed"
_STAND_IN_URL = "http://stand-in.invalid/v1"
_SHORTEST_SECRET = 6
_LONGEST_REASON = 200
_KEY_LIKE = re.compile(r"(?i)\b(sk-[\w*.-]{4,}|bearer\s+[\w*.~+/=-]{4,})|(?<=[?&](?:key|sig)=)[^&\s]+")


@dataclass(frozen=True)
class Reply:
    """What a judge answered to one request, as received."""

    text: str
    """The answer; empty where there is none."""
    finish_reason: str
    """Why the judge stopped, as the endpoint says: `stop`, `length`, `content_filter`; empty where it says nothing."""
    prompt_tokens: int
    """Tokens of the question, as the endpoint counts them."""
    completion_tokens: int
    """Tokens of the answer."""
    seconds: float
    """Time of the last try, in seconds."""
    error: str | None
    """Why there is no usable answer; None where the endpoint answered. Whether the text makes sense is not judged."""


@dataclass(frozen=True)
class _Failure:
    reason: str
    again: bool
    """Whether another try can help."""
    closed: bool
    """Whether the endpoint could not be reached at all, or refuses every request."""
    wait_s: float | None = None
    """Pause that the server asked for."""


@asynccontextmanager
async def open_judge(
    name: str, settings: JudgeSettings, transport: httpx2.AsyncBaseTransport | None = None
) -> AsyncIterator["Judge"]:
    """Open a judge; its connections are closed at the end of the block.

    Args:
        name: Name of the judge in the configuration, for messages.
        settings: Endpoint, model, limits.
        transport: What carries the requests instead of the network; needed for `kind: stand-in`, whose application
            answers in process.

    Yields:
        The judge.

    Raises:
        SecretError: If the environment variable that must hold the key is unset, empty or holds no key.
        JudgeError: If a stand-in is opened without its transport.
    """
    if settings.kind == "stand-in" and transport is None:
        raise JudgeError(f"Judge {name} is a stand-in, but its application was not given: open it with a transport.")
    key, base_url = _key(name, settings), _base_url(name, settings)
    limits = httpx2.Limits(max_connections=settings.concurrency, max_keepalive_connections=settings.concurrency)
    async with httpx2.AsyncClient(transport=transport, limits=limits, timeout=settings.timeout_s) as http_client:
        client = openai.AsyncOpenAI(
            api_key=key or _PLACEHOLDER_KEY,
            base_url=base_url,
            max_retries=0,  # Retries live in `Judge` alone, so that attempts and waits are what the settings say.
            timeout=settings.timeout_s,
            http_client=http_client,
        )
        yield Judge(name, settings, client, key)


def _key(name: str, settings: JudgeSettings) -> str | None:
    variable = settings.key_variable
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise SecretError(f"Judge {name} needs its key in the environment variable {variable}, which is not set.")
    if not (key.isascii() and key.isprintable()):
        raise SecretError(f"The environment variable {variable} of judge {name} holds characters that no key has.")
    return key


def _base_url(name: str, settings: JudgeSettings) -> httpx2.URL:
    try:
        url = httpx2.URL(_STAND_IN_URL if settings.kind == "stand-in" else settings.base_url)
    except httpx2.InvalidURL as error:
        raise SettingsError(f"judges.{name}.base_url is no address ({error}): write http(s)://host/v1.") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise SettingsError(f"judges.{name}.base_url is no address of http or https: write http(s)://host/v1.")
    return url


class Judge:
    """One vision-language model; ask it through `ask`, as many requests at once as the settings allow."""

    def __init__(self, name: str, settings: JudgeSettings, client: openai.AsyncOpenAI, key: str | None) -> None:
        self.name = name
        self.settings = settings
        self._client = client
        self._key = key
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._not_before = 0.0
        self._answered = False
        self._closed: str | None = None

    @property
    def endpoint(self) -> str:
        """Address of the endpoint without user, password and query, for messages."""
        if self.settings.kind == "stand-in":
            return "the demo's own application"
        return str(httpx2.URL(self.settings.base_url).copy_with(username=None, password=None, query=None))

    async def ask(self, picture_png: bytes, prompt: str, schema: dict[str, Any], *, seed: int) -> Reply:
        """Ask about one picture.

        Tries again after 408, 409, 429, 5xx, a time-out or a broken connection, with exponentially growing waits and
        jitter, or after the time that the server asks for; then all requests of this judge wait. Once the endpoint
        has turned out to be closed (never reached, 401, 403 or 404) before it answered anything, requests that have
        not begun are not sent any more.

        Args:
            picture_png: The picture, PNG.
            prompt: The question.
            schema: JSON schema of the answer.
            seed: Sampling seed, for endpoints that know one.

        Returns:
            The reply; with `error` where there is none after all attempts. Never raises for a failing endpoint: see
            `raise_if_closed`.
        """
        async with self._slots:
            outcome, seconds = await self._until_answered(picture_png, prompt, schema, seed)
        if isinstance(outcome, dict):
            self._answered, self._closed = True, None
            return self._reply(outcome, seconds)
        if outcome.closed and not self._answered:
            self._closed = outcome.reason
        return Reply("", "", 0, 0, seconds, outcome.reason)

    async def _until_answered(
        self, picture_png: bytes, prompt: str, schema: dict[str, Any], seed: int
    ) -> tuple[dict[str, Any] | _Failure, float]:
        outcome: dict[str, Any] | _Failure = _Failure("", again=False, closed=True)
        seconds = 0.0
        for attempt in range(self.settings.attempts):
            if self._closed is not None:
                return _Failure(self._closed, again=False, closed=True), seconds
            await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
            begin = time.monotonic()
            outcome = await self._try(picture_png, prompt, schema, seed)
            seconds = time.monotonic() - begin
            if isinstance(outcome, dict) or not outcome.again or attempt + 1 == self.settings.attempts:
                break
            await self._pause(outcome, attempt)
        return outcome, seconds

    def raise_if_closed(self) -> None:
        """Raise when the endpoint never answered: it cannot be reached, or refuses the key, address or model.

        Raises:
            JudgeError: With the endpoint and the reason in one line.
        """
        if self._closed is not None:
            key = f", key from {self.settings.key_variable}" if self.settings.key_variable else ", no key_variable"
            raise JudgeError(
                f"Judge {self.name} cannot be asked at {self.endpoint} (model {self.settings.model}{key}): "
                f"{self._closed}. Mend base_url, model or key, or start the endpoint, and run again."
            )

    async def _try(
        self, picture_png: bytes, prompt: str, schema: dict[str, Any], seed: int
    ) -> dict[str, Any] | _Failure:
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                raw = await self._client.chat.completions.with_raw_response.create(
                    **self._request(picture_png, prompt, schema, seed)
                )
                body = json.loads(raw.http_response.content)
        except (TimeoutError, openai.APITimeoutError):
            return _Failure(f"no reply within {self.settings.timeout_s:g} s", again=True, closed=False)
        except openai.APIStatusError as error:
            return self._refused(error)
        except openai.APIConnectionError as error:
            return _Failure(self._redact(f"no connection: {error.__cause__ or error}"), again=True, closed=True)
        except (openai.OpenAIError, httpx2.HTTPError, ValueError, RecursionError) as error:
            return _Failure(self._redact(f"the reply is no chat completion: {error}"), again=False, closed=False)
        return (
            body if isinstance(body, dict) else _Failure("the reply is no chat completion", again=False, closed=False)
        )

    def _request(self, picture_png: bytes, prompt: str, schema: dict[str, Any], seed: int) -> dict[str, Any]:
        # Some endpoints take `detail: auto` as low resolution.
        url = "data:image/png;base64," + base64.b64encode(picture_png).decode()
        picture = {"type": "image_url", "image_url": {"url": url, "detail": "high"}}
        return {
            "model": self.settings.model,
            "messages": [{"role": "user", "content": [{"type": "text", "text": prompt}, picture]}],
            "temperature": self.settings.temperature,
            "max_tokens": self.settings.max_tokens,
            "seed": seed,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": schema},
            },
        }

    def _refused(self, error: openai.APIStatusError) -> _Failure:
        status = error.status_code
        said = _text(_mapping(error.body).get("message")) or error.message
        reason = self._redact(f"HTTP {status}: {said}")
        wait_s = retry_after_s(error.response.headers)
        if wait_s is not None and wait_s > LONGEST_RETRY_AFTER_S:
            return _Failure(f"{reason}; the server asks to wait {wait_s:.0f} s", again=False, closed=False)
        return _Failure(reason, again=status in RETRIED or status >= 500, closed=status in CLOSED, wait_s=wait_s)

    async def _pause(self, failure: _Failure, attempt: int) -> None:
        if failure.wait_s is not None:
            self._not_before = max(self._not_before, time.monotonic() + failure.wait_s)
            return
        longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)
        await asyncio.sleep(longest * (0.5 + random.random() / 2))

    def _reply(self, body: dict[str, Any], seconds: float) -> Reply:
        choices = body.get("choices")
        choice = _mapping(choices[0]) if isinstance(choices, list) and choices else {}
        message = _mapping(choice.get("message"))
        error = None if choice else "the reply is no chat completion: it has no choices"
        if refusal := _text(message.get("refusal")):
            error = self._redact(f"refused: {refusal}")
        usage = _mapping(body.get("usage"))
        counts = [_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens")]
        text = self._without_key(_text(message.get("content")))
        return Reply(text, _text(choice.get("finish_reason")), counts[0], counts[1], seconds, error)

    def _redact(self, text: str) -> str:
        short = " ".join(_KEY_LIKE.sub("[redacted]", self._without_key(text)).split())
        return short if len(short) <= _LONGEST_REASON else short[: _LONGEST_REASON - 1] + "…"

    def _without_key(self, text: str) -> str:
        """A server may repeat the request's headers; a key shorter than any real one is a word, not a secret."""
        if self._key is None or len(self._key) < _SHORTEST_SECRET:
            return text
        return text.replace(self._key, "[redacted]")


def retry_after_s(headers: httpx2.Headers) -> float | None:
    """Return the seconds that a server asks to wait, from `retry-after-ms` or `Retry-After` (seconds or a date)."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
            return float(text) * scale
    try:
        when = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    return max(0.0, when.timestamp() - time.time())


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
