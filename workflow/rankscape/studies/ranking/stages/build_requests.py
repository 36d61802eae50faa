"""Write the requests to a judge that the workflow starts, with one prompt."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.provenance import provenance
from rankscape.stages.options import settings_of
from rankscape.studies.ranking.judges.artifacts import REQUESTS
from rankscape.studies.ranking.judges.prompts import read_prompt
from rankscape.studies.ranking.judges.requests import JudgeRequests
from rankscape.studies.ranking.judges.settings import JudgeSettings, RateSettings


def build_requests(
    *,
    settings: Annotated[str, settings_of(RateSettings)],
    judge: Annotated[str, Parameter(help="Name of the judge.")],
    judge_settings: Annotated[str, Parameter(help="The judge's settings: a JSON object.")],
    prompt: Annotated[Path, Parameter(help="The question (Markdown); its name is the prompt's name.")],
    out: Annotated[Path, Parameter(help="Requests to write (JSON).")],
) -> None:
    """Write the requests to a judge that the workflow starts, with one prompt."""
    about = JudgeSettings.from_text(judge_settings, f"ranking.judges.{judge}")
    chosen = RateSettings.from_text(settings, "ranking.rate")
    document = JudgeRequests(judge, about, read_prompt(prompt), chosen).to_document()
    REQUESTS.write(out, document, provenance("ranking build-requests", chosen, {"prompt": prompt}))
