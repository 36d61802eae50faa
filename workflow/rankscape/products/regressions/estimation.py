"""Ordinary least squares with fixed effects and errors clustered by group, computed by statsmodels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import statsmodels.api as sm
from scipy.stats import t as student

from rankscape.foundation.errors import TableError
from rankscape.products.regressions.design import RegressionSample
from rankscape.products.regressions.settings import RegressionSettings
from rankscape.spatial.correlated_errors import SpatialCheck, conley_covariance, spatial_check
from rankscape.spatial.geometry import on_sphere

_COLLINEAR = 1e-9
"""A column of which the others leave a smaller share has nothing of its own; 1e-9 is far above rounding."""
_NEIGHBOURS = 8
"""Nearest places that Moran's I of the residuals looks at."""
_TAKES_PART = 1e-6


@dataclass(frozen=True)
class CoefficientEstimate:
    """The coefficient of one explanatory column."""

    column: str
    label: str
    shown: bool
    coefficient: float
    std_error: float
    t: float
    p: float
    low: float
    high: float
    conley_error: float | None
    """Error that allows for correlation up to a distance; None where it was not asked for or cannot be had."""


@dataclass(frozen=True)
class FittedModel:
    """One fitted model."""

    estimates: tuple[CoefficientEstimate, ...]
    n: int
    dropped: int
    """Places left out because something is missing."""
    mean: float
    """Mean of the outcome."""
    r2: float
    r2_within: float | None
    """Share of the variance within groups that is explained; None without fixed effects."""
    groups: int | None
    """Groups with an intercept; None without fixed effects."""
    clusters: int | None
    """Groups of correlated errors; None where errors are only robust to heteroscedasticity."""
    degrees_of_freedom: int
    """Of the t distribution that p-values and intervals are taken from."""
    correction: float
    """Factor of the small-sample correction in the covariance."""
    spatial: SpatialCheck | None
    """None where places have no coordinates."""


def fit(sample: RegressionSample, settings: RegressionSettings) -> FittedModel:
    """Fit one model.

    Errors are the sandwich of Liang and Zeger (1986), summed by cluster, times G/(G-1) (n-1)/(n-k), and p-values come
    from t with G-1 degrees of freedom, as in Stata; without clusters HC1 (MacKinnon and White 1985) and t with n-k.
    k counts the fitted columns, dummies included. Where groups are absorbed, k counts their intercepts too, unless
    every group lies within one cluster (Cameron and Miller 2015, section IIIB).

    Args:
        sample: Numbers at the places.
        settings: How fixed effects are taken off, spatial errors, confidence.

    Returns:
        Coefficients of the explanatory columns with their errors, and measures of the whole.

    Raises:
        TableError: If explanatory columns are collinear (the message names them), or there are more columns than
            places.
    """
    _check_independent(sample)
    outcome, design = _design(sample, settings)
    if design.shape[1] >= len(outcome):
        raise TableError(f"{design.shape[1]} columns and intercepts for {len(outcome)} places: leave some out.")
    weights = np.ones(len(outcome)) if sample.weights is None else sample.weights
    result = _least_squares(outcome, design, weights, sample.clusters)
    n, k = design.shape
    absorbed = _absorbed(sample, settings)
    factor = (n - k) / (n - k - absorbed)
    freedom = n - k - absorbed if sample.clusters is None else int(sample.clusters.max())
    points = None if sample.degrees is None else on_sphere(*sample.degrees.T)
    shown = slice(1, 1 + len(sample.terms))
    errors = np.sqrt(np.diag(result.cov_params()) * factor)[shown]
    estimates = _estimates(
        sample, result.params[shown], errors, _conley(result, points, settings, shown), freedom, settings.confidence
    )
    residuals = outcome - design @ result.params
    return FittedModel(
        estimates,
        n,
        sample.dropped,
        float(np.average(sample.outcome, weights=weights)),
        _explained(residuals, sample.outcome, np.zeros(n, np.int64), weights),
        None if sample.effects is None else _explained(residuals, sample.outcome, sample.effects, weights),
        None if sample.effects is None else int(sample.effects.max()) + 1,
        None if sample.clusters is None else int(sample.clusters.max()) + 1,
        freedom,
        _correction(sample, n, k) * factor,
        None if points is None else spatial_check(residuals, points, _NEIGHBOURS),
    )


def _design(sample: RegressionSample, settings: RegressionSettings) -> tuple[np.ndarray, np.ndarray]:
    """Outcome and design: intercept, explanatory columns, then dummies; or all of it within groups, means put back."""
    one = np.ones((len(sample.outcome), 1))
    if sample.effects is None:
        return sample.outcome, np.hstack([one, sample.explanatory])
    if settings.absorb == "dummies":
        dummies = (sample.effects[:, None] == np.arange(1, sample.effects.max() + 1)).astype(float)
        return sample.outcome, np.hstack([one, sample.explanatory, dummies])
    weights = np.ones(len(one)) if sample.weights is None else sample.weights
    both = np.column_stack([sample.outcome, sample.explanatory])
    centred = within(both, sample.effects, weights) + np.average(both, axis=0, weights=weights)
    return centred[:, 0], np.hstack([one, centred[:, 1:]])


def within(columns: np.ndarray, groups: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Take the weighted mean of its group off every value.

    Args:
        columns: Shape (n, columns).
        groups: Group of each row, numbered from 0, shape (n,).
        weights: Shape (n,).

    Returns:
        float64, shape (n, columns).
    """
    total = np.bincount(groups, weights)
    sums = np.column_stack([np.bincount(groups, weights * column) for column in columns.T])
    return np.asarray(columns - (sums / total[:, None])[groups])


def _least_squares(outcome: np.ndarray, design: np.ndarray, weights: np.ndarray, clusters: np.ndarray | None) -> Any:
    model = sm.WLS(outcome, design, weights=weights)
    if clusters is None:
        return model.fit(cov_type="HC1", use_t=True)
    return model.fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)


def _absorbed(sample: RegressionSample, settings: RegressionSettings) -> int:
    """Intercepts that were absorbed and count in the small-sample correction."""
    if sample.effects is None or settings.absorb == "dummies":
        return 0
    if sample.clusters is not None:
        pairs = len(np.unique(np.column_stack([sample.effects, sample.clusters]), axis=0))
        if pairs == sample.effects.max() + 1:
            return 0
    return int(sample.effects.max())


def _correction(sample: RegressionSample, n: int, k: int) -> float:
    if sample.clusters is None:
        return n / (n - k)
    count = int(sample.clusters.max()) + 1
    return count / (count - 1) * (n - 1) / (n - k)


def _conley(result: Any, points: np.ndarray | None, settings: RegressionSettings, shown: slice) -> np.ndarray | None:
    """Conley's errors of the shown columns; NaN where the variance came out negative."""
    if points is None or settings.conley_m is None:
        return None
    design, residuals = result.model.wexog, result.wresid
    covariance = conley_covariance(
        design * residuals[:, None], np.linalg.inv(design.T @ design), points, settings.conley_m
    )
    variances = np.diag(covariance)[shown]
    return np.sqrt(np.where(variances > 0, variances, np.nan))


def _estimates(
    sample: RegressionSample,
    values: np.ndarray,
    errors: np.ndarray,
    conley: np.ndarray | None,
    freedom: int,
    confidence: float,
) -> tuple[CoefficientEstimate, ...]:
    reach = float(student.ppf((1 + confidence) / 2, freedom))
    found = []
    for place, term in enumerate(sample.terms):
        value, error = float(values[place]), float(errors[place])
        ratio = value / error
        spatial = None if conley is None or np.isnan(conley[place]) else float(conley[place])
        p = float(2 * student.sf(abs(ratio), freedom))
        ends = (value - reach * error, value + reach * error)
        found.append(CoefficientEstimate(term.column, term.name, term.shown, value, error, ratio, p, *ends, spatial))
    return tuple(found)


def _explained(residuals: np.ndarray, outcome: np.ndarray, groups: np.ndarray, weights: np.ndarray) -> float:
    """Share of the weighted sum of squares about the groups' means that the model explains."""
    about = within(outcome[:, None], groups, weights)[:, 0]
    return float(1 - weights @ residuals**2 / (weights @ about**2))


def _check_independent(sample: RegressionSample) -> None:
    """Refuse columns that are constant (within groups), or a combination of the columns before them."""
    n = len(sample.outcome)
    groups = np.zeros(n, np.int64) if sample.effects is None else sample.effects
    centred = within(sample.explanatory, groups, np.ones(n))
    names = [term.name for term in sample.terms]
    size, own = np.linalg.norm(sample.explanatory, axis=0), np.linalg.norm(centred, axis=0)
    still = [name for name, whole, part in zip(names, size, own, strict=True) if part <= _COLLINEAR * whole]
    if still:
        where = "at all places" if sample.effects is None else "within every group of the fixed effects"
        raise TableError(f"explanatory: {', '.join(still)} is constant {where}, and cannot explain: leave it out.")
    scaled = centred / own
    left = np.abs(np.diag(np.linalg.qr(scaled, mode="r")))
    for place in np.flatnonzero(left <= _COLLINEAR):
        shares = np.linalg.lstsq(scaled[:, :place], scaled[:, place], rcond=None)[0]
        others = [names[other] for other in np.flatnonzero(np.abs(shares) > _TAKES_PART)]
        raise TableError(
            f"explanatory: {names[place]} is a combination of {', '.join(others)}: the columns are collinear, leave "
            "one out."
        )
