"""Asking a STAC API and reading a static catalogue, and what either does when it goes wrong."""

import datetime
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from asset_server import status
from rankscape.foundation.errors import CatalogueError
from rankscape.scenes.catalogues import StacApi, months, open_catalogue
from rankscape.scenes.granule_table import Window
from rankscape.scenes.mgrs import granule
from rankscape.scenes.sensors.sentinel2 import SENSOR
from rankscape.scenes.settings import SearchSettings
from unit.scenes.synthetic_scenes import GRANULE, QUICK, make_item, write_catalogue

WINDOW = Window(granule=GRANULE, start="2023-06-20", end="2023-07-20", max_cloud_percent=20)
QUERY = "https://api.stacspec.org/v1.0.0/item-search#query"


class Api:
    """A STAC API on loopback with items, pages of two, and a mind of its own about `query`."""

    def __init__(self) -> None:
        self.items = [make_item(day) for day in range(1, 6)]
        self.conforms = ["https://api.stacspec.org/v1.0.0/item-search"]
        self.failures: list[int] = []
        self.searches: list[dict] = []
        self.deaf = False
        api = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                links = [{"rel": rel, "href": api.address + path} for rel, path in (("root", "/"), ("self", "/"))]
                search = {"rel": "search", "href": f"{api.address}/search", "type": "application/geo+json"}
                links += [{**search, "method": method} for method in ("GET", "POST")]
                self.give(200, {
                    "type": "Catalog", "stac_version": "1.0.0", "id": "api", "description": "An API",
                    "conformsTo": api.conforms, "links": links,
                })  # fmt: skip

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if api.failures:
                    self.give(api.failures.pop(0), {"description": "upstream request timeout"})
                    return
                api.searches.append(asked)
                found = [item for item in api.items if api.within(item, asked)]
                found = [] if api.deaf and "query" in asked else found
                skip = asked.get("skip", 0)
                body = {**asked, "skip": skip + 2}
                link = {"rel": "next", "href": f"{api.address}/search", "method": "POST", "body": body}
                more = [link] if skip + 2 < len(found) else []
                self.give(200, {"type": "FeatureCollection", "features": found[skip : skip + 2], "links": more})

            def give(self, code: int, document: dict) -> None:
                body = json.dumps(document).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @staticmethod
    def within(item: dict, asked: dict) -> bool:
        first, _, last = asked["datetime"].partition("/")
        return first <= item["properties"]["datetime"] <= last

    def ask(self, window: Window = WINDOW, identifier: str = GRANULE) -> list[str]:
        catalogue = StacApi(self.address, "sentinel-2-l2a", SENSOR, QUICK)
        return [item["id"] for item in catalogue.items(granule(identifier), window)]


@pytest.fixture
def api():
    made = Api()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_months_are_cut_at_their_ends():
    spans = list(months(datetime.date(2023, 1, 30), datetime.date(2023, 3, 2)))
    assert [(str(first), str(last)) for first, last in spans] == [
        ("2023-01-30", "2023-01-31"),
        ("2023-02-01", "2023-02-28"),
        ("2023-03-01", "2023-03-02"),
    ]


def test_api_is_asked_by_month_and_paged(api):
    assert api.ask() == [f"S2A_{day:02d}" for day in range(1, 6)]
    firsts = [asked for asked in api.searches if "skip" not in asked]
    assert [asked["datetime"] for asked in firsts] == [
        "2023-06-20T00:00:00Z/2023-06-30T23:59:59.999Z",
        "2023-07-01T00:00:00Z/2023-07-20T23:59:59.999Z",
    ]
    assert all(asked["collections"] == ["sentinel-2-l2a"] for asked in api.searches)
    assert firsts[0]["bbox"] == pytest.approx(granule(GRANULE).bbox_deg)


def test_query_is_sent_only_where_it_is_understood(api):
    api.ask()
    assert all("query" not in asked for asked in api.searches)
    api.searches.clear()
    api.conforms.append(QUERY)
    assert len(api.ask()) == 5
    assert all(asked["query"] == {"eo:cloud_cover": {"lte": 20.0}} for asked in api.searches)


def test_a_server_that_finds_nothing_by_query_is_asked_without(api):
    api.conforms.append(QUERY)
    api.deaf = True
    assert len(api.ask()) == 5
    assert "query" not in api.searches[-1]


def test_a_span_that_hits_the_servers_limit_is_asked_in_halves(api, monkeypatch):
    monkeypatch.setattr("rankscape.scenes.catalogues._CAP_ITEMS", 3)
    assert sorted(api.ask()) == [f"S2A_{day:02d}" for day in range(1, 6)]
    assert len({asked["datetime"] for asked in api.searches}) > 2


def test_granule_across_the_antimeridian_is_asked_in_two_boxes(api):
    api.ask(WINDOW.model_copy(update={"granule": "01KAB", "start": WINDOW.end}), "01KAB")
    boxes = [asked["bbox"] for asked in api.searches if "skip" not in asked]
    assert [box[0] < box[2] for box in boxes] == [True, True]
    assert (boxes[0][2], boxes[1][0]) == (180.0, -180.0)


def test_passing_trouble_is_waited_out(api):
    api.failures = [504, 503]
    assert len(api.ask()) == 5


def test_lasting_trouble_is_one_line(api):
    api.failures = [504] * 9
    with pytest.raises(CatalogueError, match=r"HTTP 504: .*upstream request timeout") as caught:
        api.ask()
    assert "\n" not in str(caught.value)


def test_signatures_and_links_of_an_answer_are_not_kept(api):
    api.items = [make_item(1, assets={"B04": "https://a.blob.core.windows.net/c/B04.tif?se=2099&sig=secret"})]
    api.items[0]["links"] = [{"rel": "self", "href": "file:///home/someone/item.json"}]
    (item,) = StacApi(api.address, "sentinel-2-l2a", SENSOR, QUICK).items(granule(GRANULE), WINDOW)
    assert item["assets"]["B04"]["href"] == "https://a.blob.core.windows.net/c/B04.tif"
    assert item["links"] == []


@pytest.mark.parametrize("answer", ["<html>maintenance</html>", '{"type": "Cake"}', "[1]"])
def test_an_answer_that_is_no_stac_is_one_line(server, answer):
    (server.folder / "api").write_text(answer)
    with pytest.raises(CatalogueError, match="The STAC API") as caught:
        StacApi(f"{server.address}/api", "sentinel-2-l2a", SENSOR, QUICK).items(granule(GRANULE), WINDOW)
    assert "\n" not in str(caught.value)


def test_a_server_that_is_not_there_is_one_line():
    with pytest.raises(CatalogueError, match=r"The STAC API http://127\.0\.0\.1:9/ failed"):
        StacApi("http://127.0.0.1:9/", "sentinel-2-l2a", SENSOR, QUICK).items(granule(GRANULE), WINDOW)


def static(href: str):
    catalogue = open_catalogue(SearchSettings(kind="static", href=href, signing="none"), SENSOR, QUICK)
    assert catalogue.whole
    return catalogue.items(granule(GRANULE), WINDOW)


def test_relative_catalogue_gives_relative_assets(tmp_path, monkeypatch):
    write_catalogue(tmp_path / "catalogue", [make_item(1, assets={"B04": "./B04.tif", "B03": "../shared/B03.tif"})])
    monkeypatch.chdir(tmp_path)
    (item,) = static("catalogue/catalog.json")
    assert {key: asset["href"] for key, asset in item["assets"].items()} == {
        "B04": "catalogue/S2A_01/B04.tif",
        "B03": "catalogue/shared/B03.tif",
    }
    assert str(tmp_path) not in json.dumps(item)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (item,) = static("../catalogue/catalog.json")
    assert item["assets"]["B04"]["href"] == "../catalogue/S2A_01/B04.tif"


def test_absolute_catalogue_and_remote_assets_stay_as_they_are(tmp_path):
    items = [make_item(1, assets={"B04": "./B04.tif", "B03": "https://host/B03.tif", "B02": "file:///data/B02.tif"})]
    (item,) = static(str(write_catalogue(tmp_path, items)))
    assert [asset["href"] for asset in item["assets"].values()] == [
        str(tmp_path / "S2A_01/B04.tif"), "https://host/B03.tif", "file:///data/B02.tif",
    ]  # fmt: skip


def test_catalogue_behind_http_is_read_with_retries(server):
    write_catalogue(server.folder, [make_item(1, assets={"B04": "./B04.tif"}), make_item(2)])
    server.faults["/S2A_01/item.json"] = [status(503, Retry_After="0")]
    items = static(f"{server.address}/catalog.json")
    assert [item["id"] for item in items] == ["S2A_01", "S2A_02"]
    assert items[0]["assets"]["B04"]["href"] == f"{server.address}/S2A_01/B04.tif"


def test_catalogue_behind_http_may_not_name_local_files(server, tmp_path):
    (tmp_path / "secret.json").write_text(json.dumps(make_item(1)))
    path = write_catalogue(server.folder, [])
    root = json.loads(path.read_text())
    root["links"].append({"rel": "item", "href": (tmp_path / "secret.json").as_uri()})
    path.write_text(json.dumps(root))
    with pytest.raises(CatalogueError, match="may only name files behind HTTP"):
        static(f"{server.address}/catalog.json")


def test_broken_static_catalogues_name_the_file(tmp_path, server):
    with pytest.raises(CatalogueError, match=r"none\.json.*No such file"):
        static(str(tmp_path / "none.json"))
    path = write_catalogue(tmp_path, [make_item(1)])
    (tmp_path / "S2A_01/item.json").write_text("{")
    with pytest.raises(CatalogueError, match=r"S2A_01/item\.json"):
        static(str(path))
    (tmp_path / "S2A_01/item.json").unlink()
    with pytest.raises(CatalogueError, match=r"S2A_01/item\.json"):
        static(str(path))
    path.write_text('{"type": "Cake"}')
    with pytest.raises(CatalogueError, match=r"mend search\.href or the catalogue"):
        static(str(path))
    with pytest.raises(CatalogueError, match="HTTP 404"):
        static(f"{server.address}/catalog.json")
