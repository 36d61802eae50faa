"""Train, predict and score as users call them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import torch
from PIL import Image
from rankscape.__main__ import main
from rankscape.foundation.errors import OrderError, RasterError, SettingsError, WeightsError
from rankscape.foundation.files import read_json, write_json
from rankscape.foundation.tables import read_metadata, read_table
from rankscape.models.backbones import create_backbone
from rankscape.models.weights import load_weights, save_weights
from rankscape.samples.patches import open_patches
from rankscape.studies.ranking.scoring.model import read_model
from rankscape.studies.ranking.stages.predict import predict
from rankscape.studies.ranking.stages.train import train

from .conftest import ARCHITECTURE, PATCH_PX, World, granule_pixels, image, write_backbone
from .test_images import write_tif

CPU = torch.device("cpu")


def trained(world: World, name: str = "score", **changes) -> Path:
    out = world.folder / f"{name}.safetensors"
    train(settings=world.settings(**changes), **world.train_files(), out=out, record=out.with_suffix(".json"))
    return out


def reflectance_model(world: World, **preparation) -> Path:
    """A model of four bands of reflectance, that was never trained."""
    write_backbone(world.folder / "four.safetensors", ("B04", "B03", "B02", "B08"), **preparation)
    tensors, document = load_weights(world.folder / "four.safetensors")
    own = {f"0.0.{name}": tensor for name, tensor in tensors.items()}
    width = int(create_backbone(ARCHITECTURE, "random", 3, 0).num_features)
    own |= {"0.0.head.weight": torch.full((1, width), 0.1), "0.0.head.bias": torch.zeros(1)}
    path = world.folder / "reflectance.safetensors"
    part = {**document, "seeds": [0], "weight": 1.0, "link": "sigmoid", "shared_backbone": True}
    save_weights(path, own, {"parts": [part], "pixels": "float32", "patch_px": PATCH_PX, "calibration": None})
    return path


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def test_the_commands_train_predict_and_score(world: World, capsys: pytest.CaptureFixture[str]):
    out = world.folder / "score.safetensors"
    files = world.train_files()
    arguments = ["--order", *files["order"], "--patches", *files["patches"], "--clusters", files["clusters"]]
    arguments += ["--summary", files["summary"], "--backbone", files["backbone"]]
    arguments += ["--out", out, "--record", out.with_suffix(".json")]
    assert run("ranking", "train", "--settings", world.settings(), *arguments) == 0
    assert "epoch 1 of 6" in capsys.readouterr().err

    table = world.folder / "scores.parquet"
    assert (
        run("ranking", "predict", "--settings", "{}", "--patches", world.tiles[0], "--model", out, "--out", table) == 0
    )
    frame = read_table(table)
    index = open_patches(world.tiles[0]).index
    assert list(frame.columns) == ["patch_id", "granule", "score", "score_std", "ensemble_std"]
    assert frame.patch_id.tolist() == index.patch_id.tolist()
    assert frame.score.dtype == frame.score_std.dtype == frame.ensemble_std.dtype == np.float32
    assert frame[["score", "score_std", "ensemble_std"]].isna().all(axis=1).tolist() == (~index.usable).tolist()
    assert frame.score.dropna().between(0, 1).all()

    images = world.folder / "images" / "inner"
    images.mkdir(parents=True)
    for level in range(4):
        Image.fromarray(image(level, np.random.default_rng(level), 20 + level)).save(images / f"{level}.png")
    csv = world.folder / "scores.csv"
    assert run("ranking", "score", "--model", out, images.parent, "--out", csv) == 0
    scored = pd.read_csv(csv)
    assert scored.file.tolist() == [f"inner/{level}.png" for level in range(4)]
    assert scored.score.is_monotonic_decreasing
    assert run("ranking", "score", "--model", out, images.parent, "--out", csv.with_name("seen.csv"), "--views", 8) == 0
    seen = pd.read_csv(csv.with_name("seen.csv"))
    assert not seen.score.equals(scored.score)
    assert np.allclose(seen.score, scored.score, atol=0.2)
    assert read_json(csv.with_name("scores.csv.json"))["provenance"]["stage"] == "ranking score"


def test_scores_follow_the_order(world: World):
    model = trained(world, epochs=12)
    predict(settings="{}", patches=world.tiles[1], model=model, out=world.folder / "scores.parquet")
    clusters = read_table(world.clusters)
    joined = read_table(world.folder / "scores.parquet").merge(clusters, on="patch_id")
    means = joined.groupby("cluster").score.mean()
    assert means[3] > max(means[0], means[2]) > min(means[0], means[2]) > means[1] > means[4]
    record = read_json(model.with_suffix(".json"))
    assert record["validation"]["kendall_tau_b"] > 0.8
    assert record["provenance"]["seed"] == 0
    assert record["targets"] == pytest.approx({"0": 2 / 3, "1": 1 / 3, "2": 2 / 3, "3": 1.0, "4": 0.0})


def test_two_trainings_give_the_same_bytes(world: World):
    first, second = trained(world, "first", epochs=2), trained(world, "second", epochs=2)
    assert first.read_bytes() == second.read_bytes()
    assert first.with_suffix(".json").read_bytes() == second.with_suffix(".json").read_bytes()
    for name in ("one", "two"):
        predict(settings="{}", patches=world.tiles[0], model=first, out=world.folder / f"{name}.parquet")
    assert (world.folder / "one.parquet").read_bytes() == (world.folder / "two.parquet").read_bytes()
    assert read_metadata(world.folder / "one.parquet", "rankscape")["stage"] == "ranking predict"


def test_the_batch_size_of_prediction_changes_no_score(world: World):
    model = trained(world, epochs=1, seeds=1)
    tables = []
    for size in (1, 100):
        predict(
            settings=json.dumps({"batch_size": size}),
            patches=world.tiles[0],
            model=model,
            out=world.folder / "s.parquet",
        )
        tables.append(read_table(world.folder / "s.parquet"))
    assert np.allclose(tables[0].score, tables[1].score, atol=1e-5, equal_nan=True)
    assert (tables[0].ensemble_std.dropna() == 0).all()
    assert tables[0].score_std.nunique() == 1


def test_a_model_survives_the_disk(world: World):
    path = trained(world, epochs=1)
    model = read_model(path, CPU)
    (part,) = model.parts
    assert (part.seeds, part.architecture, part.weight, part.link) == ((0, 1), "test_resnet", 1.0, "sigmoid")
    assert (model.pixels, model.patch_px, model.seed) == ("uint8", PATCH_PX, 0)
    document = load_weights(path)[1]
    assert document["targets"]["3"] == 1.0
    assert document["levels"] == [[3], [0, 2], [1], [4]]
    assert document["provenance"]["stage"] == "ranking train"


def test_an_order_of_other_clusters_writes_nothing(world: World):
    write_json(world.order, {**read_json(world.order), "fingerprint": "beef"})
    with pytest.raises(OrderError, match="run ensemble again"):
        trained(world)
    assert not list(world.folder.glob("score*"))


def test_unknown_settings_are_refused(world: World):
    with pytest.raises(SettingsError, match=r"train\.epoch is no known key"):
        train(settings='{"epoch": 3}', **world.train_files(), out=world.folder / "a", record=world.folder / "b")


def test_a_model_of_another_architecture_or_none_is_refused(world: World):
    tensors, document = load_weights(trained(world, epochs=1, seeds=1))
    other = world.folder / "other.safetensors"
    strange = [{**document["parts"][0], "architecture": "resnet10t"}]
    save_weights(other, tensors, {**document, "parts": strange})
    with pytest.raises(WeightsError, match="does not hold the weights of resnet10t: it has backbone"):
        read_model(other, CPU)
    save_weights(other, {name: tensors[name] for name in tensors if name != "0.0.head.bias"}, document)
    with pytest.raises(WeightsError, match=r"it lacks head\.bias"):
        read_model(other, CPU)
    save_weights(other, {**tensors, "0.0.extra": torch.zeros(1)}, document)
    with pytest.raises(WeightsError, match="it has extra, which test_resnet has not"):
        read_model(other, CPU)
    save_weights(other, {**tensors, "0.0.head.bias": torch.zeros(2)}, document)
    with pytest.raises(WeightsError, match=r"has head\.bias of shape \(2,\), not \(1,\)"):
        read_model(other, CPU)
    with pytest.raises(
        WeightsError,
        match=r"no score model, .*\(its description lacks parts, pixels, patch_px, calibration\)",
    ):
        read_model(world.backbone, CPU)


@pytest.mark.parametrize(
    ("pixels", "side", "bands", "said"),
    [
        (np.uint8, 16, ("B04", "B03", "B02", "B08"), "has 4 bands, the model reads 3"),
        (np.float32, 16, ("B04", "B03", "B02"), "reflectance .*, the model was trained on 8-bit images"),
        (np.uint8, 16, ("B02", "B03", "B04"), "bands B02, B03, B04, the model reads B04, B03, B02"),
        (np.uint8, 8, ("B04", "B03", "B02"), "patches of 8 px, the model was trained on 16 px"),
    ],
)
def test_patches_of_another_kind_are_refused(
    world: World, patch_store: Callable[..., Path], pixels: type, side: int, bands: tuple[str, ...], said: str
):
    model = trained(world, epochs=1, seeds=1)
    other = patch_store("03TVH", pixels=np.ones((32, 32, len(bands)), pixels), patch_px=side, bands=bands)
    with pytest.raises(RasterError, match=said):
        predict(settings="{}", patches=other, model=model, out=world.folder / "scores.parquet")
    assert not (world.folder / "scores.parquet").exists()


def test_a_geotiff_is_scored_patch_by_patch(world: World):
    model = trained(world, epochs=8, seeds=1)
    clusters = np.array([[3, 1, 4], [4, 3, 3]])
    pixels = granule_pixels(clusters, np.random.default_rng(8))
    mask = np.full(pixels.shape[:2], 255, np.uint8)
    mask[16:32, 32:44] = 0
    source = write_tif(world.folder / "land.tif", pixels, mask=mask)
    assert run("ranking", "score", source, "--model", model, "--out", world.folder / "land.csv") == 0
    frame = pd.read_csv(world.folder / "land.csv")
    assert list(frame.columns) == ["row", "col", "lon", "lat", "score", "score_std", "ensemble_std"]
    assert frame[["row", "col"]].to_numpy().tolist() == [[r, c] for r in range(2) for c in range(3)]
    assert frame.score.isna().tolist() == [False] * 5 + [True]
    assert frame.score[0] > frame.score[1] > frame.score[2]
    assert run("ranking", "score", source, "--model", model, "--out", world.folder / "big.csv", "--patch-px", 32) == 0
    assert len(pd.read_csv(world.folder / "big.csv")) == 1


def test_a_geotiff_without_crs_has_no_coordinates_and_one_image_is_a_source_too(world: World):
    model = trained(world, epochs=1, seeds=1)
    source = write_tif(world.folder / "land.tif", np.full((16, 16, 3), 90, np.uint8), crs=None)
    assert run("ranking", "score", source, "--model", model, "--out", world.folder / "a.csv") == 0
    assert list(pd.read_csv(world.folder / "a.csv").columns) == ["row", "col", "score", "score_std", "ensemble_std"]
    Image.new("RGB", (9, 9), (80, 80, 80)).save(world.folder / "one.png")
    Image.new("RGB", (9, 9)).save(world.folder / "black.png")
    assert run("ranking", "score", world.folder / "one.png", "--model", model, "--out", world.folder / "b.csv") == 0
    assert pd.read_csv(world.folder / "b.csv").file.tolist() == ["one.png"]
    assert run("ranking", "score", world.folder / "black.png", "--model", model, "--out", world.folder / "c.csv") == 0
    assert pd.read_csv(world.folder / "c.csv").score.isna().all()


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("broken", [], "2.png is no whole image"),
        ("broken", ["--broken", "refuse"], "Or give --broken skip."),
        ("all-broken", ["--broken", "skip"], "None of the 1 images in"),
        ("missing", [], "missing does not exist"),
        ("whole", ["--views", 3], "views = 3 is refused: Input should be 1, 4 or 8"),
        ("whole", ["--patch-px", 8], "--patch-px cuts a GeoTIFF"),
        ("whole", ["--white-reflectance", 0.3], "--white-reflectance is for models of reflectance"),
    ],
)
def test_what_cannot_be_scored_is_one_clear_line(
    world: World, capsys: pytest.CaptureFixture[str], name: str, options: list[object], said: str
):
    model = trained(world, epochs=1, seeds=1)
    for folder in ("whole", "broken"):
        (world.folder / folder).mkdir()
        Image.new("RGB", (8, 8), (9, 9, 9)).save(world.folder / folder / "1.png")
    (world.folder / "all-broken").mkdir()
    for folder in ("broken", "all-broken"):
        (world.folder / folder / "2.png").write_bytes(b"no image")
    capsys.readouterr()
    assert (
        run("ranking", "score", world.folder / name, "--model", model, "--out", world.folder / "s.csv", *options) == 2
    )
    lines = [line for line in capsys.readouterr().err.strip().splitlines() if not line.startswith("Warning")]
    assert len(lines) == 1
    assert said in lines[0]
    assert not (world.folder / "s.csv").exists()


def test_broken_images_are_skipped_by_name_among_images_of_many_sizes(world: World, capsys: pytest.CaptureFixture[str]):
    model = trained(world, epochs=1, seeds=2)
    folder = world.folder / "mixed"
    folder.mkdir()
    for side in (8, 17, 30):
        Image.new("RGB", (side, side + 3), (90, 80, 70)).save(folder / f"{side}.png")
    whole = scored(world, model, folder)
    (folder / "1-text.png").write_bytes(b"no image")
    (folder / "2-short.png").write_bytes((folder / "30.png").read_bytes()[:-30])
    (folder / "3-short.tif").write_bytes(
        write_tif(world.folder / "a.tif", np.ones((16, 16, 3), np.uint8)).read_bytes()[:99]
    )
    capsys.readouterr()
    frame = scored(world, model, folder, "--broken", "skip")
    said = capsys.readouterr().err
    assert whole is not None
    assert frame is not None
    broken = frame[frame.score.isna()].file.tolist()
    assert broken == ["1-text.png", "2-short.png", "3-short.tif"]
    assert all(f"Warning: skipped, and without a score: {folder / name}" in said for name in broken)
    pd.testing.assert_frame_equal(frame.dropna().reset_index(drop=True), whole, rtol=1e-4)
    assert read_json(world.folder / "s.csv.json")["options"]["broken"] == "skip"


def scored(world: World, model: Path, source: Path, *options: object) -> pd.DataFrame | None:
    status = run("ranking", "score", source, "--model", model, "--out", world.folder / "s.csv", *options)
    return pd.read_csv(world.folder / "s.csv") if status == 0 else None


def test_rgb_images_do_not_fit_a_model_of_four_bands(world: World, capsys: pytest.CaptureFixture[str]):
    model = reflectance_model(world)
    Image.new("RGB", (8, 8), (9, 9, 9)).save(world.folder / "a.png")
    for options in ([], ["--white-reflectance", 0.3]):
        assert scored(world, model, world.folder / "a.png", *options) is None
        assert "has 3 bands, the model reads 4 (B04, B03, B02, B08)" in capsys.readouterr().err


def test_8_bit_images_need_their_white_for_a_model_of_reflectance(world: World, capsys: pytest.CaptureFixture[str]):
    model = reflectance_model(world, colour="rgb", mean=(0.5,) * 3, std=(0.25,) * 3)
    pixels = np.random.default_rng(0).integers(1, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(world.folder / "a.png")
    assert scored(world, model, world.folder / "a.png") is None
    assert "say with --white-reflectance which reflectance 255 stands for" in capsys.readouterr().err
    bytes_as_given = scored(world, model, world.folder / "a.png", "--white-reflectance", 0.3)
    reflectance = write_tif(world.folder / "a.tif", pixels.astype(np.float32) * np.float32(0.3 / 255))
    as_reflectance = scored(world, model, reflectance)
    assert bytes_as_given.score[0] == pytest.approx(as_reflectance.score[0], abs=1e-6)


def test_a_geotiff_whose_bands_have_names_must_have_the_models(world: World, capsys: pytest.CaptureFixture[str]):
    model = reflectance_model(world)
    source = write_tif(world.folder / "a.tif", np.full((16, 16, 4), 0.1, np.float32))
    assert scored(world, model, source) is not None
    with rasterio.open(source, "r+") as dataset:
        dataset.descriptions = ("B04", "B03", "B02", "B11")
    assert scored(world, model, source) is None
    assert "has the bands B04, B03, B02, B11, the model reads B04, B03, B02, B08" in capsys.readouterr().err
