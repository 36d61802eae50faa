import json
import shutil

import jsonschema
import pytest
import yaml
from rankscape.foundation.code_version import ROOT
from rankscape.foundation.errors import InputError
from rankscape.schemas import (
    CONFIG_SCHEMA,
    README,
    TABLE_SCHEMA,
    allowed,
    between,
    config_schema,
    generated,
    write_schemas,
)

CHECKOUT = ROOT.parent


@pytest.mark.parametrize("name", [CONFIG_SCHEMA, TABLE_SCHEMA, README])
def test_what_is_generated_is_up_to_date(name):
    expected = generated(CHECKOUT)[CHECKOUT / name]
    assert (CHECKOUT / name).read_text(encoding="utf-8") == expected, "run `make schemas`"


def test_the_schemas_are_valid_and_closed():
    for name in (CONFIG_SCHEMA, TABLE_SCHEMA):
        schema = json.loads((CHECKOUT / name).read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["additionalProperties"] is False


@pytest.mark.parametrize("name", ["config.yaml", "sichuan.yaml", "embeddings-usa.yaml", "embeddings-terramesh.yaml"])
def test_an_editor_accepts_our_configurations_and_refuses_a_wrong_one(name):
    schema = json.loads((CHECKOUT / "workflow/schemas/config.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHECKOUT / "config" / name).read_text(encoding="utf-8"))
    jsonschema.validate(values, schema)
    values["tile"]["patch_px"] = "big"
    with pytest.raises(jsonschema.ValidationError, match="big"):
        jsonschema.validate(values, schema)


def test_every_key_is_described():
    schema = config_schema()
    for name, section in {"(the region)": schema, **schema["$defs"]}.items():
        assert section.get("description"), f"{name} has no docstring"
        for key, value in section["properties"].items():
            assert value.get("description") or "$ref" in value, f"{name}.{key} has no docstring below it"


def test_writing_changes_the_generated_parts_alone(tmp_path, capsys):
    (tmp_path / "config").mkdir()
    shutil.copy(CHECKOUT / README, tmp_path / README)
    text = (tmp_path / README).read_text(encoding="utf-8")
    (tmp_path / README).write_text(text.replace("# Configuration", "# Ours").replace("`k_max`", "`k_most`"))
    write_schemas(tmp_path)
    assert (tmp_path / README).read_text(encoding="utf-8") == text.replace("# Configuration", "# Ours")
    assert (tmp_path / "workflow/schemas/config.schema.json").is_file()
    assert capsys.readouterr().err.count("wrote") == 3


def test_a_readme_without_markers_or_no_readme_is_an_error(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        generated(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / README).write_text("# Configuration\n<!-- generated: granule table -->\n")
    with pytest.raises(InputError, match="lacks the markers"):
        generated(tmp_path)


def test_what_stands_around_the_markers_stays(tmp_path):
    text = "a\n<!-- generated: x -->\nold\n<!-- end of generated: x -->\nb\n"
    assert between(text, "x", "new\n", tmp_path) == text.replace("\nold\n", "\n\nnew\n\n")


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "integer", "minimum": 2, "maximum": 5000}, "integer from 2 to 5,000"),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, "number above 0 below 1"),
        ({"enum": ["a", "b"]}, "`a`, `b`"),
        ({"const": 1}, "`1`"),
        ({"type": "boolean"}, "`true`, `false`"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text or `null`"),
        ({"type": "array", "items": {"type": "string", "pattern": "^b$"}}, "list of text like `^b$`"),
        ({"type": "string", "format": "date"}, "date, such as `2023-06-30`"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "names, each with integer"),
        ({"type": "object", "patternProperties": {"^a": {"type": "null"}}}, "names, each with `null`"),
        ({"$ref": "#/$defs/Share"}, "number from 0 to 1"),
    ],
)
def test_what_is_allowed_is_said_in_words(schema, said):
    assert allowed(schema, {"Share": {"type": "number", "minimum": 0, "maximum": 1}}) == said
