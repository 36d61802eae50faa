"""Briefs: what a judge that the workflow starts is asked with one prompt, in all rounds (docs/ranking.md)."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import read_json
from rankscape.studies.ranking.judges.modes.choice import mode_of
from rankscape.studies.ranking.judges.prompts import Prompt
from rankscape.studies.ranking.judges.rounds import round_text
from rankscape.studies.ranking.settings.judges import JudgeSettings, RateSettings


@dataclass(frozen=True)
class Brief:
    """One judge, one prompt, and how rounds ask."""

    judge: str
    """Name of the judge."""
    about: JudgeSettings
    """What its replies depend on."""
    prompt: Prompt
    """The question."""
    settings: RateSettings
    """Mode, replies, quorum."""

    def to_document(self) -> dict[str, Any]:
        """Return the brief as its file holds it, with the text as it is sent."""
        mode = mode_of(self.prompt, self.settings)
        return {
            "judge": self.judge,
            "mode": mode.name,
            "text": round_text(self.prompt, mode, self.settings),
            "prompt": asdict(self.prompt),
            "judge_settings": self.about.model_dump(mode="json"),
            "settings": self.settings.model_dump(mode="json"),
        }


def read_brief(path: Path) -> Brief:
    """Read a brief.

    Raises:
        InputError: If the file is none.
    """
    document = read_json(path)
    try:
        return Brief(
            str(document["judge"]),
            JudgeSettings.checked(document["judge_settings"], str(path)),
            Prompt(**document["prompt"]),
            RateSettings.checked(document["settings"], str(path)),
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is no brief of a judge ({error!r}): make it again with `brief`.") from None
