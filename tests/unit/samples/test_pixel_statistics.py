"""Pixel statistics: known images, missing pixels, and the stage."""

import numpy as np
import pytest
from rankscape.__main__ import main
from rankscape.foundation.provenance import KEY
from rankscape.foundation.tables import read_metadata, read_table
from rankscape.samples.pixel_statistics import STATISTICS, chunks, patch_statistics


def one(pixels):
    return patch_statistics(np.asarray(pixels)[None], np.array([True])).iloc[0]


def test_a_flat_patch_has_brightness_and_no_gradient():
    found = one(np.full((8, 8, 3), (100, 50, 25), np.uint8))
    assert found["gradient"] == pytest.approx(0, abs=1e-7)
    assert found["blue_green"] == pytest.approx(0.5)
    assert found["brightness"] == pytest.approx((0.299 * 100 + 0.587 * 50 + 0.114 * 25) / 255)


def test_a_slope_has_its_gradient_and_edges_have_more_than_fields():
    slope = np.broadcast_to(np.linspace(0, 0.7, 8, dtype=np.float32)[:, None, None], (8, 8, 3))
    assert one(slope)["gradient"] == pytest.approx(0.1, rel=1e-5)
    town = np.random.default_rng(0).random((8, 8, 3)).astype(np.float32)
    assert one(town)["gradient"] > one(town * 0.1)["gradient"] > 0


def test_pictures_and_reflectance_agree():
    pixels = np.random.default_rng(1).integers(1, 256, (3, 9, 9, 4), dtype=np.uint8)
    as_float = pixels.astype(np.float32) / 255
    everything = np.ones(3, bool)
    np.testing.assert_allclose(patch_statistics(pixels, everything), patch_statistics(as_float, everything), rtol=1e-6)


def test_missing_pixels_count_nothing():
    whole = np.full((6, 6, 3), 0.4, np.float32)
    holed = whole.copy()
    holed[:2] = np.nan
    np.testing.assert_allclose(one(holed), one(whole), atol=1e-7)
    pictures = (whole * 255).astype(np.uint8)
    dark = pictures.copy()
    dark[:, :3] = 0
    np.testing.assert_allclose(one(dark), one(pictures), atol=1e-7)
    assert one(np.full((4, 4, 3), np.nan, np.float32)).isna().all()
    assert one(np.zeros((4, 4, 3), np.uint8)).isna().all()


def test_patches_are_read_in_bounded_pieces():
    places = np.r_[0:5, 40, 1000:1030]
    pieces = chunks(places, 1_000_000)
    np.testing.assert_array_equal(np.concatenate(pieces), places)
    assert max(piece[-1] - piece[0] for piece in pieces) < 4
    assert list(chunks(np.empty(0, int), 10)) == []
    pixels = np.random.default_rng(2).integers(1, 255, (50, 4, 4, 3), dtype=np.uint8)
    usable = np.random.default_rng(3).random(50) < 0.5
    found = patch_statistics(pixels, usable)
    assert found["gradient"].notna().tolist() == usable.tolist()
    np.testing.assert_allclose(found.iloc[np.flatnonzero(usable)[7]], one(pixels[usable][7]))


def test_the_stage(patch_store, tmp_path):
    pixels = np.random.default_rng(4).integers(1, 255, (24, 16, 4), dtype=np.uint8)
    usable = np.array([True, False] * 3)
    tiles = patch_store(pixels=pixels, usable=usable, bands=("B04", "B03", "B02", "B08"))
    out = tmp_path / "pixel_statistics.parquet"
    with pytest.raises(SystemExit) as ended:
        main(["pixel-statistics", "--patches", str(tiles), "--out", str(out)])
    assert ended.value.code in (0, None)
    table = read_table(out, ("patch_id", *STATISTICS))
    assert table["patch_id"].tolist()[:3] == ["03TVF_0_0", "03TVF_0_1", "03TVF_1_0"]
    assert table["brightness"].notna().tolist() == usable.tolist()
    assert table.dtypes["gradient"] == np.float64
    assert set(read_metadata(out, KEY)["inputs"]) == {"patches", "index"}


def test_a_missing_array_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["pixel-statistics", "--patches", str(tmp_path / "none.npy"), "--out", str(tmp_path / "out.parquet")])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out.parquet").exists()
