"""Counties of the invented region: a partition that covers it, and a census that follows the truth."""

import geopandas as gpd
import pytest
import shapely
from rankscape.foundation.provenance import KEY
from rankscape.foundation.tables import read_metadata
from rankscape.synthetic.districts import NAMES, write_counties
from rankscape.synthetic.layout import CRS
from scipy.stats import spearmanr
from shapely.geometry import box


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
