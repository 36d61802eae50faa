"""The command line: `rankscape VERB` for shared verbs, `rankscape STUDY VERB` for those of a study.

A verb is a function in a module of its own, imported when the verb is used.
"""

import difflib
import errno
import sys
import traceback
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cyclopts import App, CycloptsError, Group, Parameter, UnknownCommandError

from rankscape.foundation.checkout import package_version
from rankscape.foundation.errors import InputError, RankscapeError
from rankscape.foundation.studies import find_studies

SHARED = {
    "Configuration": ("check",),
    "Acquisition": ("simulate", "search", "fetch", "compose"),
    "Samples": ("tile", "aggregate", "sample-places", "pixel-statistics", "embed"),
    "Products": ("mosaic", "report", "publish", "compare"),
}
"""Verbs that all studies share, in the order in which data flows."""
RENAMED = {
    "invent": "simulate",
    "baseline": "pixel-statistics",
    "merge": "mosaic",
    "draw": "ranking sample",
    "brief": "ranking build-requests",
    "interview": "ranking collect-replies",
    "transcribe": "ranking import-order",
    "derive": "ranking order-from-reference",
    "sheet": "ranking contact-sheets",
    "review": "ranking inspection-sheets",
}
"""Earlier names of verbs."""
ABOUT = (
    "Measure development from satellite imagery, with judgements of people and of models.\n\n"
    "The workflow calls these commands, one a rule. Each also works by itself. Options that take several files take "
    "them one after another: --patches a.npy b.npy. Exit status: 0 done, 2 wrong input, 1 any other failure. With "
    "--debug an error shows its traceback."
)
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)


def commands() -> dict[str, str]:
    """Return the module of every command, such as `tile` or `ranking train`."""
    verbs = [verb for verbs in SHARED.values() for verb in verbs]
    shared = {verb: f"rankscape.stages.{verb.replace('-', '_')}" for verb in verbs} | {"check": "rankscape.check"}
    own = ({f"{study.name} {verb}": module for verb, module in study.verbs.items()} for study in find_studies())
    return shared | {command: module for modules in own for command, module in modules.items()}


def command_line(*, listed: bool = True) -> App:
    """Return the command line.

    Args:
        listed: Whether commands are listed, each with the first line of its module, or one of them is run.
    """
    app = App(
        "rankscape",
        help=ABOUT,
        version=lambda: f"rankscape {package_version()}",
        # A list takes all values up to the next option, and may be empty. File names are no JSON.
        default_parameter=Parameter(consume_multiple=True, negative="", json_dict=False, json_list=False),
        help_formatter="default",
        help_format="plaintext",
        verbose=False,
    )
    studies = {study.name: App(study.name, help=f"{study.question}", show=False) for study in find_studies()}
    for own in studies.values():
        app.command(own)
    groups = _groups()
    for place, (command, module) in enumerate(commands().items()):
        study, _, verb = command.rpartition(" ")
        about: dict[str, Any] = {"help": _summary(module) if listed else None, "sort_key": place}
        target = f"{module}:{verb.replace('-', '_')}"
        if study:
            studies[study].command(target, name=verb, **about)
        if listed or not study:  # of a study for the list alone: what is typed, two words, reaches the study's own
            app.command(target, name=command, group=groups[study or verb], **about)
    return app


def _groups() -> dict[str, Group]:
    """Heading of every shared verb and of every study in the list of commands."""
    groups: dict[str, Group] = {}
    for place, (title, verbs) in enumerate(SHARED.items()):
        groups |= dict.fromkeys(verbs, Group(title, sort_key=place))
    for place, study in enumerate(find_studies(), start=len(SHARED)):
        groups[study.name] = Group(f"{study.title}: {study.question}", sort_key=place)
    return groups


def _summary(module: str) -> str:
    """Return the first line of a module's docstring without importing it: importing all takes many seconds."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    with Path(spec.origin).open(encoding="utf-8") as file:
        return file.readline().strip().strip('"').rstrip(".")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status: 0 done, 2 wrong input, 1 any other failure."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    words = [word for word in given if word != "--debug"]
    debug = len(words) < len(given)
    runs = bool({" ".join(words[:1]), " ".join(words[:2])} & commands().keys())
    try:
        command_line(listed=not runs)(words, exit_on_error=False, print_error=False, result_action="return_value")
    except UnknownCommandError as error:
        sys.exit(_one_line(_unknown([*(error.command_chain or ()), *(error.unused_tokens or ())]), 2, debug))
    except CycloptsError as error:
        sys.exit(_one_line(str(error), 2, debug))
    except RankscapeError as error:
        sys.exit(_one_line(str(error), error.exit_code, debug))
    except OSError as error:
        if error.errno not in (*_MISSING, *_NO_ROOM):
            raise
        status = InputError.exit_code if error.errno in _MISSING else RankscapeError.exit_code
        sys.exit(_one_line(f"{error.strerror}: {error.filename or 'a temporary file'}.", status, debug))
    sys.exit(0 if words else 2)


def _unknown(words: Sequence[str]) -> str:
    """Say what was meant by words that are no command."""
    known = commands()
    studies = {study.name for study in find_studies()}
    typed = " ".join(words[: 2 if words[0] in studies else 1])
    verb = typed.rpartition(" ")[2]
    if verb in RENAMED:
        return f"{verb} is called `rankscape {RENAMED[verb]}` now."
    of_studies = [command for command in known if command.endswith(f" {verb}")]
    if of_studies and " " not in typed:
        return f"{verb} is a verb of a study: {' or '.join(f'`rankscape {command}`' for command in of_studies)}."
    if " " in typed and verb in known:
        return f"{verb} is shared by all studies: `rankscape {verb}`."
    near = difflib.get_close_matches(typed, [*known, *studies], n=1) or [
        command for name in difflib.get_close_matches(verb, [one.split()[-1] for one in known], n=1)
        for command in known if command.split()[-1] == name
    ]  # fmt: skip
    meant = f"did you mean `{near[0]}`?" if near else "`rankscape --help` lists all commands."
    return f"{typed} is no command; {meant}"


def _one_line(message: str, status: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"rankscape: {' '.join(message.split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
