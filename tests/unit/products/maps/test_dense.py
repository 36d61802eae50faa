"""Finer maps: a patch's mean is its score, patch edges vanish, places lie where they belong."""

import json

import numpy as np
import pystac
import pytest
import rasterio
from explaining import BANDS, CPU, auxiliary_model_of, bright_network, model_of, network_of, noise
from rankscape.__main__ import main
from rankscape.foundation.errors import RasterError, WeightsError
from rankscape.products.maps.windows import Windows
from rankscape.samples.patches import NOWHERE, open_patches
from rankscape.studies.ranking.scoring.dense import (
    TOLERANCE,
    corrected,
    dense_map,
    deviations,
    patch_means,
    raised_cosine,
)
from rankscape.studies.ranking.scoring.model import write_model
from rankscape.studies.ranking.scoring.prediction import score_patches
from scipy.special import logit


class Targets:
    def to_document(self):
        return {}


@pytest.fixture
def land(patch_store):
    """Land of 3 x 4 patches of 64 px, one of them clouded."""

    def make(**changes):
        usable = np.ones(12, bool)
        usable[6] = False
        values = {"pixels": noise(1, 256)[0][:192], "patch_px": 64, "bands": BANDS, "usable": usable}
        return patch_store(**{**values, **changes})

    return make


@pytest.mark.parametrize(
    ("architecture", "input_px", "cells"),
    [("test_resnet", 64, 2), ("test_resnet", 96, 3), ("test_resnet", 32, 2), ("random-convolutions-3px-4", 128, 4)],
)
def test_the_mean_over_a_patch_is_its_score(land, architecture, input_px, cells):
    networks = [network_of(architecture, seed, 3.0) for seed in range(2)]
    model, patches = model_of(networks, input_px=input_px), open_patches(land())
    found = dense_map(model, patches, CPU, 3, "tiles")
    assert found.cells == cells
    assert found.values.shape == (2, 3 * cells, 4 * cells)
    scores = score_patches(model, patches, CPU, 8, "tiles").score.to_numpy().reshape(3, 4)
    means = patch_means(found.values[0], cells)
    assert (np.isnan(means) == np.isnan(scores)).all()
    assert np.nanmax(np.abs(means - scores)) < TOLERANCE / 2
    assert found.facts["final"]["largest"] < 0.005
    assert np.nanmin(found.values) >= 0
    assert np.nanmax(found.values[0]) <= 1


def test_patch_edges_vanish(land):
    """Bright and dark land meet in the middle of a column of patches: its score is between, its places are not."""
    pixels = np.full((192, 256, 3), 5, np.uint8)
    pixels[:, 96:] = 60
    model = model_of([bright_network(1.0)])
    found = dense_map(model, open_patches(land(pixels=pixels, usable=np.ones(12, bool))), CPU, 8, "tiles")
    left, right = found.values[0, :, 2], found.values[0, :, 3]
    assert (right - left > 0.1).all()
    assert patch_means(found.values[0], 2)[0, 1] == pytest.approx((left + right)[0] / 2, abs=1e-6)


def test_land_of_one_look_has_one_score(land):
    model = model_of([bright_network(1.0)])
    pixels = np.full((192, 256, 3), 90, np.uint8)
    found = dense_map(model, open_patches(land(pixels=pixels)), CPU, 8, "tiles")
    assert np.nanstd(found.values[0]) < 1e-6
    assert np.isnan(found.values[0, 2:4, 4:6]).all(), "the clouded patch has no scores"
    assert np.nanmax(found.values[1]) == 0, "one network knows nothing of its spread"


@pytest.mark.parametrize("cells", [2, 3, 7])
def test_windows_cover_the_land_and_show_their_own_pixels(land, cells):
    pixels = np.broadcast_to(np.arange(1, 193)[:, None, None], (192, 256, 3)) // 2 + np.arange(256)[None, :, None] // 4
    patches = open_patches(land(pixels=pixels.astype(np.uint8)))
    windows, seen = Windows(patches, cells), np.zeros((3, 4), int)
    for strip in windows.strips(4):
        assert len(strip.across) <= 4
        for across, window in zip(strip.across, strip.pixels, strict=True):
            top, left = (round(windows.offset(int(step)) * 64 / cells) for step in (strip.down, across))
            assert (window == pixels[top : top + 64, left : left + 64].astype(np.uint8)).all()
            rows, cols = {top // 64, (top + 63) // 64}, {left // 64, (left + 63) // 64}
            assert (1, 2) not in {(row, col) for row in rows for col in cols}, "a clouded patch is never looked at"
            if strip.down % 2 == across % 2 == 0:
                seen[strip.down // 2, across // 2] += 1
    assert (seen == windows.usable).all()


def test_weights_add_up_to_one_at_half_steps():
    weights = raised_cosine(8)
    total = np.zeros((8, 16))
    for left in range(-4, 16, 4):
        for top in (-4, 0, 4):
            for row in range(8):
                for col in range(8):
                    if 0 <= top + row < 8 and 0 <= left + col < 16:
                        total[top + row, left + col] += weights[row, col]
    assert total == pytest.approx(np.ones((8, 16)))


def test_the_correction_is_smooth_and_reaches_every_patch():
    generator = np.random.default_rng(0)
    score, aim = generator.uniform(0.3, 0.7, (32, 32)), generator.uniform(0.35, 0.65, (4, 4))
    score[:8, :8] = np.nan
    aim[0, 0] = np.nan
    assert deviations(score, aim, 8)["largest"] > 0.05
    final = corrected(score, aim, 8)
    assert deviations(final, aim, 8)["largest"] < 1e-3
    field = logit(final) - logit(score)
    steps = np.abs(np.diff(field[8:], axis=1))
    assert steps.max() < np.nanmax(np.abs(field)) / 3, "no edge of a patch shows"
    assert (np.diff(final[8:16, :2], axis=1) * np.diff(score[8:16, :2], axis=1)).mean() > 0, "the order of places stays"
    for end in (0.0, 1.0):
        assert corrected(np.full((4, 4), 1 - end), np.full((2, 2), end), 2) == pytest.approx(end, abs=1e-2)


def test_no_usable_patch_is_an_empty_map(land):
    found = dense_map(model_of([bright_network(1.0)]), open_patches(land(usable=np.zeros(12, bool))), CPU, 8, "tiles")
    assert np.isnan(found.values).all()
    assert found.facts["final"] == {"largest": 0.0, "mean": 0.0}


def test_the_command_writes_a_map_that_lies_on_the_land(land, tmp_path):
    tiles, model = land(), tmp_path / "score.safetensors"
    networks = [network_of("test_resnet", seed, 3.0) for seed in range(2)]
    write_model(model, model_of(networks, "test_resnet"), Targets(), {})
    out = tmp_path / "maps" / "dense" / "03TVF.tif"
    words = ["ranking", "dense", "--settings", '{"batch_size": 5}', "--patches", str(tiles), "--model", str(model)]
    sums = []
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            main([*words, "--out", str(out), "--item", str(out.with_suffix(".json"))])
        assert ended.value.code in (0, None)
        sums.append(out.read_bytes())
    assert sums[0] == sums[1]
    with rasterio.open(out) as raster:
        assert raster.descriptions == ("score", "score_std")
        assert raster.res == (320, 320)
        assert raster.shape == (6, 8)
        assert (raster.transform.c, raster.transform.f) == (400_000, 4_500_000)
        assert json.loads(raster.tags()["DEVIATIONS"])["final"]["largest"] < TOLERANCE
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert json.loads(raster.tags()["RANKSCAPE"])["stage"] == "ranking dense"
    item = pystac.Item.from_file(out.with_suffix(".json"))
    assert item.properties["proj:transform"][0] == 320
    assert item.assets["map"].href == "./03TVF.tif"
    assert out.with_suffix(".qml").is_file()


def test_the_command_maps_a_model_of_two_parts(land, tmp_path):
    """The parts tell 3 x 3 and 4 x 4 places apart; a patch's mean is the score that the whole model gives it."""
    tiles, model, out = land(), tmp_path / "score.safetensors", tmp_path / "dense.tif"
    write_model(model, auxiliary_model_of(), Targets(), {})
    words = ["ranking", "dense", "--settings", "{}", "--patches", str(tiles), "--model", str(model)]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--out", str(out), "--item", str(out.with_suffix(".json"))])
    assert ended.value.code in (0, None)
    scores = score_patches(auxiliary_model_of(), open_patches(tiles), CPU, 8, "tiles").score.to_numpy().reshape(3, 4)
    with rasterio.open(out) as raster:
        score, spread = raster.read()
        assert json.loads(raster.tags()["DEVIATIONS"])["final"]["largest"] < TOLERANCE
    assert score.shape == (12, 16)
    assert np.nanmax(np.abs(patch_means(score, 4) - scores)) < TOLERANCE / 2
    assert np.nanmin(spread) > 0


def test_what_has_no_dense_map_is_refused_in_one_line(land):
    patches = open_patches(land())
    with pytest.raises(WeightsError, match="keeps no map of features by place"):
        dense_map(model_of([network_of("test_vit")], input_px=160), patches, CPU, 8, "tiles")
    with pytest.raises(RasterError, match="was trained on 32 px"):
        dense_map(model_of([bright_network(1.0)], patch_px=32), patches, CPU, 8, "tiles")
    nowhere = land(granule="images", crs=NOWHERE)
    with pytest.raises(RasterError, match="without coordinates, which have no map"):
        dense_map(model_of([bright_network(1.0)]), open_patches(nowhere), CPU, 8, "tiles")
