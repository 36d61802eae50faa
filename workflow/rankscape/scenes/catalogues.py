"""STAC catalogues behind one interface: an API that is asked, and a static catalogue that is read."""

import calendar
import datetime
import difflib
import os
import warnings
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urljoin

import httpx2
import pystac
from pystac.stac_io import DefaultStacIO
from pystac_client import Client
from pystac_client.errors import ClientTypeError
from pystac_client.exceptions import APIError
from pystac_client.warnings import PystacClientWarning
from urllib3.util.retry import Retry

from rankscape.foundation.errors import CatalogueError, NamedCatalogueError
from rankscape.scenes.addresses import MAX_REDIRECTS, is_remote, local_path, redacted, unsigned
from rankscape.scenes.granule_table import Window
from rankscape.scenes.mgrs import GranuleGrid
from rankscape.scenes.sensors.protocol import ArchiveSensor
from rankscape.scenes.servers import TRANSIENT, NoAnswerError, RetryPolicy, ask
from rankscape.scenes.settings import SearchSettings
from rankscape.scenes.stac_pages import StacPages

_PAGE_ITEMS = 100
_CAP_ITEMS = 1000
"""Servers are known to stop here without a word; a span of dates that gives so many is asked in halves."""
_NO_POST = (403, 404, 405, 415, 501)
"""What servers and the caches before them answer to POST where they only understand GET."""
_SHOWN = 20
_TIMEOUT_S = (20.0, 120.0)
_NO_STAC = (
    pystac.STACError, pystac.STACTypeError, pystac.RequiredPropertyMissing, ClientTypeError, APIError, NoAnswerError,
    OSError, ValueError, KeyError, TypeError, AttributeError,
)  # fmt: skip
"""What the libraries raise, by their documentation or in truth, when they are given something that is no STAC."""


class Catalogue(Protocol):
    """Where items come from; what is given may hold more than was asked for, and is filtered afterwards."""

    whole: bool
    """True if `items` gives all that the catalogue has, whatever the granule and the dates."""

    def items(self, granule: GranuleGrid, window: Window) -> list[dict[str, Any]]:
        """Return STAC items, unsigned; paths of assets are as seen from the working folder.

        Raises:
            CatalogueError: If the catalogue does not answer, or answers something that is no STAC.
        """
        ...


def open_catalogue(settings: SearchSettings, sensor: ArchiveSensor, retries: RetryPolicy | None = None) -> Catalogue:
    """Return the catalogue that the settings name, of which scenes of a sensor are wanted."""
    retries = retries or RetryPolicy()
    if settings.kind == "static":
        return StaticCatalogue(settings.href, retries)
    return StacApi(settings.href, settings.collection or sensor.collection, sensor, retries)


class StacApi:
    """A STAC API, asked month by month."""

    whole = False

    def __init__(self, href: str, collection: str, sensor: ArchiveSensor, retries: RetryPolicy) -> None:
        self._href = href
        self._collection = collection
        self._sensor = sensor
        self._retries = retries
        self._method = "POST"

    def items(self, granule: GranuleGrid, window: Window) -> list[dict[str, Any]]:
        """Ask for the items over a granule.

        Raises:
            CatalogueError: If the server does not answer, or answers something that is no STAC.
        """
        query = self._sensor.query(self._href, granule.id, window.max_cloud_percent)
        try:
            return self._search(granule, window, query)
        except _NO_STAC as error:
            raise CatalogueError(f"{self._complaint(error)}: try again later, or mend search.href.") from None

    def _search(self, granule: GranuleGrid, window: Window, query: dict[str, Any]) -> list[dict[str, Any]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PystacClientWarning)
            transport = self._transport()
            client = self._open(transport)
            try:
                found = self._by_month(client, granule, window, query) if client.conforms_to("QUERY") else []
                # Nothing, or a server that cannot filter: all items tell why none can be used.
                found = found or self._by_month(client, granule, window, {})
            except APIError as error:
                if getattr(error, "status_code", None) != HTTPStatus.NOT_FOUND:
                    raise
                self._require_collection(transport)
                raise
            if not found:
                self._require_collection(transport)
            return found

    def _open(self, transport: StacPages) -> Client:
        """Open the API; what it says of itself decides whether it is asked by POST or by GET."""
        client = Client.open(self._href, stac_io=transport)
        searches = [link for link in client.links if link.rel == "search"]
        if not client.conforms_to("ITEM_SEARCH"):
            if not searches:
                raise NoAnswerError("it cannot be searched; a catalogue of files is read with search.kind: static")
            client.add_conforms_to("ITEM_SEARCH")
        if searches and {str(link.extra_fields.get("method")).upper() for link in searches} == {"GET"}:
            self._method = "GET"
        return client

    def _require_collection(self, transport: StacPages) -> None:
        """Refuse a collection that is not among those that the API lists, where it lists any.

        Raises:
            NamedCatalogueError: Naming those that there are.
        """
        try:
            pages = transport.get_pages(f"{self._href.rstrip('/')}/collections")
            known = sorted({str(one["id"]) for page in pages for one in page.get("collections", [])})
        except _NO_STAC:
            return
        if known and self._collection not in known:
            near = difflib.get_close_matches(self._collection, known, n=3)
            shown = [*near, *(name for name in known if name not in near)][:_SHOWN]
            raise NamedCatalogueError(
                f"The STAC API {redacted(self._href)} has no collection {self._collection}; it has "
                f"{', '.join(shown)}{' ...' if len(known) > _SHOWN else ''}: set search.collection to one of them."
            )

    def _transport(self) -> StacPages:
        retry = Retry(
            total=self._retries.attempts - 1,
            backoff_factor=self._retries.base_s,
            backoff_jitter=self._retries.base_s,
            backoff_max=self._retries.longest_s,
            status_forcelist=TRANSIENT,
            allowed_methods=None,
            raise_on_status=False,
        )
        transport = StacPages(timeout=_TIMEOUT_S, max_retries=retry)
        transport.session.max_redirects = MAX_REDIRECTS
        return transport

    def _by_month(
        self, client: Client, granule: GranuleGrid, window: Window, query: dict[str, Any]
    ) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for bbox in _boxes(granule.bbox_deg):
            for first, last in months(window.start, window.end):
                for item in self._span(client, bbox, first, last, query):
                    found[item["id"]] = _unsigned_assets(self._with_whole_addresses(item))
        return list(found.values())

    def _with_whole_addresses(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return an item whose assets have addresses that are relative to its own written out."""
        own = next((link["href"] for link in item.get("links") or [] if link.get("rel") == "self"), None)
        root = f"{self._href.rstrip('/')}/"
        base = urljoin(root, own or f"collections/{item.get('collection')}/items/{item['id']}")
        assets = item.get("assets") or {}
        whole = {key: {**asset, "href": urljoin(base, str(asset.get("href", "")))} for key, asset in assets.items()}
        return {**item, "assets": whole}

    def _span(
        self, client: Client, bbox: list[float], first: datetime.date, last: datetime.date, query: dict[str, Any]
    ) -> list[dict[str, Any]]:
        try:
            items = self._asked(client, bbox, first, last, query)
        except APIError as error:
            if self._method == "GET" or getattr(error, "status_code", None) not in _NO_POST:
                raise
            self._method = "GET"
            items = self._asked(client, bbox, first, last, query)
        if len(items) < _CAP_ITEMS or first == last:
            return items
        middle = first + (last - first) // 2
        return self._span(client, bbox, first, middle, query) + self._span(
            client, bbox, middle + datetime.timedelta(days=1), last, query
        )

    def _asked(
        self, client: Client, bbox: list[float], first: datetime.date, last: datetime.date, query: dict[str, Any]
    ) -> list[dict[str, Any]]:
        search = client.search(
            method=self._method,
            collections=[self._collection],
            bbox=bbox,
            datetime=f"{first}T00:00:00Z/{last}T23:59:59.999Z",
            query=query or None,
            limit=_PAGE_ITEMS,
            max_items=_CAP_ITEMS,
        )
        return list(search.items_as_dicts())

    def _complaint(self, error: Exception) -> str:
        status = getattr(error, "status_code", None)
        answer = " ".join(str(error).split())[:200] or type(error).__name__
        return f"The STAC API {redacted(self._href)} failed ({f'HTTP {status}: ' if status else ''}{answer})"


def months(start: datetime.date, end: datetime.date) -> Iterator[tuple[datetime.date, datetime.date]]:
    """Cut a span of dates at the ends of months; both dates of a part are included."""
    while start <= end:
        last = start.replace(day=calendar.monthrange(start.year, start.month)[1])
        yield start, min(last, end)
        start = last + datetime.timedelta(days=1)


def _boxes(bbox_deg: tuple[float, float, float, float]) -> list[list[float]]:
    """Cut a box at the antimeridian, since not every server understands west > east."""
    west, south, east, north = bbox_deg
    if west <= east:
        return [[west, south, east, north]]
    return [[west, south, 180.0, north], [-180.0, south, east, north]]


class StaticCatalogue:
    """A static STAC catalogue on disk or behind HTTP; every item is read."""

    whole = True

    def __init__(self, href: str, retries: RetryPolicy) -> None:
        self._href = href
        self._retries = retries

    def items(self, granule: GranuleGrid, window: Window) -> list[dict[str, Any]]:  # noqa: ARG002
        """Read every item of the catalogue.

        Raises:
            CatalogueError: If the catalogue or an item of it cannot be read.
        """
        files = _Files(self._retries, remote=is_remote(self._href))
        try:
            root = pystac.Catalog.from_file(self._href, stac_io=files)
            return [self._resolved(item) for item in _items_below(root)]
        except _NO_STAC as error:
            kind = CatalogueError if is_remote(self._href) else NamedCatalogueError
            raise kind(
                f"The catalogue {redacted(self._href)} cannot be read ({redacted(files.reading)}, {_brief(error)}): "
                "mend search.href or the catalogue."
            ) from None
        finally:
            files.close()

    def _resolved(self, item: pystac.Item) -> dict[str, Any]:
        document = item.to_dict(include_self_link=False, transform_hrefs=False)
        for key, asset in item.assets.items():
            document["assets"][key]["href"] = self._as_seen(asset.get_absolute_href() or asset.href)
        return _unsigned_assets(document)

    def _as_seen(self, href: str) -> str:
        """Keep machine paths out: a catalogue that was given relatively has assets with relative paths."""
        path = None if is_remote(href) or "://" in href else local_path(href)
        if path is None or is_remote(self._href) or Path(self._href).is_absolute():
            return href
        return os.path.relpath(path)


class _Files(DefaultStacIO):
    """Reads the files of a static catalogue, with timeouts and retries where they lie behind HTTP."""

    def __init__(self, retries: RetryPolicy, *, remote: bool) -> None:
        super().__init__()
        self._retries = retries
        self._remote = remote
        self._client = httpx2.Client(
            follow_redirects=True,
            max_redirects=MAX_REDIRECTS,
            timeout=httpx2.Timeout(_TIMEOUT_S[1], connect=_TIMEOUT_S[0]),
        )
        self.reading = ""

    def close(self) -> None:
        self._client.close()

    def read_text_from_href(self, href: str) -> str:
        self.reading = href
        if is_remote(href):
            return ask(self._client, href, self._retries).text
        path = local_path(href)
        if self._remote or path is None:
            raise ValueError("a catalogue behind HTTP may only name files behind HTTP")
        return path.read_text(encoding="utf-8")


def _items_below(root: pystac.Catalog) -> Iterator[pystac.Item]:
    """Yield the items of a catalogue and of those below it, each once, also where links lead round in a circle."""
    seen: set[str | None] = set()
    waiting = [root]
    while waiting:
        catalogue = waiting.pop(0)
        for kind, links in (("item", catalogue.get_item_links()), ("child", catalogue.get_child_links())):
            for link in links:
                if (address := link.get_absolute_href()) in seen:
                    continue
                seen.add(address)
                found = link.resolve_stac_object(root=root).target
                if kind == "item" and isinstance(found, pystac.Item):
                    yield found
                elif isinstance(found, pystac.Catalog):
                    waiting.append(found)


def _brief(error: BaseException) -> str:
    """Say what went wrong in one line, in the words of the first cause; a missing file's would repeat its path."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(f"{type(error).__name__}: {text}".split())[:200]


def _unsigned_assets(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item that may be written to a file: no signatures, and no links, which hold addresses of a machine."""
    assets = {
        key: {**asset, "href": unsigned(str(asset.get("href", "")))}
        for key, asset in (item.get("assets") or {}).items()
    }
    return {**item, "assets": assets, "links": []}
