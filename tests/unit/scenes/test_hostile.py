"""Rasters that were made to do harm: each is one clear line before anything is decoded, or does nothing."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rankscape.foundation.errors import RasterError
from rankscape.scenes.rasters import check_whole, open_raster
from unit.scenes.synthetic_scenes import write_tif

VRT = """<VRTDataset rasterXSize="20" rasterYSize="20"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>
<SourceFilename relativeToVRT="0">/etc/passwd</SourceFilename><SourceBand>1</SourceBand>
</SimpleSource></VRTRasterBand></VRTDataset>"""


def sparse(path: Path, height: int, width: int, bands: int = 1, **options: object) -> Path:
    """Write a TIFF whose header claims pixels that the file does not hold."""
    given = {"driver": "GTiff", "dtype": "uint8", "SPARSE_OK": "TRUE", **options}
    with rasterio.open(path, "w", height=height, width=width, count=bands, **given):
        return path


def refused(path: Path) -> str:
    with pytest.raises(RasterError) as caught, open_raster(path):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_header_of_two_thousand_million_pixels_is_refused(tmp_path):
    path = sparse(tmp_path / "a.tif", 1 << 15, 1 << 16, tiled=True, blockxsize=512, blockysize=512)
    assert path.stat().st_size < 1 << 20
    assert "claims 32768 x 65536 pixels in 1 bands; at most 1000000000 pixels" in refused(path)


def test_one_block_of_more_than_a_gigabyte_is_refused(tmp_path):
    block = {"tiled": True, "blockxsize": 19_984, "blockysize": 19_984}
    path = sparse(tmp_path / "a.tif", 19_984, 19_984, 3, interleave="pixel", compress="deflate", **block)
    assert path.stat().st_size < 1 << 10
    assert "claims blocks of 19984 x 19984 pixels, 1198080768 bytes each" in refused(path)


BOUNDED = """
import resource, sys
from pathlib import Path
from rankscape.foundation.errors import RasterError
from rankscape.scenes.rasters import check_whole
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    check_whole(Path(sys.argv[1]))
except RasterError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


def test_a_deflate_bomb_inflates_no_further_than_its_block(tmp_path):
    """A block of 16 x 16 pixels whose stream holds a gigabyte of zeros."""
    path = write_tif(
        tmp_path / "a.tif", np.ones((16, 16), np.uint8), compress="deflate", tiled=True, blockxsize=16, blockysize=16
    )
    packer = zlib.compressobj(9)
    head = packer.compress(b"\0" * 256) + packer.flush(zlib.Z_FULL_FLUSH)
    part = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    bomb, content = head + part * 64, bytearray(path.read_bytes())
    for tag, value in ((324, len(content)), (325, len(bomb))):  # TileOffsets and TileByteCounts
        place = content.index(struct.pack("<HHI", tag, 4, 1))
        struct.pack_into("<I", content, place + 8, value)
    path.write_bytes(bytes(content) + bomb)
    done = subprocess.run([sys.executable, "-c", BOUNDED, path], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout.splitlines()[-1]) < 300, done.stdout


@pytest.mark.parametrize("name", ["a.tif", "a.vrt", "a.jp2"])
def test_a_vrt_is_no_raster_whatever_its_name(tmp_path, name):
    (tmp_path / name).write_text(VRT)
    assert "is no GeoTIFF or JPEG 2000 (it starts with b'<VRT')" in refused(tmp_path / name)


@pytest.mark.parametrize(
    "name", ["/vsicurl/http://localhost/a.tif", "/vsizip/a.zip/a.tif", "zip://a.zip!a.tif", "GTIFF_DIR:1:a.tif"]
)
def test_names_that_gdal_would_follow_are_files_or_nothing(name):
    assert "does not exist" in refused(Path(name))


def test_files_beside_a_raster_say_nothing_about_it(tmp_path):
    path = write_tif(tmp_path / "a.tif", np.full((1, 64, 64), 7, np.uint8))
    (tmp_path / "a.tif.aux.xml").write_text(
        '<PAMDataset><Metadata><MDI key="RANKSCAPE">forged</MDI></Metadata>'
        '<PAMRasterBand band="1"><Description>forged</Description><NoDataValue>7</NoDataValue></PAMRasterBand>'
        "</PAMDataset>"
    )
    (tmp_path / "a.tfw").write_text("1\n0\n0\n-1\n0\n0\n")
    write_tif(tmp_path / "a.tif.ovr", np.zeros((1, 32, 32), np.uint8))
    write_tif(tmp_path / "a.tif.msk", np.zeros((1, 64, 64), np.uint8), INTERNAL_MASK_FLAGS_1="2")
    before = sorted(file.name for file in tmp_path.iterdir())
    check_whole(path)
    with open_raster(path) as dataset:
        assert (dataset.descriptions, dataset.nodata, dataset.overviews(1)) == ((None,), None, [])
        assert "RANKSCAPE" not in dataset.tags()
        assert dataset.files == [str(path)]
        assert dataset.dataset_mask().all()
        assert (dataset.read() == 7).all()
    assert sorted(file.name for file in tmp_path.iterdir()) == before
