"""Mode `scores`: one patch a question, a score from 0 to 100."""

from collections.abc import Callable, Sequence

import numpy as np

from rankscape.studies.ranking.judges.draws import Draw
from rankscape.studies.ranking.judges.modes.asking import Heard, Mode, Reading, Shown, reply_seeds
from rankscape.studies.ranking.judges.questions import Reply
from rankscape.studies.ranking.judges.replies import SCORE_SCHEMA, read_score
from rankscape.studies.ranking.settings.judges import RateSettings


def show(draw: Draw, settings: RateSettings) -> list[Shown]:
    """Show every patch by itself, `replies` times."""
    patches = [(cluster, patch, png) for cluster, own in draw.pictures.items() for patch, png in own.items()]
    return [
        Shown((cluster,), ((patch,),), reply_seeds(draw, settings.replies, place), SCORE_SCHEMA, _as_is(png))
        for place, (cluster, patch, png) in enumerate(patches)
    ]


def _as_is(png: bytes) -> Callable[[], tuple[bytes, ...]]:
    return lambda: (png,)


def read(reply: Reply, shown: Shown) -> Reading:  # noqa: ARG001
    """Read a score."""
    found = read_score(reply)
    return Reading(found.value, found.missing)


def score(heard: Sequence[Heard], round_name: str) -> dict[int, float]:  # noqa: ARG001
    """Return by cluster the mean over its patches of the mean over each patch's usable replies."""
    means: dict[int, list[float]] = {}
    for one in heard:
        if answers := [float(answer) for answer in one.answers if isinstance(answer, float)]:
            means.setdefault(one.shown.clusters[0], []).append(float(np.mean(answers)))
    return {cluster: float(np.mean(values)) for cluster, values in means.items()}


def form(settings: RateSettings) -> str:  # noqa: ARG001
    """Add nothing: prompts for scores name the form of the answer themselves."""
    return ""


SCORES = Mode("scores", form, show, read, score)
