import pytest
from rankscape.__main__ import commands
from rankscape.foundation.code_version import ROOT, Notes, code_version, names_in, stage_module

STAGE, CUTTING = "rankscape/stages/tile.py", "rankscape/samples/cutting.py"
FILES = {
    "rankscape/__init__.py": "",
    "rankscape/stages/__init__.py": "",
    "rankscape/stages/tile.py": '''"""Cut."""
from rankscape.foundation.progress import say, track
from rankscape.samples import cutting

SIZE = 3
"""Patches."""

def tile(path):
    """Cut an image."""
    from rankscape.samples.late import lazily
    for part in track([1, 2], "patches"):
        say("cut")
    return cutting.cut(path, SIZE), lazily  # a comment
''',
    "rankscape/foundation/progress.py": "def say(line): print(line)\n",
    "rankscape/samples/__init__.py": "",
    "rankscape/samples/cutting.py": "from rankscape.samples.deep import depth\n\ndef cut(p, n):\n    return depth\n",
    "rankscape/samples/deep.py": "depth = 1\n",
    "rankscape/samples/late.py": "lazily = 1\n",
    "rankscape/samples/other.py": "other = 1\n",
}


@pytest.fixture
def version(tmp_path):
    """Return the code version of the tile stage, with some files changed."""
    count = iter(range(100))

    def of(changes=None, module="rankscape.stages.tile", names=None):
        root = tmp_path / str(next(count))
        for name, text in {**FILES, **(changes or {})}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return code_version(module, root, names=names)

    return of


def changed(name: str, old: str, new: str) -> dict[str, str]:
    assert old in FILES[name]
    return {name: FILES[name].replace(old, new)}


@pytest.mark.parametrize(
    "change",
    [
        {},
        changed(STAGE, "# a comment", "# another"),
        changed(STAGE, '"""Cut."""', '"""Cut otherwise."""'),
        changed(STAGE, '    """Cut an image."""\n', ""),
        changed(STAGE, '"""Patches."""', '"""Patches a side."""'),
        changed(STAGE, "SIZE = 3", "SIZE  =  3\n\n"),
        changed(CUTTING, "    return depth", "    # why\n    return depth"),
        {"rankscape/samples/other.py": "other = 2\n"},
        {"rankscape/studies/ranking/stages/rasterize.py": "x = 1\n"},
        {"rankscape/samples/__init__.py": '"""Samples."""\n'},
        {"rankscape/samples/cutting.cu": "__global__ void f() {}"},
        {"rankscape/foundation/progress.py": "def say(line): print(line, flush=True)\n"},
        changed(STAGE, 'say("cut")', 'say(f"cut {path}")'),
        changed(STAGE, '"patches"', '"patches of an image"'),
    ],
)
def test_what_cannot_change_a_result_changes_nothing(version, change):
    assert version(change) == version()


@pytest.mark.parametrize(
    "change",
    [
        changed(STAGE, "SIZE = 3", "SIZE = 4"),
        changed(STAGE, "cutting.cut(path, SIZE)", "cutting.cut(path, 1)"),
        changed(STAGE, "track([1, 2]", "track([1, 2, 3]"),
        changed(CUTTING, "return depth", "return depth + 1"),
        {"rankscape/samples/deep.py": "depth = 2\n"},
        {"rankscape/samples/late.py": "lazily = 2\n"},
    ],
)
def test_what_can_change_a_result_changes_the_version(version, change):
    assert version(change) != version()


def test_another_stage_is_not_touched(version):
    other = {"rankscape/studies/ranking/stages/rasterize.py": "from rankscape.samples.other import other\n"}
    module = "rankscape.studies.ranking.stages.rasterize"
    assert version(other, module) == version({**other, **changed(CUTTING, "depth\n\n", "depth\n\nx = 1\n")}, module)
    assert version(other, module) != version({**other, "rankscape/samples/other.py": "other = 2\n"}, module)


def test_a_relative_import_is_refused(version):
    with pytest.raises(ValueError, match=r"rankscape\.samples\.cutting:1: relative import"):
        version({CUTTING: "from .deep import depth\n"})


def test_an_unknown_module_is_refused(version):
    with pytest.raises(ValueError, match=r"rankscape\.stages\.nothing is no module"):
        version(module="rankscape.stages.nothing")


DRAWN = {
    **FILES,
    STAGE: """
from rankscape.foundation.package_files import assets, lazy
ASSETS = assets(__file__, "page.css", "scripts/*.js")
CHOICES = lazy({"deep": "rankscape.samples.deep", "late": "rankscape.samples.late"})
""",
    "rankscape/stages/page.css": "p {}",
    "rankscape/stages/scripts/map.js": "draw()",
    "rankscape/stages/scripts/notes.txt": "draw()",
}


@pytest.mark.parametrize(
    ("name", "text", "counts"),
    [
        ("rankscape/stages/page.css", "p {color: red}", True),
        ("rankscape/stages/scripts/map.js", "draw(1)", True),
        ("rankscape/stages/scripts/more.js", "more()", True),
        ("rankscape/stages/scripts/notes.txt", "draw(1)", False),
        ("rankscape/samples/late.py", "lazily = 2", True),
        ("rankscape/samples/deep.py", "depth = 2", False),
    ],
)
def test_declared_files_and_named_implementations_count(version, name, text, counts):
    late = frozenset({"late"})
    assert (version({**DRAWN, name: text}, names=late) != version(DRAWN, names=late)) is counts


def test_without_names_all_implementations_count(version):
    assert version({**DRAWN, "rankscape/samples/deep.py": "depth = 2"}) != version(DRAWN)


def test_implementations_beside_a_module_are_found_by_their_files(version):
    files = {
        **DRAWN,
        STAGE: "from rankscape.sensors import protocol\n",
        "rankscape/sensors/__init__.py": "",
        "rankscape/sensors/protocol.py": "from x import lazy_folder\nSENSORS = lazy_folder(__file__, __package__)\n",
        "rankscape/sensors/eye2.py": "SENSOR = 1\n",
        "rankscape/sensors/local.py": "SENSOR = 1\n",
    }
    eye = frozenset({"eye-2"})
    assert version({**files, "rankscape/sensors/local.py": "SENSOR = 2\n"}, names=eye) == version(files, names=eye)
    assert version({**files, "rankscape/sensors/eye2.py": "SENSOR = 2\n"}, names=eye) != version(files, names=eye)


def test_a_declaration_is_literal(version):
    text = "from rankscape.foundation.package_files import assets\nASSETS = assets(__file__, NAME)\n"
    with pytest.raises(ValueError, match=r"rankscape\.stages\.tile:2: .* declared by literal text"):
        version({STAGE: text})


def test_names_are_all_texts_of_settings():
    assert names_in({"a": ["x", {"b": "y"}], "c": 3, "d": None}) == {"x", "y"}


def test_every_stage_has_a_version_and_no_package_computes():
    stages = {command: module for command, module in commands().items() if command != "check"}  # it writes no file
    versions = {command: code_version(stage_module(command)) for command in stages}
    assert len(set(versions.values())) == len(versions)
    assert all(stage_module(command) == module for command, module in stages.items())
    # No code version follows them: the package itself may offer names, and a study declares itself.
    packages = [path for path in (ROOT / "rankscape").rglob("__init__.py") if path.parent.parent.name != "studies"]
    assert [path for path in packages if path.parent.name != "rankscape" and path.read_text()] == []


def note_file(tmp_path):
    return tmp_path / "kept" / "notes.json"


def write_files(root):
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_notes_change_no_version_and_are_used(tmp_path, monkeypatch):
    root, module = write_files(tmp_path / "first"), "rankscape.stages.tile"
    plain = code_version(module, root)
    assert code_version(module, root, Notes(note_file(tmp_path))) == plain

    def refuse(*_, **__):
        raise AssertionError("a noted file was parsed again")

    monkeypatch.setattr("rankscape.foundation.source_facts.ast.parse", refuse)
    assert code_version(module, root, Notes(note_file(tmp_path))) == plain
    assert [path.name for path in note_file(tmp_path).parent.iterdir()] == ["notes.json"]


def test_a_changed_file_is_read_anew_in_spite_of_notes(tmp_path):
    root, module = write_files(tmp_path / "first"), "rankscape.stages.tile"
    before = code_version(module, root, Notes(note_file(tmp_path)))
    other = write_files(tmp_path / "second")
    (other / CUTTING).write_text(FILES[CUTTING].replace("return depth", "return depth + 1"))
    assert code_version(module, other, Notes(note_file(tmp_path))) == code_version(module, other) != before


@pytest.mark.parametrize("content", ["", "no JSON", "[1, 2]", '{"key": 3}', '{"key": [1]}'])
def test_broken_notes_cost_nothing_but_time(tmp_path, content):
    root, module = write_files(tmp_path / "first"), "rankscape.stages.tile"
    note_file(tmp_path).parent.mkdir()
    note_file(tmp_path).write_text(content)
    assert code_version(module, root, Notes(note_file(tmp_path))) == code_version(module, root)


def test_notes_that_cannot_be_written_are_done_without(tmp_path):
    root, module = write_files(tmp_path / "first"), "rankscape.stages.tile"
    (tmp_path / "kept").write_text("a file where the folder should be")
    assert code_version(module, root, Notes(note_file(tmp_path))) == code_version(module, root)
