"""Partial orders: text, relations, ranks, contradictions."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rankscape.foundation.errors import OrderError
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.orders.relations import closure, depths, find_cycle, has_cycle, reduction

LINE = "3=4=6>1=2=7>0>5"


@st.composite
def level_lists(draw: st.DrawFn) -> list[list[int]]:
    """Any weak order of 1 to 8 clusters, with numbers that need not be consecutive."""
    clusters = draw(st.lists(st.integers(0, 99), min_size=1, max_size=8, unique=True))
    numbers = draw(st.lists(st.integers(0, 4), min_size=len(clusters), max_size=len(clusters)))
    found = {n: [c for c, own in zip(clusters, numbers, strict=True) if own == n] for n in sorted(set(numbers))}
    return list(found.values())


@st.composite
def partial_orders(draw: st.DrawFn) -> PartialOrder:
    """Any partial order of 1 to 7 clusters with classes of equal ones."""
    count = draw(st.integers(1, 7))
    names = draw(st.lists(st.integers(0, 99), min_size=count, max_size=count, unique=True))
    group = [draw(st.integers(0, i)) for i in range(count)]
    heads = sorted(set(group))
    pairs = [(a, b) for i, a in enumerate(heads) for b in heads[i + 1 :] if draw(st.booleans())]
    first = {g: names[group.index(g)] for g in heads}
    higher = [(first[a], first[b]) for a, b in pairs]
    equal = [(first[g], name) for g, name in zip(group, names, strict=True) if first[g] != name]
    return PartialOrder.from_pairs(names, higher, equal)


@st.composite
def semiorders(draw: st.DrawFn) -> PartialOrder:
    """Any order that scores and a margin make."""
    from rankscape.studies.ranking.orders.order_from_values import order_of_scores

    scores = draw(st.dictionaries(st.integers(0, 30), st.integers(0, 40), min_size=1, max_size=8))
    return order_of_scores(scores, 10, "interval")


def test_an_annotators_line() -> None:
    order = PartialOrder.parse(LINE)
    assert order.clusters == (0, 1, 2, 3, 4, 5, 6, 7)
    assert order.relation(3, 4) == "equal"
    assert order.relation(3, 0) == "higher"
    assert order.relation(5, 7) == "lower"
    assert order.relation(5, 5) == "equal"
    assert order.levels() == ((3, 4, 6), (1, 2, 7), (0,), (5,))
    assert order.ranks().tolist() == [7, 5, 5, 2, 2, 8, 2, 5]
    assert order.to_text() == LINE


def test_a_graphs_lines_with_comments_and_blank_lines() -> None:
    text = "# drawn by hand\n0<1\n\n5<0   # the valley\r\n1 = 2 = 3\n7\n"
    order = PartialOrder.parse(text)
    assert order.relation(3, 5) == "higher"
    assert order.relation(7, 1) == "incomparable"
    assert order.levels() is None
    assert PartialOrder.parse(order.to_text()) == order


def test_a_chain_may_mix_signs() -> None:
    assert PartialOrder.parse("1<2=3>4").relation(3, 1) == "higher"
    assert PartialOrder.parse("1<2=3>4").relation(1, 4) == "incomparable"


def test_a_single_cluster() -> None:
    order = PartialOrder.parse("4")
    assert order.levels() == ((4,),)
    assert order.ranks().tolist() == [1.0]


def test_single_ties_do_not_join() -> None:
    order = PartialOrder.parse("30~22\n22~14\n14~6\n30>14\n22>6\n30>6")
    assert order.relation(30, 22) == order.relation(22, 14) == "equal"
    assert order.relation(30, 14) == order.relation(30, 6) == "higher"
    assert order.levels() is None
    assert PartialOrder.parse(order.to_text()) == order


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1>2\n2>3\n3>1", "1 > 2 > 3 > 1"),
        ("1>2>5\n2=4\n4>1", "1 > 2 = 4 > 1"),
        ("3>3", "3 > 3"),
        ("1=2=3\n3<1", "1 > 3 = 2 = 1"),
        ("1>2>3\n1~3", "1 > 3 follows from it, and 1 ~ 3"),
    ],
)
def test_a_contradiction_is_shown(text: str, shown: str) -> None:
    with pytest.raises(OrderError) as error:
        PartialOrder.parse(text, origin="anna.txt")
    assert f"anna.txt contradicts itself: {shown}" in str(error.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("1>9", r"names the clusters \[9\], which do not exist"),
        ("1>2", r"lacks the clusters \[3\]"),
        ("1>2>x3", "line 1: 'x3' is no cluster number"),
        ("1>2>3\n1>>2", "line 2: '' is no cluster number"),
        ("1>2>-3", "'-3' is no cluster number"),
        ("1>2>３", "is no cluster number"),
        ("# nothing\n\n", "names no cluster"),
    ],
)
def test_bad_text(text: str, named: str) -> None:
    with pytest.raises(OrderError, match=named):
        PartialOrder.parse(text, clusters=[1, 2, 3])


def test_bad_levels() -> None:
    with pytest.raises(OrderError, match=r"\[2\] stand in two levels"):
        PartialOrder.from_levels([[1, 2], [2, 3]])
    with pytest.raises(OrderError, match=r"lacks the clusters \[4\]"):
        PartialOrder.from_levels([[1], [2]], clusters=[1, 2, 4])
    with pytest.raises(OrderError, match=r"\[7\], which do not exist"):
        PartialOrder.parse(LINE).relation(7, 1) and PartialOrder.from_levels([[1]]).relation(1, 7)


def test_average_ranks_take_the_middle_of_the_possible_places() -> None:
    order = PartialOrder.parse("1>2\n1>3\n4")
    # 1 can come first or second, 2 and 3 second to fourth, 4 anywhere.
    assert order.ranks().tolist() == [1.5, 3.0, 3.0, 2.5]


def test_report_ranks_invert_as_the_report_does() -> None:
    ranks = PartialOrder.parse("0=1=2=3=4>5=6").report_ranks()
    assert ranks.tolist() == [3.0] * 5 + [2.5] * 2


def test_edges_leave_out_what_follows() -> None:
    assert PartialOrder.parse("1>2>3\n1>3\n1>4").edges() == [(1, 2), (1, 4), (2, 3)]


def test_an_order_keeps_its_word() -> None:
    order = PartialOrder.parse("1>2\n3")
    with pytest.raises(ValueError, match="read-only"):
        order.higher[0, 1] = False
    assert order != "1>2"
    assert hash(order) == hash(PartialOrder.parse("2<1\n3"))


def test_restricting_and_extending() -> None:
    order = PartialOrder.parse("1>2>3")
    assert order.restricted([3, 1]).to_text() == "1>3"
    assert order.extended([9]).relation(9, 1) == "incomparable"
    assert order.extended([9]).restricted([1, 2, 3]) == order
    with pytest.raises(OrderError, match=r"\[8\]"):
        order.restricted([1, 8])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"relations": [[1, 2, "better"]]}, r"relations \['better'\]"),
        ({"relations": [[1, 2, "higher"], [2, 3, "higher"], [1, 3, "lower"]]}, "1 > 2 > 3 > 1"),
        ({"relations": [[1, 5, "higher"]]}, r"\[5\], which do not exist"),
        ({"relations": [[1, 2]]}, "is no partial order"),
        ({"clusters": None}, "is no partial order"),
    ],
)
def test_bad_documents(change: dict[str, object], named: str) -> None:
    document = {**PartialOrder.parse("1>2>3").to_document(), **change}
    with pytest.raises(OrderError, match=named):
        PartialOrder.from_document(document, "order.json")


@given(level_lists())
def test_levels_come_back(levels: list[list[int]]) -> None:
    order = PartialOrder.from_levels(levels)
    assert order.levels() == tuple(tuple(sorted(level)) for level in levels)
    assert PartialOrder.parse(order.to_text()) == order
    better = np.cumsum([0, *map(len, levels)])
    expected = {c: better[i] + (len(level) + 1) / 2 for i, level in enumerate(levels) for c in level}
    assert order.ranks().tolist() == [expected[c] for c in order.clusters]


@given(partial_orders() | semiorders())
def test_text_and_documents_come_back(order: PartialOrder) -> None:
    assert PartialOrder.parse(order.to_text(), order.clusters) == order
    assert PartialOrder.from_document(order.to_document(), "x") == order


@given(partial_orders() | semiorders())
def test_laws_of_an_order(order: PartialOrder) -> None:
    higher, ranks, count = order.higher, order.ranks(), len(order.clusters)
    assert np.array_equal(closure(higher), higher)
    assert np.array_equal(closure(reduction(higher)), higher)
    assert not (higher & higher.T).any()
    assert not (higher & order.equal).any()
    assert np.array_equal(order.equal, order.equal.T)
    assert ranks.sum() == pytest.approx(count * (count + 1) / 2)
    assert all(ranks[a] < ranks[b] for a, b in np.argwhere(higher))
    opposite = {"higher": "lower", "lower": "higher"}
    for one in order.clusters:
        for other in order.clusters:
            relation = order.relation(one, other)
            assert order.relation(other, one) == opposite.get(relation, relation)


@given(st.integers(1, 7), st.data())
def test_a_cycle_is_found_where_there_is_one(count: int, data: st.DataObject) -> None:
    place = st.integers(0, count - 1)
    pairs = data.draw(st.lists(st.tuples(place, place), max_size=10))
    higher = np.zeros((count, count), bool)
    for a, b in pairs:
        higher[a, b] = True
    reach = higher.astype(int)
    for _ in range(count):
        reach = np.minimum(reach + reach @ reach, 1)
    cyclic = bool(np.diag(reach).any())
    assert has_cycle(higher) == cyclic
    cycle = find_cycle(count, pairs, [])
    assert bool(cycle) == cyclic
    walked = [step for step, _ in cycle]
    assert all(higher[a, b] for a, b in zip(walked, walked[1:] + walked[:1], strict=True))
    if not cyclic:
        assert np.array_equal(closure(higher), reach.astype(bool))


def test_depths_follow_the_longest_way() -> None:
    order = PartialOrder.parse("1>2>3>4\n1>4\n5>4")
    assert depths(order.higher).tolist() == [0, 1, 2, 3, 0]


@pytest.mark.shared
def test_real_annotators(shared: Path, golden: dict[str, list[list[float]]]) -> None:
    lines = (shared / "data/north-korea/orders/POG_collection.txt").read_text().split()
    orders = [PartialOrder.parse(line, clusters=range(22)) for line in lines]
    assert [order.ranks().tolist() for order in orders] == golden["average_ranks"]
    assert [PartialOrder.parse(order.to_text()) for order in orders] == orders


@pytest.mark.shared
def test_the_published_graph(shared: Path, golden: dict[str, list[list[int]]]) -> None:
    text = (shared / "data/north-korea/orders/published_graph.txt").read_text()
    levels = PartialOrder.parse(text, clusters=range(23)).levels()
    assert [list(level) for level in levels or ()] == golden["published_levels_best_first"]


@pytest.mark.shared
def test_ten_annotators_in_one_file_contradict_each_other(shared: Path) -> None:
    with pytest.raises(OrderError, match="contradicts itself"):
        PartialOrder.parse((shared / "data/north-korea/orders/POG_collection.txt").read_text())
