"""The command line as users call it: lists, help without imports, clear words for what is no command, exit statuses."""

import errno
import re
import subprocess
import sys
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Annotated, get_args

import pytest
from cyclopts import App, Parameter
from rankscape.__main__ import RENAMED, SHARED, command_line, commands, main
from rankscape.foundation.checkout import package_version
from rankscape.foundation.errors import JudgeError
from rankscape.foundation.settings import Section
from rankscape.foundation.studies import find_study
from rankscape.stages.options import MaybeFile, only
from rankscape.studies.ranking.stages import contact_sheets as stage

SHEETS = [
    "ranking",
    "contact-sheets",
    "--settings",
    "{}",
    "--patches",
    "a.npy",
    "--clusters",
    "c.parquet",
    "--summary",
    "s.json",
    "--out",
    "o",
]
HEAVY = (
    "torch",
    "rasterio",
    "sklearn",
    "pandas",
    "geopandas",
    "rankscape.stages.",
    "rankscape.studies.ranking.stages.",
)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    code = caught.value.code
    return code if isinstance(code, int) else 0


def line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that was said on standard error, without the program's name."""
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("rankscape: ")
    assert captured.err.count("\n") == 1
    return captured.err.removeprefix("rankscape: ").rstrip("\n")


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the stage that `SHEETS` runs fail."""

    class Fails:
        @staticmethod
        def from_text(*args: object) -> None:
            raise error

    monkeypatch.setattr(stage, "ClusterSettings", Fails)


def test_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"rankscape {package_version()}\n"


def test_the_module_runs_by_itself():
    run = subprocess.run([sys.executable, "-m", "rankscape", "--version"], check=True, capture_output=True, text=True)
    assert run.stdout == f"rankscape {package_version()}\n"


@pytest.fixture
def wide(monkeypatch):
    """A terminal on which nothing is wrapped."""
    monkeypatch.setenv("COLUMNS", "200")


def test_help_lists_every_command_with_what_it_does_in_groups(wide, capsys):
    assert run("--help") == 0
    lines = [text.strip("│ ") for text in capsys.readouterr().out.splitlines()]
    shown = [next(number for number, text in enumerate(lines) if f"{text}  ".startswith(f"{command}  "))
             for command in commands()]  # fmt: skip
    assert shown == sorted(shown), "in the order in which data flows"
    assert all(len(lines[number].split()) > 4 for number in shown), "each says what it does"
    ranking = find_study("ranking")
    groups = [next(number for number, text in enumerate(lines) if f"─ {title} ─" in text)
              for title in (*SHARED, f"{ranking.title}: {ranking.question}")]  # fmt: skip
    assert groups == sorted(groups)
    assert groups[0] < shown[0]
    assert shown[list(commands()).index("compare")] < groups[-1] < shown[-1]
    assert "--debug" in " ".join(lines)


def test_help_of_a_study_lists_its_verbs(wide, capsys):
    assert run("ranking", "--help") == 0
    shown = capsys.readouterr().out
    assert find_study("ranking").question in shown
    assert all(f" {verb} " in shown for verb in find_study("ranking").verbs)
    assert " compose " not in shown


@pytest.mark.parametrize("command", commands())
def test_every_command_explains_its_options(command, wide, capsys):
    assert run(*command.split(), "--help") == 0
    shown = capsys.readouterr().out
    assert "Commands" in shown or all(len(line.split()) > 4 for line in shown.splitlines() if line.startswith("│ *"))
    assert "--settings" not in shown or "'{\"" in shown, "the settings have an example"
    assert "--empty-" not in shown
    assert "--no-" not in shown


def test_the_example_of_settings_is_accepted_by_each_command(monkeypatch, tmp_path):
    """Each stage is stopped where it has read its settings, before it asks for any file."""
    read, accepted = Section.from_text.__func__, []

    class DoneError(Exception):
        pass

    def once(cls, text, name):
        if text == "{}":
            return cls.model_construct()
        accepted.append(read(cls, text, name))
        raise DoneError

    monkeypatch.setattr(Section, "from_text", classmethod(once))
    monkeypatch.chdir(tmp_path)
    for command, module in commands().items():
        stage = getattr(import_module(module), command.split()[-1].replace("-", "_"))
        options = signature(stage).parameters
        if "settings" not in options:
            continue
        words = get_args(options["settings"].annotation)[1].help
        given = {name: "{}" for name, one in options.items() if one.default is one.empty}
        given |= {"out": Path("out")} if "out" in given else {}
        before = len(accepted)
        with pytest.raises(DoneError):
            stage(**{**given, "settings": re.search(r"'(\{.*\})'", words)[1]})
        assert len(accepted) == before + 1, command
    assert len(accepted) > 30


@pytest.mark.parametrize("words", ["--help", "ranking --help", "--version", "ranking tarin", "tile --help"])
def test_what_is_not_run_is_not_imported(words):
    heavy = tuple(name for name in HEAVY if not (words.startswith("tile") and name != "torch"))
    script = f"""
import sys
from importlib import import_module
from inspect import signature
from rankscape.__main__ import main
try:
    main({words.split()})
except SystemExit:
    pass
print([name for name in sys.modules if name.startswith({heavy}) and name.count('.') > 0 or name in {heavy}])
"""
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert found.stdout.splitlines()[-1] == "[]"


def test_nothing_given_shows_the_help(capsys):
    assert run() == 2
    assert "Acquisition" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("compsoe", "compsoe is no command; did you mean `compose`?"),
        ("scroe", "scroe is no command; did you mean `ranking score`?"),
        ("ranking scroe --model m", "ranking scroe is no command; did you mean `ranking score`?"),
        ("score images --model m", "score is a verb of a study: `rankscape ranking score`."),
        ("ranking scor", "ranking scor is no command; did you mean `ranking score`?"),
        ("scor", "scor is no command; did you mean `ranking score`?"),
        ("rankin train", "rankin is no command; did you mean `ranking`?"),
        (
            "train --settings {}",
            "train is a verb of a study: `rankscape embeddings train` or `rankscape ranking train`.",
        ),
        ("ranking tile", "tile is shared by all studies: `rankscape tile`."),
        ("dance", "dance is no command; `rankscape --help` lists all commands."),
        ("--fast", "--fast is no command; `rankscape --help` lists all commands."),
        ("invent", "invent is called `rankscape simulate` now."),
        ("ranking draw --round 1", "draw is called `rankscape ranking sample` now."),
    ],
)
def test_words_that_are_no_command_are_the_users_mistake(words, said, capsys):
    assert run(*words.split()) == 2
    assert line(capsys) == said


def test_new_names_are_commands_and_old_ones_are_not():
    assert set(RENAMED.values()) <= commands().keys()
    assert not set(RENAMED) & {name for command in commands() for name in (command, command.split()[-1])}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--patch", "b.npy"), "Unknown option: --patch. Did you mean --patches?"),
        (("--out", "again"), "--out"),
        (("extra", "--debug"), ""),
    ],
)
def test_options_that_are_wrong_are_the_users_mistake(more, said, capsys):
    assert run(*SHEETS, *more) == 2
    assert said in capsys.readouterr().err


def test_options_that_are_missing_or_of_a_wrong_kind_are_one_line(capsys):
    assert run("ranking", "rank", "--settings", "{}") == 2
    assert "--evidence" in line(capsys)
    assert run(*["ranking", "sample", "--settings", "{}", "--round", "0"]) == 2
    assert line(capsys) == 'Invalid value "0" for --round. Must be >= 1.'
    assert run(*["ranking", "sample", "--settings", "{}", "--round", "first"]) == 2
    assert 'unable to convert "first" into int' in line(capsys)


@pytest.fixture
def taken():
    """A command line with one command, and what it took."""
    found = {}
    app = App(default_parameter=command_line(listed=False).default_parameter, result_action="return_value")

    @app.default
    def take(
        source: Path | None = None, /, *, patches: list[Path], rounds: Annotated[list[str] | None, Parameter()] = None,
        quality: MaybeFile = (), fast: bool = False,
    ) -> None:  # fmt: skip
        found.update(source=source, patches=patches, rounds=rounds, quality=only(quality), fast=fast)

    def call(words: str):
        app(words.split(" "), exit_on_error=False, print_error=False)
        return found

    return call


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--patches a b c", {"patches": [Path("a"), Path("b"), Path("c")], "rounds": None, "quality": None}),
        ("--patches=a b", {"patches": [Path("a"), Path("b")]}),
        ("--patches a --patches b", {"patches": [Path("a"), Path("b")]}),
        ("--patches", {"patches": []}),
        ("--patches --rounds --fast", {"patches": [], "rounds": [], "fast": True}),
        ("--rounds --patches a --quality", {"rounds": [], "patches": [Path("a")], "quality": None}),
        ("--quality q --patches [a] {b}", {"quality": Path("q"), "patches": [Path("[a]"), Path("{b}")]}),
        ("s --patches a --fast=False", {"source": Path("s"), "fast": False}),
        ("--patches a --fast=True", {"fast": True}),
        ("--patches a --rounds x=y y=z", {"rounds": ["x=y", "y=z"]}),
    ],
)
def test_an_option_takes_any_number_of_values_one_after_another(words, expected, taken):
    found = taken(words)
    assert {name: found[name] for name in expected} == expected


def test_an_error_is_one_line_with_the_status_of_whose_mistake_it_is(capsys, monkeypatch):
    assert run(*SHEETS) == 2
    assert line(capsys) == "c.parquet does not exist: make it first, or mend the path."

    failing(monkeypatch, JudgeError("The judge\nsleeps."))
    assert run(*SHEETS) == 1
    assert line(capsys) == "The judge sleeps."


@pytest.mark.parametrize("place", [0, 2, len(SHEETS)])
def test_debug_shows_the_traceback(place, capsys):
    assert run(*SHEETS[:place], "--debug", *SHEETS[place:]) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.splitlines()[-1].startswith("rankscape: c.parquet does not exist")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 1),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/x"), 2),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "/x"), 2),
    ],
)
def test_a_full_disk_or_a_missing_file_is_one_line(error, status, capsys, monkeypatch):
    failing(monkeypatch, error)
    assert run(*SHEETS) == status
    assert line(capsys) == f"{error.strerror}: {error.filename or 'a temporary file'}."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "does not exist: give the path of a configuration file."),
        ("cluster:\n\tk_max: 3\n", "line 2, is no valid YAML: indent with spaces, not with tabs."),
        ("cluster: [\n", "line 2, is no valid YAML: close the bracket."),
        ("- cluster\n", "must hold keys and values, not a list."),
        ("folder", "cannot be read (Is a directory): give the path of a configuration file."),
    ],
)
def test_a_configuration_that_cannot_be_read_is_one_clear_line(text, said, tmp_path, capsys):
    path = tmp_path / "config.yaml"
    if text == "folder":
        path.mkdir()
    elif text is not None:
        path.write_text(text)
    assert run(*[str(path) if word == "{}" else word for word in SHEETS]) == 2
    assert line(capsys).replace(", line", " line").startswith(f"{path} {said}")


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), OSError(errno.EIO, "broken")])
def test_a_fault_of_ours_is_not_hidden(error, monkeypatch):
    failing(monkeypatch, error)
    with pytest.raises(type(error)):
        main(SHEETS)


def test_an_interrupt_has_its_own_status(monkeypatch):
    failing(monkeypatch, KeyboardInterrupt())
    assert run(*SHEETS) == 130


def test_a_section_is_read_from_a_file_or_from_text(tmp_path):
    class Small(Section):
        count: int = 1

    (tmp_path / "c.yaml").write_text("small: {count: 3}\n")
    assert Small.from_text(str(tmp_path / "c.yaml"), "small").count == 3
    assert Small.from_text('{"count": 4}', "small").count == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("nosuch.yaml", "nosuch.yaml does not exist: give the path of a configuration file."),
        ("tab.yaml", "tab.yaml, line 2, is no valid YAML: indent with spaces, not with tabs."),
        ("twice.yaml", "twice.yaml, line 2, is no valid YAML: the key region is given twice."),
        ("list.yaml", "list.yaml must hold keys and values, not a list."),
        (
            "here.yaml more.yaml",
            "here.yaml, more.yaml: storag is no known key (its value here: {}; did you mean",
        ),
        ("", "Which configuration? Give its file"),
    ],
)
def test_check_names_the_first_fault_of_a_configuration_in_one_line(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tab.yaml").write_text("tile:\n\tpatch_px: 64\n")
    (tmp_path / "twice.yaml").write_text("region: a\nregion: b\n")
    (tmp_path / "list.yaml").write_text("- a\n")
    (tmp_path / "here.yaml").write_text("region: here\ngranules: g.tsv\nranking: {people: {folder: orders}}\n")
    (tmp_path / "more.yaml").write_text("storag: {}\n")
    assert run("check", *words.split()) == 2
    assert line(capsys).startswith(said)


def test_check_says_what_a_configuration_holds(monkeypatch, capsys):
    monkeypatch.chdir(Path(__file__).parents[3])
    assert run("check", "config/config.yaml", "config/presets/small.yaml") == 0
    assert capsys.readouterr().err == "In order: region demo, 6 rows of granules, studies ranking.\n"
