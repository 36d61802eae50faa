"""The client of an OpenAI-style endpoint: sends requests of bounded length, and reads what comes back."""

import asyncio
import json
import os
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import openai

from rankscape.foundation.errors import JudgeError, SecretError, SettingsError
from rankscape.studies.ranking.judges.completions import Completion, Failure, Secret, read_completion, read_refusal
from rankscape.studies.ranking.judges.judge import Judge
from rankscape.studies.ranking.judges.questions import Question, request_body
from rankscape.studies.ranking.judges.reply_store import ReplyStore
from rankscape.studies.ranking.judges.settings import JudgeSettings

LONGEST_REPLY_BYTES = 1_000_000
"""A reply is one short JSON object; the rest is a mistake or an attack on memory."""


class UnreadableReplyError(Exception):
    """A reply was not read to its end; the message is the reason."""


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Reads at most so many bytes of a reply, and none that is compressed."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, longest_bytes: int = LONGEST_REPLY_BYTES) -> None:
        self._inner = inner
        self._longest_bytes = longest_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request.

        Raises:
            UnreadableReplyError: Here if the reply announces that it is too long or compressed; else while it is read.
        """
        # A few compressed bytes can become any number.
        request.headers["Accept-Encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        try:
            self._check_head(response.headers)
        except UnreadableReplyError:
            await response.aclose()
            raise
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_BoundedStream(response.stream, self._longest_bytes),
            extensions=response.extensions,
        )

    def _check_head(self, headers: httpx2.Headers) -> None:
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > self._longest_bytes):
            raise too_long(self._longest_bytes)
        if headers.get("content-encoding", "identity").strip().lower() not in {"identity", ""}:
            raise UnreadableReplyError("the reply is compressed, which was not asked for")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, longest_bytes: int) -> None:
        self._inner = inner
        self._longest_bytes = longest_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read_bytes = 0
        async for part in self._inner:
            read_bytes += len(part)
            if read_bytes > self._longest_bytes:
                raise too_long(self._longest_bytes)
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


def network(url: httpx2.URL, connections: int) -> httpx2.AsyncBaseTransport:
    """Return what carries requests to an address over the network, through the environment's proxy if there is one.

    Args:
        url: The address.
        connections: Most connections at once.
    """
    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
    proxies = urllib.request.getproxies()
    proxy = None if urllib.request.proxy_bypass(url.host) else proxies.get(url.scheme) or proxies.get("all")
    return httpx2.AsyncHTTPTransport(limits=limits, proxy=proxy)


def too_long(longest_bytes: int) -> UnreadableReplyError:
    """Return the error of a reply that is too long."""
    return UnreadableReplyError(f"the reply is longer than {longest_bytes} bytes")


def stored_only(judge: str) -> httpx2.MockTransport:
    """Return a transport that refuses every request, once and for all.

    Args:
        judge: Name of the judge, for the reason.
    """
    message = (
        f"judge {judge} is started for its interview only, and no reply to this question is stored: delete its file in "
        "ranking/collected and run again"
    )

    def refuse(request: httpx2.Request) -> httpx2.Response:  # noqa: ARG001
        return httpx2.Response(410, json={"error": {"message": message}})

    return httpx2.MockTransport(refuse)


_LIST_MODELS_S = 10.0
CERTIFICATE_ADVICE = (
    "If the certificate is from an authority of your own, name the file of that authority's certificate (PEM) in the "
    "environment variable SSL_CERT_FILE, or its folder in SSL_CERT_DIR"
)
"""What to do about a certificate that is not trusted."""
_MODELS_SHOWN = 10
_PLACEHOLDER_KEY = "none-needed"
_STAND_IN_URL = "http://stand-in.invalid/v1"


@asynccontextmanager
async def open_judge(
    name: str,
    settings: JudgeSettings,
    store: ReplyStore | None = None,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> AsyncIterator["Judge"]:
    """Open a judge; at the end of the block, requests under way are waited for and kept, and connections closed.

    Args:
        name: Name of the judge in the configuration, for messages.
        settings: Endpoint, model, limits.
        store: Where replies are kept; what it has is not asked again. Without one, nothing is kept.
        transport: What carries the requests instead of the network; needed for `kind: stand-in`, whose application
            answers in process.

    Yields:
        The judge. Nothing is sent, and no key needed, before something is asked that the store does not have.

    Raises:
        JudgeError: If a stand-in is opened without its transport.
        SettingsError: If the address is none.
    """
    if settings.kind == "stand-in" and transport is None:
        raise JudgeError(f"Judge {name} is a stand-in, but its application was not given: open it with a transport.")
    base_url = _base_url(name, settings)
    if settings.kind == "stand-in":
        store = None  # It costs nothing, and its answers change with its code.
    carrier = BoundedTransport(transport or network(base_url, settings.concurrency))
    async with httpx2.AsyncClient(transport=carrier, timeout=settings.timeout_s) as http_client:
        judge = Judge(name, settings, store, _Line(name, settings, http_client, base_url))
        try:
            yield judge
        finally:
            await judge.finish()


def read_key(name: str, settings: JudgeSettings) -> str | None:
    """Return a judge's key from the environment; None for a judge without one.

    Raises:
        SecretError: If the variable is unset, empty or holds no key.
    """
    variable = settings.key_variable
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise SecretError(
            f"Judge {name} needs its key in the environment variable {variable}, which is not set: "
            f"export {variable}, or mend ranking.judges.{name}.key_variable."
        )
    if not (key.isascii() and key.isprintable()):
        raise SecretError(f"The environment variable {variable} of judge {name} holds characters that no key has.")
    return key


def key_headers(settings: JudgeSettings, key: str | None) -> dict[str, Any]:
    """Return the headers that carry a key; the usual one is left out where the judge has its own."""
    if settings.key_header is not None and key is not None:
        return {"Authorization": openai.Omit(), settings.key_header: key}
    return {"Authorization": f"Bearer {key}"} if key else {}


def _base_url(name: str, settings: JudgeSettings) -> httpx2.URL:
    try:
        url = httpx2.URL(_STAND_IN_URL if settings.kind == "stand-in" else settings.base_url)
    except httpx2.InvalidURL as error:
        raise SettingsError(
            f"ranking.judges.{name}.base_url is no address ({error}): write http(s)://host/v1."
        ) from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise SettingsError(f"ranking.judges.{name}.base_url is no address of http or https: write http(s)://host/v1.")
    return url


class _Line:
    """Carries requests by OpenAI's protocol; the client is made when the first is sent, and needs the key only then."""

    def __init__(
        self, name: str, settings: JudgeSettings, http_client: httpx2.AsyncClient, base_url: httpx2.URL
    ) -> None:
        self._name = name
        self._settings = settings
        self._http_client = http_client
        self._base_url = base_url
        self._client: openai.AsyncOpenAI | None = None
        self._secret = Secret(None)
        self._options: Any = {}

    def _open(self) -> openai.AsyncOpenAI:
        if self._client is None:
            key = read_key(self._name, self._settings)
            self._secret = Secret(key)
            # The client takes a header away from single requests only.
            self._options = {"headers": key_headers(self._settings, key)} if self._settings.key_header else {}
            self._client = openai.AsyncOpenAI(
                api_key=key or _PLACEHOLDER_KEY,
                base_url=self._base_url.copy_with(query=None),
                default_query=dict(self._base_url.params),
                max_retries=0,  # Retries live in `Judge` alone, so that attempts and waits are what the settings say.
                timeout=self._settings.timeout_s,
                http_client=self._http_client,
            )
        return self._client

    async def carry(self, messages: list[dict[str, Any]], question: Question) -> Completion | Failure:
        client = self._open()
        body = request_body(messages, question, self._settings)
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                # The client's own method would walk through every part of the body, and look for a type of the answer.
                response = await client.post(
                    "/chat/completions", cast_to=httpx2.Response, body=body, options=self._options
                )
            return read_completion(response.content, self._secret, response.headers)
        except (TimeoutError, openai.APITimeoutError):
            return Failure(f"no reply within {self._settings.timeout_s:g} s", again=True)
        except openai.APIStatusError as error:
            return read_refusal(error.status_code, error.response.headers, _body(error), self._secret)
        except openai.APIConnectionError as error:
            reason = self._secret.reason(f"no connection: {error.__cause__ or error}")
            trusted = "CERTIFICATE_VERIFY_FAILED" not in reason
            return Failure(reason, again=trusted, closed="connection" if trusted else "certificate")
        except UnreadableReplyError as error:
            return Failure(str(error))
        except (openai.OpenAIError, httpx2.HTTPError, ValueError, RecursionError) as error:
            return Failure(self._secret.reason(f"the reply is no chat completion: {error}"))

    async def advice(self, failure: Failure) -> str:
        here, variable = f"ranking.judges.{self._name}", self._settings.key_variable
        wish = failure.mend or "answer_form, omit, extra or tokens_key, as the message says"
        known = {
            "connection": f"Mend {here}.base_url or start the endpoint",
            "certificate": CERTIFICATE_ADVICE,
            "request": f"Every request was refused alike, and would be: set {wish} in {here}",
            "account": "The account is empty or has no paid plan, every answer is kept: top it up at the provider",
            "key": f"Mend the key in {variable}"
            if variable
            else f"Name the variable of its key in {here}.key_variable",
        }
        if failure.closed in known:
            return known[failure.closed]
        if self._base_url.path.rstrip("/").endswith("/completions"):
            return f"{here}.base_url ends before /chat/completions: leave that out"
        models = await self._models()
        if self._settings.model in models or not models:
            return f"Mend {here}.base_url, which mostly ends in /v1, or {here}.model"
        shown = ", ".join(models[:_MODELS_SHOWN]) + (", …" if len(models) > _MODELS_SHOWN else "")
        return f"The endpoint has the models {shown}: mend {here}.model"

    async def _models(self) -> list[str]:
        """Names of the endpoint's models; none where it does not say."""
        try:
            async with asyncio.timeout(_LIST_MODELS_S):
                client = self._open()
                response = await client.get("/models", cast_to=httpx2.Response, options=self._options)
            listed = json.loads(response.content)["data"]
            return [self._secret.reason(str(model["id"])) for model in listed]
        except (openai.OpenAIError, UnreadableReplyError, TimeoutError, ValueError, LookupError, TypeError):
            return []


def _body(error: openai.APIStatusError) -> Any:
    """The whole body of an error, as JSON or text; the client shows a part of it."""
    try:
        return json.loads(error.response.content)
    except (ValueError, RecursionError):
        return error.response.text
