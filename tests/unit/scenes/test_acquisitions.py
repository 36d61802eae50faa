"""Acquisitions that share assets: brought once, by one job at a time, kept as long as one of them needs them."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError
from rankscape.__main__ import main
from rankscape.scenes.acquisitions import user_name
from rankscape.scenes.sensors.protocol import SENSORS, archive_sensor, sensor_named
from rankscape.scenes.settings import AcquisitionSettings
from unit.scenes.synthetic_scenes import make_candidates, make_item
from unit.scenes.test_stages import write_scene

COLOURS = AcquisitionSettings(product="reflectance")
INFRARED = AcquisitionSettings(product="reflectance", bands=("B04", "B03", "B02", "B08"))


@pytest.fixture
def region(tmp_path, server):
    """A region's folder with the candidates of one granule in two acquisitions."""
    assets = write_scene(server.folder / "scene", 2000)
    item = make_item(1, id="item", assets={name: f"{server.address}/scene/{href[2:]}" for name, href in assets.items()})
    for name in ("colours", "infrared"):
        folder = tmp_path / "scenes" / name / "03TVF"
        folder.mkdir(parents=True)
        (folder / "candidates.json").write_text(json.dumps(make_candidates([item])))
    return tmp_path


def fetch(region, name, acquisition):
    folder = region / "scenes" / name / "03TVF"
    return _run(
        "fetch", "--settings", acquisition.fetched().canonical(), "--candidates", folder / "candidates.json",
        "--out", folder / "download.json", "--assets", region / "scenes/assets", "--threads", 1,
    )  # fmt: skip


def compose(region, name, acquisition):
    folder = region / "scenes" / name / "03TVF"
    return _run(
        "compose", "--settings", acquisition.composed().canonical(), "--download", folder / "download.json",
        "--assets", region / "scenes/assets", "--scene", folder / "scene.tif", "--quality", folder / "quality.tif",
        "--drop-assets",
    )  # fmt: skip


def _run(*arguments):
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


def asked(server):
    return sorted({path for path, _, _ in server.requests if path.endswith(".tif")})


def test_bands_that_two_acquisitions_share_are_downloaded_once(region, server):
    assert fetch(region, "colours", COLOURS) == 0
    assert asked(server) == [f"/scene/{name}.tif" for name in ("B02", "B03", "B04", "SCL")]
    server.requests.clear()
    assert fetch(region, "infrared", INFRARED) == 0
    assert asked(server) == ["/scene/B08.tif"]
    records = [
        json.loads((region / "scenes" / name / "03TVF/download.json").read_text()) for name in ("colours", "infrared")
    ]
    one, other = (record["scenes"][0]["assets"] for record in records)
    assert one["B04"] == other["B04"]
    assert one["B04"]["path"] == "item/B04.tif"


def test_two_jobs_at_once_bring_an_asset_once(region, server):
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(fetch, region, *job) for job in (("colours", COLOURS), ("infrared", INFRARED))]
    assert [job.result() for job in jobs] == [0, 0]
    paths = [path for path, _, _ in server.requests]
    assert sorted(paths) == sorted(set(paths))
    assert compose(region, "colours", COLOURS) == compose(region, "infrared", INFRARED) == 0


def test_assets_stay_until_the_last_acquisition_has_dropped_them(region):
    assert (fetch(region, "colours", COLOURS), fetch(region, "infrared", INFRARED)) == (0, 0)
    assert compose(region, "colours", COLOURS) == 0
    assert not (region / "scenes/colours/03TVF/download.json").exists()
    assert (region / "scenes/assets/item/B04.tif").is_file()
    assert compose(region, "infrared", INFRARED) == 0
    assert not list((region / "scenes/assets").rglob("*.*"))


def test_names_of_users_are_fit_for_a_file(tmp_path):
    assert user_name(tmp_path / "scenes/rgb/03TVF/download.json", tmp_path / "scenes/assets") == "rgb.03TVF"
    assert user_name(tmp_path / "download.json", tmp_path / "assets") == "_"


def test_settings_are_filled_in_by_the_sensor():
    assert AcquisitionSettings() == AcquisitionSettings(
        sensor="sentinel-2", product="visual", bands=["B04", "B03", "B02"]
    )
    assert json.loads(INFRARED.composed().canonical()) == {"composite": "best", "cloud_classes": None}
    assert "composite" not in INFRARED.fetched().canonical()
    assert AcquisitionSettings(sensor="local").product == "images"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sensor": "sentinel-9"}, "'sentinel-9' is no known sensor; there are local, sentinel-1, sentinel-2"),
        ({"product": "radar"}, r"product = 'radar' is none of \['visual', 'reflectance'\], the products of Sentinel-2"),
        ({"product": "reflectance", "bands": ["B04", "B03", "B02", "B10"]}, r"bands \['B10'\] are none of"),
        ({"product": "reflectance", "bands": ["B04", "B03", "B02", "B04"]}, "a band is listed twice"),
        ({"product": "reflectance", "bands": ["B08", "B04", "B03"]}, "first three bands must be B04, B03, B02"),
        ({"product": "visual", "bands": ["B04", "B03", "B02", "B08"]}, r"bands \['B08'\] are none of"),
        ({"cloud_classes": [12]}, r"cloud_classes \[12\] are none of \[0, 1"),
    ],
)
def test_settings_that_the_sensor_does_not_know_are_refused(values, words):
    with pytest.raises(ValidationError, match=words):
        AcquisitionSettings(**values)


def test_sensors_are_found_by_name():
    assert list(SENSORS) == ["local", "sentinel-1", "sentinel-2"]
    assert sensor_named("sentinel-2").title == "Sentinel-2"
    with pytest.raises(Exception, match="Local images are in no catalogue"):
        archive_sensor("local")
