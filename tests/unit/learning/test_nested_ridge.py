"""Ridge of many tasks, evaluated fold by fold, against published values and against plain loops."""

import json

import numpy as np
import pytest
from rankscape.foundation.errors import TableError
from rankscape.learning import fold_products, shared_factor
from rankscape.learning.nested_ridge import fit_nested
from rankscape.learning.ridge import PENALTIES


def rows(n=60, d=8, tasks=2, seed=0):
    chance = np.random.default_rng(seed)
    x = chance.normal(size=(n, d)) * chance.uniform(0.1, 10, d) + 50
    y = x @ chance.normal(size=(d, tasks)) * 0.1 + chance.normal(size=(n, tasks))
    return x, y, np.arange(n) % 4


def plain(x, y, penalty, scaled):
    """Ridge of centred rows, by the textbook; returns a function that predicts."""
    centre, scale = x.mean(0), x.std(0) if scaled else np.ones(x.shape[1])
    z = (x - centre) / scale
    weights = np.linalg.solve(z.T @ z + np.diag(penalty * np.ones(z.shape[1])), z.T @ (y - y.mean()))
    return lambda new: (new - centre) / scale @ weights + y.mean()


def nested_by_loops(x, y, folds, penalties, scaled):
    predicted = np.zeros(len(y))
    for outer in np.unique(folds):
        errors = []
        for penalty in penalties:
            total = 0.0
            for inner in np.unique(folds):
                if inner != outer:
                    train = (folds != outer) & (folds != inner)
                    held = folds == inner
                    total += ((plain(x[train], y[train], penalty, scaled)(x[held]) - y[held]) ** 2).sum()
            errors.append(total)
        train = folds != outer
        best = penalties[int(np.argmin(errors))]
        predicted[~train] = plain(x[train], y[train], best, scaled)(x[~train])
    return predicted


@pytest.fixture
def published(shared):
    """Published folds and errors, and the rows that they are of."""
    golden = json.loads((shared / "golden/embeddings/golden.json").read_text())["ridge"]
    i, j = np.ogrid[:150, :24]
    x = np.sin(0.7 * (i + 1) * np.sqrt(j + 1)) + 0.3 * np.cos(0.013 * (i + 1) * (j + 3)) + 0.8
    y = x @ np.cos(1.1 * np.arange(24)) + 0.6 * np.sin(12.9898 * i[:, 0]) * np.cos(78.233 * i[:, 0]) + 2
    assert x.sum() == pytest.approx(golden["x_checksum"])
    assert y.sum() == pytest.approx(golden["y_checksum"])
    return golden, x, y, np.array(golden["fold_of_row"])


@pytest.mark.shared
@pytest.mark.parametrize("kind", ["intercept", "no_intercept", "no_intercept_clipped"])
def test_published_folds(published, kind):
    golden, x, y, folds = published
    times, wanted = 1, golden[kind]
    if kind != "intercept":
        # Each row and its mirror image: all means are 0, so that nothing is centred.
        times, x, y, folds = 2, np.vstack([x, -x]), np.concatenate([y, -y]), np.tile(folds, 2)
    r2 = np.empty((5, len(PENALTIES)))
    for number, penalty in enumerate(PENALTIES):
        (fit,) = fit_nested(x, y[:, None], folds, penalties=[times * penalty], standardise=False)
        predicted, labels = fit.predicted[:150], y[:150]
        if kind.endswith("clipped"):
            predicted = predicted.clip(labels.min(), labels.max())
        for fold in range(5):
            own = folds[:150] == fold
            error = ((predicted - labels)[own] ** 2).mean()
            assert error == pytest.approx(wanted["fold_mse"][fold][number], rel=1e-9)
            r2[fold, number] = 1 - error / labels[own].var()
    np.testing.assert_allclose(r2, wanted["fold_r2"], rtol=1e-9)
    np.testing.assert_allclose(r2.mean(0), wanted["mean_r2"], rtol=1e-9)
    best = PENALTIES[int(r2.mean(0).argmax())]
    assert (r2.mean(0).argmax(), best) == (wanted["chosen_index"], pytest.approx(wanted["chosen_penalty"]))
    (fit,) = fit_nested(x, y[:, None], folds, penalties=[times * best], standardise=False)
    np.testing.assert_allclose(fit.final.weights, wanted["weights_at_chosen"], rtol=1e-9)


@pytest.mark.shared
def test_a_published_fifth_is_held_out(published):
    golden, x, y, _ = published
    order = np.random.RandomState(0).permutation(20)
    train, test = order[:16], order[16:]
    assert (train.tolist(), test.tolist()) == (golden["split_n20_train_indices"], golden["split_n20_test_indices"])
    folds = np.empty(20, int)
    folds[order] = np.repeat(range(5), 4)
    (fit,) = fit_nested(x[:20, :6], y[:20, None], folds, penalties=[0.5])
    wanted = plain(x[train, :6], y[train], 0.5, True)(x[test, :6])
    np.testing.assert_allclose(fit.predicted[test], wanted, rtol=1e-9)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("d", [8, 70])
def test_every_fold_is_predicted_without_itself(d, scaled):
    x, y, folds = rows(d=d)
    penalties = [0.1, 3.0, 100.0]
    fits = fit_nested(x, y, folds, penalties=penalties, standardise=scaled)
    for task, fit in enumerate(fits):
        wanted = nested_by_loops(x, y[:, task], folds, penalties, scaled)
        np.testing.assert_allclose(fit.predicted, wanted, rtol=1e-7, atol=1e-7)
        np.testing.assert_allclose(fit.folds[2].predict(x[folds == 2]), wanted[folds == 2], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("d", [8, 70])
def test_missing_labels_leave_a_task_with_its_own_rows(d):
    x, y, folds = rows(n=80, d=d, tasks=3)
    y[::3, 1] = np.nan
    fits = fit_nested(x, y, folds)
    known = np.isfinite(y[:, 1])
    (alone,) = fit_nested(x[known], y[known, 1:2], folds[known])
    np.testing.assert_allclose(fits[1].predicted[known], alone.predicted, rtol=1e-8)
    assert np.isfinite(fits[1].predicted).all()
    np.testing.assert_allclose(fits[2].predicted, fit_nested(x, y[:, 2:], folds)[0].predicted, rtol=1e-8)


@pytest.mark.parametrize("d", [10, 90])
def test_blocks_have_penalties_of_their_own(d):
    chance = np.random.default_rng(4)
    good, noise = chance.normal(size=(80, 4)), chance.normal(size=(80, d - 4))
    y = (good @ [1.0, -2.0, 0.5, 1.5] + 0.1 * chance.normal(size=80))[:, None]
    x, folds = np.hstack([good, noise]), np.arange(80) % 5
    (one,), (two,) = fit_nested(x, y, folds), fit_nested(x, y, folds, blocks=(4, d - 4))
    assert two.final.penalties[0] < two.final.penalties[1]
    assert ((two.predicted - y[:, 0]) ** 2).mean() < ((one.predicted - y[:, 0]) ** 2).mean()
    assert two.at_end, "noise is taken away as far as the grid goes"


def test_both_ways_agree_where_rows_and_features_are_as_many():
    x, y, folds = rows(n=61, d=60)
    (wide, _), (narrow, _) = fit_nested(x[:60], y[:60], folds[:60]), fit_nested(x, y, folds)
    extra = fit_nested(np.hstack([x, np.zeros((61, 5))]), y, folds)[0]
    np.testing.assert_allclose(extra.predicted, narrow.predicted, rtol=1e-6)
    assert np.isfinite(wide.predicted).all()


def test_a_constant_feature_changes_nothing():
    x, y, folds = rows()
    with_constant = fit_nested(np.hstack([x, np.full((60, 1), 7.1)]), y, folds)
    np.testing.assert_allclose(with_constant[0].predicted, fit_nested(x, y, folds)[0].predicted, rtol=1e-8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"penalties": [0.0, 1.0]}, "penalties above 0"),
        ({"penalties": []}, "penalties above 0"),
        ({"blocks": (3, 3)}, r"Blocks of \[3, 3\] features are not the 8"),
        ({"folds": np.arange(60) % 2}, "Labels lie in 2 folds"),
        ({"folds": np.arange(59)}, "needs a row of features"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, message):
    x, y, folds = rows()
    arguments = {"folds": folds, **change}
    with pytest.raises(TableError, match=message):
        fit_nested(x, y, **arguments)
    x[3, 2] = np.inf
    with pytest.raises(TableError, match="finite features"):
        fit_nested(x, y, folds)


def test_folds_are_held_out_together():
    x, y, _ = rows(n=120)
    folds = np.arange(120) % 6
    fit = fit_nested(x, y, folds, penalties=[1.0], held=[(0, 1, 2), (3, 4, 5)])[0]
    half = folds < 3
    np.testing.assert_allclose(fit.predicted[half], plain(x[~half], y[~half, 0], 1.0, True)(x[half]), rtol=1e-8)
    np.testing.assert_allclose(fit.predicted[~half], plain(x[half], y[half, 0], 1.0, True)(x[~half]), rtol=1e-8)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("kind", ["plain", "twins", "rare", "slow", "blocks"])
def test_one_factorisation_serves_all_folds(monkeypatch, kind, scaled):
    x, y, folds = rows(n=400, d=70, tasks=3)
    y[::7, 1] = np.nan
    if kind == "twins":  # no penalty but the ridge tells them apart
        x[:, 1] = x[:, 0]
    if kind == "rare":  # constant outside one fold
        x[:, 2] = np.where(folds == 1, x[:, 2], 50.0)
    blocks = (30, 40) if kind == "blocks" else ()
    known = fit_nested(x, y, folds, standardise=scaled, blocks=blocks)
    monkeypatch.setattr(shared_factor, "_FEATURES_PER_TASK", 1)
    if kind == "slow":  # too few steps, so that each is factorised after all
        monkeypatch.setattr(shared_factor, "_STEPS", 2)
    for direct, shared in zip(known, fit_nested(x, y, folds, standardise=scaled, blocks=blocks), strict=True):
        assert [one.penalties for one in shared.folds.values()] == [one.penalties for one in direct.folds.values()]
        np.testing.assert_allclose(shared.predicted, direct.predicted, rtol=1e-9)
        np.testing.assert_allclose(shared.final.predict(x), direct.final.predict(x), rtol=1e-9)


def test_most_folds_need_no_factorisation_of_their_own(monkeypatch):
    made = []
    plain_solve = fold_products._weights
    monkeypatch.setattr(shared_factor, "_FEATURES_PER_TASK", 1)
    monkeypatch.setattr(fold_products, "_weights", lambda *given: made.append(1) or plain_solve(*given))
    x, y, folds = rows(n=400, d=40, tasks=3)
    fit_nested(x, y, folds)
    assert not made
