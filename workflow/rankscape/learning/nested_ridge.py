"""Ridge regression of many tasks from blocks of features, evaluated fold by fold, its penalties chosen inside.

Each fold is predicted by a ridge of the others, whose penalties were chosen without it: by holding out each of the
others in turn. All of this follows from sums of products of every fold, so that features are read once, and once more
to be predicted from (`fold_products.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rankscape.foundation.errors import TableError
from rankscape.learning.fold_products import CHUNK, Candidate, FoldRows, FoldSums, Held, Solved
from rankscape.learning.ridge import PENALTIES
from rankscape.learning.shared_factor import SharedFactorSums


@dataclass(frozen=True)
class LinearModel:
    """A linear model of one task."""

    weights: np.ndarray
    """Of each feature as it is, float64, shape (d,)."""
    intercept: float
    penalties: Candidate
    """Chosen penalty of each block."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict from features of shape (n, d); float64, shape (n,)."""
        return np.asarray(np.asarray(features, np.float64) @ self.weights + self.intercept)


@dataclass(frozen=True)
class NestedFit:
    """What a nested cross-validation found of one task."""

    predicted: np.ndarray
    """Prediction of every row by the model that has not seen its fold, float64, shape (n,)."""
    folds: dict[int, LinearModel]
    """That model by fold."""
    final: LinearModel | None
    """A model of all rows, its penalties chosen over all folds; None where several folds are held out together."""
    at_end: bool
    """Whether a chosen penalty is the smallest or largest that was tried: of that model, or else of any."""


def fit_nested(
    features: np.ndarray,
    labels: np.ndarray,
    folds: np.ndarray,
    *,
    blocks: Sequence[int] = (),
    penalties: Sequence[float] = PENALTIES,
    standardise: bool = True,
    held: Sequence[Sequence[int]] = (),
    nested: bool = True,
) -> list[NestedFit]:
    """Predict every row of every task from the other folds.

    Args:
        features: Shape (n, d), finite; it may be mapped from a file.
        labels: Shape (n, tasks); NaN where a task has no label. Rows without a label are predicted too.
        folds: Number of the fold of each row, shape (n,); three at least. Rows of one place belong into one fold.
        blocks: Widths of the blocks of features that have penalties of their own, in order; none for one block.
        penalties: Penalties to try for each block, above 0.
        standardise: Whether features are divided by their deviation over the rows trained on.
        held: Folds that are held out together, such as those of one colour of a checkerboard; penalties are then chosen
            over each of the others in turn, and no model of all rows is made. None hold out each fold alone.
        nested: False makes only the model of all rows with labels, and predicts every row from it.

    Returns:
        One fit a task.

    Raises:
        TableError: If shapes do not fit, a feature is not finite, a penalty is not above 0, or a task has labels in
            fewer than three folds.
    """
    widths = tuple(blocks) or (features.shape[1],)
    _check(features, labels, folds, widths, penalties)
    fits: dict[int, NestedFit] = {}
    known = np.isfinite(labels)
    # Tasks with labels of the same rows share all products.
    for pattern in np.unique(known, axis=1).T:
        tasks = np.flatnonzero((known == pattern[:, None]).all(0))
        kind = FoldRows if features.shape[1] > pattern.sum() else SharedFactorSums
        data = kind(features, labels[:, tasks], folds, pattern, widths, standardise)
        if len(data.names) < 3:
            raise TableError(
                f"Labels lie in {len(data.names)} folds; three are needed, to choose a penalty inside the others."
            )
        parts = [tuple(sorted(part)) for part in held] or [(fold,) for fold in data.names if nested]
        search = _Search(data, parts, sorted(set(penalties)), whole=not held)
        predicted = _predict(features, folds, search.models)
        fits |= {task: search.fit(place, predicted[:, place]) for place, task in enumerate(tasks.tolist())}
    return [fits[task] for task in range(labels.shape[1])]


class _Search:
    """The penalties and models of tasks that have labels of the same rows."""

    def __init__(
        self, data: FoldRows | FoldSums, parts: Sequence[Held], penalties: Sequence[float], *, whole: bool
    ) -> None:
        """Choose the penalties of every task for each part held out; `whole` also makes a model of all rows."""
        self.data, self.penalties, self.tasks = data, penalties, len(data.base)
        self.outer = [*parts, ()][: len(parts) + whole]
        self._errors: dict[tuple[Held, Candidate], dict[int, np.ndarray]] = {}
        self._solved: dict[tuple[Held, Candidate], Solved] = {}
        self.models = {held: self._models(held, chosen) for held, chosen in self._choose().items()}

    def fit(self, task: int, predicted: np.ndarray) -> NestedFit:
        """Put together what was found of a task."""
        own = {fold: models[task] for held, models in self.models.items() for fold in held}
        final = self.models[()][task] if () in self.models else None
        ends = {self.penalties[0], self.penalties[-1]}
        at_end = any(ends & set(model.penalties) for model in ([final] if final else own.values()))
        return NestedFit(predicted, own, final, at_end)

    def _choose(self) -> dict[Held, list[Candidate]]:
        """Choose the penalties of every task: first one for all blocks, then that of each block alone."""
        blocks = len(self.data.widths)
        common = [(penalty,) * blocks for penalty in self.penalties]
        best = self._best(dict.fromkeys(self.outer, common))
        for block in range(blocks if blocks > 1 else 0):
            tried = {
                held: [
                    (*one[:block], penalty, *one[block + 1 :])
                    for one in dict.fromkeys(own) for penalty in self.penalties
                ]
                for held, own in best.items()
            }  # fmt: skip
            best = self._best(tried)
        return best

    def _best(self, tried: dict[Held, list[Candidate]]) -> dict[Held, list[Candidate]]:
        """Candidate of the smallest error of every task; of equal ones the largest penalties."""
        inner = {outer: [fold for fold in self.data.names if fold not in outer] for outer in tried}
        self._solve(tried, inner)
        best = {}
        for outer, candidates in tried.items():
            unique = sorted(dict.fromkeys(candidates), reverse=True)
            total = sum(
                np.stack([self._errors[_with(outer, fold), one][fold] for one in unique]) for fold in inner[outer]
            )
            best[outer] = [unique[place] for place in np.argmin(total, 0).tolist()]
        return best

    def _solve(self, tried: dict[Held, list[Candidate]], inner: dict[Held, list[int]]) -> None:
        """Find the errors that `_best` asks for, and the weights of what may become a model."""
        wanted: dict[Held, dict[Candidate, None]] = {}
        for outer, candidates in tried.items():
            for held in (outer, *(_with(outer, fold) for fold in inner[outer])):
                new = (one for one in candidates if (held, one) not in self._errors)
                wanted.setdefault(held, {}).update(dict.fromkeys(new))
        for found in self.data.solve(wanted, final=self.outer):
            self._errors[found.held, found.candidate] = found.errors
            if found.held in self.outer:
                self._solved[found.held, found.candidate] = found

    def _models(self, held: Held, chosen: Sequence[Candidate]) -> list[LinearModel]:
        solved = [self._solved[held, one] for one in chosen]
        return [
            LinearModel(one.weights[:, task].copy(), float(one.intercepts[task]), one.candidate)
            for task, one in enumerate(solved)
        ]


def _with(outer: Held, fold: int) -> Held:
    return tuple(sorted({*outer, fold}))


def _predict(features: np.ndarray, folds: np.ndarray, models: dict[Held, list[LinearModel]]) -> np.ndarray:
    """Predict rows by the models that have not seen their folds, shape (n, tasks); NaN where there is none."""
    by_fold = {fold: found for held, found in models.items() for fold in held}
    tasks = len(next(iter(models.values())))
    found = np.full((len(features), tasks), np.nan)
    for start in range(0, len(found), CHUNK):
        part = slice(start, start + CHUNK)
        x, own = np.asarray(features[part], np.float64), folds[part]
        for fold in np.unique(own).tolist():
            of_fold = by_fold.get(fold, models.get(()))  # no label lies there, so no model has seen it
            if of_fold:
                rows = own == fold
                weights = np.stack([model.weights for model in of_fold], 1)
                found[part][rows] = x[rows] @ weights + [model.intercept for model in of_fold]
    return found


def _check(
    features: np.ndarray, labels: np.ndarray, folds: np.ndarray, widths: Sequence[int], penalties: Sequence[float]
) -> None:
    if features.ndim != 2 or labels.ndim != 2 or not len(features) == len(labels) == len(folds):
        raise TableError(
            "Ridge needs a row of features, labels of all tasks and a fold each: "
            f"{features.shape}, {labels.shape}, {folds.shape}."
        )
    if sum(widths) != features.shape[1]:
        raise TableError(f"Blocks of {list(widths)} features are not the {features.shape[1]} that there are.")
    if not len(penalties) or min(penalties) <= 0:
        raise TableError(f"Ridge needs penalties above 0, not {list(penalties)}.")
