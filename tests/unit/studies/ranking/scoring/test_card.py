"""The model card says what score.json says, in words."""

import re

import pytest
from jinja2 import UndefinedError
from PIL import Image
from rankscape.foundation.files import read_json
from rankscape.studies.ranking.scoring.card import draw_curves, model_card
from rankscape.studies.ranking.stages.train import train

from .conftest import World


@pytest.fixture
def record(world: World):
    out = world.folder / "score.safetensors"
    train(settings=world.settings(epochs=1), **world.train_files(), out=out, record=out.with_suffix(".json"))
    return read_json(out.with_suffix(".json"))


def test_train_writes_the_card_of_its_record(world: World, record):
    text = (world.folder / "score.md").read_text(encoding="utf-8")
    assert text == model_card(record, "score-curves.png")
    assert "](score-curves.png)" in text
    assert "](" not in model_card(record)
    with Image.open(world.folder / "score-curves.png") as curves:
        assert (curves.format, curves.size) == ("PNG", (1650, 480))
    assert (world.folder / "score-curves.png").read_bytes() == draw_curves(record)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    assert headings == [
        "Score model", "What it is for", "Data", "Training", "Metrics", "Limits", "Settings", "Where it comes from",
    ]  # fmt: skip
    assert "2 networks of architecture `test_resnet`" in text
    assert "8-bit images of the bands B04, B03, B02" in text
    assert f"| trained on | {record['patches']['training']} | {record['blocks']['training']} |" in text
    assert "| learning_rate | 0.005 |" in text
    assert "| patches_per_cluster | null |" in text
    assert record["provenance"]["code"] in text
    assert all(digest in text for digest in record["provenance"]["inputs"].values())
    assert all(f"- {limit}\n" in text for limit in record["limits"])


def test_every_cluster_and_seed_has_a_row(record):
    text = model_card(record)
    rows = re.findall(r"^\| (\d) \| (\d) \| ([\d.]+) \|", text, re.MULTILINE)
    assert rows == [
        ("3", "1", "1.000"), ("0", "2", "0.667"), ("2", "2", "0.667"), ("1", "3", "0.333"), ("4", "4", "0.000"),
    ]  # fmt: skip
    assert re.findall(r"^\| seed (\d) ", text, re.MULTILINE) == ["0", "1"]


@pytest.mark.parametrize(("copies", "said"), [(1, "shown once, as it is."), (3, "in 2 more rows turned and mirrored")])
def test_the_card_of_a_ridge_speaks_of_penalties_not_of_epochs(world: World, copies: int, said: str):
    out = world.folder / "score.safetensors"
    train(
        settings=world.settings(objective="ridge", copies=copies),
        **world.train_files(),
        out=out,
        record=world.folder / "r",
    )
    text, record = (world.folder / "score.md").read_text(encoding="utf-8"), read_json(world.folder / "r")
    assert "Objective `ridge`: a linear head on the features of the backbone as it is" in text
    assert said in text
    assert "every epoch" not in text
    assert "![Error of each penalty on parts held out" in text
    drawn = (world.folder / "score-curves.png").read_bytes()
    assert drawn == draw_curves(record)
    record["seeds"][0]["ridge"]["errors"]["0.0001"] *= 2
    assert drawn != draw_curves(record)


def test_the_card_can_be_written_elsewhere(world: World):
    out = world.folder / "score.safetensors"
    files = {**world.train_files(), "out": out, "record": out.with_suffix(".json")}
    train(settings=world.settings(epochs=1, seeds=1), **files, card=world.folder / "cards" / "README.md")
    text = (world.folder / "cards" / "README.md").read_text()
    assert "1 network of architecture" in text
    assert "nothing of its own uncertainty" in text
    assert not out.with_suffix(".md").exists()
    assert (world.folder / "cards" / "README-curves.png").exists()
    assert "](README-curves.png)" in text


def test_metrics_that_could_not_be_had_are_dashes(record):
    bare = dict.fromkeys(record["validation"])
    text = model_card({**record, "validation": bare, "model": {**record["model"], "pixels": "float32"}})
    assert "| mean of all | | | – | – | – |" in text
    assert "surface reflectance of the bands" in text


def test_the_card_says_how_it_was_trained(record):
    settings = {**record["settings"], "appearance": 0.5, "backbone_rate": 0.1, "precision": "bfloat16"}
    text = model_card({**record, "settings": settings})
    assert "the backbone at 0.1 times the head's learning rate, in bfloat16" in text
    assert "as on another date (strength 0.5)" in text
    assert "the head alone" in model_card({**record, "settings": {**settings, "backbone_rate": 0}})
    assert "haze" not in model_card(record)


def test_a_value_with_bars_and_lines_stays_in_its_cell(record):
    text = model_card({**record, "settings": {**record["settings"], "a": "x|y\nz"}})
    assert "| a | x\\|y z |" in text


def test_a_record_that_lacks_its_model_makes_no_card(record):
    with pytest.raises(UndefinedError):
        model_card({**record, "provenance": {}})
