"""A study of pictures without coordinates, from folders to a score of other pictures, through the command line."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rankscape.__main__ import main
from rankscape.foundation.files import read_json
from rankscape.foundation.tables import read_table

CATEGORIES = ["urban", "rural", "sea"]
LABEL = {"source": "file", "column": "image_id", "categories": CATEGORIES, "uninhabited": "sea"}
ADAPT = {"architecture": "test_resnet", "weights": "random", "input_px": 32, "normalisation": "patches", "epochs": 2}
TRAIN = {"epochs": 8, "seeds": 1, "batch_size": 16, "learning_rate": 5e-3, "targets": "ranks"}


def run(verb: str, settings: dict | None, *arguments: object) -> None:
    given = [] if settings is None else ["--settings", json.dumps(settings)]
    with pytest.raises(SystemExit) as end:
        main([*verb.split(), *given, *map(str, arguments)])
    assert not end.value.code


def draw(path: Path, brightness: int, seed: int) -> None:
    """A picture of 16 px: the brighter, the more developed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(brightness, 12, (16, 16, 3))
    Image.fromarray(np.clip(noise, 1, 255).astype(np.uint8)).save(path)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Four clusters of eight pictures; eight labelled ones, half of them sea; two people's orders."""
    for cluster, brightness in enumerate((220, 170, 120, 70)):
        for number in range(8):
            draw(tmp_path / f"clusters/0{cluster}/{number}.png", brightness, 10 * cluster + number)
    rows = ["image_id,urban,rural,sea"]
    for number in range(8):
        draw(tmp_path / f"labelled/{number:04d}.png", 20 if number % 2 else 200, 100 + number)
        rows.append(f"{number},{0 if number % 2 else 1},0,{number % 2}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    (tmp_path / "orders.txt").write_text("0>1>2>3\n0=1>2>3\n")
    (tmp_path / "names.txt").write_text("anna\nben\n")
    return tmp_path


def test_from_folders_to_a_score_of_other_pictures(study: Path) -> None:
    tiles = [study / "tiles/clusters.npy", study / "tiles/labelled.npy"]
    indices = [path.with_suffix(".parquet") for path in tiles]
    features = [study / "features" / path.name for path in tiles]
    for path in tiles:
        run("tile", {}, "--source", study / path.stem, "--granule", path.stem, "--out", path, "--images")
    label = LABEL | {"file": str(study / "labels.csv")}
    run("ranking label", label, "--patches", *tiles, "--out", study / "labels.parquet")
    run("ranking adapt", ADAPT, "--labels", study / "labels.parquet", "--patches", *tiles, "--out",
        study / "backbone.safetensors", "--record", study / "backbone.json")  # fmt: skip
    for path, out in zip(tiles, features, strict=True):
        run("ranking embed", {}, "--patches", path, "--backbone", study / "backbone.safetensors", "--out", out)
    run("ranking categorize", label, "--features", *features, "--indices", *indices, "--backbone",
        study / "backbone.safetensors", "--out", study / "categories.parquet")  # fmt: skip
    run("ranking cluster", {"given": "folders"}, "--features", *features, "--indices", *indices, "--categories",
        study / "categories.parquet", "--labels", study / "labels.parquet", "--out", study / "clusters.parquet",
        "--summary", study / "clusters.json")  # fmt: skip
    table = read_table(study / "clusters.parquet")
    assert table["cluster"].value_counts().to_dict() == {0: 8, 1: 8, 2: 8, 3: 8, 4: 4}

    orders = [study / f"person--{name}.json" for name in ("anna", "ben")]
    for path in orders:
        run("ranking import-order", None, "--annotation", study / "orders.txt", "--annotator", path.stem[8:],
            "--annotators", study / "names.txt", "--summary", study / "clusters.json", "--out", path)  # fmt: skip
    run("ranking ensemble", {"bootstrap_draws": 20, "levels": 4}, "--orders", *orders, "--summary",
        study / "clusters.json", "--out", study / "order.json")  # fmt: skip
    assert read_json(study / "order.json")["levels"][-1] == [4]

    run("ranking train", TRAIN, "--order", study / "order.json", "--patches", *tiles, "--clusters",
        study / "clusters.parquet", "--summary", study / "clusters.json", "--backbone",
        study / "backbone.safetensors", "--out",
        study / "score.safetensors", "--record", study / "score.json")  # fmt: skip
    record = read_json(study / "score.json")
    assert record["places"] == "images"
    assert all(sides["validation"] >= 1 for sides in record["clusters"].values())
    assert "| | patches | images |" in (study / "score.md").read_text()

    for number, brightness in enumerate((230, 140, 30)):
        draw(study / f"others/{number}.png", brightness, 200 + number)
    (study / "others/3.png").write_text("broken")
    run("ranking score", None, study / "others", "--model", study / "score.safetensors", "--out", study / "s.csv",
        "--broken", "skip")  # fmt: skip
    scores = pd.read_csv(study / "s.csv")["score"]
    assert scores[0] > scores[1] > scores[2]
    assert np.isnan(scores[3])
