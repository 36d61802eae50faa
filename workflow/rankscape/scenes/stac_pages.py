"""The pages of a STAC API's answer: each is asked for once, and what brings nothing new ends the answer."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from pystac_client.stac_api_io import StacApiIO

from rankscape.scenes.servers import NoAnswerError

_MAX_PAGES = 200
"""Pages of one answer; a hundred items each are asked for, and servers are known that give ten."""
_MAX_IDLE = 2
"""So many pages in a row without anything new end an answer: a filter may empty a page that others follow."""


@dataclass(frozen=True)
class _Request:
    """How a page is asked for."""

    href: str
    method: str | None
    parameters: dict[str, Any] | None
    headers: dict[str, str] | None = None

    def key(self) -> str:
        """Text that two requests for one page share."""
        return json.dumps([self.href, (self.method or "GET").upper(), self.parameters or {}], sort_keys=True)


class StacPages(StacApiIO):
    """Asks a STAC API as pystac-client does, but ends where `next` leads round in a circle or to nothing new."""

    def get_pages(
        self, url: str, method: str | None = None, parameters: dict[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield pages, each with what no page before it had.

        Raises:
            NoAnswerError: If a page is no JSON object, or pages do not end.
        """
        first = _Request(url, method, parameters)
        request: _Request | None = first
        asked: set[str] = set()
        seen: set[str] = set()
        idle = 0
        while request is not None and request.key() not in asked and idle < _MAX_IDLE:
            if len(asked) == _MAX_PAGES:
                raise NoAnswerError(f"its answer does not end: more than {_MAX_PAGES} pages")
            asked.add(request.key())
            page = self._page(request)
            kind = "collections" if page.get("collections") else "features"
            new = {_name(one): one for one in page.get(kind) or [] if _name(one) not in seen}
            seen |= new.keys()
            idle = 0 if new else idle + 1
            if new:
                yield {**page, kind: list(new.values())}
            request = _next(page, request, first)

    def _page(self, request: _Request) -> dict[str, Any]:
        text = self.request(request.href, request.method, request.headers, request.parameters)
        try:
            page = json.loads(text)
        except ValueError:
            raise NoAnswerError("its answer is no JSON") from None
        if not isinstance(page, dict):
            raise NoAnswerError("its answer is no page of items")
        return page


def _name(item: dict[str, Any]) -> str:
    return f"{item.get('collection')}/{item.get('id')}"


def _next(page: dict[str, Any], last: _Request, first: _Request) -> _Request | None:
    """Read the link to the next page, whose address may be relative; `merge` adds to the first request's body."""
    links = [link for link in page.get("links") or [] if link.get("rel") == "next" and link.get("href")]
    if not links:
        return None
    href, method = urljoin(last.href, links[0]["href"]), str(links[0].get("method") or "GET").upper()
    if method != "POST":
        return _Request(href, method, None, links[0].get("headers"))
    body = links[0].get("body")
    merged = {**(first.parameters or {}), **(body or {})} if links[0].get("merge") or body is None else body
    return _Request(href, method, merged, links[0].get("headers"))
