"""Pseudo labels: how features are grouped, empty groups filled, and groups shown equally often."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.studies.ranking.clusters.kmeans import fill_empty, groups_of, pseudo_labels, reduced, uniform_order


def blobs(groups, each, dims=6, seed=0):
    generator = np.random.default_rng(seed)
    centres = 10 * np.eye(groups, dims)
    return np.repeat(centres, each, 0) + generator.normal(0, 0.1, (groups * each, dims))


@pytest.mark.parametrize("pca_dims", [0, 3])
def test_features_have_length_one(pca_dims):
    found = reduced(blobs(4, 10), pca_dims)
    assert found.dtype == np.float32
    assert found.shape == (40, pca_dims or 6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_without_components_features_keep_their_direction():
    features = blobs(2, 5)
    np.testing.assert_allclose(
        reduced(features, 0), features / np.linalg.norm(features, axis=1, keepdims=True), rtol=1e-5
    )


def test_whitening_makes_a_weak_direction_count_as_much_as_a_strong_one():
    generator = np.random.default_rng(0)
    weak = np.repeat([-0.01, 0.01], 50)
    features = np.column_stack([generator.normal(0, 5, 100), weak + generator.normal(0, 0.001, 100)])
    labels = pseudo_labels(reduced(features, 2), 2, 0)
    # On the circle of whitened features the strong direction would part them by chance.
    told = max((labels == (weak > 0)).mean(), (labels == (weak < 0)).mean())
    assert told > 0.9


def test_components_are_no_more_than_there_are():
    assert reduced(blobs(2, 3), 50).shape == (6, 6)
    assert reduced(blobs(2, 2, dims=9), 50).shape == (4, 4)


def test_pseudo_labels_find_groups_and_repeat():
    features = reduced(blobs(4, 12), 0)
    labels = pseudo_labels(features, 4, seed=3)
    assert all(len(set(labels[start : start + 12])) == 1 for start in range(0, 48, 12))
    assert len(set(labels)) == 4
    np.testing.assert_array_equal(labels, pseudo_labels(features, 4, seed=3))


@pytest.mark.parametrize(
    ("features", "wanted", "expected"),
    [(blobs(4, 10), 50, 20), (blobs(4, 10), 7, 7), (np.ones((10, 3)), 50, 1), (blobs(1, 3), 50, 1)],
)
def test_groups_are_of_two_patches_on_average_and_no_more_than_distinct_ones(features, wanted, expected):
    assert groups_of(features, wanted) == expected


def test_an_empty_group_gets_the_far_half_of_the_largest():
    features = np.array([[0.0], [1], [2], [3], [4], [100], [101]])
    labels = np.array([0, 0, 0, 0, 0, 2, 2])
    filled = fill_empty(labels, features, 3)
    # The mean of the largest is 2: 0 and 4 are farthest, then 1 (the first of equals stays nearer).
    np.testing.assert_array_equal(filled, [1, 0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(labels, [0, 0, 0, 0, 0, 2, 2])


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 30), st.integers(1, 30), st.integers(0, 1000))
def test_no_group_is_empty(groups, used, seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(min(used, groups), size=2 * groups)
    filled = fill_empty(labels, generator.normal(size=(2 * groups, 3)), groups)
    assert set(filled) == set(range(groups))


def test_every_group_is_shown_equally_often():
    labels = np.repeat([0, 1, 2, 3], [97, 1, 2, 20])
    order = uniform_order(labels, np.random.default_rng(0))
    assert np.bincount(labels[order]).tolist() == [30, 30, 30, 30]
    assert len(set(order[labels[order] == 0])) == 30, "no patch of a large group is shown twice"
    assert set(np.bincount(order[labels[order] == 2])[98:100]) == {15}
    assert set(np.bincount(order)[100:]) <= {1, 2}
    assert labels[order].tolist() != sorted(labels[order].tolist())
