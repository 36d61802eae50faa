import errno
import subprocess
import sys

import pytest
from rankscape.__main__ import SHARED, STUDIES, main, spread
from rankscape.foundation.errors import JudgeError
from rankscape.foundation.version import package_version
from rankscape.studies.ranking.stages import contact_sheets as stage

COMMANDS = [*((verb,) for verb in SHARED), *((study, verb) for study, verbs in STUDIES.items() for verb in verbs)]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    code = caught.value.code
    return code if isinstance(code, int) else 0


SHEET = (
    "ranking",
    "contact-sheets",
    "--settings",
    "{}",
    "--tiles",
    "a.npy",
    "--clusters",
    "c.parquet",
    "--summary",
    "s.json",
    "--out",
    "o",
)


def test_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"rankscape {package_version()}\n"


@pytest.mark.parametrize(("group", "verbs"), [((), SHARED), (("ranking",), STUDIES["ranking"])])
def test_help_lists_every_verb_with_what_it_does(group, verbs, capsys):
    assert run(*group, "--help") == 0
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    for verb in verbs:
        line = next(line for line in lines if line.split()[:1] == [verb])
        assert len(line.split()) > 3, f"{verb} is not explained"
    assert "--help" in shown


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_verb_explains_its_options(command, capsys):
    assert run(*command, "--help") == 0
    shown = capsys.readouterr().out
    assert "--settings" in shown or "--out" in shown or "Commands:" in shown


def test_the_module_runs_by_itself():
    run = subprocess.run([sys.executable, "-m", "rankscape", "--version"], check=True, capture_output=True, text=True)
    assert run.stdout == f"rankscape {package_version()}\n"


def test_nothing_given_shows_the_help(capsys):
    assert run() == 2
    captured = capsys.readouterr()
    assert "Verbs" in captured.out + captured.err


def test_an_unknown_verb_is_the_users_mistake(capsys):
    assert run("dance") == 2
    assert "dance" in capsys.readouterr().err


def test_an_unknown_option_is_the_users_mistake(capsys):
    assert run(*SHEET, "--speed", "high") == 2
    assert "--speed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ([], []),
        (["tile"], ["tile"]),
        (
            ["ranking", "contact-sheets", "--tiles", "a", "b", "c"],
            ["ranking", "contact-sheets", "--tiles", "a", "--tiles", "b", "--tiles", "c"],
        ),
        (["ranking", "contact-sheets", "--tiles=a", "b"], ["ranking", "contact-sheets", "--tiles=a", "--tiles", "b"]),
        (
            ["ranking", "contact-sheets", "--out", "o", "--tiles", "a", "b"],
            ["ranking", "contact-sheets", "--out", "o", "--tiles", "a", "--tiles", "b"],
        ),
        (["--debug", "tile", "--mpi", "--out", "o"], ["--debug", "tile", "--mpi", "--out", "o"]),
        (
            ["ranking", "rank", "--evidence", "rate", "rank"],
            ["ranking", "rank", "--evidence", "rate", "--evidence", "rank"],
        ),
        (["dance", "--a", "b", "c"], ["dance", "--a", "b", "c"]),
        (["--settings", "a", "b"], ["--settings", "a", "b"]),
        (["ranking", "score", "--model", "m", "folder"], ["ranking", "score", "--model", "m", "folder"]),
        (["orders", "carry", "--out", "o", "file"], ["orders", "carry", "--out", "o", "file"]),
    ],
)
def test_an_option_takes_values_one_after_another(given, read):
    assert spread(given) == read


def test_an_error_is_one_line_with_the_status_of_whose_mistake_it_is(capsys, monkeypatch):
    assert run(*SHEET) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "rankscape: c.parquet does not exist: make it first, or mend the path.\n"

    def fail(*args: object) -> None:
        raise JudgeError("The judge\nsleeps.")

    monkeypatch.setattr(stage, "read_table", fail)
    assert run(*SHEET) == 1
    assert capsys.readouterr().err == "rankscape: The judge sleeps.\n"


def test_debug_shows_the_traceback(capsys):
    assert run("--debug", *SHEET) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.splitlines()[-1].startswith("rankscape: c.parquet does not exist")


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), PermissionError(errno.EACCES, "Permission denied", "/x")],
)
def test_a_full_or_closed_disk_is_one_line(error, capsys, monkeypatch):
    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(stage, "read_table", fail)
    assert run(*SHEET) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"rankscape: {error.strerror}: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), OSError(errno.EIO, "broken")])
def test_a_fault_of_ours_is_not_hidden(error, monkeypatch):
    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(stage, "read_table", fail)
    with pytest.raises(type(error)):
        main(SHEET)


def test_an_interrupt_has_its_own_status(monkeypatch):
    def fail(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stage, "read_table", fail)
    assert run(*SHEET) == 130


def test_the_help_imports_no_stage():
    script = "import sys; from rankscape.__main__ import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    script += (
        "assert not [m for m in sys.modules if m.startswith(('rankscape.stages.', 'torch', 'rasterio', 'sklearn'))]"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
