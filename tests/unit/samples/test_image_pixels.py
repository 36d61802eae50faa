"""What the pixels of an image are, where it is opened."""

import numpy as np
import pytest
import rasterio
from PIL import Image
from rankscape.foundation.errors import RasterError
from rankscape.samples.image_folders import open_8bit
from rankscape.studies.ranking.scoring.images import read_image

COLOURS = np.random.default_rng(1).integers(1, 255, (16, 16, 3), np.uint8)


def write_raster(path, pixels, *, names=(), driver="GTiff", **profile):
    height, width, count = pixels.shape
    profile |= {"height": height, "width": width, "count": count, "dtype": pixels.dtype}
    with rasterio.open(path, "w", driver=driver, **profile) as dataset:
        dataset.write(np.moveaxis(pixels, 2, 0))
        for band, name in enumerate(names, 1):
            dataset.set_band_description(band, name)
    return path


def write_16_bit(path, _):
    write_raster(path, COLOURS.astype(np.uint16) * 257, driver="PNG")


def write_1_bit(path, image):
    image.convert("1").save(path)


def write_frames(path, image):
    image.save(path, save_all=True, append_images=[image.rotate(90)])


@pytest.mark.parametrize("write", [write_16_bit, write_1_bit, write_frames])
@pytest.mark.parametrize("read", [read_image, open_8bit])
def test_what_is_no_8_bit_image_is_refused_by_every_verb(tmp_path, write, read):
    write(tmp_path / "a.png", Image.fromarray(COLOURS))
    with pytest.raises(RasterError, match=r"a\.png (holds pixels of mode .*8-bit|has 2 pages or frames)"):
        read(tmp_path / "a.png")


def test_cmyk_is_refused(tmp_path):
    Image.fromarray(COLOURS).convert("CMYK").save(tmp_path / "a.jpg")
    with pytest.raises(RasterError, match="mode CMYK"):
        read_image(tmp_path / "a.jpg")


def test_transparent_pixels_are_empty_and_palettes_show_their_colours(tmp_path):
    clear = np.dstack([np.full_like(COLOURS, 255), np.zeros((16, 16, 1), np.uint8)])
    Image.fromarray(clear).save(tmp_path / "clear.png")
    assert not read_image(tmp_path / "clear.png").any()
    few = Image.fromarray(COLOURS).quantize(8)
    few.save(tmp_path / "few.png")
    few.save(tmp_path / "few.tif")
    for name in ("few.png", "few.tif"):
        np.testing.assert_array_equal(read_image(tmp_path / name), np.array(few.convert("RGB")))


def test_alpha_of_a_raster_is_no_band(tmp_path):
    alpha = np.full((16, 16, 1), 255, np.uint8)
    alpha[:4] = 0
    path = write_raster(tmp_path / "a.tif", np.dstack([COLOURS, alpha]), photometric="RGB", ALPHA="YES")
    pixels = read_image(path)
    assert pixels.shape == (16, 16, 3)
    assert not pixels[:4].any()
    np.testing.assert_array_equal(pixels[4:], COLOURS[4:])


def test_bands_in_another_order_are_refused(tmp_path):
    with pytest.raises(RasterError, match="the bands B02, B03, B04: write red, green, blue"):
        read_image(write_raster(tmp_path / "a.tif", COLOURS, names=("B02", "B03", "B04")))


def test_the_content_decides_not_the_suffix(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "a.tif", format="PNG")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), COLOURS)


def test_jpeg_2000_is_read(tmp_path):
    path = write_raster(tmp_path / "a.jp2", COLOURS, driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES")
    np.testing.assert_array_equal(read_image(path), COLOURS)


def test_images_stand_upright(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(COLOURS).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.rot90(COLOURS, -1))
