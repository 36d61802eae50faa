"""Coefficients, clustered errors and spatial checks against statsmodels, plain numpy and brute force."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from rankscape.foundation.errors import TableError
from rankscape.products.regressions.design import RegressionSample
from rankscape.products.regressions.estimation import fit, within
from rankscape.products.regressions.settings import Explanatory, RegressionSettings
from rankscape.spatial.correlated_errors import EARTH_RADIUS_M, conley_covariance, spatial_check
from rankscape.spatial.geometry import on_sphere

N, GROUPS = 240, 8


def settings(**more):
    given = {"title": "t", "outcomes": [{"column": "y"}], "explanatory": [{"column": "a"}, {"column": "b"}]}
    return RegressionSettings.model_validate(given | more)


@pytest.fixture
def sample():
    generator = np.random.default_rng(5)
    groups = np.sort(generator.integers(0, GROUPS, N))
    columns = generator.normal(size=(N, 2)) + groups[:, None] / 4
    common = generator.normal(size=GROUPS)
    outcome = 2 + columns @ [0.7, -0.3] + common[groups] + generator.normal(size=N) * (1 + groups / 4)
    degrees = np.column_stack([generator.uniform(125, 127, N), generator.uniform(38, 40, N)])
    terms = (Explanatory(column="a"), Explanatory(column="b"))
    return RegressionSample(outcome, columns, terms, groups, groups, generator.uniform(0.5, 3, N), degrees, 0)


def dummies(sample):
    return (sample.effects[:, None] == np.arange(1, GROUPS)).astype(float)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("effects", [False, True])
def test_statsmodels_own_numbers(sample, weighted, effects):
    chosen = replace(sample, weights=sample.weights if weighted else None, effects=sample.effects if effects else None)
    design = sm.add_constant(np.hstack([sample.explanatory, *([dummies(sample)] if effects else [])]))
    model = sm.WLS(sample.outcome, design, weights=sample.weights) if weighted else sm.OLS(sample.outcome, design)
    expected = model.fit(cov_type="cluster", cov_kwds={"groups": sample.clusters}, use_t=True)

    found = fit(chosen, settings(confidence=0.9))

    for place, one in enumerate(found.estimates, 1):
        assert one.coefficient == pytest.approx(expected.params[place], rel=1e-9)
        assert one.std_error == pytest.approx(expected.bse[place], rel=1e-9)
        assert one.p == pytest.approx(expected.pvalues[place], rel=1e-9)
        assert [one.low, one.high] == pytest.approx(expected.conf_int(0.1)[place], rel=1e-9)
    assert found.r2 == pytest.approx(expected.rsquared, rel=1e-9)
    assert found.degrees_of_freedom == GROUPS - 1


def test_the_sandwich_computed_by_hand(sample):
    design = np.hstack([np.ones((N, 1)), sample.explanatory, dummies(sample)])
    bread = np.linalg.inv(design.T @ design)
    residuals = sample.outcome - design @ (bread @ design.T @ sample.outcome)
    sums = np.array([(design * residuals[:, None])[sample.clusters == g].sum(axis=0) for g in range(GROUPS)])
    factor = GROUPS / (GROUPS - 1) * (N - 1) / (N - design.shape[1])
    covariance = factor * bread @ (sums.T @ sums) @ bread

    found = fit(replace(sample, weights=None), settings())

    assert [one.std_error for one in found.estimates] == pytest.approx(np.sqrt(np.diag(covariance))[1:3], rel=1e-9)
    assert found.correction == pytest.approx(factor, rel=1e-12)


def test_errors_without_clusters_are_hc1(sample):
    design = sm.add_constant(sample.explanatory)
    expected = sm.OLS(sample.outcome, design).fit(cov_type="HC1", use_t=True)

    found = fit(replace(sample, weights=None, effects=None, clusters=None), settings())

    assert [one.std_error for one in found.estimates] == pytest.approx(expected.bse[1:], rel=1e-9)
    assert [one.p for one in found.estimates] == pytest.approx(expected.pvalues[1:], rel=1e-9)
    assert found.clusters is None
    assert found.degrees_of_freedom == N - 3


@pytest.mark.parametrize("weighted", [False, True])
def test_absorbed_groups_give_the_coefficients_of_dummies(sample, weighted):
    chosen = replace(sample, weights=sample.weights if weighted else None)

    by_dummies, absorbed = fit(chosen, settings()), fit(chosen, settings(absorb="within"))

    # k counts 7 intercepts less where groups lie within clusters: the errors differ by that factor and no other.
    factor = np.sqrt((N - 10) / (N - 3))
    for one, other in zip(by_dummies.estimates, absorbed.estimates, strict=True):
        assert other.coefficient == pytest.approx(one.coefficient, rel=1e-9)
        assert other.std_error == pytest.approx(one.std_error * factor, rel=1e-9)
    assert absorbed.r2 == pytest.approx(by_dummies.r2, rel=1e-9)
    assert absorbed.r2_within == pytest.approx(by_dummies.r2_within, rel=1e-9)


@pytest.mark.parametrize("clusters", [None, np.arange(N) % 12])
def test_absorbed_groups_that_cross_clusters_count(sample, clusters):
    chosen = replace(sample, weights=None, clusters=clusters)

    by_dummies, absorbed = fit(chosen, settings()), fit(chosen, settings(absorb="within"))

    for one, other in zip(by_dummies.estimates, absorbed.estimates, strict=True):
        assert other.std_error == pytest.approx(one.std_error, rel=1e-9)
        assert other.p == pytest.approx(one.p, rel=1e-8)
    assert absorbed.correction == pytest.approx(by_dummies.correction, rel=1e-12)


def test_morans_i_and_the_multiplier_by_hand(sample):
    points = on_sphere(*sample.degrees.T)
    generator = np.random.default_rng(0)
    residuals = generator.normal(size=N)
    distance = np.linalg.norm(points[:, None] - points, axis=2) + 9 * np.eye(N)
    near = np.zeros((N, N))
    np.put_along_axis(near, np.argsort(distance, axis=1)[:, :5], 0.2, axis=1)

    found = spatial_check(residuals, points, 5)

    alike = residuals @ near @ residuals
    assert found.moran == pytest.approx(alike / (residuals @ residuals), rel=1e-9)
    trace = np.trace(near.T @ near + near @ near)
    assert found.statistic == pytest.approx((alike / np.mean(residuals**2)) ** 2 / trace, rel=1e-9)


def test_the_multiplier_is_right_without_and_clear_with_a_spatial_error(sample):
    points = on_sphere(*sample.degrees.T)
    generator = np.random.default_rng(1)
    quiet = [spatial_check(generator.normal(size=N), points, 6).p < 0.05 for _ in range(200)]

    smooth = np.sin(3 * sample.degrees[:, 0]) + generator.normal(size=N) * 0.3

    assert 0.01 < np.mean(quiet) < 0.10
    assert spatial_check(smooth, points, 6).p < 1e-6
    assert spatial_check(smooth, points, 6).moran > 0.5


def test_places_at_one_position_are_neighbours_of_each_other():
    points = on_sphere(np.array([1.0] * 6 + [2.0] * 6), np.zeros(12))

    assert spatial_check(np.array([1.0] * 6 + [-1.0] * 6), points, 4).moran == pytest.approx(1)


@pytest.mark.parametrize("reach_m", [3_000, 60_000])
def test_conleys_covariance_by_brute_force(sample, reach_m):
    points = on_sphere(*sample.degrees.T)
    scores = np.random.default_rng(2).normal(size=(N, 3))
    angle = 2 * np.arcsin(np.clip(np.linalg.norm(points[:, None] - points, axis=2) / 2, 0, 1))
    kernel = np.maximum(1 - angle * EARTH_RADIUS_M / reach_m, 0)
    bread = np.diag([1.0, 2.0, 3.0])

    found = conley_covariance(scores, bread, points, reach_m)

    assert found == pytest.approx(bread @ scores.T @ kernel @ scores @ bread, rel=1e-6)


def test_errors_of_a_short_reach_are_those_of_white(sample):
    design = sm.add_constant(sample.explanatory)
    white = sm.OLS(sample.outcome, design).fit(cov_type="HC0").bse[1:]

    found = fit(replace(sample, weights=None, effects=None), settings(conley_m=0.01))

    assert [one.conley_error for one in found.estimates] == pytest.approx(white, rel=1e-9)


def test_group_means_are_weighted():
    values = within(np.array([[1.0], [3.0], [5.0]]), np.array([0, 0, 1]), np.array([1.0, 3.0, 1.0]))

    assert values[:, 0] == pytest.approx([-1.5, 0.5, 0.0])


def test_collinear_columns_are_named(sample):
    columns = np.column_stack([sample.explanatory, sample.explanatory @ [2.0, -1.0]])
    terms = (*sample.terms, Explanatory(column="c", label="mix"))

    with pytest.raises(TableError, match="mix is a combination of a, b"):
        fit(replace(sample, explanatory=columns, terms=terms), settings())


def test_a_column_that_is_constant_within_groups_is_named(sample):
    columns = np.column_stack([sample.explanatory[:, 0], np.sqrt(1.0 + sample.effects)])

    with pytest.raises(TableError, match="b is constant within every group"):
        fit(replace(sample, explanatory=columns), settings())


def test_more_columns_than_places_are_refused(sample):
    few = {name: getattr(sample, name)[:40] for name in ("outcome", "explanatory")}
    crowded = replace(sample, **few, effects=np.minimum(np.arange(40), 37), clusters=None, weights=None, degrees=None)

    with pytest.raises(TableError, match="40 columns and intercepts for 40 places"):
        fit(crowded, settings())
