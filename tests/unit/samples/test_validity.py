"""No data is data only where nobody can know it: masks, marks, alpha, NaN, and what the settings say."""

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rankscape.foundation.errors import InputError, SettingsError
from rankscape.samples.references import reference_values
from rankscape.samples.settings import ReferenceSettings
from rankscape.samples.validity import Validity, extremes
from rasterio.transform import from_origin
from shapely.geometry import Point, box

CRS = "EPSG:32648"
NAN = float("nan")


def patches(count: int = 4) -> gpd.GeoDataFrame:
    shapes = [box(500_000 + n * 100, 3_000_000, 500_100 + n * 100, 3_000_100) for n in range(count)]
    names = [f"48RVV_0_{n}" for n in range(count)]
    return gpd.GeoDataFrame({"patch_id": names, "granule": "48RVV"}, geometry=shapes, crs=CRS)


def raster(path, values, **profile) -> ReferenceSettings:
    """A cell a patch."""
    bands = np.atleast_3d(np.asarray(values)).reshape(-1, 1, 4)
    shape = {"driver": "GTiff", "height": 1, "width": 4, "count": len(bands), "dtype": bands.dtype, "crs": CRS}
    with rasterio.open(path, "w", **shape, transform=from_origin(500_000, 3_000_100, 100, 100), **profile) as file:
        file.write(bands)
    return ReferenceSettings(path=str(path), title="t")


def values_of(reference: ReferenceSettings, **settings: object) -> list[float]:
    return reference_values(reference.model_copy(update=settings), patches())["value"].tolist()


@pytest.mark.parametrize(
    ("values", "profile"),
    [
        (np.float32([1, -9999, 3, 4]), {"nodata": -9999}),
        (np.float32([1, np.nan, 3, 4]), {}),
        (np.float32([1, np.inf, 3, 4]), {}),
        (np.uint16([1, 65535, 3, 4]), {"nodata": 65535}),
    ],
)
def test_what_a_file_says_is_no_data_has_no_value(tmp_path, values, profile):
    np.testing.assert_array_equal(values_of(raster(tmp_path / "r.tif", values, **profile)), [1, NAN, 3, 4])


def test_an_alpha_band_hides_cells(tmp_path):
    bands = np.uint8([[1, 2, 3, 4], [255, 0, 255, 255]])
    reference = raster(tmp_path / "r.tif", bands, photometric="MINISBLACK", alpha="YES")
    np.testing.assert_array_equal(values_of(reference), [1, NAN, 3, 4])


@pytest.mark.parametrize(
    ("values", "mark"),
    [(np.float32([1, 1e20, 3, 4]), 1e20), (np.uint16([1, 65535, 3, 4]), 65535), (np.int16([1, -9999, 3, 4]), -9999)],
)
def test_a_mark_that_the_file_does_not_declare_is_a_setting(tmp_path, values, mark):
    reference = raster(tmp_path / "r.tif", values)
    np.testing.assert_array_equal(values_of(reference, nodata=mark), [1, NAN, 3, 4])
    np.testing.assert_array_equal(values_of(reference, valid_range=(0, 100)), [1, NAN, 3, 4])


def test_values_are_clipped_before_a_logarithm_needs_them(tmp_path):
    reference = raster(tmp_path / "r.tif", np.float32([-0.5, 0, 3, 400]))
    with pytest.raises(InputError, match=r"clip: \[0, null\]"):
        values_of(reference, transform="log1p")
    np.testing.assert_array_equal(values_of(reference, transform="log1p", clip=(0, None)), [0, 0, 3, 400])
    np.testing.assert_array_equal(values_of(reference, clip=(None, 100)), [-0.5, 0, 3, 100])


def test_the_rule_holds_for_points_polygons_and_tables(tmp_path):
    index = patches()
    column = {"n": [1.0, -9999.0, 3.0, 400.0]}
    index.assign(**column).to_file(tmp_path / "p.gpkg")
    index.assign(**column).set_geometry(index.centroid).to_file(tmp_path / "c.gpkg")
    index[["patch_id"]].assign(**column).to_csv(tmp_path / "t.csv", index=False)
    given = {"title": "t", "column": "n", "nodata": -9999, "clip": (None, 100)}
    for name, kind, more in (
        ("p.gpkg", "polygons", {}),
        ("c.gpkg", "points", {}),
        ("t.csv", "table", {"key": "patch_id"}),
    ):
        reference = ReferenceSettings(path=str(tmp_path / name), kind=kind, **given, **more)
        np.testing.assert_allclose(reference_values(reference, index)["value"], [1, NAN, 3, 100], err_msg=kind)


def test_points_far_outside_do_not_stretch_the_land_that_was_surveyed(tmp_path, capsys):
    index = patches()
    near = [Point(500_010 + 90 * n, 3_000_010 + 80 * (n % 2)) for n in range(3)]
    away = gpd.GeoSeries([Point(0, 0)], crs=4326).to_crs(CRS).tolist()
    gpd.GeoDataFrame(geometry=[*near, *away], crs=CRS).to_file(tmp_path / "p.gpkg")
    reference = ReferenceSettings(path=str(tmp_path / "p.gpkg"), title="t", kind="points", statistic="count")
    np.testing.assert_array_equal(reference_values(reference, index)["value"], [2, 1, NAN, NAN])
    assert "1 of 4 features of p.gpkg lie far outside the region, such as row 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    "settings", [{"valid_range": [5, 1]}, {"clip": [2, 2]}, {"classes": {0: 0, 1: 1}, "clip": [0, 1]}]
)
def test_ranges_that_cannot_be_are_refused(settings):
    with pytest.raises(SettingsError, match=r"must rise|classes have weights"):
        ReferenceSettings.checked({"path": "r.tif", "title": "t", **settings}, "config.yaml")


def test_the_ends_are_named_and_a_mark_is_noticed():
    lowest = np.array([-9999.0, -9999.0, 1.0, 5.0, NAN])
    highest = np.array([-9999.0, 3.0, 2.0, 50.0, NAN])
    line, warning = extremes(lowest, highest)
    assert line == "values from -9999 (lowest, in 2 patches) to 50 (highest, in 1 patches)"
    assert "-9999 stands in 2 patches" in warning
    assert "set nodata: -9999" in warning
    assert len(extremes(np.array([0.0, 0.0, 1.0]), np.array([0.0, 3.0, 9.0]))) == 1, "zero is a number"
    assert len(extremes(np.array([2.0, 3.0]), np.array([65535.0, 65535.0]))) == 2
    assert extremes(np.array([NAN]), np.array([NAN])) == []


def test_validity_takes_marks_as_the_file_stores_them():
    stored = np.float32([0.1, 1e20])
    np.testing.assert_array_equal(Validity(nodata=1e20).applied(stored), [np.float32(0.1), NAN])
