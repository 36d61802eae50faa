"""Images and GeoTIFFs of any kind."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from invented_pictures import claiming_png
from PIL import Image
from pyproj import Transformer
from rankscape.foundation.errors import InputError, RasterError
from rankscape.studies.ranking.scoring.images import (
    cut_raster,
    find_images,
    look_at_raster,
    patch_centres,
    read_image,
    valid_fraction,
)
from rasterio.transform import from_origin

PIXELS = np.random.default_rng(0).integers(1, 255, (40, 55, 3), dtype=np.uint8)


def write_tif(path: Path, pixels: np.ndarray, crs: str | None = "EPSG:32633", mask: np.ndarray | None = None) -> Path:
    profile = {"driver": "GTiff", "height": pixels.shape[0], "width": pixels.shape[1], "count": pixels.shape[2]}
    transform = from_origin(500_000, 5_000_000, 10, 10)
    with rasterio.open(path, "w", dtype=pixels.dtype, crs=crs, transform=transform, **profile) as dataset:
        dataset.write(np.moveaxis(pixels, 2, 0))
        if mask is not None:
            dataset.write_mask(mask)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_images_are_read_as_they_are(tmp_path: Path, name: str):
    path = tmp_path / name
    if name.endswith("tif"):
        write_tif(path, PIXELS)
    else:
        Image.fromarray(PIXELS).save(path, **({"lossless": True} if name.endswith("webp") else {}))
    assert np.array_equal(read_image(path), PIXELS)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA"])
def test_other_8_bit_images_become_rgb(tmp_path: Path, mode: str):
    Image.fromarray(PIXELS).convert(mode).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").shape == (40, 55, 3)


def test_a_16_bit_image_is_refused(tmp_path: Path):
    Image.fromarray(PIXELS[..., 0].astype(np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(RasterError, match=r"a\.png holds pixels of mode .*8-bit images are needed"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["half.png", "text.jpg", "half.tif"])
def test_a_broken_image_is_named(tmp_path: Path, name: str):
    path = tmp_path / name
    if name == "text.jpg":
        path.write_text("no image")
    else:
        write_tif(path, PIXELS) if name.endswith("tif") else Image.fromarray(PIXELS).save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RasterError, match=name):
        read_image(path)


def test_images_are_found_in_folders_below_and_sorted(tmp_path: Path):
    for name in ("b.png", "a/z.JPG", "a/c.tiff", "notes.txt", ".hidden.png", "a/.part/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)] == [
        "a/c.tiff",
        "a/z.JPG",
        "b.png",
    ]


def test_a_folder_or_file_without_images_is_an_error(tmp_path: Path):
    (tmp_path / "notes.txt").touch()
    for source in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(InputError, match="holds no image"):
            find_images(source)


def test_a_raster_is_cut_row_by_row_from_its_upper_left_corner(tmp_path: Path):
    raster = look_at_raster(write_tif(tmp_path / "a.tif", PIXELS), 16)
    assert (raster.rows, raster.cols, raster.bands, raster.names) == (2, 3, 3, None)
    rows = list(cut_raster(raster))
    assert np.array_equal(rows[1][2], PIXELS[16:32, 32:48])
    assert len(rows) == 2


def test_pixels_that_the_mask_hides_hold_no_data(tmp_path: Path):
    mask = np.full(PIXELS.shape[:2], 255, np.uint8)
    mask[:8, :16] = 0
    for pixels, name in ((PIXELS, "a.tif"), ((PIXELS / 255).astype(np.float32), "b.tif")):
        raster = look_at_raster(write_tif(tmp_path / name, pixels, mask=mask), 16)
        assert valid_fraction(next(cut_raster(raster))).tolist() == [0.5, 1.0, 1.0]


def test_centres_are_longitude_and_latitude(tmp_path: Path):
    longitude, latitude = patch_centres(look_at_raster(write_tif(tmp_path / "a.tif", PIXELS), 16))
    # The first centre lies 80 m east and south of the corner, the last 400 m east and 240 m south.
    east, north = Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True).transform(longitude, latitude)
    assert [east[0], north[0], east[5], north[5]] == pytest.approx([500_080, 4_999_920, 500_400, 4_999_760], abs=0.01)
    # UTM 33 has its middle, 500 km, at 15 degrees east; 80 m are about a thousandth of a degree.
    assert longitude[0] == pytest.approx(15.00102, abs=2e-5)
    assert longitude.shape == (6,)
    assert patch_centres(look_at_raster(write_tif(tmp_path / "b.tif", PIXELS, crs=None), 16)) is None


def test_a_patch_larger_than_the_raster_is_refused(tmp_path: Path):
    with pytest.raises(RasterError, match=r"40 x 55 pixels, less than one patch of 64 px"):
        look_at_raster(write_tif(tmp_path / "a.tif", PIXELS), 64)


def test_an_image_that_claims_more_than_an_image_has_is_refused_before_it_is_decoded(tmp_path: Path):
    claiming_png(tmp_path / "a.png", 60_000, 60_000)
    with pytest.raises(RasterError, match=r"a\.png is no whole image .*decompression bomb"):
        read_image(tmp_path / "a.png")
    claiming_png(tmp_path / "b.png", 9_000, 9_000)
    with pytest.raises(RasterError, match=r"b\.png claims 9000 x 9000 px; 67108864 px are read at most"):
        read_image(tmp_path / "b.png")
    with rasterio.open(
        tmp_path / "c.tif", "w", driver="GTiff", width=9000, height=9000, count=3, dtype="uint8", SPARSE_OK="TRUE"
    ):
        pass
    with pytest.raises(RasterError, match="claims 9000 x 9000 pixels in 3 bands; at most 67108864"):
        read_image(tmp_path / "c.tif")
