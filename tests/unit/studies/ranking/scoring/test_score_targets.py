"""Pseudo labels from the merged order."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rankscape.foundation.errors import OrderError, SettingsError
from rankscape.studies.ranking.scoring.score_targets import by_level, by_rank, by_ridit, cluster_shares, cluster_targets
from rankscape.studies.ranking.scoring.settings import TrainSettings

ORDER = {
    "levels": [[3], [2, 0], [1], [4]],
    "ranks": {"0": 2.5, "1": 4.0, "2": 2.5, "3": 1.0},
    "uninhabited": 4,
    "fingerprint": "f00d",
}
SUMMARY = {"clusters": [{"cluster": c} for c in range(5)], "fingerprint": "f00d"}


def test_levels_are_spaced_evenly_and_every_tied_cluster_is_there():
    targets = cluster_targets(ORDER, SUMMARY, "levels", "order.json")
    assert targets.target == pytest.approx({3: 1.0, 0: 2 / 3, 2: 2 / 3, 1: 1 / 3, 4: 0.0})
    assert targets.level == {3: 0, 0: 1, 2: 1, 1: 2, 4: 3}


def test_ranks_are_scaled_and_land_without_people_comes_after_the_last():
    targets = cluster_targets(ORDER, SUMMARY, "ranks", "order.json")
    assert targets.target == pytest.approx({3: 1.0, 0: 0.625, 2: 0.625, 1: 0.25, 4: 0.0})


def test_a_rank_that_the_order_gives_to_land_without_people_is_kept():
    order = {**ORDER, "ranks": {**ORDER["ranks"], "4": 9.0}}
    assert cluster_targets(order, SUMMARY, "ranks", "order.json").target[1] == pytest.approx(5 / 8)


def test_documents_hold_levels_and_targets_as_json():
    document = cluster_targets(ORDER, SUMMARY, "levels", "order.json").to_document()
    assert document["levels"] == [[3], [0, 2], [1], [4]]
    assert document["targets"]["4"] == 0.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fingerprint": "beef"}, r"order.json ranks other clusters .*beef.*run ensemble again"),
        ({"levels": [[3], [2, 0], [4]]}, r"no level for the clusters \[1\]"),
        ({"levels": [[3], [2, 0], [1, 7], [4]]}, r"names the clusters \[7\]"),
        ({"levels": [[3, 1], [2, 0], [1], [4]]}, r"puts the clusters \[1\] into two levels"),
        ({"levels": [[0, 1, 2, 3, 4]]}, r"ties all clusters"),
        ({"levels": None}, r"no level for the clusters"),
    ],
)
def test_wrong_orders_are_refused(change: dict[str, Any], said: str):
    with pytest.raises(OrderError, match=said):
        cluster_targets({**ORDER, **change}, SUMMARY, "levels", "order.json")


def test_ranks_must_be_complete_and_differ():
    with pytest.raises(OrderError, match=r"no rank for the clusters \[1, 2\]"):
        cluster_targets({**ORDER, "ranks": {"0": 1.0, "3": 2.0}}, SUMMARY, "ranks", "order.json")
    with pytest.raises(OrderError, match=r"every cluster the rank 2\.0"):
        by_rank({0: 2.0, 1: 2.0}, "order.json")


GRAPH = {
    **ORDER,
    "levels": [[3], [0, 2, 5], [1], [4]],
    "edges": [[3, 0], [3, 2], [2, 1], [3, 5], [5, 1], [1, 4], [0, 4]],
    "incomparable": [[0, 1], [2, 5]],
}
SIX = {**SUMMARY, "clusters": [{"cluster": c} for c in range(6)]}


def test_the_order_knows_who_is_above_whom_tied_or_incomparable():
    order = cluster_targets(GRAPH, SIX, "levels", "order.json").order
    assert order.relation(3, 4) == order.relation(5, 4) == order.relation(3, 1) == "higher"
    assert order.relation(0, 2) == order.relation(0, 5) == "equal"
    assert order.relation(0, 1) == order.relation(2, 5) == "incomparable"


def test_an_order_without_edges_is_that_of_its_levels():
    order = cluster_targets(ORDER, SUMMARY, "levels", "order.json").order
    assert order.levels() == ((3,), (0, 2), (1,), (4,))


def test_edges_must_lead_down_and_between_clusters_that_are_there():
    for edge in ([1, 0], [0, 2]):
        with pytest.raises(OrderError, match=rf"puts {edge[0]} above {edge[1]} against its levels"):
            cluster_targets({**GRAPH, "edges": [edge]}, SIX, "levels", "order.json")
    with pytest.raises(OrderError, match=r"order.json names the clusters \[9\], which do not exist"):
        cluster_targets({**GRAPH, "edges": [[3, 9]]}, SIX, "levels", "order.json")


def test_clusters_of_different_levels_that_no_edge_joins_are_incomparable():
    order = cluster_targets({**GRAPH, "edges": [[3, 4]], "incomparable": []}, SIX, "levels", "order.json").order
    assert order.relation(3, 1) == "incomparable"


@given(st.lists(st.integers(1, 4), min_size=2, max_size=8))
def test_targets_fall_from_one_to_zero_in_even_steps(sizes: list[int]):
    levels, start = [], 0
    for size in sizes:
        levels.append(range(start, start + size))
        start += size
    targets = by_level(levels)
    steps = [targets[members[0]] - targets[later[0]] for members, later in itertools.pairwise(levels)]
    assert targets[0] == 1.0
    assert targets[start - 1] == 0.0
    assert steps == pytest.approx([1 / (len(levels) - 1)] * len(steps))
    assert all(len({targets[c] for c in members}) == 1 for members in levels)


def test_shares_put_a_level_where_its_land_stands():
    found = by_ridit([[4], [1, 2], [3]], {1: 0.2, 2: 0.3, 3: 0.4, 4: 0.1})
    places = {4: 0.95, 1: 0.65, 2: 0.65, 3: 0.2}
    for cluster, place in places.items():
        assert found[cluster] == pytest.approx((place - 0.2) / 0.75)


def test_equal_shares_are_even_steps():
    levels = [[0], [1], [2], [3]]
    assert by_ridit(levels, dict.fromkeys(range(4), 0.25)) == pytest.approx(by_level(levels))


def shares_summary():
    sizes = {1: ("town", 30), 2: ("town", 10), 3: ("field", 60)}
    return {"clusters": [{"cluster": c, "category": name, "size": size} for c, (name, size) in sizes.items()]}


def test_area_shares_are_divided_by_patches_within_a_category():
    assert cluster_shares(shares_summary(), {}) == pytest.approx({1: 0.3, 2: 0.1, 3: 0.6})
    given = cluster_shares(shares_summary(), {"town": 0.2, "field": 0.8})
    assert given == pytest.approx({1: 0.15, 2: 0.05, 3: 0.8})


def test_area_shares_of_other_categories_are_refused():
    with pytest.raises(SettingsError, match=r"\['field', 'sea'\], the clusters have \['field', 'town'\]"):
        cluster_shares(shares_summary(), {"field": 0.5, "sea": 0.5})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('{"area_shares": {"a": 0.5, "b": 0.5}}', "area_shares goes with targets = 'ridit', not 'levels'"),
        ('{"targets": "ridit", "area_shares": {"a": 0.5, "b": 0.4}}', "area_shares adds up to 0.9, not to 1"),
    ],
)
def test_area_shares_that_cannot_be_are_refused(settings, said):
    with pytest.raises(SettingsError, match=said):
        TrainSettings.from_text(settings, "train")
