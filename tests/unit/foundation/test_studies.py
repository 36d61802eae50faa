"""Studies are found by folder or by entry point, and declared without importing what they do."""

import subprocess
import sys
from pathlib import Path

import pytest
from rankscape.foundation.errors import SettingsError
from rankscape.foundation.studies import find_studies, find_study, study_names

ROOT = Path(__file__).parents[3]
SETTINGS = "settings='mini_study.settings:MiniSettings'"


def offered(folder, declaration):
    """A distribution with a study, as pip would have installed it."""
    package = folder / "mini_study"
    package.mkdir()
    (package / "__init__.py").write_text(declaration)
    (folder / "mini-0.1.dist-info").mkdir()
    (folder / "mini-0.1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: mini\nVersion: 0.1\n")
    (folder / "mini-0.1.dist-info/entry_points.txt").write_text("[rankscape.studies]\nmini = mini_study:STUDY\n")
    return package


def run(code, *folders):
    paths = ":".join(map(str, [*folders, ROOT / "workflow"]))
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env={"PYTHONPATH": paths}, text=True, capture_output=True, check=False)


def test_the_ranking_study_is_found_with_its_verbs_and_rules():
    study = find_study("ranking")
    assert study in find_studies()
    assert {"cluster", "train", "predict"} <= set(study.verbs)
    assert study.verbs["train"] == "rankscape.studies.ranking.stages.train"
    assert study.rules(ROOT) == ROOT / "rules/ranking/ranking.smk"


def test_every_verb_of_every_study_has_a_module():
    for study in find_studies():
        for module in study.verbs.values():
            assert ROOT.joinpath("workflow", *module.split(".")).with_suffix(".py").is_file()


def test_a_declaration_imports_nothing_of_the_study():
    code = (
        "import sys; from rankscape.foundation.studies import find_studies; find_studies();"
        "print([m for m in sys.modules if m.startswith(('rankscape.studies.ranking.', 'pydantic', 'numpy'))])"
    )
    assert run(code).stdout.strip() == "[]"


def test_a_study_is_found_by_its_entry_point(tmp_path):
    package = offered(
        tmp_path,
        "from rankscape.foundation.studies import Study\n"
        f"STUDY = Study(name='mini', title='Mini', question='How small?', verbs={{}}, {SETTINGS})\n",
    )
    (package / "rules").mkdir()
    (package / "rules/mini.smk").touch()
    code = (
        "from pathlib import Path; from rankscape.foundation.studies import find_study, study_names;"
        "print(study_names()); print(find_study('mini').rules(Path('.')))"
    )
    done = run(code, tmp_path)
    names, rules = done.stdout.splitlines()
    assert "'mini'" in names
    assert "'ranking'" in names
    assert Path(rules) == package / "rules/mini.smk"


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ("STUDY = 3", "declares a int"),
        (
            "from rankscape.foundation.studies import Study\n"
            f"STUDY = Study(name='other', title='', question='', verbs={{}}, {SETTINGS})",
            "another name, 'other'",
        ),
    ],
)
def test_a_wrong_declaration_is_refused(tmp_path, declaration, message):
    offered(tmp_path, declaration)
    done = run("from rankscape.foundation.studies import find_study; find_study('mini')", tmp_path)
    assert message in done.stderr


def test_an_unknown_study_is_refused_with_those_that_there_are():
    with pytest.raises(SettingsError, match=r"studies: astrology is no known study; there are .*ranking"):
        find_study("astrology")
    assert "ranking" in study_names()
