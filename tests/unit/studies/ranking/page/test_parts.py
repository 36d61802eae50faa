"""Parts of the page by themselves: wording, colours, pictures, voters, versions, plots."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colormaps
from PIL import Image
from rankscape.foundation.errors import InputError
from rankscape.products.report import images as pictures
from rankscape.products.report import palette, versions, wording
from rankscape.products.report import plots as figures
from rankscape.studies.ranking.judges.round_records import RoundRecord
from rankscape.studies.ranking.page import voters
from rankscape.studies.ranking.page.documents import Tau, Vote
from rankscape.studies.ranking.page.gallery import sample
from rankscape.studies.ranking.page.training import Curve, Fitting, measures


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
    assert np.array_equal(_decode(pictures.patch_uri(patch)), patch[..., :3])


def test_large_patches_are_averaged_down():
    patch = np.full((343, 343, 3), 90, np.uint8)
    shown = _decode(pictures.patch_uri(patch))
    assert shown.shape == (160, 160, 3)
    assert abs(int(shown.mean()) - 90) <= 1


def test_large_maps_are_reduced(tmp_path):
    Image.fromarray(np.zeros((100, 3200), np.uint8)).save(tmp_path / "map.png")
    found = pictures.read_map(tmp_path / "map.png")
    assert (found.width_px, found.height_px) == (1600, 50)
    assert _decode(found.uri).shape == (50, 1600, 4)


def test_maps_that_would_fill_the_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "_MAX_MAP_PIXELS", 10)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "map.png")
    with pytest.raises(InputError, match="4 x 4 pixels: set"):
        pictures.read_map(tmp_path / "map.png")


def test_samples_begin_with_the_medoid_and_are_seeded():
    members = [f"p{i}" for i in range(50)]
    chosen = sample(members, "p7", 8, [0, 1])
    assert chosen[0] == "p7"
    assert len(set(chosen)) == 8
    assert chosen == sample(members, "p7", 8, [0, 1]) != sample(members, "p7", 8, [1, 1])
    assert "gone" not in sample(members, "gone", 60, [0, 1])
    assert sample([], None, 8, [0, 1]) == []


def test_orders_are_written_as_annotators_do():
    assert voters.order_text(Vote(source={}, levels=[[3, 4], [1]])) == "3 = 4 > 1"
    assert voters.order_text(Vote(source={}, text="0>1")) == "0>1"
    assert voters.order_text(Vote(source={})) == "no levels: pairs only"


def test_mean_tau_leaves_an_order_itself_out():
    tau = Tau(sources=["a", "b", "c"], matrix=[[1, 0.5, None], [0.5, 1, -0.1], [None, -0.1, 1]])
    assert voters.mean_taus(tau) == pytest.approx({"a": 0.5, "b": 0.2, "c": -0.1})
    assert voters.mean_taus(None) == voters.mean_taus(Tau(sources=["a"], matrix=[[1]])) == {}


def test_missing_replies_are_counted_by_reason():
    replies = [{"answer": 5.0}, *({"missing": reason} for reason in ["cut short", "refused", "refused", None, "odd"])]
    asked = RoundRecord(judge="j", prompt="p", round=1, questions=[{"clusters": [0], "replies": replies}])
    assert voters.missing_reasons([asked]) == [("refused", 2), ("cut short", 1), ("no answer given", 1), ("odd", 1)]
    assert voters.missing_reasons([asked], most=1) == [("refused", 2), ("other reasons", 3)]


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
        ("predict", "a", 2), ("predict", "b", 1), ("train", "a", 1), ("old", "–", 1),
    ]  # fmt: skip
    assert found[0].settings == "s" * 12
    assert found[-1].seed == "–"
    assert versions.mixed_stages(found) == ["predict"]


def test_recorded_settings_stand_once():
    records = [
        {"stage": "a", "settings": {"x": 1}},
        {"stage": "a", "settings": {"x": 1}},
        {"stage": "b", "settings": "hash"},
    ]
    assert versions.configuration(None, records) == "a:\n  x: 1\n"
    assert versions.configuration(None, [*records, {"stage": "a", "settings": {"x": 2}}]) == "a:\n- x: 1\n- x: 2\n"
    assert versions.configuration(None, []) == ""


def test_configuration_file(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("region: here\ngranules: g.tsv\npeople: {folder: people}\n")
    assert versions.configuration(str(path), []).startswith("region: here\n")


def test_curves_count_epochs_from_one():
    curve = Curve(seed=3, epochs=[{"loss": 1.0, "note": "x"}, {"loss": None}, {"epoch": 9, "loss": 2}])
    assert curve.series("loss") == [(1, 1.0), (9, 2.0)]
    assert curve.name == "seed 3"
    assert Curve().name == "network"
    assert measures([curve]) == ["loss"]
    assert figures.curves("c", [Curve()], "loss", "loss") is None


def test_facts_of_the_backbone_are_taken_apart():
    facts = Fitting.model_validate(
        {"dims": 512, "epochs": 3, "held_out": {"accuracy": 0.5}, "bands": ["a", "b"], "x": None}
    )
    assert facts.facts() == [("dims", 512), ("held out accuracy", 0.5), ("bands", "a, b")]
    assert facts.curve.epochs == []


def test_plots_are_safe_inside_a_page():
    values = np.random.default_rng(0).random(200)
    plot = figures.scatter("one", values, values, 'a "<b>" & $x_1$', "All granules")
    assert plot.svg.startswith('<svg class="plot"')
    assert "<b>" not in plot.svg
    assert "&lt;b&gt;" in plot.svg
    assert "currentColor" in plot.svg
    assert "<!--" not in plot.svg
    assert "metadata" not in plot.svg
    assert plot == figures.scatter("one", values, values, 'a "<b>" & $x_1$', "All granules")


def test_constant_references_can_be_plotted():
    assert figures.scatter("flat", np.ones(30), np.linspace(0, 1, 30), "flat", "All granules").svg


def test_titles_in_other_scripts_raise_no_warning(recwarn):
    figures.histogram("chinese", np.arange(5.0), "夜间灯光")
    assert not [w for w in recwarn if "Glyph" in str(w.message)]
