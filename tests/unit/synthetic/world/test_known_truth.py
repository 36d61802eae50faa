"""What is known of a synthetic world: references, districts, counties, and what lies around patches."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from rankscape.foundation.provenance import KEY
from rankscape.foundation.tables import read_metadata
from rankscape.synthetic.settings import SimulateSettings
from rankscape.synthetic.world.annotators import CATEGORIES, Contents, annotate, write_labels
from rankscape.synthetic.world.known_truth import (
    LIGHT_DEGREES,
    MARKETS,
    NAMES,
    write_counties,
    write_lights,
    write_population,
    write_surroundings,
)
from rankscape.synthetic.world.world_grid import CRS, FIT, GRANULES
from rasterio.enums import Resampling
from rasterio.warp import reproject
from scipy import stats
from scipy.ndimage import distance_transform_edt
from scipy.stats import spearmanr
from shapely.geometry import box
from unit.synthetic.conftest import PATCH_PX, truth_of_patches


def read(path) -> tuple[np.ndarray, dict]:
    with rasterio.open(path) as dataset:
        return dataset.read(1), dataset.profile


@pytest.fixture(scope="module")
def full_lights(full_land, full_layout, tmp_path_factory):
    path = tmp_path_factory.mktemp("references") / "lights.tif"
    write_lights(path, full_land, full_layout, 7, {})
    return read(path)


def test_lights_lie_on_a_grid_of_fifteen_seconds(full_lights, full_layout):
    radiance, profile = full_lights
    transform = profile["transform"]
    assert profile["crs"].to_epsg() == 4326
    assert transform.a == pytest.approx(LIGHT_DEGREES)
    # Whole grid lines, so that the pixels are those of a global product.
    assert transform.c / LIGHT_DEGREES == pytest.approx(round(transform.c / LIGHT_DEGREES), abs=1e-6)
    assert transform.f / LIGHT_DEGREES == pytest.approx(round(transform.f / LIGHT_DEGREES), abs=1e-6)
    assert radiance.shape[0] * LIGHT_DEGREES * 111_000 >= full_layout.shape[0] * 10


def test_lights_are_dark_where_nobody_is_and_saturate_in_the_city(full_lights):
    radiance, _ = full_lights
    lit = radiance[np.isfinite(radiance)]
    assert 0.3 < (lit == 0).mean() < 0.85
    assert lit[lit > 0].min() >= 0.45
    assert 25 < lit.max() < 90


def test_lights_follow_the_truth_loosely(full_lights, full_land, full_layout):
    radiance, profile = full_lights
    truth = np.full(radiance.shape, np.nan, np.float32)
    reproject(
        full_land.truth, truth, src_transform=full_layout.transform, src_crs=CRS, dst_transform=profile["transform"],
        dst_crs="EPSG:4326", dst_nodata=np.nan, resampling=Resampling.average,
    )  # fmt: skip
    both = np.isfinite(truth) & np.isfinite(radiance)
    agreement = stats.spearmanr(truth[both], radiance[both]).statistic
    assert 0.5 < agreement < 0.95


def test_population_is_counted_a_hectare_with_errors(full_land, full_layout, tmp_path):
    write_population(tmp_path / "population.tif", full_land, full_layout, 7, {})
    people, profile = read(tmp_path / "population.tif")
    assert profile["crs"].to_string() == CRS
    assert profile["transform"].a == 100
    assert people.shape == (198, 294)
    assert people.min() == 0
    rows, cols = people.shape
    true = full_land.people_per_ha[: rows * 10, : cols * 10].reshape(rows, 10, cols, 10).mean((1, 3))
    assert people.sum() == pytest.approx(true.sum(), rel=0.1)
    crowded = true > 5
    ratio = people[crowded] / true[crowded]
    assert 0.02 < (ratio == 0).mean() < 0.07
    assert 0.15 < np.log(ratio[ratio > 0]).std() < 0.35


def read_labels(path) -> tuple[list[str], np.ndarray]:
    header, *lines = path.read_text().splitlines()
    assert header == "patch_id," + ",".join(CATEGORIES)
    cells = [line.split(",") for line in lines]
    return [row[0] for row in cells], np.array([[float(cell) for cell in row[1:]] for row in cells])


def test_labels_name_patches_of_the_granules_to_learn_from(region):
    names, shares = read_labels(region.labels)
    assert len(names) == len(set(names)) == 60
    for name in names:
        granule, row, col = name.split("_")
        assert granule in FIT
        assert 0 <= int(row) < 8
        assert 0 <= int(col) < 8
    assert shares.sum(1) == pytest.approx(1, abs=1e-9)


def test_labels_of_the_demo_hold_enough_of_every_category(full_land, full_layout, tmp_path):
    write_labels(tmp_path / "labels.csv", full_land, full_layout, SimulateSettings())
    names, shares = read_labels(tmp_path / "labels.csv")
    assert len(names) == 300
    assert np.bincount(shares.argmax(1), minlength=4).min() >= 25
    # Four annotators give quarters, and do not always agree.
    assert np.isin(shares, [0, 0.25, 0.5, 0.75, 1]).all()
    assert 0.05 < (shares.max(1) < 1).mean() < 0.5


def test_shares_of_three_annotators_still_add_up_to_1(small_land, small_layout, tmp_path):
    settings = SimulateSettings(granule_px=256, annotators=3, labelled_patches=100, label_patch_px=16)
    write_labels(tmp_path / "labels.csv", small_land, small_layout, settings)
    names, shares = read_labels(tmp_path / "labels.csv")
    assert len(names) == 100
    assert shares.sum(1) == pytest.approx(1, abs=1e-9)


def test_no_more_patches_are_labelled_than_there_are(small_land, small_layout, tmp_path):
    settings = SimulateSettings(granule_px=256, labelled_patches=10_000, label_patch_px=64)
    write_labels(tmp_path / "labels.csv", small_land, small_layout, settings)
    assert len(read_labels(tmp_path / "labels.csv")[0]) == len(FIT) * 16


def contents_of(**shares: float) -> Contents:
    given = {"built": 0.0, "farmed": 0.0, "highland": 0.0, "grazed": 0.0, "roads": 0.0} | shares
    return Contents(**{name: np.full(400, share) for name, share in given.items()})


@pytest.mark.parametrize(
    ("shares", "category"),
    [
        ({"built": 0.9}, "urban"),
        ({"built": 0.9, "highland": 1.0}, "urban"),
        ({"farmed": 0.8}, "rural"),
        ({"built": 0.15}, "rural"),
        ({"highland": 1.0, "grazed": 0.5}, "highland"),
        ({}, "uninhabited"),
    ],
)
def test_annotators_name_what_there_is_and_err_now_and_then(shares, category):
    votes = annotate(contents_of(**shares), 4, np.random.default_rng(0))
    named = votes[:, CATEGORIES.index(category)]
    assert 0.9 < named.mean() < 1
    assert votes.sum(1) == pytest.approx(1)


def test_annotators_disagree_about_what_lies_between():
    votes = annotate(contents_of(built=0.42), 4, np.random.default_rng(0))
    assert 0.2 < votes[:, 0].mean() < 0.8


@pytest.fixture(scope="module")
def counties(full_land, full_layout, tmp_path_factory):
    path = tmp_path_factory.mktemp("counties") / "counties.parquet"
    write_counties(path, full_land, full_layout, 7, {"stage": "simulate"})
    assert read_metadata(path, KEY) == {"stage": "simulate"}
    return gpd.read_parquet(path)


def test_counties_share_their_borders_and_cover_the_world_and_a_little_more(counties, full_layout):
    rows, cols = full_layout.shape
    world = box(full_layout.transform.c, full_layout.transform.f - 10 * rows, full_layout.transform.c + 10 * cols,
                full_layout.transform.f)  # fmt: skip
    whole = counties.union_all()
    assert counties.crs.to_string() == CRS
    assert tuple(counties["county"]) == NAMES
    assert counties.is_valid.all()
    assert counties.area.sum() == pytest.approx(whole.area, rel=1e-9), "no overlap"
    assert shapely.Polygon(whole.exterior).area == pytest.approx(whole.area, rel=1e-9), "no gap"
    assert shapely.Polygon(whole.exterior).contains(world)
    assert whole.area < 1.3 * world.area
    assert not whole.equals(whole.envelope), "borders are not straight"


def test_the_census_follows_the_truth_with_noise(counties, full_land, full_layout):
    people = full_land.people_per_ha.sum() / 100
    assert counties["population"].sum() == pytest.approx(people, rel=0.1)
    assert counties["code"].is_unique
    assert (counties[["population", "people_per_km2", "income_per_head"]] > 0).all(axis=None)
    density = counties["population"] / (counties.area / 1e6)
    assert spearmanr(density, counties["people_per_km2"]).statistic > 0.9


def test_another_seed_gives_other_counties(counties, small_land, small_layout, tmp_path):
    write_counties(tmp_path / "a.parquet", small_land, small_layout, 7, {})
    write_counties(tmp_path / "b.parquet", small_land, small_layout, 8, {})
    first, second = (gpd.read_parquet(tmp_path / name) for name in ("a.parquet", "b.parquet"))
    assert first.is_valid.all()
    assert second.is_valid.all()
    assert not first.geom_equals(second).any()


@pytest.fixture(scope="module")
def census(full_land, full_layout, tmp_path_factory):
    return write_counties(tmp_path_factory.mktemp("around") / "counties.parquet", full_land, full_layout, 7, {})


@pytest.fixture(scope="module")
def around(census, full_land, full_layout, tmp_path_factory):
    path = tmp_path_factory.mktemp("around") / "surroundings.csv"
    write_surroundings(path, full_land, full_layout, census, PATCH_PX)
    return pd.read_csv(path)


def of_granule(around, granule):
    return around[around["patch_id"].str.startswith(f"{granule}_")].reset_index(drop=True)


def test_every_patch_of_every_granule_has_a_row_named_as_tile_names_it(around):
    names = [f"{granule}_{row}_{col}" for granule in GRANULES for row in range(32) for col in range(32)]
    assert around["patch_id"].tolist() == names
    assert around.notna().all(axis=None)
    assert (around[["town_m", "road_m", "water_m"]] > 0).all(axis=None), "logarithms need it"


def test_the_county_is_the_one_around_the_centre_of_the_patch(around, census, full_layout):
    transform = full_layout.granule_transform("03TWF")
    rows, cols = np.divmod(np.arange(32 * 32), 32)
    east, north = transform @ ((cols + 0.5) * PATCH_PX, (rows + 0.5) * PATCH_PX)
    centres = gpd.GeoDataFrame(geometry=gpd.points_from_xy(east, north), crs=census.crs)

    joined = centres.sjoin(census, predicate="within")

    assert of_granule(around, "03TWF")["county"].tolist() == joined["code"].tolist()
    assert 10 < around["county"].nunique() <= len(census)


def test_distances_are_those_of_a_distance_transform(around, full_land, full_layout):
    window = full_layout.window("03TWG")
    for column, cover in (("road_m", full_land.roads), ("water_m", full_land.water)):
        away_m = 10 * distance_transform_edt(cover <= 0.5)[window][PATCH_PX // 2 :: PATCH_PX, PATCH_PX // 2 :: PATCH_PX]
        given = of_granule(around, "03TWG")[column].to_numpy().reshape(32, 32)
        assert np.abs(given - away_m).max() <= 8, "half a pixel across, and rounding"


def test_the_nearest_town_is_found_among_cities_and_towns_only(around, full_land, full_layout):
    rows, cols = full_layout.window("03TXF")
    places = [one for one in full_land.settlements if one.kind.name in MARKETS]
    centre = rows.start + 4.5 * PATCH_PX, cols.start + 20.5 * PATCH_PX
    nearest_m = 10 * min(np.hypot(one.row - centre[0], one.col - centre[1]) for one in places)

    given = around.set_index("patch_id").loc["03TXF_4_20", "town_m"]

    assert given == round(nearest_m)
    assert {one.kind.name for one in places} == {"city", "large town", "town"}


def test_development_falls_with_the_distance_to_roads_and_towns(around, full_land, full_layout):
    for granule in GRANULES:
        truth = truth_of_patches(full_land, full_layout, granule)
        assert spearmanr(of_granule(around, granule)["road_m"], truth).statistic < -0.3
    truth = np.concatenate([truth_of_patches(full_land, full_layout, granule) for granule in GRANULES])
    assert spearmanr(around["town_m"], truth).statistic < -0.3
