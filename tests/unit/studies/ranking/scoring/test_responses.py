"""What networks responded to in every patch of a granule: Grad-CAM in batches, or occlusion."""

import json

import numpy as np
import pandas as pd
import pytest
from explaining import BANDS, CPU, auxiliary_model_of, bright_network, model_of, network_of, noise
from rankscape.__main__ import main
from rankscape.foundation.files import read_json
from rankscape.foundation.tables import write_table
from rankscape.samples.patches import open_patches
from rankscape.studies.ranking.explanations.responses import respond
from rankscape.studies.ranking.explanations.saliency import explain
from rankscape.studies.ranking.scoring.model import write_model
from rankscape.studies.ranking.scoring.settings import SaliencySettings


class Targets:
    def to_document(self):
        return {}


def contributions(found):
    """What the bytes stand for; NaN where there is no map."""
    return np.where(found.maps > 0, (found.maps.astype(float) - 128) / 127 * found.scale, np.nan)


@pytest.mark.parametrize(
    "model", [model_of([network_of("test_resnet", s, 2.0) for s in range(2)]), auxiliary_model_of()]
)
def test_batches_say_what_grad_cam_says_of_single_images(model):
    images = noise(5, 64)
    settings = SaliencySettings(cells=32, batch_size=2)
    scores = np.array([0.1, 0.2, np.nan, 0.4, 0.5])
    found = respond(model, images, scores, np.zeros(5), settings, CPU)
    assert found.method == "grad-cam"
    assert not found.maps[2].any(), "a patch that is not usable has no map"
    for row in (0, 1, 3, 4):
        wanted = explain(model, [images[row]], CPU)[0].places
        assert contributions(found)[row] == pytest.approx(wanted, abs=found.scale / 250)


def test_fewer_cells_keep_the_mean():
    model, images = model_of([bright_network(1.0)], input_px=128), noise(3, 64)
    scores = np.full(3, 0.5)
    fine, coarse = (respond(model, images, scores, scores, SaliencySettings(cells=n), CPU) for n in (4, 2))
    assert (fine.maps.shape, coarse.maps.shape) == ((3, 4, 4), (3, 2, 2))
    assert contributions(coarse).mean((1, 2)) == pytest.approx(contributions(fine).mean((1, 2)), abs=fine.scale / 100)


def test_a_network_that_sees_one_place_is_asked_by_covering_squares():
    model = model_of([bright_network(4.0)], input_px=32, patch_px=32)
    images = np.full((6, 32, 32, 3), 60, np.uint8)
    images[:, :8, :8] = 250
    scores = np.array([0.1, 0.9, 0.5, 0.5, 0.5, np.nan])
    doubts, settings = np.array([0, 0, 0, 1, 0, 9.0]), SaliencySettings(occluded_patches=3)
    found = respond(model, images, scores, doubts, settings, CPU)
    assert found.method == "occlusion"
    assert "3 patches" in found.reason
    assert found.maps.any((1, 2)).tolist() == [True, True, False, True, False, False], (
        "both ends and the most uncertain"
    )
    shown = contributions(found)[0]
    assert shown[0, 0] == pytest.approx(found.scale), "the bright corner raises the score"
    assert (shown.ravel()[1:] < 0).all(), "all else, darker than the mean, lowers it"


def test_the_stage_writes_a_small_array_and_its_record(tmp_path, patch_store):
    tiles = patch_store("03TVF", pixels=noise(1, 192)[0], patch_px=64, bands=BANDS)
    model, out = tmp_path / "score.safetensors", tmp_path / "saliency" / "03TVF.json"
    write_model(model, model_of([network_of("test_resnet")], "test_resnet"), Targets(), {})
    ids = open_patches(tiles).index["patch_id"]
    scores = pd.DataFrame({"patch_id": ids, "score": 0.5, "score_std": 0.1})
    table = tmp_path / "scores.parquet"
    write_table(table, scores, {})
    words = [
        "ranking",
        "saliency",
        "--settings",
        json.dumps({"cells": 2}),
        "--patches",
        str(tiles),
        "--scores",
        str(table),
    ]
    words += ["--model", str(model), "--out", str(out)]
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert not stopped.value.code
    record, maps = read_json(out), np.load(out.with_suffix(".npy"))
    assert (record["granule"], record["method"], record["cells"]) == ("03TVF", "grad-cam", 2)
    assert (maps.shape, maps.dtype) == ((9, 2, 2), np.uint8)
    assert maps.all()
    write_table(table, scores[::-1], {})
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
