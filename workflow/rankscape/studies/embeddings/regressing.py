"""Regression from features to one task's labels, in every split, and how well it predicts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from rankscape.evaluation.intervals import bootstrap_interval, conformal_coverage, conformal_half_width
from rankscape.evaluation.regression import BUDGETS, fit_of, r2, r2_of_draws, recall_of_lowest, targeting_error
from rankscape.learning.folds import FOLDS, checkerboard, group_folds
from rankscape.learning.nested_ridge import fit_nested
from rankscape.learning.perceptron import predict_folds
from rankscape.spatial.blocks import block_bootstrap, effective_blocks
from rankscape.spatial.geometry import WGS84, centres, plane_around
from rankscape.spatial.smoothing import smooth_nested
from rankscape.studies.embeddings.artifacts import HELD_OUT, SPLITS
from rankscape.studies.embeddings.tasks import DownstreamSettings, Model

TEST_FOLD = FOLDS
"""Number of the test part among the folds of the split `held_out`; the others are 0 to 4, and -1 is none."""
SEED = 0
"""Seed of the bootstrap: equal for all sets of features, so that they can be compared draw by draw."""
_OFFSETS = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5))
"""By how many squares a checkerboard is moved, east and north."""
_FEWEST_BLOCKS = 5
"""Fewest blocks for which an interval is given."""


@dataclass(frozen=True)
class Predicted:
    """Predictions of one split."""

    values: np.ndarray
    """Shape (n,)."""
    penalties: list[list[float]]
    """Of each fold."""
    at_end: bool
    """Whether a penalty is the smallest or largest that was tried."""


@dataclass(frozen=True)
class FeatureSet:
    """What a task is predicted from."""

    rows: pd.DataFrame
    """Labels with their places and folds; columns of `LABELS`."""
    features: np.ndarray | None
    """Shape (n, d); None where labels are smoothed."""
    widths: tuple[int, ...] = ()
    """Features of each embedding."""
    settings: DownstreamSettings = field(default_factory=DownstreamSettings)
    model: Model = "ridge"
    """What predicts labels from features."""
    own: np.ndarray | None = None
    """What a network predicts itself, in place of features, shape (n,); of its test part alone it says something."""

    @property
    def labels(self) -> np.ndarray:
        """Labels, float64, shape (n,)."""
        return self.rows["label"].to_numpy(float)

    def predict(self, folds: np.ndarray, groups: np.ndarray | None = None) -> Predicted:
        """Predict every place from other folds, penalties chosen inside them.

        Args:
            folds: Fold of every place, shape (n,).
            groups: Group of every place; the folds of a group are held out together. None holds out each fold alone.
        """
        held = [] if groups is None else [np.unique(folds[groups == one]).tolist() for one in np.unique(groups)]
        if self.features is None:
            longitude, latitude = (self.rows[name].to_numpy(float) for name in ("longitude", "latitude"))
            found, widths = smooth_nested(longitude, latitude, self.labels, folds, groups)
            return Predicted(found, [[widths[fold]] for fold in sorted(widths)], False)
        return self._from_features(self.features, folds, held)

    def predict_part(self, folds: np.ndarray, part: int) -> Predicted:
        """Predict one fold from the others, penalties chosen inside them; NaN for all other places."""
        if self.own is not None:
            return Predicted(np.where(folds == part, self.own, np.nan), [], False)
        if self.features is not None:
            return self._from_features(self.features, folds, [[part]])
        found, number = self.predict(folds), np.unique(folds).tolist().index(part)
        return Predicted(np.where(folds == part, found.values, np.nan), [found.penalties[number]], False)

    def _from_features(self, features: np.ndarray, folds: np.ndarray, held: Sequence[Sequence[int]]) -> Predicted:
        if self.model != "ridge":
            found, epochs = predict_folds(features, self.labels, folds, int(self.model.removeprefix("mlp-")), held)
            return Predicted(found, [[float(epochs[fold])] for fold in sorted(epochs)], False)
        (fit,) = fit_nested(
            features, self.labels[:, None], folds, blocks=self.widths, penalties=self.settings.penalties,
            standardise=self.settings.standardise, held=held,
        )  # fmt: skip
        return Predicted(fit.predicted, [list(fit.folds[fold].penalties) for fold in sorted(fit.folds)], fit.at_end)

    def scaled_whole(self) -> "FeatureSet":
        """Divide each embedding by one number, its deviation over the places of training and validation.

        For features that were learned. Many of a network's features are 0 at nearly all places that it learned from;
        divided by deviations of their own, the few others would decide. An embedding has one scale by itself.
        """
        if self.features is None or not self.settings.standardise:
            return self
        known = self.rows[HELD_OUT].between(0, TEST_FOLD - 1).to_numpy()
        parts = np.split(np.array(self.features, np.float64), np.cumsum(self.widths)[:-1], axis=1)
        scales = [np.sqrt(part[known].var(0).mean()) for part in parts]
        scaled = np.hstack([part / (scale or 1.0) for part, scale in zip(parts, scales, strict=True)])
        return replace(self, features=scaled, settings=self.settings.model_copy(update={"standardise": False}))

    def take(self, rows: np.ndarray) -> "FeatureSet":
        """Return the places that a mask chooses."""
        if rows.all():
            return self  # features may fill the memory once
        features, own = (None if one is None else one[rows] for one in (self.features, self.own))
        return replace(self, rows=self.rows[rows].reset_index(drop=True), features=features, own=own)


def coordinate_features(rows: pd.DataFrame) -> np.ndarray:
    """Coordinates alone as features: x, y, their squares and their product, in a plane; shape (n, 5)."""
    x, y = (one / 1000 for one in _plane(rows))
    return np.column_stack([x, y, x**2, y**2, x * y])


def _plane(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    where = gpd.GeoSeries(gpd.points_from_xy(rows["longitude"], rows["latitude"]), crs=WGS84)
    return centres(where, plane_around("laea", where))


def evaluate_splits(
    given: FeatureSet, splits: Sequence[str] = SPLITS
) -> Iterator[tuple[str, Predicted, dict[str, Any]]]:
    """Predict the labels in every split that has folds, and measure how well."""
    for split in splits:
        folds = given.rows[split].to_numpy(np.int64)
        known = folds >= 0
        if len(np.unique(folds[known])) < 3 or (split == HELD_OUT and not (folds == TEST_FOLD).any()):
            continue
        if split == HELD_OUT:
            part = given.take(known).predict_part(folds[known], TEST_FOLD)
            values = np.full(len(folds), np.nan)
            values[known] = part.values
            found = replace(part, values=values)
        else:
            found = given.predict(folds)
        apart = given.rows["blocks"].to_numpy(np.int64) if split in ("random", HELD_OUT) else folds
        if len(np.unique(apart)) < 2:
            apart = folds
        block = given.rows["block"].to_numpy()
        yield split, found, measure(given.labels, found, block, folds, apart, given.settings)


def measure(
    labels: np.ndarray, found: Predicted, block: np.ndarray, folds: np.ndarray, apart: np.ndarray,
    settings: DownstreamSettings,
) -> dict[str, Any]:  # fmt: skip
    """Measure how predictions agree with labels, where there are predictions; keys of `FitKeys`.

    Args:
        labels: Shape (n,).
        found: Predictions by models that have not seen the fold of each row.
        block: What is resampled as a whole for intervals, shape (n,).
        folds: Fold of each row, shape (n,).
        apart: Parts between which intervals of predictions are calibrated, shape (n,).
        settings: Draws and confidence.
    """
    seen = np.isfinite(found.values)
    labels, values, block, folds, apart = (one[seen] for one in (labels, found.values, block, folds, apart))
    pooled = fit_of(labels, values)
    numbers = (float(fold) for fold in np.unique(folds))
    return {
        "n": pooled.n,
        **{name: known(getattr(pooled, name)) for name in ("r2", "pearson", "spearman", "mae", "bias")},
        "r2_interval": r2_interval(labels, [values], block, settings),
        "fold_r2": [known(r2(labels[folds == fold], values[folds == fold])) for fold in numbers],
        "recall": {f"{share:g}": recall_of_lowest(labels, values, share) for share in BUDGETS},
        "targeting_error": known(targeting_error(labels, values)),
        "penalties": found.penalties,
        "half_width": known(conformal_half_width(labels - values, settings.confidence)),
        "coverage": known(conformal_coverage(labels - values, apart, settings.confidence)),
    }


def known(value: float) -> float | None:
    """Return a number as documents have it; None where it is not defined."""
    return float(value) if np.isfinite(value) else None


def r2_interval(
    labels: np.ndarray, predicted: Sequence[np.ndarray], block: np.ndarray, settings: DownstreamSettings
) -> tuple[float | None, float | None]:
    """Interval of the coefficient of determination of one prediction, or of the difference of two.

    Whole blocks are resampled, since errors of neighbours are alike; both predictions see the same draws.
    """
    names, number = np.unique(block, return_inverse=True)
    if len(names) < _FEWEST_BLOCKS:
        return None, None
    drawn = [
        block_bootstrap(partial(r2_of_draws, labels, one, number), len(names), settings.draws, SEED)
        for one in predicted
    ]
    value = [r2(labels, one) for one in predicted]
    difference = drawn[0] - drawn[1] if len(drawn) > 1 else drawn[0]
    middle = value[0] - value[1] if len(value) > 1 else value[0]
    ends = bootstrap_interval(
        middle, difference, settings.confidence, blocks=effective_blocks(block), inflation=1.0, fisher=False
    )
    if ends is None:
        return None, None
    return ends if len(value) > 1 else (ends[0], min(ends[1], 1.0))  # nothing is predicted better than without error


def checkerboards(given: FeatureSet) -> list[dict[str, Any]]:
    """Predict each colour of checkerboards from the other, for squares of every size.

    Penalties are chosen inside the squares trained on, and both colours are tested (Rolf et al. test one).
    """
    x, y = _plane(given.rows) if len(given.settings.checkerboard_m) else (np.zeros(0), np.zeros(0))
    found = []
    for side in sorted(given.settings.checkerboard_m):
        scores = [_board(given, x, y, side, offset) for offset in _OFFSETS]
        defined = [one for one in scores if one is not None]
        found.append({"square_m": side, "r2": float(np.mean(defined)) if defined else None})
    return found


def _board(given: FeatureSet, x: np.ndarray, y: np.ndarray, side: float, offset: tuple[float, float]) -> float | None:
    """R² of both colours; None where a colour has too few squares to choose a penalty in."""
    origin, moved = (float(x.min()), float(y.min())), (offset[0] * side, offset[1] * side)
    colour = checkerboard(x, y, side, origin, moved)
    squares = np.floor((x - origin[0] + moved[0]) / side) * 1_000_003 + np.floor((y - origin[1] + moved[1]) / side)
    parts = np.zeros(len(x), np.int64)
    for one in (0, 1):
        own = colour == one
        if len(np.unique(squares[own])) < 2:
            return None
        parts[own] = group_folds(squares[own], np.random.default_rng([SEED, one]), FOLDS) + FOLDS * one
    return known(r2(given.labels, given.predict(parts, colour).values))
