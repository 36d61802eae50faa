"""Sentinel-1 from a catalogue to an image in decibels: by its command lines, on synthetic power."""

import json

import numpy as np
import pytest
import rasterio
from planetary_computer.settings import Settings
from rankscape.__main__ import main
from rankscape.foundation.errors import SettingsError
from rankscape.scenes.granule_table import Window
from rankscape.scenes.plausibility import decibels, near_zero_area
from rankscape.scenes.seasons import parts_of
from rankscape.scenes.sensors.sentinel1 import SENSOR
from rankscape.scenes.settings import FOUR_SEASONS, AcquisitionSettings, SearchSettings
from rankscape.scenes.warping import read_resampled
from rasterio.transform import from_origin
from unit.scenes.synthetic_scenes import CRS, GRANULE, ORIGIN_M, make_candidates, make_item, write_catalogue, write_tif

WINDOW = {"granule": GRANULE, "start": "2023-01-01", "end": "2023-12-31", "max_cloud_percent": 0}
SIDE_PX = 40


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return int(caught.value.code or 0)


def last_line(capsys) -> str:
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return [line for line in err.splitlines() if line.startswith("rankscape: ")][-1]


def item(name: str, day: str, bands=("vv", "vh"), *, geometry=None, **properties):
    """A STAC item as the Planetary Computer writes it of sentinel-1-rtc."""
    stated = {
        "datetime": f"{day}T05:51:12Z", "platform": "SENTINEL-1A", "sat:orbit_state": "descending",
        "sat:relative_orbit": 22, "sar:product_type": "GRD", "sar:instrument_mode": "IW", "proj:epsg": 32603,
    }  # fmt: skip
    given = {key.replace("__", ":"): value for key, value in properties.items() if key != "collection"}
    west, south, east, north = geometry or (-166.2, 40.55, -166.1, 40.7)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature", "stac_version": "1.0.0", "stac_extensions": [], "id": name,
        "collection": properties.get("collection", "sentinel-1-rtc"),
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [west, south, east, north],
        "properties": {key: value for key, value in {**stated, **given}.items() if value is not None},
        "assets": {band: {"href": f"./{band}.tif"} for band in bands}, "links": [],
    }  # fmt: skip


def power(seed: int = 0, side_px: int = SIDE_PX) -> np.ndarray:
    """Speckled power of land: VV about -10 dB, VH about -17 dB."""
    speckle = np.random.default_rng(seed).gamma(4, 0.25, (2, side_px, side_px))
    return (speckle * np.array([0.1, 0.02])[:, None, None]).astype(np.float32)


def write_scene(folder, values: np.ndarray, **more) -> None:
    for band, pixels in zip(("vv", "vh"), values, strict=True):
        write_tif(folder / f"{band}.tif", pixels, **more)


def make(folder, *scenes) -> None:
    """Write a static catalogue of items with their pixels."""
    for document, values in scenes:
        write_scene(folder / "catalogue" / document["id"], values)
    write_catalogue(folder / "catalogue", [document for document, _ in scenes])


def image_of(folder, window=None, **acquisition) -> int:
    """Search, fetch and compose; return the first exit status that is not 0."""
    chosen = AcquisitionSettings(**{"sensor": "sentinel-1", **acquisition})
    settings = SearchSettings(kind="static", href="catalogue/catalog.json", signing="none").canonical()
    candidates, download = str(folder / "candidates.json"), str(folder / "download.json")
    return (
        run("search", "--settings", settings, "--window", json.dumps({**WINDOW, **(window or {})}),
            "--acquisition", chosen.sought().canonical(), "--out", candidates)
        or run("fetch", "--settings", chosen.fetched().canonical(), "--candidates", candidates, "--out", download)
        or run("compose", "--settings", chosen.composed().canonical(), "--download", download,
               "--scene", str(folder / "scene.tif"), "--quality", str(folder / "quality.tif"))
    )  # fmt: skip


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(folder):
    with rasterio.open(folder / "scene.tif") as image, rasterio.open(folder / "quality.tif") as quality:
        return image.read(), image.descriptions, image.tags(), quality.read(1), image.transform, image.crs


def test_the_median_of_power_in_decibels_on_the_granules_lattice(work):
    fields = [power(seed) for seed in range(3)]
    make(work, *[(item(f"S1A_{n}", f"2023-05-0{n + 1}"), field) for n, field in enumerate(fields)])
    assert image_of(work) == 0
    pixels, names, tags, quality, transform, crs = read(work)
    np.testing.assert_allclose(pixels, 10 * np.log10(np.median(fields, axis=0)), rtol=1e-5)
    assert names == ("VV", "VH")
    assert (crs, transform[2], transform[5]) == (CRS, *ORIGIN_M)
    assert (tags["BACKSCATTER"], tags["UNIT"], tags["COMPOSITE"]) == ("gamma0", "dB", "median")
    assert json.loads(tags["ORBITS"]) == ["descending"] * 3
    assert (quality == 1).all()


def test_power_is_averaged_before_it_becomes_decibels(work):
    """A plane of power, half a pixel off the lattice: the bilinear mean of a plane is the plane."""
    rows, cols = np.mgrid[:SIDE_PX, :SIDE_PX]
    plane = np.stack([0.05 + 0.002 * cols + 0.001 * rows, 0.01 + 0.0002 * cols]).astype(np.float32)
    make(work, (item("S1A_1", "2023-05-01"), plane))
    left, top = ORIGIN_M
    for band, values in zip(("vv", "vh"), plane, strict=True):
        path = work / "catalogue/S1A_1" / f"{band}.tif"
        write_tif(path, values, transform=from_origin(left + 5, top - 5, 10, 10))
    assert image_of(work) == 0
    pixels = read(work)[0]
    expected = 10 * np.log10(plane[:, :-1, :-1] + np.array([0.0015, 0.0001])[:, None, None])
    np.testing.assert_allclose(pixels[:, 1:SIDE_PX, 1:SIDE_PX], expected, atol=1e-4)


def test_another_zone_is_brought_to_the_granules_own(work):
    flat = np.full((2, 60, 60), 0.1, np.float32)
    make(work, (item("S1A_1", "2023-05-01"), flat))
    write_scene(work / "catalogue/S1A_1", flat, crs="EPSG:32604", transform=from_origin(-106_000, 4_520_000, 10, 10))
    assert image_of(work) == 0
    pixels, *_, crs = read(work)
    assert crs == CRS
    known = np.isfinite(pixels[0])
    assert known.mean() > 0.5
    np.testing.assert_allclose(pixels[:, known], -10, atol=1e-4)


def test_zero_areas_and_three_pixels_around_them_are_no_data(work):
    values = power()
    values[:, :, :2] = 0  # a fringe that nothing marks
    values[0, 20, 20] = 0  # one dark pixel is only itself
    values[1, 30, 30] = -1e-4
    make(work, (item("S1A_1", "2023-05-01"), values))
    assert image_of(work) == 0
    pixels, _, _, quality, *_ = read(work)
    lost = np.zeros((SIDE_PX, SIDE_PX), bool)
    lost[:, :5] = lost[20, 20] = lost[30, 30] = True
    np.testing.assert_array_equal(np.isnan(pixels), np.stack([lost, lost]))
    np.testing.assert_array_equal(quality == 0, lost)


def test_marked_no_data_has_no_fringe():
    values = power()
    values[:, :, :2] = -32768
    _, seen = SENSOR.decoder("S1A_1", "gamma0", {}).decode(values[:, None], [-32768.0, -32768.0])
    assert not seen[:, :2].any()
    assert seen[:, 2:].all()


def test_one_polarisation_is_left_out_and_counted(work, capsys):
    make(work, (item("S1A_1", "2023-05-01"), power()), (item("S1A_2", "2023-05-02"), power(1)))
    one = item("S1A_2", "2023-05-02", ("vv",))
    write_catalogue(work / "catalogue", [item("S1A_1", "2023-05-01"), one])
    assert image_of(work) == 0
    assert "1 candidates, left out: 1 of one polarisation." in capsys.readouterr().err
    write_catalogue(work / "catalogue", [one])
    assert image_of(work) == 2
    assert "of 1 items seen, 1 of one polarisation. Widen" in last_line(capsys)


def test_uncalibrated_amplitudes_in_radar_geometry_are_no_backscatter(work, capsys):
    raw = item("S1A_1", "2023-05-01", proj__epsg=None, collection="sentinel-1-grd")
    make(work, (raw, power()))
    assert image_of(work, product="sigma0") == 2
    assert (
        "uncalibrated amplitudes in radar geometry (GRD), which are no backscatter: take sentinel-1-rtc"
        in last_line(capsys)
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (decibels(power()), "look like decibels"),
        (1000 * np.sqrt(power()), "look like digital numbers that are not calibrated"),
        (0 * power(), "no pixel of its 1 scenes has data"),
    ],
)
def test_numbers_that_are_no_power_are_one_line(work, capsys, values, words):
    make(work, (item("S1A_1", "2023-05-01"), values))
    assert image_of(work) == 2
    assert words in last_line(capsys)
    assert not (work / "scene.tif").exists()


def test_another_kind_of_backscatter_than_asked_for_is_one_line(work, capsys):
    make(work, (item("S1A_1", "2023-05-01", card4l__measurement_type="sigma0"), power()))
    assert image_of(work) == 2
    assert "Item S1A_1 holds sigma0, product = gamma0: set product: sigma0." in last_line(capsys)


# Orbits


@pytest.mark.parametrize(("orbit", "taken"), [(None, [0]), ("descending", [0]), ("ascending", [1]), ("either", [0, 1])])
def test_direction_of_the_orbit(work, orbit, taken):
    """Ascending passes fill what descending ones leave, and are averaged with none."""
    fields = [power(1), power(2)]
    fields[0][:, :, :20] = 0
    wide, half = (-166.2, 40.55, -166.1, 40.7), (-166.15, 40.55, -166.1, 40.7)
    make(
        work,
        (item("S1A_d", "2023-05-01", geometry=half), fields[0]),
        (item("S1A_a", "2023-05-02", geometry=wide, sat__orbit_state="ascending"), fields[1]),
    )
    assert image_of(work, orbit=orbit) == 0
    pixels, _, tags, *_ = read(work)
    assert json.loads(tags["ORBITS"]) == [["descending", "ascending"][number] for number in taken]
    first = decibels(fields[taken[0]])
    seen = ~near_zero_area(fields[taken[0]][0] == 0)
    np.testing.assert_allclose(pixels[:, seen], first[:, seen], rtol=1e-5)
    if orbit == "either":
        np.testing.assert_allclose(pixels[:, ~seen], decibels(fields[1])[:, ~seen], rtol=1e-5)


def test_ascending_passes_are_not_asked_for_where_descending_ones_cover_all(work):
    make(
        work,
        (item("S1A_d", "2023-05-01"), power()),
        (item("S1A_a", "2023-05-02", sat__orbit_state="ascending"), power(1)),
    )
    assert image_of(work, orbit="either") == 0
    assert json.loads(read(work)[2]["ORBITS"]) == ["descending"]


def test_mixed_orbits_or_products_in_one_composite_are_one_line(work, capsys):
    make(work, (item("S1A_1", "2023-05-01"), power()), (item("S1A_2", "2023-05-02"), power(1)))
    assert image_of(work) == 0
    path = work / "download.json"
    for key, other, words in (
        ("orbit_direction", "ascending", "03TVF mixes ascending and descending: take scenes of one orbit direction."),
        ("backscatter", "sigma0", "03TVF mixes gamma0 and sigma0: take scenes of one product."),
    ):
        record = json.loads(path.read_text())
        record["scenes"][1][key] = other
        other_path = work / "mixed.json"
        other_path.write_text(json.dumps(record))
        status = run(
            "compose", "--settings", "{}", "--download", str(other_path), "--assets", str(work / "assets"),
            "--scene", str(work / "m.tif"), "--quality", str(work / "q.tif"),
        )  # fmt: skip
        assert status == 2
        assert words in last_line(capsys)


def test_passes_cover_the_granule_before_any_part_is_seen_twice(work):
    west, east = (-166.2, 40.55, -166.15, 40.7), (-166.15, 40.55, -166.1, 40.7)
    scenes = [item("S1A_e", "2023-05-09", geometry=east), item("S1A_e2", "2023-05-08", geometry=east)]
    scenes += [item("S1A_w", "2023-05-01", geometry=west), item("S1A_off", "2023-05-03", geometry=(0, 0, 1, 1))]
    make(work, *[(scene, power()) for scene in scenes])
    image_of(work, max_scenes=2)
    (part,) = json.loads((work / "candidates.json").read_text())["parts"]
    assert [one["id"] for one in part["items"]] == ["S1A_e", "S1A_w", "S1A_e2"]
    assert part["left_out"] == {"beside the granule": 1}


def test_both_sensors_of_one_catalogue_are_told_apart(work, capsys):
    """An item of Sentinel-2 is of another collection, and not radar of one polarisation."""
    make(work, (item("S1A_1", "2023-05-01"), power()))
    write_catalogue(work / "catalogue", [item("S1A_1", "2023-05-01"), make_item(1, datetime="2023-05-01T10:00:00Z")])
    assert image_of(work) == 0
    assert "1 candidates, left out: 1 of another collection." in capsys.readouterr().err


# Seasons


def test_winter_runs_into_the_next_year_and_ends_are_exclusive():
    window = Window(granule=GRANULE, start="2023-01-01", end="2023-12-31", max_cloud_percent=60)
    spans = {
        part.season: [[str(day) for day in span] for span in part.spans] for part in parts_of(window, FOUR_SEASONS)
    }
    assert spans["winter"] == [["2023-12-01", "2024-02-29"]]
    assert spans["spring"] == [["2023-03-01", "2023-05-31"]]
    two = window.model_copy(update={"end": window.end.replace(year=2024)})
    assert [len(part.spans) for part in parts_of(two, FOUR_SEASONS)] == [2, 2, 2, 2]


def test_seasons_stand_side_by_side_and_a_missing_one_is_missing(work, capsys):
    fields = {"spring": power(1), "winter": power(2), "autumn": 0 * power()}
    days = {"spring": "2023-05-31", "winter": "2024-02-01", "autumn": "2023-10-01"}
    make(work, *[(item(f"S1A_{name}", days[name]), field) for name, field in fields.items()])
    assert image_of(work, seasons="four") == 0
    log = capsys.readouterr().err
    assert "03TVF: without a scene: summer; nothing stands in for them." in log
    assert "03TVF: without a clear view: summer, autumn; nothing stands in for them." in log
    pixels, names, tags, quality, *_ = read(work)
    assert names == tuple(f"{season}:{band}" for season in FOUR_SEASONS for band in ("VV", "VH"))
    np.testing.assert_allclose(pixels[:2], decibels(fields["spring"]), rtol=1e-5)
    np.testing.assert_allclose(pixels[6:], decibels(fields["winter"]), rtol=1e-5)
    assert np.isnan(pixels[2:6]).all()
    assert (quality == 1).all()
    assert json.loads(tags["SEASONS_MISSING"]) == ["summer", "autumn"]
    record = json.loads((work / "download.json").read_text())
    assert (record["seasons"], record["missing_seasons"]) == (list(FOUR_SEASONS), ["summer"])


@pytest.mark.parametrize(
    ("day", "window", "words"),
    [
        ("2022-05-01", {}, "no scene between"),
        (
            "2023-05-01",
            {"start": "2023-03-02", "end": "2023-05-30"},
            "none of the seasons spring, summer, autumn, winter",
        ),
    ],
)
def test_all_seasons_empty_is_one_line(work, capsys, day, window, words):
    make(work, (item("S1A_1", day), power()))
    assert image_of(work, window, seasons="four") == 2
    assert words in last_line(capsys)


def test_all_seasons_of_zeros_are_one_line(work, capsys):
    make(work, (item("S1A_1", "2023-05-01"), 0 * power()))
    assert image_of(work, seasons="four") == 2
    assert "no pixel of its 1 scenes has data" in last_line(capsys)


# A key


def test_a_key_that_is_demanded_and_not_given_is_one_line(azure, tmp_path, monkeypatch, capsys):
    write_scene(azure.folder / "container", power())
    azure.key = "mine"
    assets = {band: {"href": f"http://account.blob.core.windows.net/container/{band}.tif"} for band in ("vv", "vh")}
    document = {**item("S1A_1", "2023-05-01"), "assets": assets}
    part = {"season": None, "fills": False, **make_candidates([document], signing="planetary-computer")}
    candidates = tmp_path / "candidates.json"
    candidates.write_text(json.dumps({"granule": GRANULE, "parts": [part]}))
    settings = AcquisitionSettings(sensor="sentinel-1", hosts=["account.blob.core.windows.net"]).fetched().canonical()
    arguments = ("fetch", "--settings", settings, "--candidates", str(candidates), "--out", str(tmp_path / "d.json"))
    assert run(*arguments) == 2
    assert "demands a key (HTTP 401): set the environment variable PC_SDK_SUBSCRIPTION_KEY" in last_line(capsys)
    monkeypatch.setenv("PC_SDK_SUBSCRIPTION_KEY", "mine")
    Settings.get.cache_clear()
    assert run(*arguments) == 0
    assert "mine" not in (tmp_path / "d.json").read_text()


def test_windows_do_not_change_what_is_resampled(tmp_path):
    values = power(3, 60)
    values[:, 10:14, 10:40] = 0
    write_scene(tmp_path, values, transform=from_origin(ORIGIN_M[0] + 3, ORIGIN_M[1] - 4, 10, 10))
    decoder = SENSOR.decoder("S1A_1", "gamma0", {})
    grid = from_origin(*ORIGIN_M, 10, 10)
    with rasterio.open(tmp_path / "vv.tif") as vv, rasterio.open(tmp_path / "vh.tif") as vh:
        crs = vv.crs
        whole, _ = read_resampled([vv, vh], decoder, crs, grid, rasterio.windows.Window(0, 0, 60, 60))
        part, _ = read_resampled([vv, vh], decoder, crs, grid, rasterio.windows.Window(8, 9, 30, 20))
    np.testing.assert_allclose(part, whole[:, 9:29, 8:38], rtol=1e-5)


# Settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sensor": "sentinel-1", "bands": ["VV"]}, r"both polarisations \['VV', 'VH'\] are needed"),
        ({"sensor": "sentinel-1", "product": "visual"}, r"none of \['gamma0', 'sigma0'\]"),
        ({"orbit": "either"}, "orbit = 'either' goes with radar"),
        ({"seasons": {"dry": ["02-29", "05-01"]}}, "season dry: 02-29 is no day of every year"),
        ({"seasons": {"dry": ["05-01", "05-01"]}}, "it has no day"),
        ({"seasons": {"dry": ["5-1", "06-01"]}}, "write month and day, such as 03-01"),
        ({"seasons": "five"}, "'five' names no seasons: write four"),
        ({"seasons": "four", "product": "visual"}, "seasons may be missing, which product visual cannot say"),
        ({"sensor": "local", "seasons": "four"}, "seasons goes with a sensor of a catalogue"),
    ],
)
def test_wrong_settings_are_refused(settings, words):
    with pytest.raises(SettingsError, match=words):
        AcquisitionSettings.checked(settings, "mine.yaml", "acquisitions.mine")


def test_defaults_of_seasons_and_radar():
    radar, optical, one = (
        AcquisitionSettings.model_validate(given) for given in ({"sensor": "sentinel-1"}, {"seasons": "four"}, {})
    )
    assert (radar.product, radar.bands, radar.max_scenes, radar.composite) == ("gamma0", ("VV", "VH"), 6, "median")
    assert (optical.product, optical.max_scenes, optical.composite) == ("reflectance", 6, "median")
    assert (one.product, one.max_scenes, one.composite) == ("visual", 1, "best")
    assert list(optical.windows) == ["spring", "summer", "autumn", "winter"]
    assert radar.sought().collection == "sentinel-1-rtc"
    # Seasons and orbit ask the catalogue; they do not change what fetch and compose read of the settings.
    assert optical.model_copy(update={"seasons": None}).fetched() == optical.fetched()


def test_seasons_of_sentinel_2_hold_clear_views_alone(work, capsys):
    """Of two views the cloud of one is left to the other; what is cloudy in both is missing, not filled."""
    bands = ("B04", "B03", "B02")
    documents = []
    for name, day, dn, cloudy in (
        ("S2A_1", "2023-04-01", 2000, 4),
        ("S2A_2", "2023-04-05", 3000, 2),
        ("S2A_3", "2023-07-01", 4000, 20),
    ):
        classes = np.full((10, 10), 4, np.uint8)
        classes[:cloudy] = 9
        write_tif(work / f"catalogue/{name}/SCL.tif", classes, gsd_m=20.0)
        for band in bands:
            write_tif(work / f"catalogue/{name}/{band}.tif", np.full((20, 20), dn, np.uint16))
        assets = {band: f"./{band}.tif" for band in (*bands, "SCL")}
        documents.append(make_item(1, id=name, assets=assets, datetime=f"{day}T10:00:00Z"))
    write_catalogue(work / "catalogue", documents)
    status = image_of(
        work,
        {"max_cloud_percent": 60},
        sensor="sentinel-2",
        seasons={"spring": ["03-01", "06-01"], "summer": ["06-01", "09-01"]},
    )
    assert status == 0
    pixels, names, tags, quality, *_ = read(work)
    assert names == tuple(f"{season}:{band}" for season in ("spring", "summer") for band in bands)
    assert np.isnan(pixels[:3, :4]).all()
    np.testing.assert_allclose(pixels[:3, 4:8], 0.2, atol=1e-6)
    np.testing.assert_allclose(pixels[:3, 8:], 0.15, atol=1e-6)
    assert np.isnan(pixels[3:]).all()
    assert json.loads(tags["SEASONS_MISSING"]) == ["summer"]
    np.testing.assert_array_equal(quality[:, 0], [2] * 4 + [1] * 16)
    write_catalogue(work / "catalogue", documents[2:])
    assert image_of(work, {"max_cloud_percent": 60}, sensor="sentinel-2", seasons="four") == 2
    assert "03TVF: no season has a clear view (spring, summer, autumn, winter)" in last_line(capsys)
