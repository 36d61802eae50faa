"""Which mode a round asks in: the prompt's own, or else that of the settings."""

from rankscape.foundation.settings.ranking import RateSettings
from rankscape.ranking.modes.asking import Mode
from rankscape.ranking.modes.pairs import PAIRS
from rankscape.ranking.modes.scores import SCORES
from rankscape.ranking.modes.tiers import TIERS
from rankscape.ranking.prompts import Prompt

MODES: dict[str, Mode] = {mode.name: mode for mode in (SCORES, PAIRS, TIERS)}
"""All modes by name."""


def mode_of(prompt: Prompt, settings: RateSettings) -> Mode:
    """Return the mode in which a prompt is asked."""
    return MODES[prompt.mode or settings.mode]
