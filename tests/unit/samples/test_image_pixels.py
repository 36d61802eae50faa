"""What the pixels of an image are, where it is opened."""

import numpy as np
import pytest
import rasterio
from PIL import Image
from rankscape.__main__ import main
from rankscape.foundation.errors import RasterError, SettingsError
from rankscape.samples.granule_patches import open_scene
from rankscape.samples.image_folders import open_8bit, open_folder
from rankscape.samples.image_pixels import check_reflectance
from rankscape.samples.listing import list_images
from rankscape.samples.settings import TileSettings
from rankscape.samples.source import bounds_deg
from rankscape.studies.ranking.scoring.images import find_images, read_image
from rasterio.transform import from_origin

COLOURS = np.random.default_rng(1).integers(1, 255, (16, 16, 3), np.uint8)


def write_raster(path, pixels, *, names=(), driver="GTiff", **profile):
    height, width, count = pixels.shape
    profile |= {"height": height, "width": width, "count": count, "dtype": pixels.dtype}
    with rasterio.open(path, "w", driver=driver, **profile) as dataset:
        dataset.write(np.moveaxis(pixels, 2, 0))
        for band, name in enumerate(names, 1):
            dataset.set_band_description(band, name)
    return path


PLACED = {"crs": "EPSG:32648", "transform": from_origin(5e5, 3e6, 10, 10)}


def read_scene(path, **settings):
    with open_scene(path, None, "a", TileSettings(patch_px=16, **settings)) as source:
        return next(source.read(0)).pixels[0]


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


WRONG_ORDERS = [("B02", "B03", "B04"), ("B08", "B04", "B03"), ("blue", "green", "red"), ("NIR", "red", "green"),
                ("B2", "B3", "B4"), ("T48RVV_B02_10m", "T48RVV_B03_10m", "T48RVV_B04_10m"),
                ("SR_B1", "SR_B2", "SR_B3"), ("Band 2", "Band 3", "Band 4")]  # fmt: skip


@pytest.mark.parametrize("names", WRONG_ORDERS)
@pytest.mark.parametrize("read", [read_image, open_8bit, read_scene])
def test_bands_in_another_order_are_refused_by_every_verb(tmp_path, names, read):
    with pytest.raises(RasterError, match=rf"the bands {', '.join(names)}: red, green, blue .* must come first"):
        read(write_raster(tmp_path / "a.tif", COLOURS, names=names, **PLACED))


@pytest.mark.parametrize(
    "names", [("B04", "B03", "B02"), ("Red", "Green", "Blue"), ("SR_B4", "SR_B3", "SR_B2"), ("SR_B3", "SR_B2", "SR_B1"),
              ("vis-red", "vis-green", "vis-blue"), ("VV", "VH", "ratio")]
)  # fmt: skip
def test_bands_in_the_right_order_or_of_unknown_names_are_read(tmp_path, names):
    path = write_raster(tmp_path / "a.tif", COLOURS, names=names, **PLACED)
    np.testing.assert_array_equal(read_image(path), COLOURS)
    np.testing.assert_array_equal(read_scene(path), COLOURS)


def test_a_fourth_band_that_gdal_calls_alpha_is_what_its_name_says(tmp_path):
    path = write_raster(tmp_path / "a.tif", np.dstack([COLOURS, COLOURS[..., :1]]), names=("B04", "B03", "B02", "B08"))
    assert read_image(path).shape == (16, 16, 4)


EXPORT = np.dstack([COLOURS[..., ::-1], COLOURS[..., :1]])
"""Bands in the order of an export of Earth Engine: B2, B3, B4, B8."""


@pytest.mark.parametrize("bands", [("B4", "B3", "b2"), ("3", "2", "1")])
def test_bands_and_scale_are_set_for_an_export_of_digital_numbers(tmp_path, bands):
    pixels = EXPORT.astype(np.uint16) * 40
    pixels[0] = 0
    path = write_raster(tmp_path / "a.tif", pixels, names=("B2", "B3", "B4", "B8"), **PLACED)
    found = read_scene(path, bands=bands, scale=0.0001, offset=-0.1)
    assert found.dtype == np.float32
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1:], COLOURS[1:] * 0.004 - 0.1, atol=1e-6)


def test_bands_are_chosen_of_bytes_that_gdal_calls_red_green_blue(tmp_path):
    path = write_raster(tmp_path / "a.tif", COLOURS[..., ::-1], names=("B2", "B3", "B4"), photometric="RGB", **PLACED)
    np.testing.assert_array_equal(read_scene(path, bands=("B4", "B3", "B2")), COLOURS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"bands": ("B4", "B3", "B9")}, r"no band B9, which tile.bands names; there are 1 \(B2\), 2"),
     ({"bands": ("B8", "B4", "B3")}, "the bands B8, B4, B3: red, green, blue .* must come first"),
     ({"bands": ("B4", "B3", "B2")}, "uint16; .*set tile.scale"),
     ({"bands": ("B4", "B3", "B2"), "scale": 0.01}, "must be reflectance")],
)  # fmt: skip
def test_bands_and_scales_that_do_not_fit_are_refused(tmp_path, settings, message):
    path = write_raster(tmp_path / "a.tif", EXPORT.astype(np.uint16) * 40, names=("B2", "B3", "B4", "B8"), **PLACED)
    with pytest.raises(RasterError, match=message):
        read_scene(path, **settings)


@pytest.mark.parametrize("values", [{"offset": -0.1}, {"bands": ["1", "2"]}, {"bands": ["1", "1", "2"]}])
def test_settings_of_bands_agree(values):
    with pytest.raises(SettingsError, match=r"goes with a scale|three or more, each once"):
        TileSettings.checked(values, "x")


def test_bands_and_scale_do_not_touch_scenes_of_a_catalogue(tmp_path):
    scene = write_raster(tmp_path / "a.tif", COLOURS, names=("B04", "B03", "B02"), **PLACED)
    quality = write_raster(tmp_path / "q.tif", np.ones((16, 16, 1), np.uint8), **PLACED)
    settings = TileSettings(patch_px=16, bands=("3", "2", "1"), scale=0.0001)
    with open_scene(scene, quality, "a", settings) as source:
        np.testing.assert_array_equal(next(source.read(0)).pixels[0], COLOURS)


def test_tile_says_where_patches_lie(tmp_path, capsys):
    source = write_raster(tmp_path / "a.tif", COLOURS, **PLACED)
    words = ["tile", "--settings", '{"patch_px": 16}', "--source", str(source), "--granule", "town"]
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--out", str(tmp_path / "p.npy")])
    assert not stopped.value.code
    out = "".join(capsys.readouterr())
    assert "town: lies between 105.0000 and 105.0016 degrees east, 27.1" in out


def test_tiles_of_tms_are_counted_from_the_south(tmp_path):
    for row, value in ((10, 10), (11, 200)):
        Image.fromarray(np.full((16, 16, 3), value, np.uint8)).save(tmp_path / f"{row}_5.png")
    source = open_folder(tmp_path, "a", TileSettings(zoom=4, rows_from="south"))
    assert source.layout.ids == ("a_11_5", "a_10_5")
    assert source.layout.row.tolist() == [0, 1]
    assert [next(source.read(step)).pixels[0, 0, 0, 0] for step in (0, 1)] == [200, 10]
    # The upper edge of TMS row 11 is the upper edge of XYZ row 4 of 16.
    assert bounds_deg(source.layout.grid)[3] == pytest.approx(66.5133, abs=1e-4)


REFLECTANCE = (COLOURS / 255).astype(np.float32)


@pytest.mark.parametrize(
    "pixels", [REFLECTANCE * 10_000, REFLECTANCE * 255, np.where(COLOURS > 200, -9999, REFLECTANCE)]
)
@pytest.mark.parametrize("read", [read_image, read_scene])
def test_numbers_that_are_no_reflectance_are_refused(tmp_path, pixels, read):
    path = write_raster(tmp_path / "a.tif", pixels.astype(np.float32), **PLACED)
    with pytest.raises(RasterError, match=r"a\.tif holds values from .* must be reflectance"):
        read(path)


@pytest.mark.parametrize("read", [read_image, read_scene])
def test_reflectance_with_glint_offsets_and_declared_nodata_is_read(tmp_path, read):
    pixels = REFLECTANCE.copy()
    pixels[0, :3] = [[-0.1] * 3, [6.5] * 3, [-9999] * 3]
    found = read(write_raster(tmp_path / "a.tif", pixels, nodata=-9999, **PLACED))
    assert np.isnan(found[0, 2]).all()
    np.testing.assert_array_equal(found[1:], pixels[1:])


def test_radar_in_decibels_is_no_reflectance_and_is_read():
    pixels = np.full((4, 4, 5), [0.1, 0.1, 0.1, -14.0, -21.0], np.float32)
    check_reflectance(pixels, "a.tif", ("B04", "B03", "B02", "VV", "VH"))
    check_reflectance(pixels[..., 3:], "a.tif", ("VV", "VH"))
    with pytest.raises(RasterError, match=r"a\.tif holds values from -21"):
        check_reflectance(pixels, "a.tif", ("B04", "B03", "B02", "B08", "B11"))


def test_greys_of_tiff_are_colours_alike_and_greys_of_white_0_are_refused(tmp_path):
    grey = COLOURS[..., :1]
    np.testing.assert_array_equal(read_image(write_raster(tmp_path / "a.tif", grey)), grey.repeat(3, axis=2))
    with pytest.raises(RasterError, match="greys of which 0 is white"):
        read_image(write_raster(tmp_path / "b.tif", grey, photometric="MINISWHITE"))


def test_tiffs_of_1_bit_or_turned_are_refused(tmp_path):
    Image.fromarray(COLOURS).convert("1").save(tmp_path / "a.tif")
    with pytest.raises(RasterError, match="1 bit"):
        read_image(tmp_path / "a.tif")
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(COLOURS).save(tmp_path / "b.tif", exif=exif)
    with pytest.raises(RasterError, match=r"b\.tif has a tag of orientation"):
        read_image(tmp_path / "b.tif")


@pytest.mark.parametrize("find", [find_images, list_images])
def test_images_of_kinds_that_are_not_read_are_refused_by_name(tmp_path, find):
    Image.fromarray(COLOURS).save(tmp_path / "a.PNG")
    (tmp_path / "notes.txt").write_text("x")
    assert len(find(tmp_path)) == 1
    Image.fromarray(COLOURS).save(tmp_path / "b.BMP")
    with pytest.raises(RasterError, match=r"b\.BMP: images ending in \.bmp are not read"):
        find(tmp_path)


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
