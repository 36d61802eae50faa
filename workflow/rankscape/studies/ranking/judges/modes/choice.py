"""Which mode a round asks in: the prompt's own, or else that of the settings."""

from rankscape.studies.ranking.judges.modes.asking import Mode
from rankscape.studies.ranking.judges.modes.pairs import PAIRS
from rankscape.studies.ranking.judges.modes.scores import SCORES
from rankscape.studies.ranking.judges.modes.tiers import TIERS
from rankscape.studies.ranking.judges.prompts import Prompt
from rankscape.studies.ranking.settings.judges import RateSettings

MODES: dict[str, Mode] = {mode.name: mode for mode in (SCORES, PAIRS, TIERS)}
"""All modes by name."""


def mode_of(prompt: Prompt, settings: RateSettings) -> Mode:
    """Return the mode in which a prompt is asked."""
    return MODES[prompt.mode or settings.mode]
