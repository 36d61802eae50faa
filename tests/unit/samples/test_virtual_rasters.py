"""Rasters in several files: tiles of one mosaic, and Sentinel-2 products as they are unpacked."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rankscape.foundation.errors import RasterError
from rankscape.samples.cutting import cut, open_source
from rankscape.samples.listing import raster_files
from rankscape.samples.settings import TileSettings
from rasterio.transform import from_origin

CRS, LEFT, TOP, SIDE = "EPSG:32648", 500_000, 3_400_000, 32
NAME = "S2A_MSIL2A_20220601T033541_N0400_R061_T48RVV_20220601T080000.SAFE"


def write(
    path: Path, pixels: np.ndarray, *, left: float = LEFT, top: float = TOP, size_m: float = 10, **profile
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    bands, rows, cols = pixels.shape
    given = {"driver": "GTiff", "height": rows, "width": cols, "count": bands, "dtype": pixels.dtype, "crs": CRS}
    with rasterio.open(path, "w", **{**given, **profile}, transform=from_origin(left, top, size_m, size_m)) as file:
        file.write(pixels)
    return path


def patches_of(source: Path, folder: Path, **settings):
    chosen = TileSettings(patch_px=8, **settings)
    out = folder / "town.npy"
    layout, shares = cut(lambda: open_source(source, None, "town", chosen), out, 1)
    return np.load(out), layout, shares


def safe(folder: Path, *, level: str = "2A", offset: int | None = -1000) -> Path:
    """A product of 320 m, B11 at 20 m: the number of a pixel is 1000 x band + its row, and the lower half is cloud."""
    root = folder / NAME.replace("2A_2022", f"{level}_2022")
    images = root / "GRANULE/L2A_T48RVV_A1/IMG_DATA"
    rows = np.arange(SIDE, dtype=np.uint16)[:, None].repeat(SIDE, axis=1)
    lossless = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}
    for number, band in enumerate(("B02", "B03", "B04", "B08"), 1):
        name = f"R10m/T48RVV_20220601T033541_{band}_10m.jp2" if level == "2A" else f"T48RVV_20220601T033541_{band}.jp2"
        write(images / name, (1000 * number + rows)[None].astype(np.uint16), **lossless)
    if level == "2A":
        half = np.full((1, SIDE // 2, SIDE // 2), 5000, np.uint16)
        write(images / "R20m/T48RVV_20220601T033541_B11_20m.jp2", half, size_m=20, **lossless)
        classes = np.full((1, SIDE // 2, SIDE // 2), 4, np.uint8)
        classes[:, SIDE // 4 :] = 9
        classes[:, 0, 0] = 0
        write(images / "R20m/T48RVV_20220601T033541_SCL_20m.jp2", classes, size_m=20, **lossless)
    tag, value = ("BOA", "BOA_QUANTIFICATION_VALUE") if level == "2A" else ("RADIO", "QUANTIFICATION_VALUE")
    offsets = (
        ""
        if offset is None
        else "".join(f'<{tag}_ADD_OFFSET band_id="{n}">{offset}</{tag}_ADD_OFFSET>' for n in range(13))
    )
    (root / f"MTD_MSIL{level}.xml").write_text(
        f'<n1:Product xmlns:n1="x"><{value} unit="none">10000</{value}>{offsets}</n1:Product>'
    )
    return root


@pytest.mark.parametrize(("offset", "expected"), [(-1000, 0.2), (None, 0.3)])
def test_a_product_of_level_2a_is_reflectance_with_its_offset_and_its_clouds(tmp_path, offset, expected):
    found, layout, shares = patches_of(safe(tmp_path, offset=offset), tmp_path)
    assert layout.grid.bands == ("B04", "B03", "B02")
    assert (found.dtype, found.shape) == (np.float32, (16, 8, 8, 3))
    np.testing.assert_allclose(found[1, 0, 0], [expected, expected - 0.1, expected - 0.2], atol=1e-6)
    np.testing.assert_allclose(found[12, 7, 0, 0], expected + 31e-4, atol=1e-6)
    assert np.isnan(found[0, :2, :2]).all(), "what the scene classification calls no data"
    assert shares[:8, 1].tolist() == [0] * 8
    assert shares[8:, 1].tolist() == [1] * 8


def test_bands_of_a_product_are_chosen_and_coarser_ones_repeated(tmp_path):
    found, layout, _ = patches_of(safe(tmp_path), tmp_path, bands=("B04", "B03", "B02", "B11"))
    assert layout.grid.bands == ("B04", "B03", "B02", "B11")
    np.testing.assert_allclose(found[1, ..., 3], 0.4, atol=1e-6)
    with pytest.raises(RasterError, match=r"has no band B12, .*it has B02, B03, B04, B08, B11"):
        patches_of(safe(tmp_path), tmp_path, bands=("B04", "B03", "B02", "B12"))


def test_a_product_of_level_1c_has_no_clouds_and_an_offset_of_its_own(tmp_path):
    found, _, shares = patches_of(safe(tmp_path, level="1C"), tmp_path)
    np.testing.assert_allclose(found[0, 0, 0], [0.2, 0.1, 0.0], atol=1e-6)
    assert not shares[:, 1].any()


def test_tiles_of_one_mosaic_are_one_raster(tmp_path):
    whole = np.arange(3 * SIDE * SIDE, dtype=np.float32).reshape(3, SIDE, SIDE) / 4000
    for row in range(2):
        for col in range(2):
            part = whole[:, row * 16 : row * 16 + 16, col * 16 : col * 16 + 16]
            write(tmp_path / f"export-{row}-{col}.tif", part, left=LEFT + 160 * col, top=TOP - 160 * row)
    write(tmp_path / "whole.tif", whole)
    (tmp_path / "._export-0-0.tif").write_bytes(b"left by a file server")
    joined, layout, _ = patches_of(tmp_path / "export-*.tif", tmp_path)
    one, expected, _ = patches_of(tmp_path / "whole.tif", tmp_path)
    np.testing.assert_array_equal(joined, one)
    assert layout.grid == expected.grid
    assert len(raster_files(str(tmp_path / "export-*.tif"))) == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [({"left": LEFT + 163.0}, "lie on different grids"), ({"crs": "EPSG:32647"}, "differ in CRS"),
     ({"size_m": 20}, "differ in pixel size"), ({"nodata": -1}, "differ in nodata value")],
)  # fmt: skip
def test_files_that_are_no_tiles_of_one_mosaic_are_refused(tmp_path, change, said):
    pixels = np.full((3, 16, 16), 0.1, np.float32)
    write(tmp_path / "a.tif", pixels)
    write(tmp_path / "b.tif", pixels, **{"left": LEFT + 160, **change})
    with pytest.raises(RasterError, match=rf"b\.tif and .*a\.tif {said}"):
        patches_of(tmp_path / "*.tif", tmp_path)


def test_patterns_and_products_without_files_are_refused(tmp_path):
    (tmp_path / NAME).mkdir()
    for source in (tmp_path / "*.tif", tmp_path / NAME):
        with pytest.raises(RasterError, match="holds no raster: mend the column `raster`"):
            patches_of(source, tmp_path)
    root = safe(tmp_path / "b")
    (root / "MTD_MSIL2A.xml").write_text("<n1:Product")
    with pytest.raises(RasterError, match="no whole XML"):
        patches_of(root, tmp_path)
    (root / "MTD_MSIL2A.xml").unlink()
    with pytest.raises(RasterError, match="has 0 files"):
        patches_of(root, tmp_path)
