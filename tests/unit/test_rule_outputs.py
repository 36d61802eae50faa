"""Every output of every rule is declared, and everything that is declared is made by the rule of its verb."""

import re
from pathlib import Path

import pytest
from rankscape.artifacts import Artifact
from rankscape.foundation.studies import find_studies
from rankscape.stages.artifacts import artifacts_of

ROOT = Path(__file__).parents[2]
KEPT = {"ranking/replies"}
"""Folders that grow from run to run: outputs of no rule, since Snakemake removes these before a job starts."""
OUTPUT = re.compile(r'"<results>/([^"]+)"')
RULE = re.compile(r"^(?:use )?rule (\w+)(?: as (\w+))?", re.MULTILINE)


def outputs() -> dict[str, list[str]]:
    """Paths of outputs by rule, with their wildcards."""
    found: dict[str, list[str]] = {}
    for file in sorted(ROOT.glob("rules/*/*.smk")):
        text = file.read_text()
        starts = list(RULE.finditer(text))
        ends = [*(one.start() for one in starts[1:]), len(text)]
        for start, end in zip(starts, ends, strict=False):
            block = re.search(r"^    output:\n((?:        .*\n|\n)+)", text[start.start() : end], re.MULTILINE)
            found[start[2] or start[1]] = [] if block is None else OUTPUT.findall(block[1])
    return found


OUTPUTS = outputs()
DECLARED = {one.path: one for one in artifacts_of(find_studies())}


def inside_a_folder(one: Artifact) -> bool:
    """Whether a file lies in a folder that is an output as a whole."""
    return any(not folder.suffix and one.path.startswith(f"{folder.path}/") for folder in DECLARED.values())


@pytest.mark.parametrize("rule", sorted(name for name, paths in OUTPUTS.items() if paths))
def test_outputs_are_declared(rule):
    paths = [path.replace("{{", "{").replace("}}", "}") for path in OUTPUTS[rule]]
    assert [path for path in paths if path not in DECLARED] == []


ALSO = {"embeddings_embed": ("embeddings_join",)}
"""Rules that make a file as another verb does: embeddings are computed, or supplied."""


@pytest.mark.parametrize("path", sorted(DECLARED))
def test_what_is_declared_is_made_by_the_rule_of_its_verb(path):
    one = DECLARED[path]
    rules = [rule for rule, paths in OUTPUTS.items() if path in paths]
    name = one.verb.replace(" ", "_").replace("-", "_")
    own = {name, f"{name}_baseline", f"{path.partition('/')[0]}_{name}", *ALSO.get(name, ())}
    assert path in KEPT or inside_a_folder(one) or (rules and own.issuperset(rules)), (name, rules)
