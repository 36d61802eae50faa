"""Filter, deduplication and order of items, and the line that says why none is left."""

import datetime
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.foundation.errors import GranuleError
from rankscape.scenes.candidates import choose, require_candidates
from rankscape.scenes.granule_table import Window
from rankscape.scenes.sensors.sentinel2 import SENSOR, baseline_of
from rankscape.scenes.settings import SearchSettings
from unit.scenes.synthetic_scenes import GRANULE, make_item

SETTINGS = SearchSettings(kind="static", href="catalog.json", signing="none", collection=SENSOR.collection)
WINDOW = Window(granule=GRANULE, start="2023-07-01", end="2023-07-20", max_cloud_percent=20)


def ids(items, window=WINDOW, chosen=SETTINGS):
    return [item["id"] for item in choose(items, window, chosen, SENSOR).items]


def test_fewer_holes_come_first_then_less_cloud_then_newer_then_id():
    items = [
        make_item(1, id="cloudier", eo__cloud_cover=9.0),
        make_item(2, id="holes", s2__nodata_pixel_percentage=1.6, eo__cloud_cover=0.0),
        make_item(3, id="older", eo__cloud_cover=2.0),
        make_item(4, id="newer", eo__cloud_cover=2.0),
        make_item(4, id="a-newer", eo__cloud_cover=2.0, platform="Sentinel-2B"),
        # 0.4 % is no reason to prefer another scene: shares of missing pixels count in whole percent.
        make_item(5, id="clearest", s2__nodata_pixel_percentage=0.4, eo__cloud_cover=1.0),
    ]
    assert ids(items) == ["clearest", "a-newer", "newer", "older", "cloudier", "holes"]


def test_client_filters_whatever_the_server_did():
    items = [
        make_item(1, id="good"),
        make_item(2, id="neighbour", s2__mgrs_tile="03TWF"),
        make_item(21, id="late"),
        make_item(3, id="cloudy", eo__cloud_cover=20.1),
        make_item(4, id="wedge", s2__nodata_pixel_percentage=61.0),
        make_item(5, id="elsewhere", collection="sentinel-2-l1c"),
        make_item(6, id="vague", eo__cloud_cover=None),
        make_item(7, id="thin", s2__nodata_pixel_percentage=None),
        make_item(8, id="untimed", datetime=None),
        make_item(9, id="../escape"),
    ]
    choice = choose(items, WINDOW, SETTINGS, SENSOR)
    assert [item["id"] for item in choice.items] == ["good"]
    assert choice.left_out == {
        "an id that cannot name a folder": 1,
        "cloud above 20 %": 1,
        "no sensing time": 1,
        "of another collection": 1,
        "of another granule": 1,
        "outside the dates": 1,
        "pixels without data above 60 %": 1,
        "share of cloud not stated": 1,
        "share of pixels without data not stated": 1,
    }
    assert choice.granules == ("03TVF", "03TWF")


def test_last_day_is_included_and_limits_of_100_let_unknown_shares_pass():
    late = make_item(20, datetime="2023-07-20T23:59:59.9Z", eo__cloud_cover="absent", s2__nodata_pixel_percentage=None)
    open_window = WINDOW.model_copy(update={"max_cloud_percent": 100.0})
    assert ids([late]) == []
    assert ids([late], open_window, SETTINGS.model_copy(update={"max_nodata_percent": 100.0})) == [late["id"]]


def test_one_sensing_counts_once_in_its_newest_processing():
    items = [
        make_item(1, id="first", s2__processing_baseline="02.12"),
        make_item(1, id="again", s2__processing_baseline="05.00", s2__generation_time="2023-11-01T00:00:00Z"),
        make_item(1, id="newest", s2__processing_baseline="05.00", s2__generation_time="2023-12-01T00:00:00Z"),
        make_item(1, id="other-orbit", sat__relative_orbit=65),
        make_item(1, id="twin", platform="Sentinel-2B"),
    ]
    choice = choose(items, WINDOW, SETTINGS, SENSOR)
    assert {item["id"] for item in choice.items} == {"newest", "other-orbit", "twin"}
    assert choice.left_out == {"an older processing of a scene": 2}


def test_platforms_and_moments_written_differently_are_the_same_sensing():
    items = [
        make_item(1, id="one", platform="sentinel-2a", datetime="2023-07-01T10:00:00Z"),
        make_item(1, id="two", platform="Sentinel-2A", datetime="2023-07-01T12:00:00.024+02:00"),
    ]
    assert ids(items) == ["two"]


@settings(max_examples=40, deadline=None)
@given(st.permutations(list(range(6))))
def test_order_does_not_depend_on_the_servers(order):
    items = [make_item(day, id=f"s{day}", eo__cloud_cover=float(day % 2)) for day in (1, 1, 2, 3, 4, 5)]
    items[0]["id"] = "twice"
    assert ids([items[place] for place in order]) == ids(items)


@pytest.mark.parametrize(
    ("properties", "identifier"),
    [
        ({"grid:code": "MGRS-3TVF"}, "x"),
        ({"mgrs:utm_zone": 3, "mgrs:latitude_band": "T", "mgrs:grid_square": "VF"}, "x"),
        ({"sentinel:utm_zone": 3, "sentinel:latitude_band": "T", "sentinel:grid_square": "VF"}, "x"),
        ({}, "S2A_03TVF_20230701_0_L2A"),
        ({}, "S2A_3TVF_20230701_0_L2A"),
        ({}, "S2A_T03TVF_20230701T100000_L2A"),
        ({}, "S2B_MSIL2A_20230701T100000_R022_T03TVF_20230701T180000"),
    ],
)
def test_granule_is_found_in_every_catalogues_words(properties, identifier):
    item = make_item(1, id=identifier, s2__mgrs_tile="absent")
    item["properties"] |= properties
    assert SENSOR.read_item(item).granule == GRANULE


def test_what_an_item_does_not_state_is_read_from_its_product_name():
    item = make_item(
        1, id="S2B_MSIL2A_20230701T100000_R065_T03TVF_20230702T010203", s2__processing_baseline="absent",
        sat__relative_orbit="absent", s2__generation_time="absent",
        s2__product_uri="S2B_MSIL2A_20230701T100000_N0400_R065_T03TVF_20230702T010203.SAFE",
    )  # fmt: skip
    scene = SENSOR.read_item(item)
    assert (scene.baseline, scene.orbit) == ((4, 0), 65)
    assert scene.generated == datetime.datetime(2023, 7, 2, 1, 2, 3, tzinfo=datetime.UTC)


def test_cloud_and_nodata_in_older_words():
    item = make_item(1, eo__cloud_cover="absent", s2__nodata_pixel_percentage="absent", sentinel__data_coverage=93.15)
    item["properties"] |= {f"s2:{kind}_percentage": 1.5 for kind in ("medium_proba_clouds", "high_proba_clouds")}
    assert SENSOR.read_item(item).cloud_percent is None
    item["properties"]["s2:thin_cirrus_percentage"] = 1.0
    scene = SENSOR.read_item(item)
    assert (scene.cloud_percent, scene.nodata_percent) == (4.0, pytest.approx(6.85))


def test_baseline_is_none_where_nothing_states_it():
    assert baseline_of(make_item(1, s2__processing_baseline="new")) is None
    assert baseline_of(make_item(1, s2__processing_baseline="absent", processing__version="05.11")) == (5, 11)


@pytest.mark.parametrize(
    ("key", "name"),
    [("B04", "B04"), ("red", "B04"), ("B04_10m", "B04"), ("nir08", "B8A"), ("swir16_20m", "B11"), ("scl", "SCL"),
     ("SCL_20m", "SCL"), ("TCI_10m", "visual"), ("visual", "visual")],
)  # fmt: skip
def test_assets_are_found_in_every_catalogues_words(key, name):
    item = make_item(1, assets={key: "a.tif", "thumbnail": "b.png"})
    assert SENSOR.asset(item, name) == {"href": "a.tif"}
    assert SENSOR.asset(item, "B02") is None


def test_no_scene_left_says_why():
    choice = choose([make_item(1, eo__cloud_cover=80.0), make_item(25)], WINDOW, SETTINGS, SENSOR)
    with pytest.raises(GranuleError) as caught:
        require_candidates(choice, WINDOW, SETTINGS, whole_catalogue=True)
    line = str(caught.value)
    assert "03TVF: no scene between 2023-07-01 and 2023-07-20" in line
    assert "of 2 items seen, 1 cloud above 20 %, 1 outside the dates" in line
    assert "\n" not in line


def test_unknown_granule_names_the_known_ones():
    choice = choose(
        [make_item(1, s2__mgrs_tile="48RVV"), make_item(2, s2__mgrs_tile="48RUV")], WINDOW, SETTINGS, SENSOR
    )
    with pytest.raises(GranuleError, match="its granules are: 48RUV, 48RVV"):
        require_candidates(choice, WINDOW, SETTINGS, whole_catalogue=True)
    with pytest.raises(GranuleError, match="2 of another granule"):
        require_candidates(choice, WINDOW, SETTINGS, whole_catalogue=False)


def test_an_empty_answer_is_said_so():
    with pytest.raises(GranuleError, match="of 0 items seen, it gave none"):
        require_candidates(choose([], WINDOW, SETTINGS, SENSOR), WINDOW, SETTINGS, whole_catalogue=False)
    require_candidates(choose([make_item(1)], WINDOW, SETTINGS, SENSOR), WINDOW, SETTINGS, whole_catalogue=True)


@pytest.mark.shared
def test_real_items_of_both_catalogues_can_be_read(shared):
    stac = shared / "data/stac"
    earth_search = json.loads((stac / "crates/server/data/sentinel-2/item-collection.json").read_text())["features"]
    planetary = json.loads((stac / "tests/data/sentinel-2-l2a-pc.json").read_text())
    old = json.loads((stac / "tests/data/S2A_28QCH_20200714_0_L2A.json").read_text())
    for item in (*earth_search, *planetary):
        scene = SENSOR.read_item(item)
        assert scene.granule is not None
        assert None not in (scene.baseline, scene.orbit, scene.cloud_percent, scene.nodata_percent)
        assert all(SENSOR.asset(item, name) for name in ("visual", "SCL", "B02", "B03", "B04", "B08", "B11"))
    scene = SENSOR.read_item(old)
    assert (scene.granule, scene.baseline, scene.orbit) == ("28QCH", (2, 14), 123)
    assert scene.nodata_percent == pytest.approx(93.15)
