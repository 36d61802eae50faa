"""Parts of every page by themselves: wording, colours, images, versions, plots."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colormaps
from PIL import Image
from rankscape.foundation.errors import InputError
from rankscape.products.report import embedded_images as images
from rankscape.products.report import palette, plots, versions, wording

WORDS = ("what it shows", "its caption", "the line")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.876, "0.88"), (-0.5, "−0.50"), (-0.001, "0.00"), (1234.5, "1,234.50"), (None, "–"), (float("nan"), "–")],
)
def test_numbers(value, text):
    assert wording.number(value) == text


def test_words():
    assert wording.interval((0.1, -0.2)) == "0.10 to −0.20"
    assert wording.interval((0.1, None)) == wording.interval(None) == "–"
    assert wording.count(1, "patch", "patches") == "1 patch"
    assert wording.count(1200, "granule") == "1,200 granules"
    assert wording.percent(0.123) == "12 %"
    assert wording.percent(None) == "–"
    names = [wording.listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])]
    assert names == ["none", "a", "a and b", "a, b and c"]
    assert [wording.rounded_rank(rank) for rank in (3.0, 3.5, None)] == ["3", "3.5", "–"]


@given(st.floats(-1, 2))
def test_text_on_the_ramp_has_enough_contrast(score):
    colour = palette.colour_of(score)
    light, ink = palette._luminance(colour), palette._luminance(palette.text_on(colour))
    assert (max(light, ink) + 0.05) / (min(light, ink) + 0.05) >= 4.5


def test_ramp_is_that_of_the_map():
    assert palette.colour_of(0) == "#440154"
    assert palette.colour_of(1) == palette.colour_of(7) == "#fde725"
    assert palette.ramp_css(2) == "linear-gradient(to right, #440154, #fde725)"
    assert palette.RAMP in colormaps


def _decode(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_small_patches_keep_every_pixel():
    patch = np.random.default_rng(0).integers(0, 255, (32, 32, 4), dtype=np.uint8)
    assert np.array_equal(_decode(images.patch_uri(patch)), patch[..., :3])


def test_large_patches_are_averaged_down():
    patch = np.full((343, 343, 3), 90, np.uint8)
    shown = _decode(images.patch_uri(patch))
    assert shown.shape == (160, 160, 3)
    assert abs(int(shown.mean()) - 90) <= 1


def test_large_maps_are_reduced(tmp_path):
    Image.fromarray(np.zeros((100, 3200), np.uint8)).save(tmp_path / "map.png")
    found = images.read_map(tmp_path / "map.png")
    assert (found.width_px, found.height_px) == (1600, 50)
    assert _decode(found.uri).shape == (50, 1600, 4)


def test_maps_that_would_fill_the_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "_MAX_MAP_PIXELS", 10)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "map.png")
    with pytest.raises(InputError, match="4 x 4 pixels: make it smaller"):
        images.read_map(tmp_path / "map.png")


def test_versions_are_counted_and_mixtures_named():
    one = {
        "stage": "ranking predict",
        "package": "1",
        "code": "a",
        "settings_sha256": "s" * 64,
        "seed": 0,
        "backend": "cpu",
    }
    found = versions.versions([one, one, {**one, "code": "b"}, {**one, "stage": "ranking train"}, {}, {"stage": "old"}])
    assert [(v.stage, v.code, v.files) for v in found] == [
        ("ranking predict", "a", 2), ("ranking predict", "b", 1), ("ranking train", "a", 1), ("old", "–", 1),
    ]  # fmt: skip
    assert found[0].settings == "s" * 12
    assert found[-1].seed == "–"
    assert versions.mixed_stages(found) == ["ranking predict"]


def test_recorded_settings_stand_once():
    records = [
        {"stage": "a", "settings": {"x": 1}},
        {"stage": "a", "settings": {"x": 1}},
        {"stage": "b", "settings": "hash"},
    ]
    assert versions.recorded_settings(records) == "a:\n  x: 1\n"
    assert versions.recorded_settings([*records, {"stage": "a", "settings": {"x": 2}}]) == "a:\n- x: 1\n- x: 2\n"
    assert versions.recorded_settings([]) == ""


def test_plots_are_safe_inside_a_page():
    values = np.random.default_rng(0).random(200)
    plot = plots.scatter("one", values, values, ('a "<b>" & $x_1$', "score"), WORDS)
    assert plot.svg.startswith('<svg class="plot"')
    assert "<b>" not in plot.svg
    assert "&lt;b&gt;" in plot.svg
    assert "currentColor" in plot.svg
    assert "<!--" not in plot.svg
    assert "metadata" not in plot.svg
    assert plot == plots.scatter("one", values, values, ('a "<b>" & $x_1$', "score"), WORDS)


@pytest.mark.parametrize("span", [(60, 900), (1e-4, 1e3)])
def test_numbers_of_a_logarithmic_axis_are_written_out(span):
    def paint(axes):
        axes.plot(span, (0, 1))
        plots.log_x(axes)

    svg = plots.plot("p", "words", "caption", (3.7, 3.0), paint).svg
    assert "mathdefault" not in svg
    assert "100" in svg
    assert "$" not in svg


def test_constant_references_can_be_plotted():
    assert plots.scatter("flat", np.ones(30), np.linspace(0, 1, 30), ("flat", "score"), WORDS).svg


def test_titles_in_other_scripts_raise_no_warning(recwarn):
    plots.histogram("chinese", np.arange(5.0), "夜间灯光")
    assert not [w for w in recwarn if "Glyph" in str(w.message)]
