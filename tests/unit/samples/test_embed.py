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
