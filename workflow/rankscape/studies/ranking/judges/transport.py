"""Carries requests to a judge and stops reading a reply that grows too long."""

import urllib.request
from collections.abc import AsyncIterator

import httpx2

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
