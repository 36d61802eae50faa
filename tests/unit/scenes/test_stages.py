"""search, fetch and compose by their command lines, on synthetic catalogues."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from asset_server import status
from rankscape.__main__ import main
from rankscape.scenes.acquisitions import read_download
from rankscape.scenes.settings import ComposeSettings, FetchSettings, SearchSettings
from unit.scenes.synthetic_scenes import CRS, GRANULE, make_candidates, make_item, write_catalogue, write_tif

WINDOW = json.dumps({"granule": GRANULE, "start": "2023-07-01", "end": "2023-07-31", "max_cloud_percent": 60})
BANDS = ("B04", "B03", "B02", "B08")
SIDE_PX = 40


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return int(caught.value.code or 0)


def search(folder: Path, href: str = "catalogue/catalog.json", window: str = WINDOW, **more) -> int:
    settings = SearchSettings(kind="static", href=href, signing="none", **more).canonical()
    return run("search", "--settings", settings, "--window", window, "--out", str(folder / "candidates.json"))


def fetch(folder: Path, **more) -> int:
    settings = FetchSettings(**{"product": "reflectance", "bands": BANDS, "max_scenes": 2, **more}).canonical()
    return run(
        "fetch", "--settings", settings, "--candidates", str(folder / "candidates.json"),
        "--out", str(folder / "download.json"), "--threads", "2",
    )  # fmt: skip


def compose(folder: Path, *options: str, **more) -> int:
    return run(
        "compose", "--settings", ComposeSettings(**more).canonical(), "--download", str(folder / "download.json"),
        "--scene", str(folder / "scene.tif"), "--quality", str(folder / "quality.tif"), *options,
    )  # fmt: skip


def last_line(capsys) -> str:
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return [line for line in err.splitlines() if line.startswith("rankscape: ")][-1]


def write_scene(folder: Path, dn: int, cloud_rows: int = 0) -> dict[str, str]:
    """Write the files of a scene: a level of grey, and a cloud in the first rows; return the assets."""
    level = np.random.default_rng(dn).integers(-50, 50, (SIDE_PX, SIDE_PX))
    for place, band in enumerate(BANDS):
        write_tif(folder / f"{band}.tif", (dn + 100 * place + level).astype(np.uint16), nodata=0)
    classes = np.full((SIDE_PX // 2, SIDE_PX // 2), 4, np.uint8)
    classes[: cloud_rows // 2] = 9
    write_tif(folder / "SCL.tif", classes, gsd_m=20.0, nodata=0)
    visual = np.full((3, SIDE_PX, SIDE_PX), 90, np.uint8)
    write_tif(folder / "visual.tif", visual)
    return {name: f"./{name}.tif" for name in (*BANDS, "SCL", "visual")}


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A working folder with a catalogue of two acquisitions of the granule, one of them processed twice."""
    monkeypatch.chdir(tmp_path)
    items = [
        make_item(1, id="clear-old", eo__cloud_cover=1.0, s2__processing_baseline="03.01"),
        make_item(2, id="cloudy-new", eo__cloud_cover=50.0, s2__processing_baseline="05.09"),
        make_item(2, id="cloudy-older", eo__cloud_cover=0.0, s2__processing_baseline="02.14"),
        make_item(3, id="neighbour", s2__mgrs_tile="03TWF"),
    ]
    for item, dn, cloud_rows in zip(items, (2000, 3500, 9, 9), (8, 20, 0, 0), strict=True):
        assets = write_scene(tmp_path / "catalogue" / item["id"], dn, cloud_rows)
        item["assets"] = {key: {"href": href} for key, href in assets.items()}
    write_catalogue(tmp_path / "catalogue", items)
    return tmp_path


def test_from_catalogue_to_image(work, capsys):
    assert (search(work), fetch(work), compose(work)) == (0, 0, 0)
    log = capsys.readouterr().err
    assert "03TVF: 2 candidates, left out: 1 an older processing of a scene, 1 of another granule." in log
    assert "03TVF: 2 scenes" in log
    candidates = json.loads((work / "candidates.json").read_text())
    assert [item["id"] for item in candidates["items"]] == ["clear-old", "cloudy-new"]
    assert candidates["source"] == {
        "kind": "static", "href": "catalogue/catalog.json", "collection": "sentinel-2-l2a", "signing": "none",
    }  # fmt: skip
    record = json.loads((work / "download.json").read_text())
    assert [scene["offset_dn"] for scene in record["scenes"]] == [0, -1000]
    assert record["scenes"][0]["assets"]["B04"]["path"] == "clear-old/B04.tif"
    assert record["bands"] == list(BANDS)
    with rasterio.open(work / "scene.tif") as image, rasterio.open(work / "quality.tif") as quality:
        assert image.descriptions == BANDS
        assert image.dtypes == ("float32",) * 4
        assert image.crs == CRS
        assert np.all(image.dataset_mask() == 255)
        # The cloud of the first scene lies in rows where the second has its own, so its first look is kept.
        assert np.all(quality.read(1)[:8] == 2)
        assert np.all(quality.read(1)[8:] == 1)
        assert image.read(1).mean() == pytest.approx(0.2, abs=0.002)
        tags = image.tags()
    assert json.loads(tags["ITEMS"]) == ["clear-old", "cloudy-new"]
    assert json.loads(tags["OFFSETS_DN"]) == [0, -1000]
    assert json.loads(tags["BASELINES"]) == ["03.01", "05.09"]
    assert json.loads(tags["RANKSCAPE"])["stage"] == "compose"


def test_no_output_holds_a_machine_path_and_a_second_run_gives_the_same_bytes(work):
    names = ("candidates.json", "download.json", "scene.tif", "quality.tif")
    assert (search(work), fetch(work), compose(work)) == (0, 0, 0)
    before = {name: (work / name).read_bytes() for name in names}
    assert all(str(work).encode() not in content for content in before.values())
    assert (search(work), fetch(work), compose(work)) == (0, 0, 0)
    assert {name: (work / name).read_bytes() for name in names} == before


def test_median_of_two_scenes(work):
    assert (search(work), fetch(work), compose(work, composite="median")) == (0, 0, 0)
    with rasterio.open(work / "scene.tif") as image:
        assert image.read(1)[20:].mean() == pytest.approx((0.2 + 0.25) / 2, abs=0.002)
        assert image.read(1)[8:20].mean() == pytest.approx(0.2, abs=0.002)
        assert image.tags()["COMPOSITE"] == "median"


def test_visual_image(work):
    assert (search(work), fetch(work, product="visual", bands=(), max_scenes=1), compose(work)) == (0, 0, 0)
    record = json.loads((work / "download.json").read_text())
    assert record["bands"] == ["B04", "B03", "B02"]
    assert sorted(record["scenes"][0]["assets"]) == ["SCL", "visual"]
    assert record["scenes"][0]["offset_dn"] is None
    with rasterio.open(work / "scene.tif") as image:
        assert image.dtypes == ("uint8",) * 3
        assert image.descriptions == ("B04", "B03", "B02")


def test_an_asset_that_is_gone_gives_way_to_the_next_candidate(work, capsys):
    (work / "catalogue/clear-old/B08.tif").unlink()
    assert (search(work), fetch(work, max_scenes=1)) == (0, 0)
    record = json.loads((work / "download.json").read_text())
    assert [scene["item_id"] for scene in record["scenes"]] == ["cloudy-new"]
    assert "B08.tif does not exist. The next candidate is taken." in capsys.readouterr().err


def test_an_item_without_a_band_gives_way_and_no_candidate_left_is_one_line(work, capsys):
    search(work)
    assert fetch(work, bands=("B04", "B03", "B02", "B11")) == 1
    err = capsys.readouterr().err
    assert "item clear-old has no asset B11; the next candidate is taken." in err
    assert "rankscape: 03TVF: none of 2 candidates can be fetched" in err
    assert not (work / "download.json").exists()


def test_an_item_without_its_classification_counts_as_clear(work):
    for name in ("clear-old", "cloudy-new"):
        path = work / "catalogue" / name / "item.json"
        item = json.loads(path.read_text())
        del item["assets"]["SCL"]
        path.write_text(json.dumps(item))
    assert (search(work), fetch(work), compose(work)) == (0, 0, 0)
    with rasterio.open(work / "quality.tif") as quality:
        assert np.all(quality.read(1) == 1)


def test_assets_over_http_with_the_names_of_earth_search(work, server):
    assets = write_scene(server.folder / "scene", 2000)
    colours = dict(zip(BANDS, ("red", "green", "blue", "nir"), strict=True)) | {"SCL": "scl"}
    keys = {colours[name]: f"{server.address}/{href}" for name, href in assets.items() if name in colours}
    keys = {key: href.replace("./", "scene/") for key, href in keys.items()}
    gone = dict.fromkeys(keys, f"{server.address}/gone.tif")
    items = [make_item(1, id="gone", assets=gone), make_item(2, id="there", assets=keys)]
    content = (server.folder / "scene/B04.tif").read_bytes()
    items[1]["assets"]["red"] |= {"file:size": len(content)}
    (work / "candidates.json").write_text(json.dumps(make_candidates(items)))
    server.faults["/scene/B04.tif"] = [status(503, Retry_After="0")]
    assert (fetch(work, max_scenes=1), compose(work)) == (0, 0)
    assert (work / "assets/there/B04.tif").read_bytes() == content
    assert json.loads((work / "download.json").read_text())["scenes"][0]["item_id"] == "there"


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ({"granule": "03TVX"}, "window: window.granule = '03TVX' is refused"),
        ({"granule": "03TAA"}, "03TAA: zone 3 has the columns S to Z"),
        ({"granule": "03TUF"}, "has no scene of this granule; its granules are: 03TVF, 03TWF."),
        ({"start": "2022-07-01", "end": "2022-07-02"}, "of 4 items seen, 1 of another granule, 3 outside the dates"),
        ({"max_cloud_percent": -1}, "max_cloud_percent = -1 is refused"),
    ],
)
def test_nothing_found_is_the_users_mistake_in_one_line(work, capsys, window, words):
    assert search(work, window=json.dumps({**json.loads(WINDOW), **window})) == 2
    assert words in last_line(capsys)
    assert not (work / "candidates.json").exists()


def test_unreadable_catalogue_is_one_line(work, capsys):
    assert search(work, href="nowhere/catalog.json") == 2
    assert "nowhere/catalog.json" in last_line(capsys)


@pytest.mark.parametrize(
    ("harm", "status_code", "words"),
    [
        ("truncated", 2, "03TVF, item clear-old, asset B04: catalogue/clear-old/B04.tif is no whole GeoTIFF"),
        ("text", 2, "catalogue/clear-old/B04.tif is no GeoTIFF or JPEG 2000 (it starts with b'<htm')"),
        ("offset", 2, "Item clear-old states no processing baseline"),
        ("id", 2, "the id '../clear-old' of a candidate cannot name a folder"),
        ("document", 2, "The candidates lack 'source'"),
    ],
)
def test_fetch_of_broken_things_writes_nothing(work, capsys, harm, status_code, words):
    search(work)
    source = work / "catalogue/clear-old/B04.tif"
    candidates = json.loads((work / "candidates.json").read_text())
    if harm == "truncated":
        source.write_bytes(source.read_bytes()[:1500])
    elif harm == "text":
        source.write_text("<html>quota exceeded</html>")
    elif harm == "offset":
        del candidates["items"][0]["properties"]["s2:processing_baseline"]
    elif harm == "id":
        candidates["items"][0]["id"] = "../clear-old"
    else:
        del candidates["source"]
    (work / "candidates.json").write_text(json.dumps(candidates))
    assert fetch(work) == status_code
    assert words in last_line(capsys)
    assert not (work / "download.json").exists()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("missing", "B04.tif is missing, fetch brought"),
        ("size", "B04.tif has 7 bytes, fetch brought"),
        ("record", "download.json lacks 'scenes': run the stage fetch again"),
        ("crs", "B04.tif is in EPSG:4326, but its granule is in EPSG:32603"),
        ("bands", "B04.tif has 2 bands where 1 are needed"),
        ("size of the other", "must share one grid"),
        ("no data", "03TVF: no pixel of its 2 scenes has data"),
    ],
)
def test_compose_of_broken_things_writes_nothing(work, capsys, harm, words):
    assert (search(work), fetch(work)) == (0, 0)
    path, other = (work / "assets" / name / "B04.tif" for name in ("clear-old", "cloudy-new"))
    record = json.loads((work / "download.json").read_text())
    if harm == "missing":
        path.unlink()
    elif harm == "size":
        path.write_bytes(b"II*\0aaa")
    elif harm == "record":
        del record["scenes"]
    elif harm == "crs":
        write_tif(path, np.ones((SIDE_PX, SIDE_PX), np.uint16), crs="EPSG:4326")
    elif harm == "bands":
        write_tif(path, np.ones((2, SIDE_PX, SIDE_PX), np.uint16))
    elif harm == "size of the other":
        write_tif(other, np.ones((SIDE_PX, SIDE_PX + 1), np.uint16))
    else:
        for name in (path, other):
            write_tif(name, np.zeros((SIDE_PX, SIDE_PX), np.uint16))
    if harm not in ("missing", "size", "record"):
        for scene in record["scenes"]:
            asset = scene["assets"]["B04"]
            asset["bytes"] = (work / "assets" / asset["path"]).stat().st_size
    (work / "download.json").write_text(json.dumps(record))
    assert compose(work) == 2
    assert words in last_line(capsys)
    assert sorted(path.name for path in work.glob("*.tif")) == []


def test_record_is_read_as_it_was_written(work):
    assert (search(work), fetch(work)) == (0, 0)
    download = read_download(work / "download.json", work / "assets")
    assert (download.granule, download.product, download.bands) == (GRANULE, "reflectance", BANDS)
    assert [scene.label for scene in download.scenes] == ["clear-old", "cloudy-new"]
    assert all(path.is_file() for scene in download.scenes for path in (*scene.bands, scene.quality))


@pytest.mark.parametrize("path", ["../outside.tif", "/etc/hostname"])
def test_a_record_that_names_a_file_elsewhere_is_refused(work, capsys, path):
    assert (search(work), fetch(work)) == (0, 0)
    record = json.loads((work / "download.json").read_text())
    record["scenes"][0]["assets"]["B04"].update(path=path)
    (work / "download.json").write_text(json.dumps(record))
    assert compose(work) == 2
    assert f"the asset '{path}' lies outside of this folder: run the stage fetch again" in last_line(capsys)


def test_assets_go_when_the_image_is_written_and_not_before(work, capsys):
    assert (search(work), fetch(work)) == (0, 0)
    given = json.loads((work / "download.json").read_text())
    assets = [work / "assets" / asset["path"] for scene in given["scenes"] for asset in scene["assets"].values()]
    broken = assets[0].read_bytes()
    assets[0].write_bytes(bytes(len(broken)))
    assert compose(work, "--drop-assets") == 2
    assert all(path.is_file() for path in assets)
    assets[0].write_bytes(broken)
    assert compose(work, "--drop-assets") == 0
    assert not list((work / "assets").rglob("*.*"))
    assert not (work / "download.json").exists()
    assert (work / "scene.tif").is_file()
