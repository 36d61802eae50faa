"""References averaged over patches: exact areas, several CRS, real rasters, and what is refused."""

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import Transformer
from rankscape.__main__ import main
from rankscape.foundation.errors import RasterError, SettingsError
from rankscape.foundation.tables import read_table
from rankscape.samples.patches import index_of, read_grid, read_index, write_index
from rankscape.samples.settings import ReferenceSettings
from rankscape.samples.zonal_statistics import area_means
from shapely.geometry import Polygon, box

UTM = "EPSG:32603"


def write_raster(path, values, *, crs=UTM, transform=None, nodata=None):
    values = values[None] if values.ndim == 2 else values
    transform = transform or Affine(100, 0, 400_000, 0, -100, 4_500_000)
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[1], width=values.shape[2], count=values.shape[0],
        dtype=values.dtype, crs=crs, transform=transform, nodata=nodata,
    ) as raster:  # fmt: skip
        raster.write(values)
    return ReferenceSettings(path=str(path), title="Invented")


def patches(*shapes, crs=UTM):
    return gpd.GeoSeries(list(shapes), crs=crs)


def by_shapely(values, shape, cell=100.0, left=400_000.0, top=4_500_000.0):
    """Mean and coverage of one footprint, cell by cell."""
    total = area = 0.0
    for row, col in np.ndindex(values.shape):
        west, north = left + col * cell, top - row * cell
        part = shape.intersection(box(west, north - cell, west + cell, north)).area
        if part and np.isfinite(values[row, col]):
            total, area = total + part * values[row, col], area + part
    return total / area if area else np.nan, area / shape.area


def test_areas_are_exact_on_any_polygon(tmp_path):
    generator = np.random.default_rng(0)
    values = generator.random((12, 12)).astype(np.float32)
    values[3, 4:7] = np.nan
    shapes = []
    for _ in range(12):
        angles, radius = np.sort(generator.random(7)) * 2 * np.pi, 80 + 300 * generator.random(7)
        middle = (400_000 + 1200 * generator.random(), 4_500_000 - 1200 * generator.random())
        shapes.append(
            Polygon(np.c_[middle[0] + radius * np.cos(angles), middle[1] + radius * np.sin(angles)]).buffer(0)
        )
    shapes = [shape for shape in shapes if shape.area > 0 and shape.geom_type == "Polygon"]
    assert len(shapes) > 6
    found = area_means(write_raster(tmp_path / "r.tif", values, nodata=np.nan), patches(*shapes))
    expected = np.array([by_shapely(values.astype(float), shape) for shape in shapes])
    np.testing.assert_allclose(found["value"], expected[:, 0], rtol=1e-5)
    np.testing.assert_allclose(found["coverage"], expected[:, 1], atol=1e-5)


def test_nodata_counts_neither_in_the_mean_nor_in_the_coverage(tmp_path):
    values = np.array([[1, -200], [3, -200]], np.int16)
    reference = write_raster(tmp_path / "r.tif", values, nodata=-200)
    whole, left = box(400_000, 4_499_800, 400_200, 4_500_000), box(400_000, 4_499_950, 400_100, 4_500_000)
    right, off = box(400_110, 4_499_900, 400_190, 4_500_000), box(500_000, 4_400_000, 500_100, 4_400_100)
    found = area_means(reference, patches(whole, left, right, off))
    np.testing.assert_allclose(found["value"], [2, 1, np.nan, np.nan])
    np.testing.assert_allclose(found["coverage"], [0.5, 1, 0, 0], atol=1e-9)


def test_a_scaled_band_and_another_band(tmp_path):
    reference = write_raster(tmp_path / "r.tif", np.stack([np.full((2, 2), 7), np.full((2, 2), 9)]).astype(np.int16))
    with rasterio.open(reference.path, "r+") as raster:
        raster.scales = (1, 0.5)
    second = reference.model_copy(update={"band": 2})
    assert area_means(second, patches(box(400_000, 4_499_900, 400_100, 4_500_000)))["value"][0] == pytest.approx(4.5)


def test_a_geographic_raster_weighs_cells_by_their_area(tmp_path):
    values = np.repeat([1.0, 0.0], 200)[:, None].repeat(10, axis=1)  # 1 north of 40 degrees, 0 south of it
    transform = Affine(1, 0, -165, 0, -0.1, 60)
    reference = write_raster(tmp_path / "r.tif", values, crs="EPSG:4326", transform=transform)
    shape = box(-160, 30, -155, 50)
    (found,) = area_means(reference, patches(shape, crs="EPSG:4326"))["value"]
    north, south = (abs(np.sin(np.radians(40)) - np.sin(np.radians(edge))) for edge in (50, 30))
    assert found == pytest.approx(north / (north + south), rel=1e-4)
    assert found < 0.48


@pytest.mark.parametrize("crs", ["EPSG:4326", "ESRI:54009", "EPSG:32604", "EPSG:3857"])
def test_footprints_are_bent_into_the_rasters_crs(tmp_path, crs):
    shapes = [box(400_000 + 3430 * i, 4_496_570, 403_430 + 3430 * i, 4_500_000) for i in range(3)]
    fine = gpd.GeoSeries(shapes, crs=UTM).segmentize(50).to_crs(crs)
    west, south, east, north = fine.total_bounds
    side = (east - west) / 400
    transform = Affine(side, 0, west - 5 * side, 0, -side, north + 5 * side)
    rows, cols = np.mgrid[0 : int((north - south) / side) + 10, 0:410] + 0.5
    to_utm = Transformer.from_crs(crs, UTM, always_xy=True)
    eastings, _ = to_utm.transform(*(transform @ (cols, rows)))
    reference = write_raster(tmp_path / "r.tif", np.asarray(eastings), crs=crs, transform=transform)
    found = area_means(reference, patches(*shapes))
    np.testing.assert_allclose(found["value"], [401_715 + 3430 * i for i in range(3)], atol=12)
    np.testing.assert_allclose(found["coverage"], 1, atol=1e-6)


def test_land_that_the_rasters_crs_cannot_hold_has_no_value(tmp_path):
    gnomonic = "+proj=gnom +lat_0=90 +lon_0=0 +datum=WGS84"  # shows no more than the northern hemisphere
    reference = write_raster(
        tmp_path / "r.tif", np.ones((2, 2)), crs=gnomonic, transform=Affine(9e9, 0, -9e9, 0, -9e9, 9e9)
    )
    south = patches(box(400_000, 4_499_900, 400_100, 4_500_000), crs="EPSG:32703")
    found = area_means(reference, south)
    assert found["value"].isna().all()
    assert found["coverage"].tolist() == [0.0]


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("VNL_v2_npp_2020_global_vcmslcfg_c202102150000.average_masked", 0, 60),
        ("GHS_POP_E2015_GLOBE_R2019A_54009_1K_V1_0", 0, 15_000),
        ("GHS_BUILT_LDS2014_GLOBE_R2018A_54009_1K_V2_0", 0, 100),
    ],
)
def test_real_rasters_of_an_oasis(shared, name, lowest, highest):
    path = shared / "data/touggourt" / f"{name}.tif"
    crs = "EPSG:32632"
    corner = Transformer.from_crs(4326, crs, always_xy=True).transform(5.9, 33.2)
    shapes = [
        box(corner[0] + 3430 * col, corner[1] - 3430 * (row + 1), corner[0] + 3430 * (col + 1), corner[1] - 3430 * row)
        for row in range(5)
        for col in range(6)
    ]
    found = area_means(ReferenceSettings(path=str(path), title=name), patches(*shapes, crs=crs))
    assert (found["coverage"] > 0.99).all()
    assert found["value"].between(lowest, highest).all()
    assert found["value"].max() > 10 * max(found["value"].median(), 0.01), "the town stands out of the desert"
    town = int(found["value"].argmax())
    with rasterio.open(path) as raster:
        values = raster.read(1).astype(float)
        rows, cols = np.mgrid[0 : values.shape[0] * 8, 0 : values.shape[1] * 8]
        points = shapely.points(*(raster.transform @ ((cols + 0.5) / 8, (rows + 0.5) / 8)))
        fine = np.kron(values, np.ones((8, 8)))
        inside = shapely.contains(gpd.GeoSeries([shapes[town]], crs=crs).segmentize(100).to_crs(raster.crs)[0], points)
    assert found["value"][town] == pytest.approx(fine[inside].mean(), rel=0.02)


@pytest.mark.shared
def test_population_counts_are_kept_by_density(shared):
    """People per cell averaged over patches, times the area, is the people who live there."""
    path = shared / "data/touggourt/GHS_POP_E2015_GLOBE_R2019A_54009_1K_V1_0.tif"
    with rasterio.open(path) as raster:
        crs, bounds, people = raster.crs, raster.bounds, raster.read(1, masked=True)
    inner = box(bounds.left + 5000, bounds.bottom + 5000, bounds.right - 5000, bounds.top - 5000)
    (density,) = area_means(ReferenceSettings(path=str(path), title="People"), gpd.GeoSeries([inner], crs=crs))["value"]
    assert density * inner.area / 1e6 == pytest.approx(people[5:-5, 5:-5].sum(), rel=1e-6)


SQUARE = box(400_000, 4_499_900, 400_100, 4_500_000)


def test_rasters_whose_rows_run_from_the_south_give_the_same_values(tmp_path):
    values = np.random.default_rng(3).normal(size=(30, 20))
    values[4:7, 3] = -9999
    shapes = patches(box(400_130, 4_498_050, 401_020, 4_499_700), box(400_000, 4_497_000, 402_000, 4_498_000))
    north = area_means(write_raster(tmp_path / "n.tif", values, nodata=-9999), shapes)
    turned = Affine(100, 0, 400_000, 0, 100, 4_497_000)
    south = area_means(write_raster(tmp_path / "s.tif", values[::-1], transform=turned, nodata=-9999), shapes)
    np.testing.assert_allclose(south, north)
    assert np.isfinite(south["value"]).all()


def test_wrong_rasters_are_refused(tmp_path):
    reference = write_raster(tmp_path / "bare.tif", np.ones((2, 2)), crs=None)
    with pytest.raises(RasterError, match=r"bare.tif has no CRS"):
        area_means(reference, patches(SQUARE))
    reference = write_raster(tmp_path / "r.tif", np.ones((2, 2)))
    with pytest.raises(RasterError, match=r"r.tif has 1 bands, but band = 3 was asked for"):
        area_means(reference.model_copy(update={"band": 3}), patches(SQUARE))
    turned = Affine.translation(400_000, 4_500_000) @ Affine.rotation(10) @ Affine.scale(100, -100)
    with pytest.raises(RasterError, match=r"turned.tif is turned or mirrored"):
        area_means(write_raster(tmp_path / "turned.tif", np.ones((2, 2)), transform=turned), patches(SQUARE))
    with pytest.raises(RasterError, match="does not exist"):
        area_means(ReferenceSettings(path=str(tmp_path / "none.tif"), title="None"), patches(SQUARE))
    (tmp_path / "text.tif").write_text("Not found")
    with pytest.raises(RasterError, match="is no GeoTIFF"):
        area_means(ReferenceSettings(path=str(tmp_path / "text.tif"), title="Text"), patches(SQUARE))


def test_a_truncated_raster_is_refused(tmp_path):
    values = np.random.default_rng(0).random((300, 300))
    reference = write_raster(tmp_path / "r.tif", values)
    whole = (tmp_path / "r.tif").read_bytes()
    (tmp_path / "r.tif").write_bytes(whole[: len(whole) // 3])
    with pytest.raises(RasterError, match=r"r.tif"):
        area_means(reference, patches(box(400_000, 4_470_000, 430_000, 4_500_000)))


def test_negative_values_and_logarithms_do_not_go_together(tmp_path):
    reference = write_raster(tmp_path / "r.tif", np.array([[5.0, -0.5], [5, 5]]))
    shape = box(400_000, 4_499_800, 400_200, 4_500_000)
    assert area_means(reference, patches(shape))["value"][0] == pytest.approx(3.625)
    with pytest.raises(RasterError, match=r"r.tif holds -0.5 in band 1, and transform = log1p takes no negative"):
        area_means(reference.model_copy(update={"transform": "log1p"}), patches(shape))


def test_the_stage(tmp_path, patch_store, capsys):
    index = index_of(patch_store(pixels=np.zeros((16, 24, 3), np.uint8)))
    reference = write_raster(tmp_path / "r.tif", np.arange(6, dtype=float).reshape(2, 3),
                             transform=Affine(80, 0, 400_000, 0, -80, 4_500_000))  # fmt: skip
    out = tmp_path / "values.parquet"
    with pytest.raises(SystemExit) as ended:
        main(["aggregate", "--settings", reference.canonical(), "--index", str(index), "--out", str(out)])
    assert ended.value.code in (0, None)
    table = read_table(out)
    assert list(table.columns) == ["patch_id", "value", "coverage"]
    np.testing.assert_allclose(table["value"], np.arange(6))
    far = write_raster(tmp_path / "far.tif", np.ones((2, 2)), transform=Affine(80, 0, 100_000, 0, -80, 9_000))
    with pytest.raises(SystemExit) as ended:
        main(["aggregate", "--settings", far.canonical(), "--index", str(index), "--out", str(out)])
    assert ended.value.code in (0, None), "another granule may lie on the raster"
    assert "covers no patch" in capsys.readouterr().err
    assert (read_table(out)["coverage"] == 0).all()


def test_the_stage_refuses_an_empty_index(tmp_path, patch_store, capsys):
    index = index_of(patch_store(pixels=np.zeros((16, 24, 3), np.uint8)))
    write_index(index, read_index(index).iloc[:0], read_grid(index), {})
    reference = write_raster(tmp_path / "r.tif", np.ones((2, 2)))
    out = tmp_path / "values.parquet"
    with pytest.raises(SystemExit) as ended:
        main(["aggregate", "--settings", reference.canonical(), "--index", str(index), "--out", str(out)])
    assert ended.value.code == 2
    assert "no footprints" in capsys.readouterr().err
    assert not out.exists()


LAND = {10: 0.1, 40: 0.4, 50: 1.0, 80: None}


def land_cover(tmp_path, values, classes=LAND, **options):
    reference = write_raster(tmp_path / "land.tif", np.array(values, np.uint8), nodata=0, **options)
    return reference.model_copy(update={"classes": classes})


def test_classes_are_averaged_by_weight_and_area(tmp_path):
    reference = land_cover(tmp_path, [[10, 50], [40, 80]])
    quarter = box(400_050, 4_499_900, 400_150, 4_500_000)
    whole = box(400_000, 4_499_800, 400_200, 4_500_000)
    found = area_means(reference, patches(quarter, whole, box(0, 0, 10, 10)))
    assert found["value"].to_numpy()[:2] == pytest.approx([(0.1 + 1.0) / 2, (0.1 + 1.0 + 0.4) / 3])
    assert found["coverage"].to_list() == pytest.approx([1.0, 0.75, 0.0])
    assert np.isnan(found["value"][2])


def test_classes_without_weight_and_cells_without_data_do_not_count(tmp_path):
    reference = land_cover(tmp_path, [[80, 80], [0, 50]])
    found = area_means(
        reference, patches(box(400_000, 4_499_900, 400_200, 4_500_000), box(400_000, 4_499_800, 400_200, 4_500_000))
    )
    assert np.isnan(found["value"][0])
    assert found["value"][1] == 1.0
    assert found["coverage"].to_list() == pytest.approx([0.0, 0.25])


def test_classes_weigh_by_area_on_the_sphere(tmp_path):
    transform = Affine(30, 0, 0, 0, -30, 90)
    reference = land_cover(tmp_path, [[10], [50], [40]], crs="EPSG:4326", transform=transform)
    found = area_means(reference, patches(box(0, 0, 30, 60), crs="EPSG:4326"))
    upper, lower = np.sin(np.radians(60)) - np.sin(np.radians(30)), np.sin(np.radians(30))
    assert found["value"][0] == pytest.approx((upper * 1.0 + lower * 0.4) / (upper + lower), rel=2e-3)


def test_classes_that_are_not_named_are_refused(tmp_path):
    reference = land_cover(tmp_path, [[10, 95], [40, 30]])
    with pytest.raises(RasterError, match="holds the classes 30, 95, which the reference's classes do not name"):
        area_means(reference, patches(box(400_000, 4_499_800, 400_200, 4_500_000)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"classes": {10: 1.0}}, "two different weights"),
        ({"classes": {10: 1.0, 20: 1.0, 30: None}}, "two different weights"),
        ({"classes": {10: 1.0, 20: -1.0}, "transform": "log1p"}, "no negative weights"),
    ],
)
def test_classes_that_say_nothing_are_refused(values, message):
    with pytest.raises(SettingsError, match=message):
        ReferenceSettings.checked({"path": "x.tif", "title": "X", **values}, "x")


def test_classes_of_settings_are_canonical():
    one = ReferenceSettings(path="x.tif", title="X", classes={50: 1.0, 10: 0.1})
    assert one == ReferenceSettings.from_text(one.canonical(), "x")
    assert one.canonical() == ReferenceSettings(path="x.tif", title="X", classes={10: 0.1, 50: 1.0}).canonical()


def test_a_reference_that_points_at_other_files_is_refused(tmp_path):
    (tmp_path / "r.tif").write_text("<VRTDataset rasterXSize='2' rasterYSize='2'></VRTDataset>")
    with pytest.raises(RasterError, match=r"r\.tif is no GeoTIFF or JPEG 2000"):
        area_means(ReferenceSettings(path=str(tmp_path / "r.tif"), title="R"), patches(SQUARE))


def test_a_raster_elsewhere_is_told_with_both_places(tmp_path, patch_store, capsys):
    index = index_of(patch_store("03TVF", pixels=np.zeros((16, 16, 3), np.uint8)))
    write_raster(tmp_path / "r.tif", np.ones((20, 20)), crs="EPSG:32633")
    words = ["aggregate", "--settings", f'{{"path": "{tmp_path / "r.tif"}", "title": "R"}}', "--index", str(index)]
    with pytest.raises(SystemExit) as end:
        main([*words, "--out", str(tmp_path / "out.parquet")])
    assert not end.value.code
    said = " ".join(capsys.readouterr())
    assert "covers no patch" in said
    assert "it lies at 13.83 E, 40.64 N, the patches at 166.2 W, 40.64 N; if they belong together" in said
