"""`rankscape embed` alone: an image, or a folder of images, to a table of embeddings."""

import json

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rankscape.__main__ import main


def embed(*arguments):
    with pytest.raises(SystemExit) as end:
        main(["embed", *map(str, arguments)])
    return int(end.value.code or 0)


@pytest.fixture
def image(tmp_path):
    """A raster of 4 x 3 patches of 16 px; one patch has no data."""
    path = tmp_path / "scene.tif"
    pixels = np.random.default_rng(0).uniform(0.05, 0.3, (3, 64, 48)).astype(np.float32)
    pixels[:, :16, :16] = np.nan
    about = {"count": 3, "height": 64, "width": 48, "dtype": "float32", "crs": "EPSG:32633"}
    with rasterio.open(path, "w", driver="GTiff", transform=Affine(10, 0, 5e5, 0, -10, 5e6), **about) as file:
        file.write(pixels)
    return path


def test_an_image_becomes_geoparquet_that_keeps_its_type(image, tmp_path):
    out = tmp_path / "out/x.parquet"
    assert embed(image, "--model", "random-convolutions-3px-8", "--patch-px", 16, "--out", out) == 0
    table = pq.read_table(out)
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 16)
    assert table.num_rows == 12
    assert table["embedding"].null_count == 1
    assert json.loads(table.schema.metadata[b"emb"])["model"] == "random-convolutions-3px-8"
    assert "bbox" in json.loads(table.schema.metadata[b"geo"])["columns"]["geometry"]["covering"]
    pq.write_table(table, tmp_path / "again.parquet")
    assert pq.read_table(tmp_path / "again.parquet").schema.equals(table.schema, check_metadata=True)
    frame = gpd.read_parquet(out)
    assert frame.crs == "EPSG:4326"
    assert set(frame["id"]) == {f"image_{row}_{col}" for row in range(4) for col in range(3)}
    (empty,) = frame.loc[frame["embedding"].isna(), "id"]
    assert empty == "image_0_0"
    assert sorted(path.name for path in out.parent.iterdir()) == ["x.parquet"]


def test_a_file_of_the_study_gives_the_same_numbers(image, tmp_path):
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    for out in (first, second):
        assert embed(image, "--model", "random-convolutions-3px-8", "--patch-px", 16, "--out", out) == 0
    assert first.read_bytes() == second.read_bytes()


def test_a_folder_of_images_becomes_a_table_with_their_paths(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(1, 255, (40, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    out = tmp_path / "x.parquet"
    assert embed(folder, "--model", "band-statistics", "--patch-px", 32, "--out", out) == 0
    table = pq.read_table(out)
    assert table["image"].to_pylist() == ["0.png", "1.png", "2.png"]
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "resnet999", "--out", "x.parquet"), "is no model of timm"),
        (("--model", "band-statistics", "--out", "x.csv"), "give a name that ends in .parquet"),
        (("--model", "nothing.safetensors", "--out", "x.parquet"), "nothing.safetensors does not exist"),
        (("--model", "random-convolutions-30px-8", "--out", "x.parquet"), "needs images of 30 px at least"),
    ],
)
def test_what_cannot_be_done_is_one_line(image, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert embed(image, "--patch-px", 16, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x.parquet").exists()
    assert embed("nowhere.tif", *arguments) == 2


def test_an_image_becomes_a_raster_with_a_band_a_number(image, tmp_path):
    table, out = tmp_path / "x.parquet", tmp_path / "x.tif"
    for path in (table, out):
        assert embed(image, "--model", "band-statistics", "--patch-px", 16, "--out", path) == 0
    frame = gpd.read_parquet(table).set_index("id")
    with rasterio.open(out) as raster:
        bands = raster.read()
        assert (raster.crs.to_string(), raster.transform) == ("EPSG:32633", Affine(160, 0, 5e5, 0, -160, 5e6))
        assert raster.dataset_mask()[0, 0] == 0
    assert bands.shape == (6, 4, 3)
    np.testing.assert_array_equal(bands[:, 2, 1], frame.loc["image_2_1", "embedding"])


def test_places_in_an_image_get_the_patch_around_them(image, tmp_path):
    middles = gpd.GeoSeries.from_xy([500_240, 500_080, 499_000], [4_999_760, 4_999_440, 5e6], crs="EPSG:32633")
    points = middles.to_crs(4326)
    lines = [f"{name},{x},{y}" for name, x, y in zip("abc", points.x, points.y, strict=True)]
    (tmp_path / "places.csv").write_text("\n".join(["id,longitude,latitude", *lines]))
    out, whole = tmp_path / "x.parquet", tmp_path / "whole.parquet"
    words = ("--model", "band-statistics", "--patch-px", 16)
    assert embed(tmp_path / "places.csv", "--images", image, *words, "--out", out, "--date", "2020-05-01") == 0
    assert embed(image, *words, "--out", whole) == 0
    frame, cut = gpd.read_parquet(out).set_index("id"), gpd.read_parquet(whole).set_index("id")
    np.testing.assert_array_equal(frame.loc["a", "embedding"], cut.loc["image_1_1", "embedding"])
    np.testing.assert_array_equal(frame.loc["b", "embedding"], cut.loc["image_3_0", "embedding"])
    assert frame.loc["c", "embedding"] is None
    assert frame.loc["a", "geometry"].equals_exact(cut.loc["image_1_1", "geometry"], 1e-9)
    assert str(frame["datetime"].iloc[0])[:10] == "2020-05-01"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a,10,20"], "No point of"),
        (["a,45.15,15.003"], "if longitude and latitude were exchanged"),
        (["a,15.001,45.15", "a,15.002,45.15"], "id 'a' stands in two rows"),
        (["a,,"], "has no coordinates"),
    ],
)
def test_places_that_cannot_be_used_are_refused(image, tmp_path, capsys, rows, message):
    (tmp_path / "places.csv").write_text("\n".join(["id,longitude,latitude", *rows]))
    out = tmp_path / "x.parquet"
    words = ("--model", "band-statistics", "--patch-px", 16, "--out")
    assert embed(tmp_path / "places.csv", "--images", image, *words, out) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()
    assert embed(tmp_path / "places.csv", *words, out) == 2
    assert "name the image with --images" in capsys.readouterr().err
    assert embed(tmp_path / "places.csv", "--images", image, *words, tmp_path / "x.tif") == 2
    assert embed(image, *words, out, "--date", "May 2020") == 2
