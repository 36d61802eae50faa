"""Grad-CAM of images and of changes, and how it is drawn."""

import numpy as np
import pytest
import torch
from explaining import CPU, auxiliary_model_of, bright_network, model_of, network_of, noise
from PIL import Image
from rankscape.__main__ import main
from rankscape.foundation.errors import RasterError, WeightsError
from rankscape.foundation.files import read_json
from rankscape.models.feature_maps import feature_map
from rankscape.studies.ranking.explanations.overlays import (
    LOWERS,
    RAISES,
    draw_change,
    draw_saliency,
    limit_of,
    overlay,
    shortened,
    wrapped,
)
from rankscape.studies.ranking.explanations.place_scores import head_value
from rankscape.studies.ranking.explanations.saliency import explain, explain_change, interpolated
from rankscape.studies.ranking.scoring.model import write_model
from rankscape.studies.ranking.scoring.network import combine


class Targets:
    def to_document(self):
        return {}


def with_corner(brightness: int = 250, ground: int = 40, side: int = 96) -> np.ndarray:
    """A dark image with one bright corner, the lower right."""
    image = np.full((side, side, 3), ground, np.uint8)
    image[-32:, -32:] = brightness
    return image


@pytest.fixture
def saved(tmp_path):
    """A model of two small residual networks, on disk."""
    path = tmp_path / "score.safetensors"
    networks = [network_of("test_resnet", seed, 3.0) for seed in range(2)]
    write_model(path, model_of(networks, "test_resnet", input_px=96), Targets(), {})
    return path


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def test_the_corner_that_raises_the_score_lights_up():
    model = model_of([bright_network(1.0)], input_px=96)
    (found,) = explain(model, [with_corner()], CPU)
    assert found.places.shape == (3, 3)
    assert np.unravel_index(found.places.argmax(), (3, 3)) == (2, 2)
    others = np.delete(found.places.ravel(), 8)
    assert found.places[2, 2] > others.max() + 0.5
    assert np.ptp(others) < 1e-6


def test_the_corner_that_lowers_the_score_is_the_lowest():
    (found,) = explain(model_of([bright_network(-1.0)], input_px=96), [with_corner()], CPU)
    assert np.unravel_index(found.places.argmin(), (3, 3)) == (2, 2)
    assert found.places[2, 2] < 0


@pytest.mark.parametrize("architecture", ["test_resnet", "test_convnext", "random-convolutions-3px-6-rms-log-standard"])
def test_the_mean_of_a_map_is_the_value_of_the_image(architecture):
    network = network_of(architecture, 1, 0.3)
    model = model_of([network], input_px=96)
    image = noise(1, 96)[0]
    (found,) = explain(model, [image], CPU)
    tensor = model.parts[0].images(image[None])
    with torch.no_grad():
        value = float(head_value(network, feature_map(network.backbone, tensor)))
    assert found.places.mean() == pytest.approx(value * 5 / 4, abs=1e-5)
    assert found.score == pytest.approx(float(model.score(image[None], CPU)[0, 0]), abs=1e-6)


def test_networks_share_the_map_and_the_finest_grid_is_kept():
    model = model_of([bright_network(1.0), bright_network(3.0)], input_px=96)
    (both,), (one,) = (explain(m, [with_corner()], CPU) for m in (model, model_of([bright_network(2.0)], input_px=96)))
    assert both.places == pytest.approx(one.places, abs=1e-6)
    assert both.score_std > 0
    assert one.score_std == 0
    assert interpolated(np.eye(2), (4, 4)).shape == (4, 4)


def test_a_clipped_score_has_a_map_also_where_it_is_cut_off():
    network = bright_network(9.0, "clip")
    (found,) = explain(model_of([network], input_px=96), [with_corner()], CPU)
    assert found.score == 1
    assert np.unravel_index(found.places.argmax(), (3, 3)) == (2, 2)


@pytest.mark.parametrize(("raises", "sign"), [(1.0, 1), (-1.0, -1)])
def test_the_change_lies_where_the_image_changed_and_has_its_sign(raises, sign):
    model = model_of([bright_network(raises)], input_px=96)
    before, after = np.full((96, 96, 3), 40, np.uint8), with_corner()
    change = explain_change(model, before, after, CPU)
    assert np.sign(change.difference) == sign
    assert np.unravel_index(np.abs(change.places).argmax(), (3, 3)) == (2, 2)
    assert np.sign(change.places[2, 2]) == sign
    assert np.abs(np.delete(change.places.ravel(), 8)).max() < 1e-6, "what stayed the same changed nothing"
    back = explain_change(model, after, before, CPU)
    assert back.places == pytest.approx(-change.places, abs=1e-6)
    assert back.difference == pytest.approx(-change.difference)


def test_no_change_has_no_map_and_dates_of_other_sizes_are_refused():
    model = model_of([network_of("test_resnet", 1, 3.0)], input_px=96)
    image = noise(1, 96)[0]
    assert np.abs(explain_change(model, image, image, CPU).places).max() == 0
    with pytest.raises(RasterError, match=r"96 x 96 px of 3 bands before, 80 x 96 px of 3 bands after"):
        explain_change(model, image, image[:80], CPU)


def test_a_transformer_is_refused():
    with pytest.raises(WeightsError, match="keeps no map of features by place"):
        explain(model_of([network_of("test_vit")], input_px=160), [noise(1, 160)[0]], CPU)


def test_hues_tell_raising_from_lowering():
    image = np.full((40, 40, 3), 128, np.uint8)
    places = np.array([[1.0, -1.0], [0.0, 0.0]])
    drawn = overlay(image, places, 1.0)
    assert np.abs(drawn[2, 2].astype(int) - RAISES).max() < 40
    assert np.abs(drawn[2, -3].astype(int) - LOWERS).max() < 40
    assert np.ptp(drawn[-3, 5]) == 0, "where nothing pulls, the image is grey"
    assert limit_of([places * 0]) == 0.05
    assert limit_of([places, places * 3]) == 3


def test_figures_have_room_for_long_names():
    (found,) = explain(model_of([bright_network(1.0)], input_px=96), [with_corner()], CPU)
    drawn = draw_saliency("a/very/long/path/" * 12 + "tile.png", with_corner(), found)
    assert drawn.shape[1] < 700
    assert (drawn[:, -3:] == 255).all()
    change = explain_change(model_of([bright_network(1.0)], input_px=96), with_corner(), with_corner(90), CPU)
    assert draw_change(("one.png", "two.png"), (with_corner(), with_corner(90)), change).shape[1] > drawn.shape[1]


def test_the_command_explains_images(saved, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.fromarray(noise(1, 96)[0]).save(tmp_path / folder / "tile.png")
    Image.fromarray(with_corner()).save(tmp_path / "corner.webp", lossless=True)
    images = [tmp_path / "a/tile.png", tmp_path / "b/tile.png", tmp_path / "corner.webp"]
    assert run("ranking", "explain", *images, "--model", saved, "--out", tmp_path / "why") == 0
    names = sorted(path.name for path in (tmp_path / "why").iterdir())
    assert names == ["corner.png", "explained.json", "tile-1.png", "tile-2.png"]
    document = read_json(tmp_path / "why/explained.json")
    assert [entry["file"] for entry in document["images"]] == ["tile-1.png", "tile-2.png", "corner.png"]
    assert document["images"][0]["score"] == document["images"][1]["score"]
    assert np.array(document["images"][2]["places"]).shape == (3, 3)
    assert document["provenance"]["stage"] == "ranking explain"
    assert "no proof" in document["note"]


def test_the_command_explains_a_model_of_two_parts(tmp_path):
    """The mean of the map is the score of both parts together; dates are explained too."""
    model, image = auxiliary_model_of(patch_px=96), with_corner()
    write_model(tmp_path / "score.safetensors", model, Targets(), {})
    for name, brightness in (("before", 60), ("after", 250)):
        Image.fromarray(with_corner(brightness)).save(tmp_path / f"{name}.png")
    common = ["--model", tmp_path / "score.safetensors", "--out", tmp_path / "why"]
    assert run("ranking", "explain", tmp_path / "after.png", *common) == 0
    (found,) = read_json(tmp_path / "why/explained.json")["images"]
    expected = combine(model.score(image[None], CPU), model.parts)[0][0]
    assert found["score"] == pytest.approx(expected, abs=1e-5)
    assert np.array(found["places"]).shape == (4, 4)
    assert (
        run("ranking", "explain", "--before", tmp_path / "before.png", "--after", tmp_path / "after.png", *common) == 0
    )
    change = read_json(tmp_path / "why/explained.json")["change"]
    assert change["score_after"] == pytest.approx(expected, abs=1e-5)
    assert change["difference"] != 0


def test_the_command_explains_a_change(saved, tmp_path):
    for name, brightness in (("before", 60), ("after", 240)):
        Image.fromarray(with_corner(brightness)).save(tmp_path / f"{name}.png")
    dates = ["--before", tmp_path / "before.png", "--after", tmp_path / "after.png"]
    assert run("ranking", "explain", *dates, "--model", saved, "--out", tmp_path / "why") == 0
    change = read_json(tmp_path / "why/explained.json")["change"]
    assert change["difference"] == pytest.approx(change["score_after"] - change["score_before"], abs=2e-6)
    expected = np.array(change["places_after"]) - np.array(change["places_before"])
    assert np.array(change["places"]) == pytest.approx(expected, abs=2e-4)
    assert Image.open(tmp_path / "why/change.png").width > 900


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Nothing to explain"),
        (["--before", "x.png"], "--before and --after go together"),
        (["x.png", "--before", "x.png", "--after", "y.png"], "explain either images or a change"),
        (["missing.png"], "missing.png is no file"),
        (["--before", "missing.png", "--after", "missing.png"], "missing.png is no whole image"),
    ],
)
def test_wrong_requests_are_one_line(saved, tmp_path, capsys, words, message):
    assert run("ranking", "explain", *words, "--model", saved, "--out", tmp_path / "why") == 2
    error = capsys.readouterr().err
    assert message in error
    assert "\n" not in error.strip()
    assert not (tmp_path / "why").exists()


def test_lines_fit():
    class Font:
        def getlength(self, text):
            return 10.0 * len(text)

    assert shortened("abcdefghij", 60, Font()) == "...hij"
    assert shortened("abc", 60, Font()) == "abc"
    assert wrapped("one two three", 80, Font()) == ["one two", "three"]
