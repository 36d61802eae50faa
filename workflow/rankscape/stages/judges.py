"""Say what the judges of a configuration will cost, and whether they can be asked, before anything is spent.

`plan` counts requests, tokens, minutes and money of every judge with every prompt, and what the store of replies has of
them; `check` asks every endpoint for its models. Neither asks a question.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from rankscape.foundation.errors import RankscapeError
from rankscape.foundation.settings.config import load_config
from rankscape.ranking.checking import check_judge

judges = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Say what the judges of a configuration will cost, and whether they can be asked, before anything is spent.",
)
ConfigFile = Annotated[Path, typer.Option(help="Configuration of the region (YAML).")]


@judges.command()
def check(configfile: ConfigFile = Path("config/config.yaml")) -> None:
    """Ask every judge's endpoint for its models: whether key, address and model are right. Nothing is spent."""
    wrong = 0
    for name, settings in load_config(configfile).judges.items():
        try:
            typer.echo(f"{name}: {check_judge(name, settings)}")
        except RankscapeError as error:
            wrong = max(wrong, error.exit_code)
            typer.echo(f"{name}: WRONG. {error}")
    if wrong:
        sys.exit(wrong)
