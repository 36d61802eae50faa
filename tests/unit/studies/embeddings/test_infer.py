"""Regressions of predicted labels, as they are called."""

import json

import numpy as np
import pytest
from rankscape.samples.artifacts import REFERENCE_VALUES
from rankscape.samples.patches import open_patches
from rankscape.studies.embeddings.artifacts import INFERENCE


class Regression:
    """A label that brightness and distance explain, known at every third place; the distance is in no image."""

    def __init__(self, region):
        self.region, self.settings = region, {"task": "truth", "features": "rcf", "covariates": ["distance"]}
        self.parts = []
        for number, path in enumerate(region.patches):
            store, chance = open_patches(path), np.random.default_rng([3, number])
            bright = 100 * store.array.mean((1, 2, 3))
            distance = bright / 5 + chance.normal(size=len(bright))
            self.parts.append((path.stem, store.index, bright, distance, chance.uniform(size=len(bright)) < 1 / 3))
        region.set_values(lambda bright, _: np.full(len(bright), np.nan))
        self.write()

    def write(self, known=lambda third, distance: third):
        for (name, index, bright, distance, third), out in zip(self.parts, self.region.values, strict=True):
            label = np.where(known(third, distance), bright + 2 * distance, np.nan)
            record = {"stage": "test"}
            REFERENCE_VALUES.write(out, index[["patch_id"]].assign(value=label, coverage=1.0), record)
            own = index[["patch_id"]].assign(value=distance, coverage=1.0)
            REFERENCE_VALUES.write(self.region.folder / f"distance/{name}.parquet", own, record)

    def infer(self):
        folder = self.region.folder
        return self.region.run(
            "embeddings", "infer", "--settings", "{}", "--regression-settings", json.dumps(self.settings),
            "--labels", folder / "labels/truth.parquet", "--indices", *self.region.indices,
            "--features", *(folder / f"features/rcf/{path.stem}.npy" for path in self.region.patches),
            "--values", *(folder / f"distance/{path.stem}.parquet" for path in self.region.patches),
            "--out", folder / "inference/distance.json",
        )  # fmt: skip


@pytest.fixture
def regression(region):
    assert region.fit("rcf") == region.embed("rcf") == 0
    return Regression(region)


def test_coefficients_of_predictions_are_corrected(regression):
    assert regression.region.label() == regression.infer() == 0
    found = INFERENCE.read(regression.region.folder / "inference/distance.json")
    assert found.labelled + found.unlabelled == 426
    assert 110 < found.labelled < 170
    assert [row.column for row in found.coefficients] == ["intercept", "distance"]
    truth = np.polyfit(*(np.concatenate([part[i] for part in regression.parts]) for i in (3, 2)), 1)[0] + 2
    row = found.coefficients[1]
    assert row.naive.high < truth, "what no image shows is missing from predictions"
    assert row.corrected.low < truth < row.corrected.high
    assert row.labelled.low < truth < row.labelled.high
    assert found.notes == []
    assert found.clusters["naive"] >= found.clusters["labelled"] > 5


def test_labels_that_are_no_random_sample_are_said(regression):
    regression.write(lambda third, distance: distance > np.median(distance))
    assert regression.region.label() == regression.infer() == 0
    found = INFERENCE.read(regression.region.folder / "inference/distance.json")
    assert "differ from the others in distance" in found.notes[0]


def test_regressions_that_cannot_be_are_refused(regression, capsys):
    regression.write(lambda third, _: np.ones_like(third))
    assert regression.region.label() == 0
    assert regression.infer() == 2
    assert "all 426 places have a label" in capsys.readouterr().err
    regression.settings["covariates"] = ["roads"]
    assert regression.infer() == 2
    assert "--values lacks the values of roads at granule 03TVF" in capsys.readouterr().err
    regression.settings["covariates"] = ["roads", "roads"]
    assert regression.infer() == 2
    assert "names a reference twice" in capsys.readouterr().err
    assert not (regression.region.folder / "inference").exists()
