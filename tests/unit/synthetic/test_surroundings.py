"""What lies around the patches of the invented region: distances that brute force gives too, and the right county."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from rankscape.synthetic.districts import write_counties
from rankscape.synthetic.layout import GRANULES
from rankscape.synthetic.surroundings import MARKETS, write_surroundings
from scipy.ndimage import distance_transform_edt
from scipy.stats import spearmanr
from unit.synthetic.conftest import PATCH_PX, truth_of_patches


@pytest.fixture(scope="module")
def counties(full_land, full_layout, tmp_path_factory):
    return write_counties(tmp_path_factory.mktemp("around") / "counties.parquet", full_land, full_layout, 7, {})


@pytest.fixture(scope="module")
def around(counties, full_land, full_layout, tmp_path_factory):
    path = tmp_path_factory.mktemp("around") / "surroundings.csv"
    write_surroundings(path, full_land, full_layout, counties, PATCH_PX)
    return pd.read_csv(path)


def of_granule(around, granule):
    return around[around["patch_id"].str.startswith(f"{granule}_")].reset_index(drop=True)


def test_every_patch_of_every_granule_has_a_row_named_as_tile_names_it(around):
    names = [f"{granule}_{row}_{col}" for granule in GRANULES for row in range(32) for col in range(32)]
    assert around["patch_id"].tolist() == names
    assert around.notna().all(axis=None)
    assert (around[["town_m", "road_m", "water_m"]] > 0).all(axis=None), "logarithms need it"


def test_the_county_is_the_one_around_the_centre_of_the_patch(around, counties, full_layout):
    transform = full_layout.granule_transform("03TWF")
    rows, cols = np.divmod(np.arange(32 * 32), 32)
    east, north = transform @ ((cols + 0.5) * PATCH_PX, (rows + 0.5) * PATCH_PX)
    centres = gpd.GeoDataFrame(geometry=gpd.points_from_xy(east, north), crs=counties.crs)

    joined = centres.sjoin(counties, predicate="within")

    assert of_granule(around, "03TWF")["county"].tolist() == joined["code"].tolist()
    assert 10 < around["county"].nunique() <= len(counties)


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
