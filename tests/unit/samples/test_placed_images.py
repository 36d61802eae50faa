"""Images of a folder whose coordinates stand in a table."""

import geopandas as gpd
import numpy as np
import pytest
from PIL import Image
from rankscape.__main__ import main
from rankscape.samples.patches import is_located, read_index

ROWS = ["a.png,30.5,-12.25,640", "below/b.png,179.999,60,1000", "c.png,-3,0,640"]


def run(*words):
    with pytest.raises(SystemExit) as end:
        main(list(map(str, words)))
    return int(end.value.code or 0)


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "below/b.png", "c.png"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(len(name)).integers(1, 255, (16, 16, 3), np.uint8)).save(path)
    return tmp_path


def table(folder, rows):
    (folder / "places.csv").write_text("\n".join(["image,longitude,latitude,side_m", *rows]))
    return folder / "places.csv"


def tile(folder, rows):
    words = ("tile", "--settings", "{}", "--source", folder / "images", "--images", "--granule", "towns")
    return run(*words, "--out", folder / "towns.npy", "--places", table(folder, rows))


def test_each_image_gets_a_square_around_its_point(folder):
    assert tile(folder, ROWS[::-1]) == 0
    index = read_index(folder / "towns.parquet").set_index("patch_id")
    assert is_located(index)
    square = index.geometry["towns_a"]
    assert (square.centroid.x, square.centroid.y) == pytest.approx((30.5, -12.25))
    one = gpd.GeoSeries([square], crs=4326).to_crs(gpd.GeoSeries([square], crs=4326).estimate_utm_crs())
    assert one.area.iloc[0] == pytest.approx(640**2, rel=2e-3)
    west, south, east, north = index.geometry["towns_below_b"].bounds
    assert (east - west) / (north - south) == pytest.approx(2, rel=0.01), "degrees of longitude are half as long there"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS[:2], "1 images have no row, such as c.png"),
        ([*ROWS, "d.png,1,1,640"], "1 places have no image, such as d.png"),
        ([*ROWS, ROWS[0]], "image 'a.png' stands in two rows"),
        (["a.png,30.5,-95,640", *ROWS[1:]], "row 0 lies at longitude 30.5, latitude -95"),
        (["a.png,30.5,-12.25,0", *ROWS[1:]], "side_m of row 0 is 0"),
    ],
)
def test_tables_that_do_not_fit_the_folder_are_refused(folder, capsys, rows, message):
    assert tile(folder, rows) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "towns.parquet").exists()


def test_their_embeddings_have_footprints(folder):
    out = folder / "x.parquet"
    words = ("embed", folder / "images", "--model", "band-statistics", "--patch-px", 16, "--out", out)
    assert run(*words, "--places", table(folder, ROWS)) == 0
    frame = gpd.read_parquet(out).set_index("id")
    assert frame.crs == "EPSG:4326"
    assert frame.geometry["image_a"].contains(gpd.points_from_xy([30.5], [-12.25])[0])
