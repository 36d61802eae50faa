"""Granule ids, their tiles, and the ids that do not exist."""

import ast

import pytest
from rankscape.foundation.errors import GranuleError
from rankscape.scenes.mgrs import SIDE_M, granule


@pytest.mark.parametrize(
    ("identifier", "epsg", "bounds_m"),
    [
        ("48RVV", 32648, (399_960, 3_390_240, 509_760, 3_500_040)),
        ("33WVQ", 32633, (399_960, 7_390_200, 509_760, 7_500_000)),
        # South of the equator the steps of 60 m are counted from the equator, not from the false northing.
        ("01FBE", 32701, (199_980, 4_390_240, 309_780, 4_500_040)),
    ],
)
def test_tile_of_an_id(identifier, epsg, bounds_m):
    tile = granule(identifier)
    assert (tile.id, tile.epsg, tile.bounds_m) == (identifier, epsg, bounds_m)
    assert tile.zone == int(identifier[:2])
    left, bottom, right, top = tile.bounds_m
    assert right - left == top - bottom == SIDE_M


def test_bbox_holds_the_tile_in_degrees():
    west, south, east, north = granule("48RVV").bbox_deg
    assert (west, south, east, north) == pytest.approx((103.945, 30.641, 105.103, 31.636), abs=1e-3)


def test_bbox_across_the_antimeridian_has_west_above_east():
    west, _, east, _ = granule("01KAB").bbox_deg
    assert west > 179
    assert east < -179


@pytest.mark.parametrize(
    ("identifier", "why"),
    [
        ("48rvv", "two digits of zone"),
        ("61RVV", "two digits of zone"),
        ("48AVV", "two digits of zone"),
        ("48RVW", "two digits of zone"),
        ("48RAA", "columns S to Z"),
        ("32XNL", "no square of that name"),
        ("31VFK", "no square of that name"),
        ("48RVJ", "no square of that name"),
    ],
)
def test_an_id_without_a_square_is_refused(identifier, why):
    with pytest.raises(GranuleError, match=why) as caught:
        granule(identifier)
    assert identifier in str(caught.value)


@pytest.mark.shared
def test_every_tenth_real_tile_has_its_real_bounds(shared):
    import geopandas as gpd

    grid = gpd.read_parquet(shared / "data/grid/sentinel-2-grid_LAND.parquet")
    always = grid[grid.tile.str[:3].isin(["31V", "32V", "31X", "33X", "35X", "37X", "01C", "60U"])]
    chosen = [*grid.iloc[::10].itertuples(), *always.itertuples()]
    wrong = [
        row.tile
        for row in chosen
        if (granule(row.tile).epsg, tuple(map(float, granule(row.tile).bounds_m)))
        != (row.epsg, ast.literal_eval(row.utm_bounds))
    ]
    assert len(chosen) > 2000
    assert wrong == []
