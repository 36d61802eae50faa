"""What the sections of the page share: results by task and features, and the best of them."""

from dataclasses import dataclass

import numpy as np

from rankscape.products.report.reading import RunReader
from rankscape.products.report.wording import number
from rankscape.studies.embeddings.artifacts import DOWNSTREAM, TASK, DownstreamKeys, FitKeys, TaskKeys
from rankscape.studies.embeddings.tasks import BASELINES

_WELL, _PARTLY, _LITTLE = 0.5, 0.2, 0.05
"""R² from which images tell a label, part of it, a little of it."""
_APART = 0.1
"""Differences of R² from which one is worth a word."""


def tasks_of(run: RunReader) -> dict[str, TaskKeys]:
    """Return what the labels are, by task."""
    return run.read_all(TASK)


def results_of(run: RunReader) -> dict[tuple[str, str], DownstreamKeys]:
    """Return all results by task and features, in the order of the configuration."""
    return {(one.task, one.features): one for one in run.read_all(DOWNSTREAM).values()}


def unit_of(task: TaskKeys) -> str:
    """Return the title of a task's labels, with its unit and what was done to it."""
    return task.title if task.transform == "none" else f"{task.title}, {task.transform}"


def sets_of(run: RunReader) -> list[str]:
    """Return the sets of features, each once."""
    return list(dict.fromkeys(features for _, features in results_of(run)))


def best_of(run: RunReader, task: str) -> tuple[DownstreamKeys, str] | None:
    """Return what predicts a task best in blocks, or else at random places, and that split; baselines do not count."""
    own = [one for (name, features), one in results_of(run).items() if name == task and features not in BASELINES]
    for split in ("blocks", "random"):
        known = [one for one in own if split in one.splits and one.splits[split].r2 is not None]
        if known:
            return max(known, key=lambda one: one.splits[split].r2 or -np.inf), split
    return None


@dataclass(frozen=True)
class Verdict:
    """What the splits say of one task."""

    task: TaskKeys
    features: str
    """What predicts it best; empty where nothing can be said."""
    fits: dict[str, FitKeys]
    """Of these features, by split."""
    baselines: dict[str, tuple[str, float]]
    """Best baseline and its R², by split."""

    def r2(self, split: str) -> float | None:
        """R² of the best features in a split."""
        return self.fits[split].r2 if split in self.fits else None

    @property
    def told(self) -> bool:
        """Whether images tell the label in new blocks, more than any baseline does and more than chance."""
        value = self.r2("blocks")
        if value is None:
            return False
        low = self.fits["blocks"].r2_interval[0]
        baseline = self.baselines.get("blocks", ("", 0.0))[1]
        return value > max(baseline, 0.0) and (value > _LITTLE if low is None else low > 0)

    @property
    def words(self) -> str:
        """What the splits say, in a sentence or a few."""
        if not self.features:
            return "Too few places for any split."
        near, far, left = (self.r2(split) for split in ("random", "blocks", "places"))
        if far is None:
            return f"Too few blocks to hold some out: R² {number(near)} at random places may be neighbours alone."
        return " ".join(filter(None, (self._blocks(far), self._neighbours(near, far), self._places(far, left))))

    def _blocks(self, far: float) -> str:
        amount = (
            "Images tell it in new blocks too" if far >= _WELL else "Images tell a part of it in new blocks"
            if far >= _PARTLY else "Images tell little of it in new blocks" if far >= _LITTLE
            else "Images do not tell it in new blocks"
        )  # fmt: skip
        name, value = self.baselines.get("blocks", ("", -1.0))
        more = f"; {name} tells more without any image ({number(value)})" if value > max(far, _LITTLE) else ""
        return f"{amount} (R² {number(far)}){more}."

    def _neighbours(self, near: float | None, far: float) -> str:
        if near is None:
            return ""
        name, value = self.baselines.get("random", ("", -1.0))
        if value > near and value > _PARTLY:
            return f"At random places it is neighbours that tell it, not images: {name} R² {number(value)}."
        if near - far > _APART:
            return f"Random places flatter ({number(near)}): neighbours help there."
        return "Neither do neighbours." if max(near, value, far) < _LITTLE else ""

    def _places(self, far: float, left: float | None) -> str:
        if left is None or far < _LITTLE:
            return ""
        if left >= far - _APART:
            return f"That carries to granules left out ({number(left)})."
        words = "Less of it carries" if left >= _LITTLE else "It does not carry"
        return f"{words} to granules left out ({number(left)})."


def verdicts_of(run: RunReader) -> list[Verdict]:
    """Return what the splits say of every task."""
    return run.once(_verdicts)


def _verdicts(run: RunReader) -> list[Verdict]:
    return [_verdict(run, name, task) for name, task in tasks_of(run).items()]


def _verdict(run: RunReader, name: str, task: TaskKeys) -> Verdict:
    found = best_of(run, name)
    baselines: dict[str, tuple[str, float]] = {}
    for (own, features), one in results_of(run).items():
        for split, fit in one.splits.items() if own == name and features in BASELINES else ():
            if fit.r2 is not None and fit.r2 > baselines.get(split, ("", -np.inf))[1]:
                baselines[split] = (features, fit.r2)
    return Verdict(task, found[0].features if found else "", found[0].splits if found else {}, baselines)
