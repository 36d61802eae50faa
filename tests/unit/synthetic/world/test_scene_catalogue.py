"""The static catalogue: valid STAC, consistent with its pixels, and such that choosing a scene matters."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from pyproj import Transformer
from pystac.validation import JsonSchemaSTACValidator, RegisteredValidator
from rankscape.scenes.candidates import choose
from rankscape.scenes.granule_table import Window
from rankscape.scenes.sensors.sentinel2 import SENSOR
from rankscape.scenes.settings import SearchSettings
from rankscape.synthetic.world.land_cover import BANDS
from rankscape.synthetic.world.scene_catalogue import REPROCESSED
from rankscape.synthetic.world.settlements import EARLIER_GRANULE
from rankscape.synthetic.world.sky import CLASSES, PASSAGES
from rankscape.synthetic.world.world_grid import CRS, GRANULES
from shapely.geometry import Point, shape

CLOUDS = (8, 9, 10)


@pytest.fixture(scope="module")
def items(region) -> dict[str, dict]:
    return {path.parent.name: json.loads(path.read_text()) for path in region.items}


def read(region, item: dict, band: str) -> np.ndarray:
    path = region.folder / "sentinel-2-l2a" / item["id"] / item["assets"][band]["href"]
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def of(items: dict[str, dict], granule: str, platform: str, baseline: str | None = None) -> dict:
    found = [
        item for item in items.values()
        if item["properties"]["s2:mgrs_tile"] == granule and item["properties"]["platform"] == platform
        and item["properties"]["datetime"] > "2020"
        and baseline in (None, item["properties"]["s2:processing_baseline"])
    ]  # fmt: skip
    return sorted(found, key=lambda item: item["id"])[0]


def window(granule: str, **changes: object) -> Window:
    given = {"start": "2021-01-01", "end": "2023-12-31", "max_cloud_percent": 60, "granule": granule}
    return Window(**{**given, **changes})


def test_items_collection_and_catalogue_are_valid_stac(region):
    # Only the core schemas lie in the package; those of extensions would be fetched from the network.
    validator = RegisteredValidator.get_validator()
    assert isinstance(validator, JsonSchemaSTACValidator)
    kinds = {"Feature": "ITEM", "Collection": "COLLECTION", "Catalog": "CATALOG"}
    documents = [region.catalog, region.folder / "sentinel-2-l2a" / "collection.json", *region.items]
    for path in documents:
        document = json.loads(path.read_text())
        kind = pystac.STACObjectType[kinds[document["type"]]]
        validator.validate_core(document, kind, document["stac_version"])


def test_the_catalogue_can_be_walked_and_moved(region, tmp_path):
    moved = tmp_path / "elsewhere"
    moved.symlink_to(region.folder)
    catalogue = pystac.Catalog.from_file(str(moved / "catalog.json"))
    found = list(catalogue.get_items(recursive=True))
    assert len(found) == 14
    for item in found:
        assert set(item.assets) == {*BANDS, "SCL"}
        assert all(Path(asset.get_absolute_href()).is_file() for asset in item.assets.values())
    hrefs = [link["href"] for path in region.items for link in json.loads(path.read_text())["links"]]
    assert all(href.startswith(".") for href in hrefs)


def test_every_granule_was_seen_twice_one_sensing_is_there_twice_and_one_granule_has_an_earlier_date(items):
    count = Counter(item["properties"]["s2:mgrs_tile"] for item in items.values())
    assert count == {name: 2 + (name == REPROCESSED[0]) + (name == EARLIER_GRANULE) for name in GRANULES}
    sensings = Counter((item["properties"]["datetime"], item["properties"]["s2:mgrs_tile"]) for item in items.values())
    assert sorted(sensings.values())[-2:] == [1, 2]


def test_shares_in_the_properties_are_those_of_the_pixels(region, items):
    for item in items.values():
        properties, classes, red = item["properties"], read(region, item, "SCL"), read(region, item, "B04")
        assert properties["s2:nodata_pixel_percentage"] == pytest.approx(100 * (red == 0).mean(), abs=1e-4)
        valid = (classes > 0).sum()
        clouds = 100 * np.isin(classes, CLOUDS).sum() / valid
        assert properties["eo:cloud_cover"] == pytest.approx(clouds, abs=1e-4)
        assert set(np.unique(classes)) <= set(CLASSES.values())
        stated = sum(properties[f"s2:{name}_percentage"] for name, number in CLASSES.items() if number)
        assert stated == pytest.approx(100, abs=1e-3)


def test_a_pixel_without_data_has_none_in_any_band(region, items):
    item = of(items, "03TXG", "Sentinel-2A")
    holes = [read(region, item, band) == 0 for band in BANDS]
    assert 0.05 < holes[0].mean() < 0.6
    assert all((hole == holes[0]).all() for hole in holes)
    classes = read(region, item, "SCL").repeat(2, 0).repeat(2, 1)
    assert ((classes == 0) == holes[0]).mean() > 0.99
    # The swath's edge cuts off the east.
    assert not holes[0][:, 0].any()
    assert holes[0][:, -1].all()


def test_assets_lie_where_the_item_says(region, items):
    for item in list(items.values())[:3]:
        for name, asset in item["assets"].items():
            with rasterio.open(region.folder / "sentinel-2-l2a" / item["id"] / asset["href"]) as dataset:
                assert list(dataset.shape) == asset["proj:shape"]
                assert list(dataset.transform)[:6] == asset["proj:transform"]
                assert list(dataset.bounds) == asset["proj:bbox"]
                assert dataset.crs.to_epsg() == item["properties"]["proj:epsg"]
                assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
                assert dataset.dtypes == ("uint8",) if name == "SCL" else ("uint16",)
                assert dataset.res == (asset["gsd"], asset["gsd"])


def test_the_footprint_holds_the_data_and_nothing_else(region, items):
    item = of(items, "03TXG", "Sentinel-2A")
    outline = shape(item["geometry"])
    assert item["bbox"] == pytest.approx(list(outline.bounds))
    red = read(region, item, "B04")
    left, _, _, top = item["assets"]["B04"]["proj:bbox"]
    to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    chance = np.random.default_rng(0)
    for row, col in chance.integers(2, 254, (300, 2)):
        inside = outline.contains(Point(to_degrees.transform(left + (col + 0.5) * 10, top - (row + 0.5) * 10)))
        near_edge = len(set((red[row, col - 2 : col + 3] > 0).tolist())) > 1
        assert near_edge or inside == (red[row, col] > 0)


def test_the_offset_of_later_baselines_is_in_the_dn_and_nowhere_else(region, items):
    granule, baseline, _ = REPROCESSED
    first, second = of(items, granule, "Sentinel-2A", "03.01"), of(items, granule, "Sentinel-2A", baseline)
    for band in BANDS:
        plain, shifted = read(region, first, band).astype(int), read(region, second, band).astype(int)
        assert (shifted - plain == 1000).mean() > 0.999
    assert np.array_equal(read(region, first, "SCL"), read(region, second, "SCL"))
    later = of(items, granule, "Sentinel-2B")
    assert later["properties"]["s2:processing_baseline"] == "04.00"
    assert np.percentile(read(region, later, "B02"), 1) > 1000


def test_neighbours_saw_the_same_in_one_passage(region, items):
    west, east = (read(region, of(items, granule, "Sentinel-2B"), "B08") for granule in ("03TVF", "03TWF"))
    assert np.array_equal(west[:, -64:], east[:, :64])
    north = read(region, of(items, "03TVG", "Sentinel-2B"), "B08")
    assert np.array_equal(north[-64:], west[:64])


def test_the_two_passages_differ_in_clouds_and_light(region, items):
    first, second = of(items, "03TWG", "Sentinel-2A"), of(items, "03TWG", "Sentinel-2B")
    classes = read(region, first, "SCL"), read(region, second, "SCL")
    assert not np.array_equal(np.isin(classes[0], CLOUDS), np.isin(classes[1], CLOUDS))
    clear = (~np.isin(classes[0], (0, 3, *CLOUDS)) & ~np.isin(classes[1], (0, 3, *CLOUDS))).repeat(2, 0).repeat(2, 1)
    blue = read(region, first, "B02").astype(float), read(region, second, "B02").astype(float) - 1000
    assert np.corrcoef(blue[0][clear], blue[1][clear])[0, 1] > 0.95
    assert abs(np.median(blue[0][clear]) - np.median(blue[1][clear])) > 5


def test_clouds_are_bright_and_shadows_dark(region, items):
    for item in (of(items, "03TVG", "Sentinel-2A"), of(items, "03TVF", "Sentinel-2B")):
        classes = read(region, item, "SCL").repeat(2, 0).repeat(2, 1)
        red = read(region, item, "B04").astype(float)
        land = np.isin(classes, (4, 5))
        if (classes == 9).any():
            assert np.median(red[classes == 9]) > np.percentile(red[land], 95)
        if (classes == 3).any():
            assert np.median(red[classes == 3]) < np.median(red[land])


def test_choosing_drops_the_older_processing_and_prefers_whole_scenes(items):
    settings = SearchSettings(kind="static", href="catalog.json", signing="none", collection=SENSOR.collection)
    choice = choose(items.values(), window(REPROCESSED[0]), settings, SENSOR)
    assert len(choice.items) == 2
    assert choice.left_out["an older processing of a scene"] == 1
    baselines = {item["properties"]["s2:processing_baseline"] for item in choice.items}
    assert baselines == {REPROCESSED[1], "04.00"}
    best = choose(items.values(), window("03TXG"), settings, SENSOR).items[0]
    assert best["properties"]["s2:nodata_pixel_percentage"] == 0
    none = choose(items.values(), window("03TXG", end="2021-06-01"), settings, SENSOR)
    assert none.items == []


def test_ids_name_what_the_item_is(items):
    for item in items.values():
        properties = item["properties"]
        mission, level, sensed, orbit, granule, generated = item["id"].split("_")
        assert mission == "S2" + properties["platform"][-1]
        assert level == "MSIL2A"
        assert orbit == f"R{properties['sat:relative_orbit']:03}"
        assert granule == "T" + properties["s2:mgrs_tile"]
        baseline = properties["s2:processing_baseline"].replace(".", "")
        assert (
            properties["s2:product_uri"] == f"{mission}_{level}_{sensed}_N{baseline}_{orbit}_{granule}_{generated}.SAFE"
        )
    assert {passage.baseline for passage in PASSAGES} == {"03.01", "04.00"}
