"""The command line: `rankscape VERB`, one verb a stage, the stage imported when it is used."""

import ast
import errno
import importlib
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from rankscape.foundation.code_version import stage_module
from rankscape.foundation.errors import RankscapeError
from rankscape.foundation.version import package_version

SHARED = (
    "simulate", "search", "fetch", "compose", "tile", "aggregate", "pixel-statistics", "mosaic", "report", "publish",
    "compare",
)  # fmt: skip
"""Verbs that all studies share, in the order in which data flows."""
STUDIES = {
    "ranking": (
        "label", "pretrain", "adapt", "embed", "categorize", "refine", "cluster", "contact-sheets", "judges", "sample",
        "build-requests", "serve", "collect-replies", "rate", "rank", "annotate", "orders", "import-order",
        "order-from-reference", "ensemble", "audit", "train", "predict", "score", "explain", "inspection-sheets",
        "saliency", "rasterize", "dense", "evaluate", "change", "district", "regress",
    ),
}  # fmt: skip
"""Verbs of each study, in the order in which data flows."""
POSITIONAL = {"orders", "score", "explain", "compare"}
"""Verbs that take positional arguments."""

_OURS = 1


class Verbs(TyperGroup):
    """A group of verbs; a verb's module is imported only when the verb is used."""

    study = ""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return the verbs in the order in which data flows."""
        return list(STUDIES[self.study] if self.study else (*SHARED, *STUDIES))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import the stage of a verb and make a command of its function."""
        if cmd_name not in self.list_commands(ctx):
            return None
        if not self.study and cmd_name in STUDIES:
            group = typer.main.get_group(typer.Typer(cls=Verbs, rich_markup_mode=None, no_args_is_help=True))
            group.study, group.name = cmd_name, cmd_name
            return group
        stage = getattr(importlib.import_module(stage_module(_words(self.study, cmd_name))), cmd_name.replace("-", "_"))
        if isinstance(stage, typer.Typer):
            return typer.main.get_group(stage)
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(cmd_name)(stage)
        return typer.main.get_command(app)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the verbs with the first line of each stage's docstring, without importing the stages."""
        with formatter.section("Verbs"):
            formatter.write_dl(
                [
                    (verb, f"Verbs of the study {verb}." if verb in STUDIES else _summary(_words(self.study, verb)))
                    for verb in self.list_commands(ctx)
                ]
            )


def _words(study: str, verb: str) -> str:
    """Return a stage's words; `compare` reads the ranking study alone, and lies in it."""
    return f"ranking {verb}" if verb == "compare" else f"{study} {verb}".strip()


def _summary(stage: str) -> str:
    path = Path(__file__).parents[1].joinpath(*stage_module(stage).split(".")).with_suffix(".py")
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"rankscape {package_version()}")
        raise typer.Exit


app = typer.Typer(cls=Verbs, add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def rankscape(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Measure economic development from satellite imagery with people and machines together.

    The workflow calls these verbs, one a rule; each also works by itself. Options that take several files take them
    one after another: --tiles a.npy b.npy. Exit status: 0 done, 2 your input, 1 anything else.
    """


def spread(arguments: Sequence[str]) -> list[str]:
    """Repeat an option's name before each of its values, so that `--tiles a b` reads as `--tiles a --tiles b`.

    Only what follows the verb is read so, and only for verbs that take no positional arguments: those of `POSITIONAL`
    take them at any place, and no options with lists.
    """
    verbs = {*SHARED, *(verb for study in STUDIES.values() for verb in study)}
    start = next((place for place, token in enumerate(arguments) if token in verbs), len(arguments)) + 1
    if set(arguments[start - 1 : start]) & POSITIONAL:
        return list(arguments)
    result = list(arguments[:start])
    option, values = "", 0
    for token in arguments[start:]:
        if token.startswith("--"):
            option, equals, _ = token.partition("=")
            values = len(equals)
        elif option:
            values += 1
            if values > 1:
                result.append(option)
        result.append(token)
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = typer.main.get_command(app).main(spread(given), prog_name="rankscape", standalone_mode=True)
    except RankscapeError as error:
        sys.exit(_one_line(str(error), error.exit_code, given))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ENOENT):
            raise
        sys.exit(_one_line(f"{error.strerror}: {error.filename or 'a temporary file'}.", _OURS, given))
    sys.exit(status)


def _one_line(message: str, status: int, given: Sequence[str]) -> int:
    if "--debug" in given:
        traceback.print_exc()
    print(f"rankscape: {' '.join(message.split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
