"""Estimate what the judges of a configuration will cost, and check whether they answer, before anything is spent.

`plan` counts requests, tokens, minutes and money of every judge with every prompt, and what the store of replies has of
them; `check` asks every endpoint for its models. Neither asks a question.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from rankscape.foundation.errors import RankscapeError
from rankscape.stages.region import read_study
from rankscape.studies.ranking.clusters.artifacts import LABELS, SUMMARY
from rankscape.studies.ranking.judges.artifacts import REPLIES, SAMPLE
from rankscape.studies.ranking.judges.plans import as_text, basis_of
from rankscape.studies.ranking.judges.plans import plan as plan_of
from rankscape.studies.ranking.judges.prompts import read_prompt
from rankscape.studies.ranking.judges.reply_store import ReplyStore
from rankscape.studies.ranking.judges.services import check_judge
from rankscape.studies.ranking.settings import RankingSettings

judges = App(
    "judges",
    help="Estimate what the judges of a configuration will cost, and check whether they answer; nothing is spent.",
)
ConfigFile = Annotated[Path, Parameter(help="Configuration of the region (YAML).")]


@judges.command
def plan(
    *,
    configfile: ConfigFile = Path("config/config.yaml"),
    results: Annotated[
        Path | None, Parameter(help="Results of the region; default: results/<region>, which need not exist.")
    ] = None,
    samples: Annotated[
        list[Path] | None, Parameter(help="Draws of the rounds; default: those among the results.")
    ] = None,
    clusters: Annotated[
        int | None,
        Parameter(help="Number of clusters, as long as there are no samples to count.", validator=Number(gte=2)),
    ] = None,
    as_json: Annotated[bool, Parameter(name="--json", help="Print a JSON document instead of a table.")] = False,
) -> None:
    """Say what every judge needs with every prompt, what the store has of it, and whether the budgets suffice."""
    region, ranking = read_study(configfile, "ranking", RankingSettings)
    folder = results or Path("results") / region.region
    found = samples or [path for _, path in SAMPLE.found(folder)]
    basis = basis_of(region, ranking, found, SUMMARY.of(folder), clusters)
    prompts = [read_prompt(Path(f"config/prompts/{name}.md")) for name in ranking.prompts]
    store = ReplyStore(REPLIES.of(folder))
    labelled = LABELS.of(folder).is_file()
    document = plan_of(region, ranking, prompts, basis, store, labelled=labelled)
    print(json.dumps(document, indent=1, ensure_ascii=False) if as_json else as_text(document))


@judges.command
def check(
    *,
    configfile: ConfigFile = Path("config/config.yaml"),
) -> None:
    """Ask every judge's endpoint for its models: whether key, address and model are right. Nothing is spent."""
    wrong = 0
    for name, settings in read_study(configfile, "ranking", RankingSettings)[1].judges.items():
        try:
            print(f"{name}: {check_judge(name, settings)}")
        except RankscapeError as error:
            wrong = max(wrong, error.exit_code)
            print(f"{name}: WRONG. {error}")
    if wrong:
        sys.exit(wrong)
