"""Files of the package are declared by the modules that read them, and change the versions of no other stages."""

import ast
from pathlib import Path

import pytest
from rankscape.__main__ import commands
from rankscape.foundation.code_version import ROOT, assets_of
from rankscape.foundation.package_files import assets, implementation_name, lazy, lazy_folder
from rankscape.foundation.studies import find_studies
from rankscape.products.report.section_registry import page_modules

PACKAGE = ROOT / "rankscape"
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
UNREAD = {"py.typed", "__init__.pyi"}
"""Files that type checkers read, and no module."""
FINDING = {"foundation/code_version.py", "foundation/source_facts.py", "foundation/studies.py",
           "__main__.py", "schemas.py"}  # fmt: skip
"""Modules that look for modules of the package, or write into the checkout."""
RAMPS = "resources/ramps/"
MAPS = {
    "mosaic", "ranking rasterize", "ranking dense", "ranking change", "ranking district", "embeddings predict",
    "embeddings localize",
}  # fmt: skip
READERS = {
    "products/maps/kernels/mosaic.cu": MAPS | {"publish"},
    f"{RAMPS}development.tsv": MAPS,
    f"{RAMPS}uncertainty.tsv": MAPS,
    f"{RAMPS}change.tsv": {"ranking change"},
    "studies/ranking/scoring/card.md.j2": {"ranking train"},
    "studies/ranking/annotation/*": {"ranking annotate"},
    "studies/ranking/page/*": {"report"},
    "products/report/*": {"report", "compare"},
    "studies/ranking/compare/*": {"compare"},
    "products/compare/*": {"compare"},
}
"""Stages that read each file, by pattern."""


def read_by(command):
    """The files that a command and the modules that it loads by name read."""
    modules = [commands()[command]]
    if command == "compare":
        modules += [study.compare.partition(":")[0] for study in find_studies() if study.compare]
    if command == "report":
        modules += [name for study in find_studies() for name in page_modules(study)]
    return set().union(*map(assets_of, modules))


def package_files():
    """All files of the package that are no modules, and the resources."""
    found = {path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    resources = set((ROOT.parent / "resources").rglob("*.tsv"))
    return {path for path in found if path.suffix not in {".py", ".pyc"} and path.name not in UNREAD} | resources


def test_every_file_of_the_package_is_declared_by_a_stage_that_reads_it():
    read = set().union(*map(read_by, commands()))
    assert {str(path.relative_to(ROOT.parent)) for path in package_files() - read} == set()


@pytest.mark.parametrize("pattern", READERS)
def test_a_file_counts_for_the_stages_that_read_it_and_no_others(pattern):
    folder = ROOT.parent if pattern.startswith("resources/") else PACKAGE
    files = {path for path in folder.glob(pattern) if path in package_files()}
    assert files
    readers = {command for command in commands() if files & read_by(command)}
    assert readers == READERS[pattern]


def uses_of_file(path: Path):
    """Lines of a module that use `__file__` for anything but a declaration."""
    tree = ast.parse(path.read_text())
    declared = {
        node.args[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"assets", "lazy_folder"} and node.args
    }
    return [
        node.lineno for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "__file__" and node not in declared
    ]  # fmt: skip


def test_no_module_opens_a_file_of_the_package_that_it_does_not_declare():
    found = {str(path.relative_to(PACKAGE)): uses_of_file(path) for path in MODULES}
    assert {name: lines for name, lines in found.items() if lines and name not in FINDING} == {}
    loaders = ("FileSystemLoader", "PackageLoader", "importlib.resources")
    assert [path for path in MODULES if any(loader in path.read_text() for loader in loaders)] == []


def test_a_file_that_is_not_declared_is_refused(tmp_path):
    (tmp_path / "scripts").mkdir()
    for name in ("page.css", "scripts/map.js", "secret.txt"):
        (tmp_path / name).write_text(name)
    files = assets(str(tmp_path / "module.py"), "page.css", "scripts/*")
    assert files.names() == ["page.css", "scripts/map.js"]
    assert files.text("scripts/map.js") == "scripts/map.js"
    with pytest.raises(
        ValueError, match=r"secret\.txt is none of the files that .* declares: page\.css, scripts/map\.js"
    ):
        files.text("secret.txt")


def test_a_file_may_lie_above_the_module(tmp_path):
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources/ramp.tsv").write_text("0")
    files = assets(str(tmp_path / "a/b/module.py"), "../../resources/ramp.tsv")
    assert files.text("../../resources/ramp.tsv") == "0"


def test_implementations_are_imported_when_they_are_looked_up():
    found = lazy({"tables": "rankscape.foundation.tables", "gone": "rankscape.foundation.gone"})
    assert list(found) == ["tables", "gone"]
    assert found["tables"].__name__ == "rankscape.foundation.tables"
    with pytest.raises(ModuleNotFoundError):
        found["gone"]


@pytest.mark.parametrize(
    ("stem", "name"),
    [("sentinel2", "sentinel-2"), ("local", "local"), ("bradley_terry", "bradley-terry"), ("x_2", "x-2")],
)
def test_an_implementation_is_named_as_its_file(stem, name):
    assert implementation_name(stem) == name


def test_implementations_beside_a_module(tmp_path):
    for name in ("__init__", "protocol", "sentinel2", "local"):
        (tmp_path / f"{name}.py").touch()
    found = lazy_folder(str(tmp_path / "protocol.py"), "sensors")
    assert found.modules == {"local": "sensors.local", "sentinel-2": "sensors.sentinel2"}
