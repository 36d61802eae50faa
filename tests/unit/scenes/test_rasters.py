"""Opening rasters with care, and writing them whole or not at all."""

import json
import os
import resource
import signal

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.foundation.errors import DiskError, RasterError
from rankscape.scenes.cogs import TAG, cog_writer, write_cog
from rankscape.scenes.rasters import check_whole, open_raster, row_windows, windows
from rasterio.enums import MaskFlags
from rasterio.transform import from_origin
from unit.scenes.synthetic_scenes import CRS, write_tif

FORM = {"crs": CRS, "transform": from_origin(400_000, 4_500_000, 10, 10), "names": ["B04", "B03", "B02"]}


def test_written_raster_has_names_mask_tags_and_overviews(tmp_path, noise):
    pixels = noise((3, 700, 900))
    mask = np.full((700, 900), 255, np.uint8)
    mask[:50] = 0
    write_cog(tmp_path / "new" / "a.tif", pixels, **FORM, mask=mask, tags={TAG: json.dumps({"a": 1})})
    with rasterio.open(tmp_path / "new" / "a.tif") as dataset:
        assert np.array_equal(dataset.read(), pixels)
        assert np.array_equal(dataset.dataset_mask(), mask)
        assert dataset.descriptions == ("B04", "B03", "B02")
        assert dataset.overviews(1)
        assert MaskFlags.per_dataset in dataset.mask_flag_enums[0]
        assert json.loads(dataset.tags()[TAG]) == {"a": 1}
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.tif"]


def test_same_pixels_give_the_same_bytes_whatever_the_threads(tmp_path, noise):
    pixels = noise((3, 600, 600)).astype(np.float32)
    pixels[:, :20] = np.nan
    for threads in (1, 3):
        write_cog(tmp_path / f"{threads}.tif", pixels, **FORM, nodata=float("nan"), threads=threads)
    assert (tmp_path / "1.tif").read_bytes() == (tmp_path / "3.tif").read_bytes()


def halves(pixels):
    """Overviews that no averaging would give, in two parts each."""

    def overview(factor):
        rows, cols = (-(-side // factor) for side in pixels.shape[1:])
        level = np.full((pixels.shape[0], rows, cols), factor, np.uint8)
        yield level[:, : rows // 2]
        yield level[:, rows // 2 :]

    return overview


@pytest.mark.parametrize(("height", "width"), [(700, 2052), (1025, 500), (512, 512)])
def test_given_overviews_are_those_of_the_file(tmp_path, noise, height, width):
    pixels, sums = noise((3, height, width)), []
    for threads in (1, 3):
        with cog_writer(
            tmp_path / "a.tif", shape=pixels.shape, dtype="uint8", **FORM, nodata=0, tags={TAG: "{}"}, threads=threads,
            overview=halves(pixels),
        ) as dataset:  # fmt: skip
            dataset.scales = (0.5, 0.5, 0.5)
            dataset.update_tags(2, STATISTICS_MEAN="3")
            dataset.write(pixels)
        sums.append((tmp_path / "a.tif").read_bytes())
    assert sums[0] == sums[1]
    write_cog(tmp_path / "plain.tif", pixels, **FORM, nodata=0)
    with rasterio.open(tmp_path / "a.tif") as dataset, rasterio.open(tmp_path / "plain.tif") as plain:
        assert np.array_equal(dataset.read(), pixels)
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.overviews(1) == plain.overviews(1)
        assert (dataset.transform, dataset.crs, dataset.nodata) == (plain.transform, plain.crs, 0)
        assert dataset.descriptions == ("B04", "B03", "B02")
        assert dataset.scales == (0.5, 0.5, 0.5)
        assert dataset.tags()[TAG] == "{}"
        assert dataset.tags(2)["STATISTICS_MEAN"] == "3"
        levels = plain.overviews(1)
    for place, factor in enumerate(levels):
        with rasterio.open(tmp_path / "a.tif", overview_level=place) as dataset:
            assert (dataset.read() == factor).all()
            assert dataset.shape == (-(-height // factor), -(-width // factor))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "plain.tif"]


def test_an_error_while_overviews_are_drawn_leaves_what_was_there(tmp_path, noise):
    def overview(factor):
        raise RasterError(f"no overview {factor}")

    (tmp_path / "a.tif").write_bytes(b"before")
    pixels = noise((1, 600, 600))
    with (
        pytest.raises(RasterError, match="no overview 2"),
        cog_writer(
            tmp_path / "a.tif", shape=pixels.shape, dtype="uint8", crs=CRS, transform=FORM["transform"], names=["x"],
            overview=overview,
        ) as dataset,
    ):  # fmt: skip
        dataset.write(pixels)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.tif", b"before")]


def test_an_error_while_writing_leaves_what_was_there(tmp_path):
    target = tmp_path / "a.tif"
    target.write_bytes(b"before")

    def write_half():
        with cog_writer(target, shape=(1, 10, 10), dtype="uint8", crs=CRS, transform=FORM["transform"], names=["x"]):
            raise RasterError("the source broke")

    with pytest.raises(RasterError, match="the source broke"):
        write_half()
    assert target.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_no_space_left_is_one_clear_line(tmp_path, noise):
    pixels = noise((3, 700, 700))
    child = os.fork()
    if child == 0:
        # A limit on the size of files stands for a full disk; it would bind the other tests, hence the child.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
        try:
            write_cog(tmp_path / "a.tif", pixels, **FORM)
        except DiskError as error:
            os._exit(0 if "make room" in str(error) and "\n" not in str(error) else 2)
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kept", [3, 200, 30_000, -100])
def test_a_truncated_file_does_not_pass(tmp_path, noise, kept):
    write_cog(tmp_path / "whole.tif", noise((3, 600, 600)), **FORM, mask=np.full((600, 600), 255, np.uint8))
    check_whole(tmp_path / "whole.tif")
    (tmp_path / "cut.tif").write_bytes((tmp_path / "whole.tif").read_bytes()[:kept])
    with pytest.raises(RasterError, match=r"cut\.tif is no (whole )?GeoTIFF") as caught:
        check_whole(tmp_path / "cut.tif")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"<html>quota exceeded</html>", b"\x89PNG\r\n", b"II*\x00" + b"\x00" * 50])
def test_a_file_that_is_no_raster_does_not_open(tmp_path, content):
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(RasterError, match=r"a\.tif is no"), open_raster(tmp_path / "a.tif"):
        pass


def test_missing_and_oversized_files_are_refused(tmp_path, noise):
    with pytest.raises(RasterError, match="does not exist"), open_raster(tmp_path / "none.tif"):
        pass
    path = write_tif(tmp_path / "a.tif", noise((3, 40, 50)))
    with pytest.raises(RasterError, match="claims 40 x 50 pixels in 3 bands"), open_raster(path, max_pixels=1999):
        pass
    with pytest.raises(RasterError, match="in 2 bands are read"), open_raster(path, max_bands=2):
        pass
    with open_raster(path) as dataset:
        assert dataset.count == 3


def test_jpeg_2000_opens_with_its_own_driver(tmp_path, noise):
    path = write_tif(tmp_path / "a.jp2", noise((1, 64, 64)), driver="JP2OpenJPEG", QUALITY=100, REVERSIBLE="YES")
    check_whole(path)
    with open_raster(path) as dataset:
        assert dataset.driver == "JP2OpenJPEG"


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(10**4, 10**6), st.integers(100, 600))
def test_windows_cover_every_pixel_once(height, width, pixels, step):
    places = windows(height, width, pixels, step)
    assert sum(place.height * place.width for place in places) == height * width
    assert len({(place.row_off, place.col_off) for place in places}) == len(places)
    assert all(place.height * place.width <= max(pixels, step * step, step * min(step, width)) for place in places)
    assert sum(place.height for place in row_windows(height, width, pixels, step)) == height
