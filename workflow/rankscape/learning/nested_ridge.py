"""Ridge regression of many tasks from blocks of features, evaluated fold by fold, its penalties chosen inside.

Each fold is predicted by a ridge of the others, whose penalties were chosen without it: by holding out each of the
others in turn. All of this follows from sums of products of every fold, so that features are read once, and once more
to be predicted from; with more features than rows, products of rows take their place.

Many features of one block: one factorisation of a penalty, that of all rows, serves all sets of folds held out.
Conjugate gradients are preconditioned by it, and need few steps, since products of most rows are nearly a share of
those of all.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from rankscape.foundation.errors import TableError
from rankscape.learning.ridge import PENALTIES

_CHUNK = 4096
"""Rows that are read at once."""
_SMALLEST = 1e-12
"""Features whose variance is a smaller share of their square are constant."""

_ITERATED = 2048
"""Features from which one factorisation serves all sets of folds; below, factorising each set anew is as fast."""
_ROWS_PER_FEATURE = 4
"""Rows a feature from which conjugate gradients need few steps: with fewer, folds differ more from all rows."""
_STEPS = 60
"""Most steps of conjugate gradients; slower ones are factorised instead."""
_TO_CHOOSE, _TO_PREDICT = 1e-8, 1e-12
"""Relative residuals at which a penalty can be judged, and at which a model is final."""

Candidate = tuple[float, ...]
"""A penalty for each block of features."""


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
        rows = np.flatnonzero(pattern)
        own = np.unique(folds[rows])
        if len(own) < 3:
            raise TableError(
                f"Labels lie in {len(own)} folds; three are needed, to choose a penalty inside the others."
            )
        search = _Search(features, labels[:, tasks], folds, rows, widths, sorted(set(penalties)), standardise)
        parts = [tuple(sorted(part)) for part in held] or [(fold,) for fold in search.names]
        fits |= zip(tasks.tolist(), search.fits(parts, whole=not held), strict=True)
    return [fits[task] for task in range(labels.shape[1])]


class _Search:
    """The fits of tasks that have labels of the same rows."""

    def __init__(
        self, features: np.ndarray, labels: np.ndarray, folds: np.ndarray, rows: np.ndarray, widths: tuple[int, ...],
        penalties: Sequence[float], standardise: bool,
    ) -> None:  # fmt: skip
        self.features, self.labels, self.all_folds = features, labels, folds
        self.widths, self.penalties = widths, penalties
        self.names = np.unique(folds[rows]).tolist()
        wide = features.shape[1] > len(rows)
        kind = _Rows if wide else _GramSums
        self.data: Any = kind(features, labels, folds, rows, self.names, widths, standardise)
        enough = features.shape[1] >= _ITERATED and len(rows) >= _ROWS_PER_FEATURE * features.shape[1]
        self.together = enough and len(widths) == 1 and not wide
        self._known: dict[tuple[int, ...], dict[Candidate, tuple[np.ndarray, ...]]] = {}

    def errors(self, held: tuple[int, ...], candidates: Sequence[Candidate]) -> dict[Candidate, tuple[np.ndarray, ...]]:
        """Squared errors in each of the folds held out together, shape (tasks,) each, by candidate."""
        known = self._known.setdefault(held, {})
        new = [one for one in dict.fromkeys(candidates) if one not in known]
        if new:
            trained = self.data.without(held)
            known |= {one: tuple(trained.errors(fold, one) for fold in held) for one in new}
        return known

    def fits(self, parts: Sequence[tuple[int, ...]], whole: bool) -> Iterator[NestedFit]:
        """Fit all tasks, each part of the folds held out together; `whole` makes a model of all rows too."""
        tasks = range(self.labels.shape[1])
        if self.together and whole:
            self._judge_together(parts)
        chosen = {part: self._choose(part) for part in [*parts, ()][: len(parts) + whole]}
        known = self._models(chosen)
        models = {fold: known[part] for part in parts for fold in part}
        final: list[LinearModel] = known[()] if whole else []
        predicted = self._predict(models, final)
        ends = {self.penalties[0], self.penalties[-1]}
        for task in tasks:
            own = {fold: model[task] for fold, model in models.items()}
            judged = [final[task]] if final else list(own.values())
            at_end = any(ends & set(model.penalties) for model in judged)
            yield NestedFit(predicted[:, task], own, final[task] if final else None, at_end)

    def _judge_together(self, parts: Sequence[tuple[int, ...]]) -> None:
        """Find the errors of every penalty for all sets of folds that `_choose` will ask for."""
        asked = sorted({tuple(sorted({*part, inner})) for part in [*parts, ()] for inner in self.names})
        for penalty in self.penalties:
            for trained, weights in self.data.solve((penalty,), asked, _TO_CHOOSE):
                found = tuple(trained.errors_of(fold, weights) for fold in trained.held)
                self._known.setdefault(trained.held, {})[(penalty,)] = found

    def _models(self, chosen: dict[tuple[int, ...], list[Candidate]]) -> dict[tuple[int, ...], list[LinearModel]]:
        """Models of all tasks for each set of folds held out."""
        if not self.together:
            return {held: self.data.without(held).models(one) for held, one in chosen.items()}
        found: dict[tuple[int, ...], dict[int, LinearModel]] = {held: {} for held in chosen}
        for candidate in sorted({one for own in chosen.values() for one in own}):
            asked = [held for held, own in chosen.items() if candidate in own]
            for trained, weights in self.data.solve(candidate, asked, _TO_PREDICT):
                own = chosen[trained.held]
                models = trained.models_of({candidate: weights}, [candidate] * len(own))
                found[trained.held] |= {task: models[task] for task, one in enumerate(own) if one == candidate}
        return {held: [own[task] for task in sorted(own)] for held, own in found.items()}

    def _predict(self, models: dict[int, list[LinearModel]], final: list[LinearModel]) -> np.ndarray:
        found = np.full(self.labels.shape, np.nan)
        for start in range(0, len(found), _CHUNK):
            part = slice(start, start + _CHUNK)
            x, own = np.asarray(self.features[part], np.float64), self.all_folds[part]
            for fold in np.unique(own).tolist():
                of_fold = models.get(fold, final)  # no label lies there, so no model has seen it
                if not of_fold:
                    continue
                weights = np.stack([model.weights for model in of_fold], 1)
                rows = own == fold
                found[part][rows] = x[rows] @ weights + [model.intercept for model in of_fold]
        return found

    def _choose(self, outer: tuple[int, ...]) -> list[Candidate]:
        """Choose the penalties of every task without the folds outside: first one for all blocks, then each alone."""
        blocks = len(self.widths)
        best = self._best(outer, [(penalty,) * blocks for penalty in self.penalties])
        for block in range(blocks if blocks > 1 else 0):
            tried = [
                (*one[:block], penalty, *one[block + 1 :]) for one in dict.fromkeys(best) for penalty in self.penalties
            ]
            best = self._best(outer, tried)
        return best

    def _best(self, outer: tuple[int, ...], candidates: Sequence[Candidate]) -> list[Candidate]:
        """Candidate of the smallest error of every task; of equal ones the largest penalties."""
        unique = sorted(dict.fromkeys(candidates), reverse=True)
        total = np.zeros((len(unique), self.labels.shape[1]))
        for inner in self.names:
            if inner not in outer:
                held = tuple(sorted([*outer, inner]))
                found = self.errors(held, unique)
                total += np.stack([found[one][held.index(inner)] for one in unique])
        return [unique[place] for place in total.argmin(0).tolist()]


@dataclass
class _Products:
    """Sums of products of some rows, of values from which shifts were subtracted."""

    n: float
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray

    def plus(self, x: np.ndarray, y: np.ndarray) -> None:
        self.n += len(x)
        self.x += x.sum(0)
        self.y += y.sum(0)
        self.xx += x.T @ x
        self.xy += x.T @ y
        self.yy += (y**2).sum(0)


class _GramSums:
    """Products by fold, for fewer features than rows."""

    def __init__(
        self, features: np.ndarray, labels: np.ndarray, folds: np.ndarray, rows: np.ndarray, names: list[int],
        widths: tuple[int, ...], standardise: bool,
    ) -> None:  # fmt: skip
        # Products of values far from 0 would lose the digits in which rows differ.
        first = np.asarray(features[rows[:_CHUNK]], np.float64)
        self.shift, self.base = first.mean(0), labels[rows].mean(0)
        self.widths, self.standardise = widths, standardise
        d, t = len(self.shift), labels.shape[1]
        self.parts = {
            fold: _Products(0, np.zeros(d), np.zeros(t), np.zeros((d, d)), np.zeros((d, t)), np.zeros(t))
            for fold in names
        }
        for fold, sums in self.parts.items():
            own = rows[folds[rows] == fold]
            for start in range(0, len(own), _CHUNK):
                some = own[start : start + _CHUNK]
                sums.plus(np.asarray(features[some], np.float64) - self.shift, labels[some] - self.base)
        whole = list(self.parts.values())
        self.total = _Products(
            sum(p.n for p in whole), *(sum(getattr(p, name) for p in whole) for name in ("x", "y", "xx", "xy", "yy"))
        )

    def without(self, held: tuple[int, ...]) -> "_Trained":
        trained = _Trained(self, held)
        trained.gram = self.total.xx - sum(self.parts[fold].xx for fold in held)
        trained.gram -= np.outer(trained.centre * trained.n, trained.centre)
        trained.gram /= trained.scale[:, None]
        trained.gram /= trained.scale
        return trained

    def solve(
        self, candidate: Candidate, asked: Sequence[tuple[int, ...]], tolerance: float
    ) -> Iterator[tuple["_Trained", np.ndarray]]:
        """Yield what was trained without each set of folds, and its weights, shape (d, tasks)."""
        trained = [_Trained(self, held) for held in asked]
        whole = _Trained(self, ())
        ridge = self.total.xx - np.outer(whole.centre * whole.n, whole.centre)
        ridge[np.diag_indices_from(ridge)] += candidate[0] * whole.scale**2
        found = None
        try:
            factor = cho_factor(ridge.T, overwrite_a=True, check_finite=False)
        except LinAlgError:
            pass
        else:
            found = _iterated(partial(self._applied, trained, candidate[0]), factor, trained, tolerance)
        del ridge
        for place, one in enumerate(trained):
            own = None if found is None else found[place]
            yield one, self.without(one.held).weights(candidate) if own is None else own

    def _applied(self, trained: Sequence["_Trained"], penalty: float, x: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Multiply rows by the ridge matrix of what each belongs to, without making that matrix."""
        result = np.asarray(x @ self.total.xx)
        for fold, sums in self.parts.items():
            own = np.flatnonzero([fold in trained[one].held for one in which])
            if len(own):
                result[own] -= x[own] @ sums.xx
        for one in np.unique(which):
            own, t = which == one, trained[one]
            part = x[own]
            result[own] += penalty * t.scale**2 * part - np.outer(part @ t.centre, t.centre * t.n)
        return result


class _Trained:
    """Products of the rows trained on, centred and scaled."""

    gram: np.ndarray
    """Scaled products of features, shape (d, d); made only where they are factorised."""

    def __init__(self, data: _GramSums, held: tuple[int, ...]) -> None:
        self.data, self.held = data, held
        out, total = [data.parts[fold] for fold in held], data.total
        self.n = total.n - sum(one.n for one in out)
        x, y = total.x - sum(one.x for one in out), total.y - sum(one.y for one in out)
        self.centre, self.mean = x / self.n, y / self.n
        self.aim = total.xy - sum(one.xy for one in out) - np.outer(self.centre, y)
        squares = np.diag(total.xx) - sum(np.diag(one.xx) for one in out) - x * self.centre
        self.scale = _scale(squares / self.n, self.centre + data.shift, data.standardise)

    def weights(self, candidate: Candidate) -> np.ndarray:
        """Weights of features as they are, shape (d, tasks)."""
        added = np.repeat(candidate, self.data.widths)
        return np.asarray(_solve(self.gram, added, self.aim / self.scale[:, None]) / self.scale[:, None])

    def errors(self, fold: int, candidate: Candidate) -> np.ndarray:
        """Squared errors of a fold held out, from its sums alone, shape (tasks,)."""
        return self.errors_of(fold, self.weights(candidate))

    def errors_of(self, fold: int, w: np.ndarray) -> np.ndarray:
        """Squared errors that weights make in a fold held out, shape (tasks,)."""
        own, c, a = self.data.parts[fold], self.centre, self.mean
        level = c @ w
        squares = own.yy - 2 * a * own.y + own.n * a**2
        cross = own.xy - np.outer(c, own.y) - np.outer(own.x, a) + own.n * np.outer(c, a)
        quadratic = (w * (own.xx @ w)).sum(0) - 2 * level * (own.x @ w) + own.n * level**2
        return np.asarray((squares - 2 * (w * cross).sum(0) + quadratic).clip(0))

    def models(self, chosen: Sequence[Candidate]) -> list[LinearModel]:
        """Models of all tasks with their chosen penalties."""
        return self.models_of({one: self.weights(one) for one in dict.fromkeys(chosen)}, chosen)

    def models_of(self, solved: dict[Candidate, np.ndarray], chosen: Sequence[Candidate]) -> list[LinearModel]:
        """Models of all tasks from weights that are known."""
        levels = self.mean + self.data.base
        return [
            _model(solved[one][:, task], self.centre + self.data.shift, levels[task], one)
            for task, one in enumerate(chosen)
        ]


def _iterated(
    applied: Callable[[np.ndarray, np.ndarray], np.ndarray], factor: Any, trained: Sequence[_Trained], tolerance: float
) -> list[np.ndarray | None]:
    """Solve for the weights of everything trained at once, by preconditioned conjugate gradients.

    Returns:
        Weights of each, shape (d, tasks); None where `_STEPS` were too few.
    """
    # A row each, which LAPACK sees as its column and copies nothing.
    left = np.concatenate([one.aim.T for one in trained])
    which = np.repeat(np.arange(len(trained)), trained[0].aim.shape[1])

    def solve(rows: np.ndarray) -> np.ndarray:
        return np.asarray(cho_solve(factor, rows.T, check_finite=False).T)

    way, weights = solve(left), np.zeros_like(left)
    size = (left * way).sum(1)
    enough = tolerance**2 * size
    for _ in range(_STEPS):
        on = np.flatnonzero(size > enough)
        if not len(on):
            break
        moved = way[on]
        change = applied(moved, which[on])
        step = (size[on] / (moved * change).sum(1))[:, None]
        weights[on] += step * moved
        left[on] -= step * change
        solved = solve(left[on])
        new = (left[on] * solved).sum(1)
        way[on] = solved + (new / size[on])[:, None] * moved
        size[on] = new
    done = size <= enough
    return [weights[which == one].T if done[which == one].all() else None for one in range(len(trained))]


class _Rows:
    """The rows themselves, for more features than rows."""

    def __init__(
        self, features: np.ndarray, labels: np.ndarray, folds: np.ndarray, rows: np.ndarray, names: list[int],  # noqa: ARG002
        widths: tuple[int, ...], standardise: bool,
    ) -> None:  # fmt: skip
        self.x, self.y, self.folds = np.asarray(features[rows], np.float64), labels[rows], folds[rows]
        self.widths, self.standardise = widths, standardise

    def without(self, held: tuple[int, ...]) -> "_TrainedRows":
        return _TrainedRows(self, ~np.isin(self.folds, held))


class _TrainedRows:
    """Products of rows trained on with all rows, for each block."""

    def __init__(self, data: _Rows, used: np.ndarray) -> None:
        self.data, self.used = data, used
        self.centre, self.mean = data.x[used].mean(0), data.y[used].mean(0)
        self.scale = _scale(data.x[used].var(0), self.centre, data.standardise)
        self.x = (data.x - self.centre) / self.scale
        edges = np.cumsum((0, *data.widths))
        self.products = [self.x[:, a:b] @ self.x[used, a:b].T for a, b in pairwise(edges)]

    def _solved(self, candidate: Candidate) -> tuple[np.ndarray, np.ndarray]:
        product = sum(one / penalty for one, penalty in zip(self.products, candidate, strict=True))
        ridge = np.asarray(product)[self.used]
        return np.asarray(product), _solve(ridge, np.ones(len(ridge)), self.data.y[self.used] - self.mean)

    def errors(self, fold: int, candidate: Candidate) -> np.ndarray:
        product, solved = self._solved(candidate)
        own = self.data.folds == fold
        missed = product[own] @ solved + self.mean - self.data.y[own]
        return np.asarray((missed**2).sum(0))

    def models(self, chosen: Sequence[Candidate]) -> list[LinearModel]:
        found = []
        for task, one in enumerate(chosen):
            _, solved = self._solved(one)
            weights = self.x[self.used].T @ solved[:, task] / np.repeat(one, self.data.widths) / self.scale
            found.append(_model(weights, self.centre, self.mean[task], one))
        return found


def _model(weights: np.ndarray, centre: np.ndarray, mean: float, chosen: Candidate) -> LinearModel:
    return LinearModel(weights, float(mean - centre @ weights), chosen)


def _scale(variance: np.ndarray, centre: np.ndarray, standardise: bool) -> np.ndarray:
    if not standardise:
        return np.ones_like(variance)
    moves = variance > _SMALLEST * (centre**2 + variance)
    return np.sqrt(np.where(moves, variance, 1.0))


def _solve(matrix: np.ndarray, added: np.ndarray, aim: np.ndarray) -> np.ndarray:
    """Solve for a symmetric matrix, positive definite once numbers are added to its diagonal."""
    ridge = matrix.copy()
    ridge[np.diag_indices_from(ridge)] += added
    try:
        # Symmetric: its transpose lies in memory as LAPACK wants it, and nothing is copied.
        factor = cho_factor(ridge.T, overwrite_a=True, check_finite=False)
    except LinAlgError:
        # A small penalty may be less than the rounding of large products.
        values, vectors = np.linalg.eigh(matrix + np.diag(added))
        floor = np.finfo(float).eps * len(values) * values[-1]
        return np.asarray(vectors @ ((vectors.T @ aim) / np.maximum(values, floor)[:, None]))
    return np.asarray(cho_solve(factor, aim, check_finite=False))


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
    for start in range(0, len(features), _CHUNK):
        if not np.isfinite(features[start : start + _CHUNK]).all():
            raise TableError("Ridge needs finite features: leave out patches that are not usable.")
