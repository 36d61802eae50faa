"""A second catalogue, where the first does not answer, has no scene, or cannot give the assets of one."""

import json

import pytest
from asset_server import status
from rankscape.foundation.errors import DownloadError
from rankscape.scenes.acquisitions import fetch_scenes
from rankscape.scenes.settings import CatalogueSettings, FetchSettings, SearchSettings
from unit.scenes.synthetic_scenes import GRANULE, QUICK, make_candidates, make_item, write_catalogue
from unit.scenes.test_stages import WINDOW, last_line, run, write_scene

SETTINGS = FetchSettings(product="visual", max_scenes=1)


@pytest.fixture
def offers(server, tmp_path):
    """Candidates of two catalogues, both with assets on the peer; those of the second are named by Earth Search."""
    first = make_item(1, id="first", assets=_assets(server, "first"))
    second = make_item(1, id="second", assets=_assets(server, "second"))
    document = make_candidates([first], href="http://127.0.0.1/first")
    other = make_candidates([second], href="http://127.0.0.1/second")
    document["fallback"] = {key: other[key] for key in ("source", "items", "left_out")}
    return document


def _assets(server, name):
    assets = write_scene(server.folder / name, 2000)
    return {key: f"{server.address}/{name}/{assets[key][2:]}" for key in ("visual", "SCL")}


def fetched(offers, folder):
    (record,) = fetch_scenes(offers, SETTINGS, folder / "assets", "me", threads=1, retries=QUICK)
    assert (folder / "assets" / record["assets"]["visual"]["path"]).is_file()
    return record["item_id"], record["source"]


def test_the_fallback_is_not_asked_without_need(server, offers, tmp_path):
    assert fetched(offers, tmp_path) == ("first", "http://127.0.0.1/first")
    assert all(path.startswith("/first/") for path, _, _ in server.requests)


@pytest.mark.parametrize("trouble", ["503", "gone", "no candidates", "contradiction"])
def test_the_fallback_gives_what_the_first_cannot(server, offers, tmp_path, capsys, trouble):
    if trouble == "503":
        server.faults["/first/visual.tif"] = [status(503)] * 9
    elif trouble == "gone":
        (server.folder / "first/visual.tif").unlink()
    elif trouble == "no candidates":
        offers["items"] = []
    else:
        offers["items"][0]["properties"]["s2:nodata_pixel_percentage"] = 40.0
    assert fetched(offers, tmp_path) == ("second", "http://127.0.0.1/second")
    err = capsys.readouterr().err
    assert ("The fallback http://127.0.0.1/second is asked." in err) is (trouble != "no candidates")
    assert ("where the item states 40.0 %. The next candidate is taken." in err) is (trouble == "contradiction")


def test_where_neither_can_the_last_word_is_the_error(server, offers, tmp_path):
    for name in ("first", "second"):
        server.faults[f"/{name}/visual.tif"] = [status(503)] * 9
    with pytest.raises(DownloadError, match=r"item second, asset visual: .*HTTP 503, 3 times in a row"):
        fetch_scenes(offers, SETTINGS, tmp_path, "me", threads=1, retries=QUICK)


def test_a_host_that_nobody_allowed_is_named_and_may_be_allowed(server, offers, tmp_path, capsys):
    offers["source"]["href"] = "https://api.example.org/stac"
    (tmp_path / "candidates.json").write_text(json.dumps(offers))
    command = ["fetch", "--candidates", str(tmp_path / "candidates.json"), "--out", str(tmp_path / "download.json")]
    assert run(*command, "--settings", SETTINGS.canonical()) == 2
    assert "the host '127.0.0.1', which is none of those that may be asked (api.example.org)" in last_line(capsys)
    allowed = SETTINGS.model_copy(update={"hosts": ("127.0.0.1",)})
    assert run(*command, "--settings", allowed.canonical()) == 0


def search(folder, first, second):
    settings = SearchSettings(
        kind="static", href=first, signing="none",
        fallback=CatalogueSettings(kind="static", href=second, signing="none"),
    ).canonical()  # fmt: skip
    return run("search", "--settings", settings, "--window", WINDOW, "--out", str(folder / "candidates.json"))


def test_search_asks_both_and_one_may_fail(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_catalogue(tmp_path / "a", [make_item(1, id="a1"), make_item(2, id="a2", eo__cloud_cover=99.0)])
    write_catalogue(tmp_path / "b", [make_item(1, id="b1")])
    write_catalogue(tmp_path / "c", [make_item(1, id="c1", eo__cloud_cover=99.0)])
    assert search(tmp_path, "a/catalog.json", "b/catalog.json") == 0
    document = json.loads((tmp_path / "candidates.json").read_text())
    assert ([item["id"] for item in document["items"]], document["left_out"]) == (["a1"], {"cloud above 60 %": 1})
    assert [item["id"] for item in document["fallback"]["items"]] == ["b1"]
    assert document["fallback"]["source"]["href"] == "b/catalog.json"
    assert set(document["provenance"]["inputs"]) == {"catalogue", "fallback"}
    assert f"{GRANULE}: 1 candidates in b/catalog.json, left out: none." in capsys.readouterr().err

    assert search(tmp_path, "c/catalog.json", "b/catalog.json") == 0
    document = json.loads((tmp_path / "candidates.json").read_text())
    assert (document["items"], document["fallback"]["items"][0]["id"]) == ([], "b1")
    assert "1 cloud above 60 %. Widen the dates or the limits. The other catalogue has" in capsys.readouterr().err
    assert search(tmp_path, "a/catalog.json", "none.json") == 0
    assert json.loads((tmp_path / "candidates.json").read_text())["fallback"]["items"] == []
    (tmp_path / "candidates.json").unlink()
    assert search(tmp_path, "c/catalog.json", "c/catalog.json") == 2
    assert "no scene between" in last_line(capsys)
    assert not (tmp_path / "candidates.json").exists()
