"""Where patches lie on a page's map, and what is shown of them."""

import base64
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyproj import Transformer
from rankscape.products.report.geography import lay_out, on_even_grid
from rankscape.products.report.layers import Layer, gridded, previews
from rankscape.samples.patches import open_patches


def stores(patch_store, zones=("EPSG:32603", "EPSG:32603")):
    chance = np.random.default_rng(1)
    found = {}
    for number, crs in enumerate(zones):
        pixels = chance.integers(10, 255, (96, 96, 3)).astype(np.uint8)
        origin = (400_000.0 + 3000 * number, 4_500_000.0)
        if crs != zones[0]:
            origin = Transformer.from_crs(zones[0], crs, always_xy=True).transform(*origin)
        name = f"03TU{'ABC'[number]}"
        found[name] = open_patches(patch_store(name, pixels=pixels, origin_m=origin, crs=crs))
    return found


def test_granules_of_one_crs_lie_straight_on_a_plane_of_metres(patch_store):
    plane = lay_out(stores(patch_store))
    assert plane.size == pytest.approx((3960, 960))
    assert plane.patch_side == pytest.approx(80)
    assert plane.unit_m == pytest.approx(1, abs=1e-3)
    assert [granule.straight for granule in plane.granules] == [True, True]
    assert plane.granules[1].bounds == pytest.approx((3000, 0, 3960, 960))


def test_a_granule_of_another_zone_bends_and_its_nodes_are_exact(patch_store):
    held = stores(patch_store, ("EPSG:32603", "EPSG:32604"))
    plane = lay_out(held)
    bent = plane.granules[1]
    assert not bent.straight
    a, _, c, _, e, f = held["03TUB"].grid.transform
    there = Transformer.from_crs("EPSG:32604", "EPSG:32603", always_xy=True)
    x, y = there.transform(c + a * 8 * bent.node_cols[-1], f + e * 8 * bent.node_rows[1])
    assert (bent.x[1, -1] + plane.origin[0], bent.y[1, -1] + plane.origin[1]) == pytest.approx((x, y), abs=1e-6)
    picture = previews(plane, held, 1.0)["03TUB"]
    shown = Image.open(io.BytesIO(base64.b64decode(picture.uri.partition(",")[2])))
    assert np.asarray(shown)[0, 0, 3] == 0, "outside the granule the picture is transparent"


def test_coordinates_can_be_read_off_between_the_points_of_the_lattice(patch_store):
    plane = lay_out(stores(patch_store))
    longitude, latitude = plane.readout()
    there = Transformer.from_crs(plane.crs, "EPSG:4326", always_xy=True)
    middle = there.transform(plane.origin[0] + plane.size[0] / 2, plane.origin[1] + plane.size[1] / 2)
    assert (longitude.mean(), latitude.mean()) == pytest.approx(middle, abs=1e-4)


def test_pictures_stay_within_their_size(patch_store):
    held = stores(patch_store)
    plane = lay_out(held)
    fine, coarse = (previews(plane, held, limit) for limit in (1.0, 0.01))
    assert fine["03TUA"].patch_px == 8
    assert sum(len(p.uri) for p in coarse.values()) <= 10_000 + 100
    assert previews(plane, held, 0) == {}


def test_values_lie_where_their_patches_lie(patch_store):
    plane = lay_out(stores(patch_store))
    grid = np.arange(144.0).reshape(12, 12)
    laid = on_even_grid(plane, {"03TUB": grid})
    assert laid.shape == (12, 50)
    assert np.isnan(laid[:, :37]).all()
    assert (laid[:, -12:] == grid).all()


def test_an_empty_patch_hides_no_value_of_another_granule(patch_store):
    held = stores(patch_store)
    twice = {"03TUA": held["03TUA"], "03TUB": held["03TUA"]}
    empty = np.full((12, 12), np.nan)
    empty[0, 0] = 7.0
    laid = on_even_grid(lay_out(twice), {"03TUA": np.ones((12, 12)), "03TUB": empty})
    assert laid[0, 0] == 7
    assert (laid.ravel()[1:] == 1).all()


def test_packed_numbers_come_back_to_a_sixty_thousandth():
    values = np.array([[0.0, 1.0, np.nan], [0.25, 0.5, 2.0]])
    layer = Layer("a", "A", "A", "", "viridis", (0.0, 1.0), {"g": values})
    packed = json.loads(json.dumps(layer.packed()))
    words = np.frombuffer(base64.b64decode(packed["values"]["g"]), "<u2").reshape(2, 3)
    assert words[0, 2] == 65535
    known = np.isfinite(values)
    assert packed["low"] + words[known] * packed["step"] == pytest.approx(values[known], abs=2 / 65000)


def test_leaflets_own_files_come_with_the_package():
    import rankscape.products.report.interactive_map as where

    folder = Path(where.__file__).parent / "leaflet"
    assert {path.name for path in folder.iterdir()} == {"leaflet.js", "leaflet.css", "LICENSE"}
    assert "BSD 2-Clause" in (folder / "LICENSE").read_text()


def test_values_of_tiles_with_their_own_numbers_lie_where_the_tiles_do(patch_store):
    """Web-mercator tiles are called by their own row and column, which are none of the grid."""
    (name, store), *_ = stores(patch_store).items()
    index = store.index.assign(
        patch_id=[
            f"{name}_{17_141 + r}_{9_583 + c}" for r, c in zip(store.index["row"], store.index["col"], strict=True)
        ]
    )
    plane = lay_out({name: replace(store, index=index)})
    values = index["row"] * 100.0 + index["col"]

    found = gridded(plane, index.assign(value=values), "value")[name]

    assert plane.granules[0].first == (17_141, 9_583)
    assert np.array_equal(found, np.add.outer(100.0 * np.arange(store.grid.rows), np.arange(store.grid.cols)))
