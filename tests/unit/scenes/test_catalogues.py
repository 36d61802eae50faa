"""Asking a STAC API and reading a static catalogue, and what either does when it goes wrong."""

import datetime
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from asset_server import status
from rankscape.foundation.errors import CatalogueError, InputError
from rankscape.scenes.addresses import local_path
from rankscape.scenes.catalogues import StacApi, months, open_catalogue
from rankscape.scenes.granule_table import Window
from rankscape.scenes.mgrs import granule
from rankscape.scenes.searching import find_parts, find_scenes
from rankscape.scenes.sensors.protocol import archive_sensor
from rankscape.scenes.sensors.sentinel2 import SENSOR
from rankscape.scenes.settings import SearchSettings, SoughtSettings
from unit.scenes.synthetic_scenes import GRANULE, QUICK, make_item, write_catalogue

WINDOW = Window(granule=GRANULE, start="2023-06-20", end="2023-07-20", max_cloud_percent=20)
QUERY = "https://api.stacspec.org/v1.0.0/item-search#query"


def parse(path: str) -> dict[str, str]:
    """The parameters of a request."""
    return dict(parse_qsl(urlsplit(path).query))


class Api:
    """A STAC API on loopback with items, pages of two, and a mind of its own about `query`."""

    def __init__(self) -> None:
        self.items = [make_item(day) for day in range(1, 6)]
        self.conforms = ["https://api.stacspec.org/v1.0.0/item-search"]
        self.failures: list[int] = []
        self.searches: list[dict] = []
        self.deaf = False
        self.methods = ("GET", "POST")
        self.no_post = 0
        self.collections: list[str] = []
        self.missing = False
        self.follow = None
        """Makes the links of a page, instead of those of pages of two."""
        self.requests = 0
        api = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                address = urlsplit(self.path)
                asked: dict = dict(parse_qsl(address.query))
                if address.path == "/search":
                    asked = {**asked, "skip": int(asked.get("skip", 0)), "collections": asked["collections"].split(",")}
                    asked["bbox"] = [float(one) for one in asked["bbox"].split(",")]
                    return self.search(asked)
                if address.path == "/collections":
                    return self.give(200, {"collections": [{"id": name} for name in api.collections]})
                links = [{"rel": rel, "href": api.address + path} for rel, path in (("root", "/"), ("self", "/"))]
                search = {"rel": "search", "href": f"{api.address}/search", "type": "application/geo+json"}
                links += [{**search, "method": method} for method in api.methods]
                return self.give(200, {
                    "type": "Catalog", "stac_version": "1.0.0", "id": "api", "description": "An API",
                    "conformsTo": api.conforms, "links": links,
                })  # fmt: skip

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if api.no_post:
                    return self.give(api.no_post, {"detail": "Method Not Allowed"})
                if api.failures:
                    return self.give(api.failures.pop(0), {"description": "upstream request timeout"})
                return self.search(asked)

            def search(self, asked: dict) -> None:
                api.searches.append({**asked, "method": self.command})
                if api.missing:
                    return self.give(404, {"description": "No such collection"})
                found = [item for item in api.items if api.within(item, asked)]
                found = [] if api.deaf and "query" in asked else found
                skip = asked.get("skip", 0)
                if api.follow is not None:
                    shown, links = api.follow(found, skip, asked)
                    return self.give(200, {"type": "FeatureCollection", "features": shown, "links": links})
                if self.command == "GET":
                    more = urlencode({**parse(self.path), "skip": skip + 2})
                    link = {"rel": "next", "href": f"search?{more}"}
                else:
                    body = {**asked, "skip": skip + 2}
                    link = {"rel": "next", "href": f"{api.address}/search", "method": "POST", "body": body}
                links = [link] if skip + 2 < len(found) else []
                return self.give(200, {"type": "FeatureCollection", "features": found[skip : skip + 2], "links": links})

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


def by_get(api):
    return {asked["method"] for asked in api.searches} == {"GET"}


def test_an_api_that_names_get_alone_is_asked_by_get_page_by_page(api):
    api.methods = ("GET",)
    api.conforms.append(QUERY)
    assert api.ask() == [f"S2A_{day:02d}" for day in range(1, 6)]
    assert by_get(api)
    assert api.searches[0]["collections"] == ["sentinel-2-l2a"]
    assert api.searches[0]["bbox"] == pytest.approx(granule(GRANULE).bbox_deg)
    assert json.loads(api.searches[0]["query"]) == {"eo:cloud_cover": {"lte": 20.0}}


@pytest.mark.parametrize("refusal", [403, 404, 405, 501])
def test_an_api_that_refuses_post_is_asked_by_get(api, refusal):
    api.no_post = refusal
    assert len(api.ask()) == 5
    assert by_get(api)


def test_an_api_that_states_no_conformance_is_searched(api):
    api.conforms = []
    assert len(api.ask()) == 5


def test_what_cannot_be_searched_is_refused_with_the_setting_that_helps(api):
    api.conforms, api.methods = [], ()
    with pytest.raises(CatalogueError, match=r"cannot be searched; .* with search\.kind: static"):
        api.ask()


def link(href: str, **more: object) -> list[dict]:
    return [{"rel": "next", "href": href, **more}]


CIRCLES = {
    "the same page": lambda found, _, asked: (found, link("search", method="POST", body=asked)),
    "the same items by new tokens": lambda found, skip, asked: (
        found, link("/search", method="POST", body={"skip": skip + 1}, merge=True),
    ),
    "a loop of two": lambda found, skip, asked: (
        found[:3] if skip else found[3:], link("search", method="post", body={"skip": 1 - skip}, merge=True),
    ),
    "nothing by new tokens": lambda found, skip, asked: (
        [] if skip else found, link("search", method="POST", body={"skip": skip + 1}, merge=True),
    ),
    "an empty page between": lambda found, skip, asked: (
        [[], found, []][skip % 3], link("search", method="POST", body={"skip": skip + 1}, merge=True),
    ),
    "items twice": lambda found, _, asked: (found * 2, []),
}  # fmt: skip


@pytest.mark.parametrize("circle", CIRCLES)
def test_a_next_link_that_brings_nothing_new_ends_the_search(api, circle):
    api.follow = CIRCLES[circle]
    window = WINDOW.model_copy(update={"start": datetime.date(2023, 7, 1)})
    assert sorted(api.ask(window)) == [f"S2A_{day:02d}" for day in range(1, 6)]
    assert len(api.searches) <= 4


def test_pages_without_end_are_refused(api):
    api.follow = lambda _, skip, asked: (
        [make_item(1, id=f"S{skip}")], link("search", method="POST", body={**asked, "skip": skip + 1}),
    )  # fmt: skip
    with pytest.raises(CatalogueError, match="its answer does not end: more than 200 pages"):
        api.ask()
    assert len(api.searches) == 200


@pytest.mark.parametrize("missing", [True, False])
def test_a_collection_that_an_api_lacks_is_refused_by_naming_those_it_has(api, missing):
    api.items, api.missing, api.collections = [], missing, ["landsat-c2-l2", "sentinel-2-c1-l2a"]
    with pytest.raises(
        InputError, match=r"has no collection sentinel-2-l2a; it has sentinel-2-c1-l2a, landsat-c2-l2: set"
    ):
        api.ask()
    api.collections.append("sentinel-2-l2a")
    if not missing:
        assert api.ask() == []


def test_addresses_of_assets_are_relative_to_their_item(api):
    api.items = [make_item(1, assets={"B04": "./B 04.tif"}), make_item(2, assets={"B04": "../B%2004.tif"})]
    api.items[0]["links"] = [{"rel": "self", "href": f"{api.address}/data/S2A_01.json"}]
    found = StacApi(api.address, "sentinel-2-l2a", SENSOR, QUICK).items(granule(GRANULE), WINDOW)
    assert [item["assets"]["B04"]["href"] for item in found] == [
        f"{api.address}/data/B 04.tif", f"{api.address}/collections/sentinel-2-l2a/B%2004.tif",
    ]  # fmt: skip


def test_items_without_a_box_and_with_a_span_of_time_are_used(api):
    item = make_item(1)
    del item["bbox"]
    item["properties"] |= {
        "datetime": None,
        "start_datetime": "2023-07-01T10:00:00Z",
        "end_datetime": "2023-07-02T00:00:00Z",
    }
    api.follow = lambda found, skip, asked: ([item], [])
    settings = SearchSettings(href=api.address, signing="none", max_nodata_percent=100)
    (answer,) = find_scenes(settings, WINDOW, SENSOR, QUICK)
    assert [one["id"] for one in answer["items"]] == ["S2A_01"]


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


def test_percent_encoded_addresses_are_found(tmp_path, monkeypatch):
    item = make_item(1, assets={"B04": "./my%20B04.tif", "B03": "./100%25.tif", "B02": "./a%20b.tif"}, id="my scene é")
    path = write_catalogue(tmp_path, [item])
    path.write_text(path.read_text().replace("my scene \\u00e9", "my%20scene%20%C3%A9"))
    for name in ("my B04.tif", "100%.tif", "a%20b.tif"):
        (tmp_path / "my scene é" / name).touch()
    monkeypatch.chdir(tmp_path)
    (item,) = static("catalog.json")
    assert [asset["href"] for asset in item["assets"].values()] == [
        "my scene é/my B04.tif", "my scene é/100%.tif", "my scene é/a%20b.tif",
    ]  # fmt: skip
    (item,) = static(str(path))
    assert local_path(item["assets"]["B04"]["href"]) == tmp_path / "my scene é" / "my B04.tif"


def test_a_catalogue_whose_links_lead_round_in_a_circle_is_read_once(tmp_path):
    path = write_catalogue(tmp_path, [make_item(1)])
    root = json.loads(path.read_text())
    root["links"] += [{"rel": "child", "href": "./sub/catalog.json"}, {"rel": "item", "href": "./S2A_01/item.json"}]
    path.write_text(json.dumps(root))
    below = write_catalogue(tmp_path / "sub", [make_item(2)])
    links = [{"rel": "child", "href": "../catalog.json"}, {"rel": "child", "href": "./catalog.json"}]
    below.write_text(
        json.dumps({**root, "id": "sub", "links": [{"rel": "item", "href": "./S2A_02/item.json"}, *links]})
    )
    assert [item["id"] for item in static(str(path))] == ["S2A_01", "S2A_02"]


def test_an_empty_catalogue_has_no_items(tmp_path):
    assert static(str(write_catalogue(tmp_path, []))) == []


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


def radar_item(day: str, **properties) -> dict:
    item = make_item(
        1, id=f"S1A_{day}", collection="sentinel-1-rtc", datetime=f"{day}T05:00:00Z", s2__mgrs_tile="absent",
        platform="sentinel-1a", sat__orbit_state="descending", proj__epsg=32603, **properties,
    )  # fmt: skip
    ring = [[-166.2, 40.5], [-166, 40.5], [-166, 40.7], [-166.2, 40.7], [-166.2, 40.5]]
    return {**item, "geometry": {"type": "Polygon", "coordinates": [ring]}, "assets": {
        band: {"href": f"https://example.org/{day}-{band}.tif"} for band in ("vv", "vh")
    }}  # fmt: skip


def test_radar_of_every_season_is_asked_of_an_api_and_chosen_here(api):
    days = ["2023-03-01", "2023-05-31", "2023-06-01", "2024-02-29", "2024-03-01"]
    api.items = [radar_item(day) for day in days]
    api.items[1]["assets"].pop("vh")
    api.items += [radar_item("2023-04-01", sar__instrument_mode="EW"), make_item(2)]
    api.items.append(
        {
            **radar_item("2023-07-01"),
            "properties": {**radar_item("2023-07-01")["properties"], "sat:orbit_state": "ascending"},
        }
    )
    settings = SearchSettings(href=api.address, signing="none").of_collection("sentinel-1-rtc")
    sought = SoughtSettings(sensor="sentinel-1", seasons="four")
    window = WINDOW.model_copy(update={"start": datetime.date(2023, 1, 1), "end": datetime.date(2023, 12, 31)})
    parts = {part["season"]: part for part in find_parts(settings, sought, window, archive_sensor("sentinel-1"), QUICK)}
    assert {name: [item["id"][4:] for item in part["items"]] for name, part in parts.items()} == {
        "spring": ["2023-03-01"], "summer": ["2023-06-01"], "autumn": [], "winter": ["2024-02-29"],
    }  # fmt: skip
    assert parts["spring"]["left_out"] == {"of another mode than IW": 1, "of one polarisation": 1}
    assert parts["summer"]["left_out"]["of an orbit that is ascending"] == 1
    assert parts["winter"]["dates"] == [["2023-12-01", "2024-02-29"]]
    assert all(search["collections"] == ["sentinel-1-rtc"] for search in api.searches)


def test_a_season_is_not_missing_because_a_catalogue_did_not_answer(api):
    api.items = [radar_item("2023-04-01")]
    api.failures = [500] * 50
    settings = SearchSettings(href=api.address, signing="none").of_collection("sentinel-1-rtc")
    sought = SoughtSettings(sensor="sentinel-1", seasons={"dry": ("07-01", "08-01"), "wet": ("01-01", "03-01")})
    with pytest.raises(CatalogueError, match="failed"):
        find_parts(settings, sought, WINDOW, archive_sensor("sentinel-1"), QUICK)
