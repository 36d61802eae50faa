import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rankscape.studies.ranking.clusters.kmeans import group, ks_to_try, scaled
from rankscape.studies.ranking.clusters.settings import ClusterSettings
from sklearn.metrics import adjusted_rand_score, silhouette_score


def blobs(groups: int, each: int, dims: int = 6, spread: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(groups)
    truth = np.repeat(np.arange(groups), each)
    centres = rng.normal(size=(groups, dims)) * 3
    return (centres[truth] + rng.normal(0, spread, (groups * each, dims))).astype(np.float32), truth


def test_the_silhouette_finds_the_groups():
    features, truth = blobs(4, 30)
    found = group(features, "land", ClusterSettings(k_min=2, k_max=8, stability_seeds=3), 1, given=None)
    assert (found.k, found.k_given) == (4, False)
    assert adjusted_rand_score(truth, found.labels) == 1
    assert list(found.silhouettes) == [2, 3, 4, 5, 6, 7, 8]
    assert found.silhouettes[4] == pytest.approx(silhouette_score(features.astype(float), found.labels), abs=1e-6)
    assert found.stability_by_seed == (1.0, 1.0)
    assert found.stability == 1


def test_a_given_k_is_kept_and_one_is_allowed():
    features, _ = blobs(4, 20)
    three = group(features, "land", ClusterSettings(), 1, given=3)
    assert (three.k, three.k_given, list(three.silhouettes)) == (3, True, [3])
    one = group(features, "land", ClusterSettings(), 1, given=1)
    assert (one.k, one.silhouettes, one.stability) == (1, {}, None)
    assert not one.labels.any()


def test_threads_and_reruns_change_nothing():
    features = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    settings = ClusterSettings(k_max=6, stability_seeds=2)
    first, second = (group(features, "land", settings, threads, given=None) for threads in (1, 3))
    assert np.array_equal(first.labels, second.labels)
    assert first.silhouettes == second.silhouettes
    other = group(features, "land", settings.model_copy(update={"seed": 1}), 1, given=None)
    assert other.silhouettes != first.silhouettes


def test_silhouettes_are_taken_over_a_seeded_sample():
    features = np.random.default_rng(0).normal(size=(260, 4)).astype(np.float32)
    whole = group(features, "land", ClusterSettings(k_max=4), 1, given=None)
    part = group(features, "land", ClusterSettings(k_max=4, max_silhouette_patches=100), 1, given=None)
    again = group(features, "land", ClusterSettings(k_max=4, max_silhouette_patches=100), 1, given=None)
    assert part.silhouettes == again.silhouettes != whole.silhouettes
    assert part.silhouettes[3] == pytest.approx(whole.silhouettes[3], abs=0.1)


@pytest.mark.parametrize(
    ("patches", "distinct", "asked", "tried"),
    [
        (100, 100, None, [3, 4, 5]),
        (8, 8, None, [3, 4]),
        (6, 6, None, [3]),
        (5, 5, None, [2]),
        (4, 4, None, [2]),
        (3, 3, None, [1]),
        (1, 1, None, [1]),
        (50, 4, None, [3, 4]),
        (50, 2, None, [2]),
        (50, 1, None, [1]),
        (50, 50, 1, [1]),
        (50, 50, 9, [9]),
        (4, 4, 9, [4]),
    ],
)
def test_small_categories_are_tried_with_fewer_groups(patches, distinct, asked, tried):
    assert ks_to_try(patches, distinct, asked, 3, 5) == tried


def test_where_k_min_cannot_be_had_k_starts_at_two():
    assert ks_to_try(9, 9, None, 6, 20) == [2, 3, 4]


@given(st.integers(1, 60), st.data(), st.integers(2, 20), st.integers(0, 20))
def test_every_k_tried_can_be_had(patches, data, k_min, more):
    distinct = data.draw(st.integers(1, patches))
    tried = ks_to_try(patches, distinct, None, k_min, k_min + more)
    assert tried == sorted(set(tried))
    assert 1 <= tried[0] <= tried[-1] <= min(distinct, max(1, patches // 2), k_min + more)


def test_a_small_category_is_named_in_the_log(capsys):
    features, _ = blobs(2, 2)
    found = group(features, "hamlet", ClusterSettings(), 1, given=None)
    assert found.k == 2
    assert "hamlet: 4 patches, 4 distinct, are few" in capsys.readouterr().err


def test_identical_patches_are_one_group_even_where_more_are_given(capsys):
    features = np.ones((20, 3), np.float32)
    assert group(features, "sea", ClusterSettings(), 1, given=None).k == 1
    assert group(features, "sea", ClusterSettings(), 1, given=5).k == 1
    assert "K = 5 is given, but only 1 patches are distinct" in capsys.readouterr().err


def test_as_many_groups_as_patches_have_no_silhouette():
    found = group(np.eye(3, dtype=np.float32), "land", ClusterSettings(stability_seeds=2), 1, given=3)
    assert (found.k, found.silhouettes, found.stability) == (3, {}, 1.0)


def test_scales():
    features = np.array([[3, 4, 0], [0, 0, 0], [6, 8, 0]], np.float32)
    assert np.allclose(scaled(features, "l2"), [[0.6, 0.8, 0], [0, 0, 0], [0.6, 0.8, 0]])
    standard = scaled(features, "standardise")
    assert np.allclose(standard.mean(axis=0), 0, atol=1e-7)
    assert np.allclose(standard.std(axis=0), [1, 1, 0])
    assert standard.dtype == np.float32
