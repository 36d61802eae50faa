"""How much R² depends on the number of labels, on that of features, and on the penalty."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rankscape.evaluation.regression import r2
from rankscape.learning.nested_ridge import fit_nested
from rankscape.studies.embeddings.predicting import usable_split
from rankscape.studies.embeddings.regressing import FeatureSet, known
from rankscape.studies.embeddings.tasks import CurveSettings

_NEARLY = 0.9
"""Sizes above this share of all are passed over: all are tried too."""
_FEWEST_A_FOLD = 2
"""Labels that every fold has in the smallest sample."""


def curves(given: FeatureSet, settings: CurveSettings) -> dict[str, Any]:
    """Predict folds from samples of the labels and of the features, and with each penalty alone.

    All places of a fold are predicted, whatever the sample, so that points of a curve are of the same places. Smaller
    samples are parts of larger ones.

    Returns:
        Keys `split`, `labels`, `dims` and `penalties` of `CurveKeys`.
    """
    split = usable_split(given.rows)
    folds, chance = given.rows[split].to_numpy(np.int64), np.random.default_rng(settings.seed)
    every, columns = np.arange(len(folds)), _columns(given.widths, chance)
    rows, whole = _balanced(folds, chance), sum(given.widths)
    count = len(np.unique(folds))
    trained = 1 - 1 / count
    samples = [(size, rows[: round(size / trained)]) for size in sorted(settings.sizes)]
    fitting = [(n, part) for n, part in samples if _FEWEST_A_FOLD * count <= len(part) < _NEARLY * len(folds)]
    fitting.append((round(len(folds) * trained), every))
    widths = [size for size in sorted(settings.sizes) if size < _NEARLY * whole]
    complete = _score(given, folds, every, columns(whole))
    return {
        "split": split,
        "labels": _points(
            (n, complete if part is every else _score(given, folds, part, columns(whole))) for n, part in fitting
        ),
        "dims": [*_points((n, _score(given, folds, every, columns(n))) for n in widths), _point(whole, complete)],
        "penalties": _points((one, _score(given, folds, every, columns(whole), (one,)))
                             for one in sorted(given.settings.penalties)),
    }  # fmt: skip


def _points(found: Iterator[tuple[float, float]]) -> list[dict[str, float | None]]:
    return [_point(size, value) for size, value in found]


def _point(size: float, value: float) -> dict[str, float | None]:
    return {"size": size, "r2": known(value)}


def _balanced(folds: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Rows in an order of chance, of every fold in turn: each beginning has about as many of each."""
    order = chance.permutation(len(folds))
    turn = np.zeros(len(folds))
    for fold in np.unique(folds):
        own = order[folds[order] == fold]
        turn[own] = np.arange(len(own)) / len(own)
    return order[np.argsort(turn[order], kind="stable")]


def _columns(widths: Sequence[int], chance: np.random.Generator) -> Any:
    """Return a function of a number of features: these features of each embedding, by its share of all."""
    orders = [chance.permutation(width) for width in widths]
    starts, whole = np.cumsum((0, *widths))[:-1], sum(widths)

    def chosen(number: int) -> list[np.ndarray]:
        shares = [max(round(number * width / whole), 1) for width in widths]
        return [start + np.sort(order[:n]) for start, order, n in zip(starts, orders, shares, strict=True)]

    return chosen


def _score(
    given: FeatureSet, folds: np.ndarray, rows: np.ndarray, columns: Sequence[np.ndarray],
    penalties: Sequence[float] | None = None,
) -> float:  # fmt: skip
    """R² of all places, each from the rows of other folds."""
    assert given.features is not None
    features = given.features[:, np.concatenate(columns)]
    (fit,) = fit_nested(
        features[rows], given.labels[rows, None], folds[rows], blocks=[len(one) for one in columns],
        penalties=penalties or given.settings.penalties, standardise=given.settings.standardise,
    )  # fmt: skip
    predicted = np.full(len(folds), np.nan)
    for fold, model in fit.folds.items():
        predicted[folds == fold] = model.predict(features[folds == fold])
    return r2(given.labels, predicted)
