import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from rankscape.config import check_config, config_model
from rankscape.foundation.errors import SettingsError
from rankscape.foundation.settings import _PATTERNS, at_path, parse_json, read_yaml
from rankscape.foundation.studies import study_names
from rankscape.samples.settings import TileSettings
from rankscape.scenes.granule_table import GranuleRow
from rankscape.studies.ranking.clusters.settings import ClusterSettings, LabelSettings


def test_settings_are_read_from_json_and_from_the_configuration_file(tmp_path):
    (tmp_path / "c.yaml").write_text("region: here\ntile:\n  patch_px: 64\n")
    assert TileSettings.from_text('{"patch_px": 64}', "tile") == TileSettings(patch_px=64)
    assert TileSettings.from_text(str(tmp_path / "c.yaml"), "tile") == TileSettings(patch_px=64)
    assert ClusterSettings.from_text(str(tmp_path / "c.yaml"), "ranking.cluster") == ClusterSettings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"patch_pixels": 32}', ["--settings of tile", "tile.patch_pixels is no known key", "32"]),
        ('{"patch_px": "big"}', ["tile.patch_px = 'big'", "valid integer"]),
        ('{"patch_px": 4}', ["tile.patch_px = 4", "greater than or equal to 8"]),
        ('{"patch_px": 4, "min_valid_fraction": 2}', ["tile.patch_px = 4", "tile.min_valid_fraction = 2"]),
        ('{"max_cloud_fraction": NaN}', ["tile.max_cloud_fraction"]),
        ("{", ["--settings of tile is no valid JSON"]),
        ("nowhere.yaml", ["nowhere.yaml does not exist"]),
    ],
)
def test_a_wrong_value_is_one_line_with_key_value_and_what_is_allowed(text, said):
    with pytest.raises(SettingsError) as caught:
        TileSettings.from_text(text, "tile")
    message = str(caught.value)
    assert "\n" not in message
    assert all(part in message for part in said), message


@pytest.mark.parametrize(
    ("content", "said"),
    [("tile: [", "no valid YAML"), ("- 1", "must hold keys and values, not a list"), ("", "not a NoneType")],
)
def test_a_wrong_file_is_one_line(tmp_path, content, said):
    (tmp_path / "c.yaml").write_text(content)
    with pytest.raises(SettingsError, match=said) as caught:
        read_yaml(tmp_path / "c.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("tile:\n\tpatch_px: 64\n", r"c\.yaml, line 2, is no valid YAML: .*indent with spaces, not with tabs\.$"),
        ("region: a\nregion: b\n", r"c\.yaml, line 2, is no valid YAML: the key region is given twice\.$"),
        ("tile:\n  patch_px: 1\n  patch_px: 2\n", r"line 3, .*the key patch_px is given twice"),
        ('region: "a\ntile: {}\n', r"is no valid YAML: close the quote\.$"),
        ("bands: [a, b\nregion: c\n", r"line 2, is no valid YAML: close the bracket\.$"),
        ("title: a: b\n", r"line 1, .*put a value with a colon in quotes\.$"),
        ("title: @x\n", r"line 1, .*put a value that begins with such a sign in quotes\.$"),
        ("tile:\n  a: 1\n b: 2\n", r"line 3, .*indent all keys of a section alike"),
    ],
)
def test_faults_of_yaml_name_the_line_and_what_to_do(tmp_path, content, said):
    (tmp_path / "c.yaml").write_text(content)
    with pytest.raises(SettingsError, match=said) as caught:
        read_yaml(tmp_path / "c.yaml")
    assert "\n" not in str(caught.value)


def test_files_of_other_editors_are_read(tmp_path):
    (tmp_path / "c.yaml").write_bytes("\ufeffregion: here\r\ntile:\r\n  patch_px: 64\r\n".encode())
    assert read_yaml(tmp_path / "c.yaml") == {"region": "here", "tile": {"patch_px": 64}}
    (tmp_path / "c.yaml").write_bytes("region: M\xfcnchen\n".encode("latin-1"))
    with pytest.raises(SettingsError, match="no UTF-8 text; save it as UTF-8"):
        read_yaml(tmp_path / "c.yaml")


def test_merged_keys_of_yaml_are_not_given_twice(tmp_path):
    (tmp_path / "c.yaml").write_text("a: &one {x: 1}\nb: {<<: *one, x: 2}\n")
    assert read_yaml(tmp_path / "c.yaml")["b"] == {"x": 2}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"tile": {"patchpx": 1}}, "tile.patchpx is no known key (its value here: 1; did you mean patch_px?)"),
        ({"storag": {}}, "storag is no known key (its value here: {}; did you mean storage?)"),
        ({"acquisitions": {"mine": {"band": ["B04"]}}}, "did you mean bands?"),
        ({"references": {"lights": {"titel": "x"}}}, "did you mean title?"),
        ({"ranking": {"train": {"epoch": 3}}}, "did you mean epochs?"),
        (
            {"region": "My Region"},
            "region = 'My Region' is refused: write lower-case letters and digits, joined by",
        ),
        ({"region": 3}, "region = 3 is refused: Input should be a valid string"),
        ({"tile": [1]}, "tile = [1] is refused: it must hold keys and values"),
        ({"studies": ["Ranking!"]}, "Ranking!"),
    ],
)
def test_what_was_meant_is_said_in_words(values, said):
    with pytest.raises(SettingsError) as caught:
        check_config({"region": "here", "granules": "g.tsv", **values}, "c.yaml")
    assert said in str(caught.value)
    assert "pattern" not in str(caught.value)


def test_every_pattern_of_the_configuration_has_words():
    text = json.dumps([config_model(tuple(study_names())).model_json_schema(), GranuleRow.model_json_schema()])
    patterns = {json.loads(f'"{one}"') for one in re.findall(r'"pattern": "((?:[^"\\\\]|\\\\.)*)"', text)}
    assert len(patterns) > 5
    assert patterns <= _PATTERNS.keys()


def test_a_file_that_is_no_text_is_one_line(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="no valid YAML"):
        read_yaml(tmp_path / "c.yaml")


def test_a_section_that_is_no_mapping_is_refused(tmp_path):
    (tmp_path / "c.yaml").write_text("tile: 32\n")
    with pytest.raises(SettingsError, match=r"c\.yaml: tile = 32 is refused"):
        TileSettings.from_text(str(tmp_path / "c.yaml"), "tile")


def test_a_text_that_is_no_json_object_is_refused():
    with pytest.raises(SettingsError, match="must be a JSON object, not a list"):
        parse_json("[1]", "tile")


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        TileSettings().patch_px = 8


@given(st.permutations(["seed", "k", "k_min", "features"]), st.permutations(["urban", "rural", "sea"]))
def test_the_canonical_text_does_not_depend_on_the_order_of_the_keys(keys, names):
    values = {"seed": 3, "k": {name: len(name) for name in names}, "k_min": 4, "features": "l2"}
    section = ClusterSettings.from_text(json.dumps({key: values[key] for key in keys}), "cluster")
    assert section.canonical() == ClusterSettings(**values).canonical()
    assert "\n" not in section.canonical()
    assert ClusterSettings.from_text(section.canonical(), "cluster") == section


def test_a_default_that_is_spelled_out_is_the_same_text():
    assert TileSettings(patch_px=TileSettings().patch_px).canonical() == TileSettings().canonical()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"source": "file"}, "source `file` needs the key `file`"),
        ({"source": "judge"}, "source `judge` needs the key `judge`"),
        ({"categories": ["a", "b"]}, "source `none` allows one category"),
        ({"source": "file", "file": "f", "categories": ["a", "a"]}, "listed twice"),
        ({"source": "file", "file": "f", "categories": ["a"], "uninhabited": "sea"}, "'sea' is none of categories"),
        ({"source": "file", "file": "f", "categories": []}, "categories is empty"),
        ({"source": "file", "file": "f", "categories": ["patch_id"]}, "no category"),
    ],
)
def test_labels_that_cannot_be_are_refused_without_repeating_the_section(values, said):
    with pytest.raises(SettingsError, match=said) as caught:
        LabelSettings.checked(values, "c.yaml", "label")
    assert "{" not in str(caught.value)


def test_a_category_that_could_be_no_column_is_refused():
    with pytest.raises(SettingsError, match=r"label\.uninhabited = 'The sea' is refused"):
        LabelSettings.checked({"uninhabited": "The sea"}, "c.yaml", "label")


def test_k_min_above_k_max_is_refused():
    with pytest.raises(SettingsError, match="k_min = 9 is above k_max = 5"):
        ClusterSettings.checked({"k_min": 9, "k_max": 5}, "c.yaml", "cluster")


def test_a_section_is_found_at_its_path():
    values = {"ranking": {"train": {"epochs": 3}}, "acquisitions": {"colour": {"max_scenes": 2}}}
    assert at_path(values, "ranking.train") == at_path(values, "*.train") == {"epochs": 3}
    assert at_path(values, "acquisitions.*") == {"max_scenes": 2}
    assert at_path(values, "ranking.predict") == at_path(values, "tile.colour.red") == {}
    with pytest.raises(SettingsError, match=r"\*\.train is given 2 times: give one of them as a JSON object"):
        at_path({**values, "population": {"train": {}}}, "*.train")
