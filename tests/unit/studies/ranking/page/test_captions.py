"""Captions of `snakemake --report`: they fill in and are valid reStructuredText."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils.core import publish_parts
from jinja2 import Environment, StrictUndefined

FOLDER = Path(__file__).parents[5] / "workflow" / "report"


@pytest.mark.parametrize("name", ["workflow", "page", "map", "sheets", "review", "evaluation"])
def test_captions_render(name):
    job = SimpleNamespace(config={"region": "invented-land"}, wildcards=SimpleNamespace(reference="lights"))
    text = (
        Environment(undefined=StrictUndefined).from_string((FOLDER / f"{name}.rst").read_text()).render(snakemake=job)
    )
    body = publish_parts(text, writer="html", settings_overrides={"halt_level": 2})["body"]
    assert "lights" in body if name == "evaluation" else "invented-land" in body


def test_every_caption_that_a_rule_names_exists():
    named = {
        line.split("workflow/report/")[1].split('"')[0]
        for path in (FOLDER.parents[1] / "rules").rglob("*.smk")
        for line in path.read_text().splitlines()
        if "workflow/report/" in line
    }
    assert named <= {path.name for path in FOLDER.glob("*.rst")}
