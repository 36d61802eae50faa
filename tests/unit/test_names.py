"""A name means one thing in the whole package."""

import ast
from collections import defaultdict
from pathlib import Path

import rankscape

PACKAGE = Path(rankscape.__file__).parent
MIRRORED = {"__init__", "artifacts", "contents", "sections", "settings"}
"""What every domain or page has."""


def test_no_two_modules_have_one_name() -> None:
    found = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        # A verb's module is called as the verb, which may be called as what it runs.
        if path.stem not in MIRRORED and path.parent.name != "stages":
            found[path.stem].append(str(path.relative_to(PACKAGE)))
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}


def test_no_two_classes_have_one_name() -> None:
    found = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(part, ast.ClassDef):
                found[part.name].append(str(path.relative_to(PACKAGE)))
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}
