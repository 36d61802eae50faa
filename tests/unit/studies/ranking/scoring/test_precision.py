"""Mixed precision: close to float32, repeatable, and without any part in the default."""

import json

import numpy as np
import pytest
import torch
from rankscape.foundation.errors import SettingsError
from rankscape.foundation.files import read_json
from rankscape.foundation.tables import read_table
from rankscape.models.weights import load_weights
from rankscape.studies.ranking.scoring.model import read_model
from rankscape.studies.ranking.scoring.network import ScoreNetwork, start_network
from rankscape.studies.ranking.scoring.settings import PredictSettings, TrainSettings
from rankscape.studies.ranking.stages.predict import predict
from rankscape.studies.ranking.stages.train import train

from .conftest import ARCHITECTURE, World

IMAGES = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network(world: World) -> ScoreNetwork:
    made = start_network(ARCHITECTURE, str(world.backbone), 3, 0).eval()
    torch.nn.init.normal_(made.head.weight, 0, 0.05, generator=torch.Generator().manual_seed(1))
    return made


def trained(world: World, name: str, **changes):
    out = world.folder / f"{name}.safetensors"
    train(settings=world.settings(**changes), **world.train_files(), out=out, record=out.with_suffix(".json"))
    return out


def test_the_default_is_the_plain_network(network: ScoreNetwork):
    assert TrainSettings().precision == PredictSettings().precision == "float32"
    with torch.inference_mode():
        plain = torch.sigmoid(5.0 * network.head(network.backbone(IMAGES)).squeeze(1))
        before = network(IMAGES)
        network.use("float32")
        assert torch.equal(network(IMAGES), before)
    assert torch.equal(before, plain)


def test_bfloat16_scores_are_float32_and_near(network: ScoreNetwork):
    with torch.inference_mode():
        plain = network(IMAGES)
        network.use("bfloat16")
        fast = network(IMAGES)
    assert fast.dtype == torch.float32
    assert not torch.equal(fast, plain)
    assert torch.allclose(fast, plain, atol=0.03)
    assert all(parameter.dtype == torch.float32 for parameter in network.parameters())


def test_bfloat16_training_learns_repeats_itself_and_says_so(world: World):
    first = trained(world, "first", epochs=10, seeds=1, precision="bfloat16")
    again = trained(world, "again", epochs=10, seeds=1, precision="bfloat16")
    assert first.read_bytes() == again.read_bytes()
    record = read_json(first.with_suffix(".json"))
    assert record["settings"]["precision"] == "bfloat16"
    curve = record["seeds"][0]["epochs"]
    assert curve[-1]["training_loss"] < curve[0]["training_loss"] / 2
    assert "| precision | bfloat16 |" in first.with_suffix(".md").read_text()
    assert {tensor.dtype for tensor in load_weights(first)[0].values()} <= {torch.float32, torch.int64}


def test_any_model_predicts_in_either_precision(world: World):
    model = trained(world, "score", epochs=3, seeds=1)
    tables = []
    for precision in ("float32", "bfloat16"):
        predict(
            settings=json.dumps({"precision": precision}),
            patches=world.tiles[0],
            model=model,
            out=world.folder / "s.parquet",
        )
        tables.append(read_table(world.folder / "s.parquet").score)
    assert not tables[0].equals(tables[1])
    assert np.allclose(tables[0], tables[1], atol=0.03, equal_nan=True)
    assert read_model(model, torch.device("cpu")).networks[0]._is_fast is False


def test_another_precision_is_refused():
    with pytest.raises(SettingsError, match=r"train\.precision = 'float16' is refused"):
        TrainSettings.from_text('{"precision": "float16"}', "train")
