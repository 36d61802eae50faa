"""Embeddings of others joined to patches: by id, point, footprint, and as the mean of rasters and Zarr stores."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from rankscape.foundation.errors import InputError
from rankscape.samples.embedding_tables import write_embeddings
from rankscape.samples.patches import patch_id
from rankscape.samples.settings import SuppliedSettings
from rankscape.samples.supplied_embeddings import supplied_embeddings

ORIGIN_M, SIDE_M = (400_000.0, 4_500_000.0), 100.0
PLACES = [(row, col) for row in range(3) for col in range(4)]
CELLS = Affine(10, 0, ORIGIN_M[0], 0, -10, ORIGIN_M[1])


@pytest.fixture
def patches() -> gpd.GeoDataFrame:
    """Three rows of four patches of 100 m."""
    left, top = ORIGIN_M
    shapes = [
        shapely.box(left + c * SIDE_M, top - (r + 1) * SIDE_M, left + (c + 1) * SIDE_M, top - r * SIDE_M)
        for r, c in PLACES
    ]
    about = {"patch_id": [patch_id("03TVF", *place) for place in PLACES], "granule": "03TVF"}
    return gpd.GeoDataFrame(about, geometry=shapes, crs="EPSG:32603").assign(valid_fraction=1.0, cloud_fraction=0.0)


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)


def join(path, patches, **more):
    return supplied_embeddings(SuppliedSettings(path=str(path), **more), patches)


def numbered(vectors):
    return {f"A{number:02}": vectors[:, number] for number in range(vectors.shape[1])}


def blocks(vectors):
    """Cells of 10 m, ten by ten a patch: shape (dims, 30, 40)."""
    return vectors.reshape(3, 4, -1).transpose(2, 0, 1).repeat(10, 1).repeat(10, 2)


def test_rows_by_patch_id_in_any_order(tmp_path, patches, vectors):
    order = np.random.default_rng(1).permutation(12)[:10]
    frame = pd.DataFrame({"patch_id": patches["patch_id"].to_numpy()[order], **numbered(vectors[order])})
    frame.loc[10] = ["03TWF_0_0", *np.ones(5)]
    for name in ("x.csv", "x.parquet", "x.xlsx"):
        path = tmp_path / name
        {".csv": frame.to_csv, ".xlsx": frame.to_excel, ".parquet": frame.to_parquet}[path.suffix](path, index=False)
        found = join(path, patches)
        np.testing.assert_allclose(found.features[order], vectors[order], rtol=1e-6)
        assert np.isnan(np.delete(found.features, order, 0)).all()
        assert (found.report.by, found.report.rows, found.report.unused, found.report.embedded) == ("id", 11, 1, 10)


def test_lists_in_a_text_table_and_a_key_of_rows_and_columns(tmp_path, patches, vectors):
    frame = pd.DataFrame({"cell": [f"{r}_{c}" for r, c in PLACES], "vector": [str(row.tolist()) for row in vectors]})
    frame.to_csv(tmp_path / "x.csv", index=False)
    np.testing.assert_allclose(join(tmp_path / "x.csv", patches, key="cell").features, vectors, rtol=1e-6)


def test_points_are_averaged_within_the_patch_around_them(tmp_path, patches, vectors):
    middle = gpd.GeoSeries(patches.centroid, crs=patches.crs).to_crs(4326)
    points = pd.DataFrame({"lon": middle.x, "lat": middle.y, **numbered(vectors)})
    rows = pd.concat([points, points.assign(**numbered(vectors + 2)), points.iloc[:1].assign(lat=10.0)])
    rows.to_csv(tmp_path / "x.csv", index=False)
    found = join(tmp_path / "x.csv", patches)
    np.testing.assert_allclose(found.features, vectors + 1, rtol=1e-4, atol=1e-5)
    assert (found.report.by, found.report.unused, found.report.doubled) == ("point", 1, 12)


def test_footprints_count_by_their_area(tmp_path, patches, vectors):
    half = patches.set_geometry(patches.translate(50, 0))
    write_embeddings(tmp_path / "x.parquet", half, vectors, {"model": "m"}, {})
    found = join(tmp_path / "x.parquet", patches, min_coverage=0.6)
    whole = vectors.reshape(3, 4, 5)
    np.testing.assert_allclose(found.features.reshape(3, 4, 5)[:, 1:], (whole[:, 1:] + whole[:, :-1]) / 2, atol=2e-3)
    assert np.isnan(found.features.reshape(3, 4, 5)[:, 0]).all(), "half covered"
    assert (found.report.by, found.report.too_little, found.report.model) == ("footprint", 3, "m")


def test_what_is_written_is_read_again(tmp_path, patches, vectors):
    vectors[3] = np.nan
    write_embeddings(tmp_path / "x.parquet", patches, vectors, {"model": "m"}, {})
    found = join(tmp_path / "x.parquet", patches)
    np.testing.assert_allclose(found.features, vectors, rtol=1e-4, atol=1e-5)
    assert found.report.lost == 1


@pytest.mark.parametrize("south_up", [False, True])
def test_rasters_of_either_orientation_give_their_mean(raster, patches, vectors, south_up):
    cells = blocks(vectors)
    cells[:, :10, :10] += np.random.default_rng(0).normal(size=(1, 10, 10)).astype(np.float32)
    truth = cells.reshape(5, 3, 10, 4, 10).mean((2, 4)).reshape(5, 12).T
    at = Affine(10, 0, ORIGIN_M[0], 0, 10, ORIGIN_M[1] - 300) if south_up else CELLS
    path = raster("x.tif", cells[:, ::-1] if south_up else cells, crs="EPSG:32603", transform=at)
    np.testing.assert_allclose(join(path, patches).features, truth, rtol=1e-5, atol=1e-6)


def test_a_raster_in_degrees_is_averaged_by_area(raster, patches, vectors):
    west, south, east, north = patches.to_crs(4326).total_bounds
    at = Affine((east - west) / 300, 0, west, 0, (south - north) / 300, north)
    columns = np.broadcast_to(np.arange(300, dtype=np.float32), (2, 300, 300)).copy()
    found = join(raster("x.tif", columns, crs="EPSG:4326", transform=at), patches).features.reshape(3, 4, 2)
    np.testing.assert_allclose(np.diff(found, axis=1), 75, atol=2)


def test_published_bytes_and_tiles(raster, tmp_path, patches, vectors):
    signed = np.clip(blocks(vectors) * 40, -120, 120).astype(np.int8)
    signed[:, :10, :5] = -128
    with pytest.raises(InputError, match="set `dequantise` to alphaearth or tessera"):
        join(raster("one.tif", signed), patches)
    truth = np.sign(signed) * (signed / 127.5) ** 2
    at = Affine(10, 0, ORIGIN_M[0] + 200, 0, -10, ORIGIN_M[1])
    raster("tiles/left.tif", signed[:, :, :20], transform=CELLS)
    raster("tiles/right.tif", signed[:, :, 20:], transform=at)
    found = join(tmp_path / "tiles/*.tif", patches, dequantise="alphaearth", min_coverage=0.4)
    wanted = truth.reshape(5, 3, 10, 4, 10)[:, :, 9, :, 9].reshape(5, 12).T
    np.testing.assert_allclose(found.features, wanted, rtol=1e-5, atol=1e-6)
    assert np.isnan(
        join(tmp_path / "tiles/*.tif", patches, dequantise="alphaearth", min_coverage=0.6).features[0]
    ).all()


def test_scales_of_tessera_lie_beside(raster, patches, vectors):
    signed = np.clip(blocks(vectors) * 40, -120, 120).astype(np.int8)
    scales = np.full((1, 30, 40), 0.5, np.float32)
    scales[0, :10, :10] = np.inf
    raster("x_scales.tif", scales)
    found = join(raster("x.tif", signed), patches, dequantise="tessera").features
    np.testing.assert_allclose(found[1:], signed[:, ::10, ::10].reshape(5, 12).T[1:] * 0.5, rtol=1e-6)
    assert np.isnan(found[0]).all()


@pytest.fixture
def store(tmp_path, vectors):
    """Write a Zarr store as TESSERA's: bytes, scales, two years."""
    zarr = pytest.importorskip("zarr")
    cells = np.clip(np.stack([blocks(vectors), blocks(vectors) + 1]) * 30, -120, 120).astype(np.int8)

    def write(order=("time", "embedding", "y", "x"), crs="EPSG:32603", at=CELLS, **attributes):
        root = zarr.create_group(tmp_path / "x.zarr", overwrite=True)
        about = {"geoemb:type": "pixel", "geoemb:dimensions": 5, "geoemb:model": "https://example.org/m"}
        root.attrs.update(
            {**about, "spatial:transform": list(at)[:6], **({"proj:code": crs} if crs else {}), **attributes}
        )
        axes = [("time", "embedding", "y", "x").index(name) for name in order]
        embeddings = np.ascontiguousarray(cells.transpose(axes))
        root.create_array("embeddings", data=embeddings, dimension_names=order)
        scales = np.full((2, 30, 40), 0.25, np.float32)
        scales[:, :10, :10] = np.nan
        root.create_array("scales", data=scales, dimension_names=("time", "y", "x"))
        root.create_array("time", data=np.array([2020, 2021]), dimension_names=("time",))
        return tmp_path / "x.zarr", cells

    return write


@pytest.mark.parametrize("order", [("time", "embedding", "y", "x"), ("time", "y", "x", "embedding")])
def test_zarr_stores_by_year(store, patches, order):
    path, cells = store(order)
    found = join(path, patches, dequantise="tessera", where={"year": 2021})
    truth = cells[1, :, ::10, ::10].reshape(5, 12).T * 0.25
    np.testing.assert_allclose(found.features[1:], truth[1:], rtol=1e-6)
    assert np.isnan(found.features[0]).all()
    assert found.report.model == "https://example.org/m"


@pytest.mark.parametrize(
    ("attributes", "more", "message"),
    [
        ({}, {"dequantise": "tessera"}, r"several years \(2020, 2021\): choose one"),
        ({}, {"dequantise": "tessera", "where": {"year": 2019}}, "0 times are of the year 2019; there are 2020, 2021"),
        ({}, {"where": {"year": 2020}}, "published bytes"),
        ({"crs": None}, {"where": {"year": 2020}}, "has no CRS"),
        ({"geoemb:dimensions": 7}, {"where": {"year": 2020}}, "says geoemb:dimensions = 7"),
        ({"crs": "EPSG:32633"}, {"dequantise": "tessera", "where": {"year": 2020}}, "covers no patch"),
    ],
)
def test_zarr_stores_that_cannot_be_read_are_refused(store, patches, attributes, more, message):
    path, _ = store(**attributes)
    with pytest.raises(InputError, match=message):
        join(path, patches, **more)


def table(path, patches, vectors, **columns):
    frame = pd.DataFrame({"patch_id": patches["patch_id"], "embedding": list(vectors)}).assign(**columns)
    frame.to_parquet(path)
    return path


def test_rows_are_chosen_by_year(tmp_path, patches, vectors):
    both = pd.concat([patches, patches], ignore_index=True)
    twice = np.concatenate([vectors, vectors + 1])
    path = table(tmp_path / "x.parquet", both, twice, date=["2020-05-01"] * 12 + ["2021-05-01"] * 12)
    np.testing.assert_array_equal(join(path, patches, where={"year": 2021}).features, vectors + 1)
    with pytest.raises(InputError, match=r"no row has year = 2019 \(`where`\); there are 2020, 2021"):
        join(path, patches, where={"year": 2019})
    with pytest.raises(InputError, match="stands in two rows"):
        join(path, patches)


@pytest.mark.parametrize(
    ("columns", "more", "message"),
    [
        ({"model": ["a", "b"] * 6}, {}, r"mixes embeddings of model a, b.*where: \{model: b\}"),
        ({"year": [2020] * 6 + [2021] * 6}, {}, "mixes embeddings of year 2020, 2021"),
        ({}, {"where": {"year": 2020}}, "has no column 'year', which `where` names"),
        ({}, {"key": "name"}, "lacks the column 'name'"),
        ({"patch_id": "03TVF_1_1"}, {}, "patch_id '03TVF_1_1' stands in two rows"),
        ({"patch_id": [f"house {n}" for n in range(12)]}, {}, "holds 'house 0' for one, and patches are called"),
        ({"patch_id": [f"03TWF_0_{n}" for n in range(12)]}, {}, "gives no patch of 03TVF an embedding"),
    ],
)
def test_tables_that_say_too_little_or_too_much_are_refused(tmp_path, patches, vectors, columns, more, message):
    with pytest.raises(InputError, match=message):
        join(table(tmp_path / "x.parquet", patches, vectors, **columns), patches, **more)


def test_files_of_two_models_are_refused(tmp_path, patches, vectors):
    for model in ("a", "b"):
        write_embeddings(tmp_path / f"{model}.parquet", patches, vectors, {"model": model}, {})
    with pytest.raises(InputError, match="mixes embeddings of a, b"):
        join(tmp_path / "*.parquet", patches)
    write_embeddings(tmp_path / "b.parquet", patches, vectors[:, :4], {"model": "a"}, {})
    with pytest.raises(InputError, match="rows have 4 to 5 numbers"):
        join(tmp_path / "*.parquet", patches)


def test_patches_that_others_numbered_are_joined_by_their_footprint(tmp_path, patches, vectors):
    frame = patches[["geometry"]].assign(patch_id=[f"chip-{n}" for n in range(12)], **numbered(vectors))
    frame.to_parquet(tmp_path / "x.parquet")
    found = join(tmp_path / "x.parquet", patches)
    assert found.report.by == "footprint"
    np.testing.assert_allclose(found.features, vectors, rtol=1e-4, atol=1e-5)
    frame.to_file(tmp_path / "x.gpkg")
    np.testing.assert_allclose(join(tmp_path / "x.gpkg", patches).features, vectors, rtol=1e-4, atol=1e-5)


def test_exchanged_coordinates_are_named(tmp_path, patches, vectors):
    here = patches.set_crs("EPSG:32633", allow_override=True)
    middle = gpd.GeoSeries(here.centroid, crs="EPSG:32633").to_crs(4326)
    points = pd.DataFrame({"latitude": middle.x, "longitude": middle.y, **numbered(vectors)})
    points.to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(InputError, match="if longitude and latitude were exchanged"):
        join(tmp_path / "x.csv", here)


def test_rasters_that_cannot_be_used_are_refused(raster, tmp_path, patches, vectors):
    cells = blocks(vectors)
    for name, crs, message in (
        ("none.tif", None, "has no CRS"),
        ("wrong.tif", "EPSG:32633", r"lies at .* E, .* N, and the patches at .* W"),
    ):
        with pytest.raises(InputError, match=message):
            join(raster(name, cells, crs=crs), patches)
    turned = Affine(10, 1, ORIGIN_M[0], 1, -10, ORIGIN_M[1])
    with pytest.raises(InputError, match="turned or mirrored"):
        join(raster("turned.tif", cells, transform=turned), patches)
    unmarked = cells.copy()
    unmarked[:, :10, :10] = -9999
    path = raster("unmarked.tif", unmarked)
    with pytest.raises(InputError, match=r"whole embeddings are -9999.*set nodata: -9999"):
        join(path, patches)
    assert np.isnan(join(path, patches, nodata=-9999).features[0]).all()
    raster("years/2020.tif", cells)
    raster("years/2021.tif", cells + 0.5)
    with pytest.raises(InputError, match="several years or models"):
        join(tmp_path / "years/*.tif", patches)
    with pytest.raises(InputError, match="has no rows: take `where` away"):
        join(path, patches, where={"year": 2020})
    with pytest.raises(InputError, match="does not exist"):
        join(tmp_path / "2019/*.tif", patches)


@pytest.mark.shared
def test_published_tables_of_clay_and_earth_index(shared):
    path = shared / "data/embeddings/clay-v0/03WVN_20220610_20220610_v001.gpq"
    chips = gpd.read_parquet(path)
    here = chips.estimate_utm_crs()
    some = chips.iloc[:20].to_crs(here)
    patches = gpd.GeoDataFrame(
        {"patch_id": [f"03WVN_0_{n}" for n in range(20)], "granule": "03WVN"},
        geometry=[shapely.box(*one.centroid.buffer(100).bounds) for one in some.geometry], crs=here,
    )  # fmt: skip
    found = join(path, patches)
    np.testing.assert_allclose(found.features, np.stack(chips["embeddings"].iloc[:20]), rtol=1e-3, atol=1e-4)
    with pytest.raises(InputError, match="has no rows"):
        join(shared / "data/embeddings/earth-index/21MNT_empty.parquet", patches)
