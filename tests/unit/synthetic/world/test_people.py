"""Settlements, roads, fields, towns: rich and poor differ in what can be seen, not in how much of it there is."""

import numpy as np
import pytest
from rankscape.synthetic.world.farmland import CROPS, farmsteads, herd, industrialise, plough, zones_of_industry
from rankscape.synthetic.world.land_cover import BANDS, Nature, lay, palette, spectrum
from rankscape.synthetic.world.settlements import (
    CITY_PLACE,
    KINDS,
    Settlement,
    connect,
    inhabit,
    regional_wealth,
    settle,
)
from rankscape.synthetic.world.towns import build

SHAPE = (448, 640)
CITY, LARGE, TOWN, VILLAGE, HAMLET = KINDS


def meadow(shape: tuple[int, int] = SHAPE, plateau: float = 0.0) -> Nature:
    """Flat, dry grassland without forest or water."""
    none = np.zeros(shape, np.float32)
    canvas = np.empty((4, *shape), np.float32)
    canvas[:] = spectrum("steppe")[:, None, None]
    return Nature(canvas, none + 1, none, none + plateau, none, none, none + 1, none + 500)


def one_town(wealth: float, kind=TOWN, radius_px: float = 60.0) -> Settlement:
    return Settlement(kind, 110.0, 110.0, radius_px, wealth, 0.4)


def grey(canvas: np.ndarray) -> np.ndarray:
    return canvas[:3].mean(0)


@pytest.fixture(scope="module")
def settled():
    nature = meadow()
    nature.plateau[:150, :200] = 1
    nature.arable[:150, :200] = 0
    wealth = regional_wealth(nature, np.random.default_rng(0))
    return nature, settle(nature, wealth, 0.35, np.random.default_rng(1))


def test_wealth_of_the_countryside_is_spread_evenly():
    wealth = regional_wealth(meadow(), np.random.default_rng(0))
    assert wealth.dtype == np.float32
    assert np.percentile(wealth, [10, 50, 90]) == pytest.approx([0.1, 0.5, 0.9], abs=0.02)


def test_settlements_keep_apart_and_hamlets_to_the_highland(settled):
    nature, settlements = settled
    assert [one.kind.name for one in settlements].count("city") == 1
    assert settlements[0].row == pytest.approx(CITY_PLACE[0] * SHAPE[0])
    assert {one.kind.name for one in settlements} == {kind.name for kind in KINDS}
    for number, one in enumerate(settlements):
        high = nature.plateau[int(one.row), int(one.col)] > 0.5
        assert high == (one.kind.name == "hamlet")
        for other in settlements[:number]:
            apart = np.hypot(one.row - other.row, one.col - other.col)
            assert apart > max(one.radius_px, other.radius_px)


def test_nobody_settles_where_nothing_suits():
    nature = meadow()
    nature.arable[:] = 0
    found = settle(nature, np.full(SHAPE, 0.5, np.float32), 0.35, np.random.default_rng(0))
    assert [one.kind.name for one in found] == ["city"]


def test_density_falls_outwards_and_stays_out_of_water():
    nature = meadow((220, 220))
    nature.water[:, 150:] = 1
    homes = inhabit([one_town(0.8)], nature, np.random.default_rng(0))
    row, col = np.indices((220, 220))
    away = np.hypot(row - 110, col - 110)
    rings = [homes.density[(away >= low) & (away < low + 10) & (col < 150)].mean() for low in range(0, 60, 10)]
    assert rings == sorted(rings, reverse=True)
    assert rings[0] == pytest.approx(TOWN.density, abs=0.05)
    assert homes.density[:, 150:].max() == 0
    assert set(np.unique(homes.owner)) == {-1, 0}
    assert homes.wealth[homes.owner == 0].mean() == pytest.approx(0.8, abs=0.25)


def test_roads_reach_every_settlement(settled):
    nature, settlements = settled
    roads = connect(settlements, nature)
    ends = np.array([place for line in _lines(roads) for place in (line.places[0], line.places[-1])])
    for one in settlements:
        assert np.hypot(*(ends - (one.row, one.col)).T).min() < 1e-6
    assert len(_lines(roads)) >= len(settlements) - 1
    assert roads.highways
    highway, paved, track = roads.covered(SHAPE)
    assert highway.max() > 0.9
    assert paved.sum() > 0
    assert track.sum() > 0


def _lines(roads) -> list:
    return [*roads.highways, *roads.paved, *roads.tracks]


def test_roads_go_around_mountains():
    nature = meadow()
    nature.slope[:300, 300:340] = 3.0
    towns = [Settlement(LARGE, 100.0, 100.0, 30, 0.8, 0), Settlement(LARGE, 100.0, 540.0, 30, 0.8, 0)]
    (line,) = connect(towns, nature).highways
    assert line.places[:, 0].max() > 290
    nature.slope[:] = 0
    (line,) = connect(towns, nature).highways
    assert line.places[:, 0].max() < 130


def test_poor_villages_have_tracks_and_rich_ones_paved_roads():
    for wealth, kind in ((0.1, "tracks"), (0.9, "paved")):
        villages = [Settlement(VILLAGE, 100.0, 100.0, 20, wealth, 0), Settlement(VILLAGE, 200.0, 400.0, 20, wealth, 0)]
        roads = connect(villages, meadow())
        assert len(getattr(roads, kind)) == 1
        assert len(_lines(roads)) == 1


def fields(wealth: float):
    everywhere = np.ones((300, 300), np.float32)
    return plough(everywhere, everywhere, wealth * everywhere, np.random.default_rng(0))


def test_rich_fields_are_green_and_poor_ones_contrast_more():
    rich, poor = fields(1.0), fields(0.0)
    for grown in (rich, poor):
        assert grown.share.mean() > 0.95
        assert grown.reflectance.shape == (4, 300, 300)

    def index(grown) -> float:
        red, nir = grown.reflectance[BANDS.index("B04")], grown.reflectance[BANDS.index("B08")]
        return float(((nir - red) / (nir + red)).mean())

    def edges(grown) -> float:
        return float(np.hypot(*np.gradient(grey(grown.reflectance))).mean())

    assert index(rich) > index(poor) + 0.3
    assert edges(poor) > 1.2 * edges(rich)
    assert rich.wealth.mean() > 0.8
    assert poor.wealth.mean() < 0.2


def test_fields_are_only_where_people_are_near_and_land_suits():
    near = np.zeros((300, 300), np.float32)
    near[:, :100] = 1
    arable = np.ones((300, 300), np.float32)
    arable[:150] = 0
    share = plough(arable, near, np.full((300, 300), 0.3, np.float32), np.random.default_rng(0)).share
    assert share[:150].max() == 0
    assert share[150:, :100].mean() > 0.8
    assert share[150:, 120:].mean() < 0.1


def built_town(wealth: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Land with a town, the land before, the share under roofs, and where the town is."""
    nature = meadow((220, 220))
    homes = inhabit([one_town(wealth)], nature, np.random.default_rng(0))
    homes = type(homes)(
        homes.density, homes.size, np.where(homes.owner >= 0, wealth, 0).astype(np.float32), homes.owner
    )
    before = nature.reflectance.copy()
    roofs = build(nature.reflectance, homes, [one_town(wealth)], np.random.default_rng(1))
    return nature.reflectance, before, roofs, homes.owner >= 0


def order(values: np.ndarray) -> float:
    down, across = np.gradient(values)
    strength = np.hypot(down, across)
    return float(np.abs((strength * np.exp(4j * np.arctan2(down, across))).sum()) / strength.sum())


def test_rich_towns_are_ordered_and_colourful_and_poor_ones_brown():
    rich, _, rich_roofs, _ = built_town(0.95)
    poor, _, poor_roofs, _ = built_town(0.05)
    middle = np.s_[80:140, 80:140]
    assert order(grey(rich)[middle]) > 1.5 * order(grey(poor)[middle])
    assert np.percentile(grey(rich)[middle], 95) > 1.15 * np.percentile(grey(poor)[middle], 95)
    red_to_blue = [float((canvas[2] / canvas[0])[middle].mean()) for canvas in (rich, poor)]
    assert red_to_blue[0] < red_to_blue[1]
    for roofs in (rich_roofs, poor_roofs):
        assert 0.15 < roofs[middle].mean() < 0.8


def test_a_town_changes_nothing_outside():
    canvas, before, roofs, inside = built_town(0.5)
    assert np.array_equal(canvas[:, ~inside], before[:, ~inside])
    assert roofs[~inside].max() == 0
    assert (canvas > 0).all()


def test_industry_stands_beside_towns_that_are_not_poor():
    nature = meadow()
    towns = [
        Settlement(CITY, 220.0, 320.0, 60, 0.7, 0.3), Settlement(LARGE, 100.0, 100.0, 30, 0.8, 0.1),
        Settlement(LARGE, 350.0, 560.0, 30, 0.1, 0.1), Settlement(VILLAGE, 400.0, 100.0, 9, 0.9, 0.1),
    ]  # fmt: skip
    zones = zones_of_industry(towns, nature, 0.35)
    assert len(zones) == 3
    share = industrialise(nature.reflectance, zones, nature)
    assert 0 < share.mean() < 0.1
    assert share.max() == 1
    bright = grey(nature.reflectance)
    assert bright[share > 0.99].mean() > bright[share == 0].mean()


def test_no_industry_is_built_into_water_or_on_slopes():
    nature = meadow()
    zones = zones_of_industry([Settlement(LARGE, 220.0, 320.0, 40, 0.8, 0.3)], nature, 0.5)
    nature.water[:] = 1
    assert industrialise(nature.reflectance, zones, nature).max() == 0


def test_farms_stand_on_fields_only():
    nature = meadow()
    before = nature.reflectance.copy()
    farmed = np.zeros(SHAPE, np.float32)
    farmed[:, :300] = 1
    wealth = np.linspace(0, 1, SHAPE[0], dtype=np.float32)[:, None].repeat(SHAPE[1], 1)
    farmsteads(nature.reflectance, farmed, wealth)
    changed = (nature.reflectance != before).any(0)
    assert changed[:, :300].mean() > 0.005
    assert not changed[:, 306:].any()


def test_herds_keep_to_highland_near_hamlets():
    nature = meadow(plateau=1.0)
    near = np.zeros(SHAPE, np.float32)
    near[:, :320] = 1
    before = nature.reflectance.copy()
    grazed = herd(nature.reflectance, nature, near, np.random.default_rng(0))
    assert grazed[:, :320].mean() > 3 * grazed[:, 320:].mean()
    assert not np.array_equal(nature.reflectance, before)
    assert herd(meadow().reflectance, meadow(), near, np.random.default_rng(0)).max() == 0


def test_laying_a_cover_blends_by_its_share():
    canvas = np.zeros((4, 1, 3), np.float32)
    lay(canvas, np.array([[0.0, 0.5, 1.0]], np.float32), spectrum("rock"))
    assert canvas[:, 0, 0] == pytest.approx(0)
    assert canvas[:, 0, 1] == pytest.approx(spectrum("rock") / 2)
    assert canvas[:, 0, 2] == pytest.approx(spectrum("rock"))


def test_spectra_are_those_of_their_covers():
    assert palette("water", "rock").shape == (2, 4)
    nir, red = BANDS.index("B08"), BANDS.index("B04")
    for plant in ("conifer", "broadleaf", "maize", "alfalfa", "lawn", "orchard"):
        assert spectrum(plant)[nir] > 4 * spectrum(plant)[red]
    assert spectrum("water")[nir] < spectrum("water")[red]
    assert (palette(*CROPS) < 0.6).all()
    with pytest.raises(KeyError):
        spectrum("lava")
