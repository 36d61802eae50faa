"""From the places of cards to an order, and the contradictions on the way."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rankscape.foundation.errors import OrderError
from rankscape.studies.ranking.annotation.document import Annotation, AnnotationCard, Arrangement, ClusterFacts, Mark
from rankscape.studies.ranking.annotation.placing import consistency, contradictions, order_of, statements, without
from rankscape.studies.ranking.orders.partial_orders import PartialOrder

from .conftest import Place, arranged


def laid(
    tiers: list[list[int]], tray: tuple[int, ...] = (), marks: tuple[tuple[int, int, str], ...] = ()
) -> Arrangement:
    return Arrangement(tiers=tiers, tray=tray, marks=[Mark(a=a, b=b, relation=r) for a, b, r in marks])


def plain(arrangement: Arrangement) -> Annotation:
    """An annotation whose cards have the numbers of their clusters."""
    numbers = sorted([*arrangement.tray, *arrangement.deck, *(c for tier in arrangement.tiers for c in tier)])
    return Annotation(
        region="valley",
        annotator="anna",
        fingerprint="f" * 64,
        clusters=[ClusterFacts(cluster=n, category="land", size=9) for n in numbers],
        cards=[AnnotationCard(card=n, cluster=n, patches=[f"p{n}"]) for n in numbers],
        arrangement=arrangement,
    )


def order(*args: object) -> PartialOrder:
    return order_of(plain(laid(*args)), "anna.json")  # type: ignore[arg-type]


def test_tiers_are_levels() -> None:
    assert order([[4], [2, 3], [], [1]]) == PartialOrder.parse("4>2=3>1")


def test_a_marked_pair_of_one_tier_is_not_comparable_and_all_else_stands() -> None:
    found = order([[4], [1, 2, 3], [5]], (), ((1, 2, "incomparable"),))
    assert found.relation(1, 2) == "incomparable"
    assert found.relation(1, 3) == found.relation(2, 3) == "equal"
    assert found.relation(4, 1) == found.relation(2, 5) == "higher"


def test_neighbouring_tiers_can_have_incomparable_pairs() -> None:
    found = order([[1, 2], [3, 4]], (), ((1, 3, "incomparable"),))
    assert found.relation(1, 3) == "incomparable"
    assert found.relation(1, 4) == found.relation(2, 3) == "higher"


def test_the_tray_is_comparable_with_nothing_but_what_is_marked_and_follows() -> None:
    found = order([[1], [2], [3]], (4, 5), ((4, 2, "higher"), (5, 3, "equal")))
    assert found.relation(4, 2) == found.relation(4, 3) == "higher"
    assert found.relation(4, 1) == found.relation(4, 5) == found.relation(5, 1) == "incomparable"
    assert found.relation(5, 3) == "equal"
    assert order([[1], [2]], (3,), ((3, 1, "lower"),)).relation(1, 3) == "higher"


def test_marks_that_agree_with_the_tiers_change_nothing() -> None:
    marks = ((1, 2, "higher"), (4, 1, "lower"), (2, 3, "equal"))
    assert order([[1], [2, 3], [4]], (), marks) == PartialOrder.parse("1>2=3>4")


@pytest.mark.parametrize(
    ("tiers", "tray", "marks", "kind", "cards", "said"),
    [
        ([[1], [2]], (), ((2, 1, "higher"),), "tiers", {1, 2}, "Card 2 is marked more developed than card 1, but the"),
        ([[1], [2]], (), ((1, 2, "equal"),), "tiers", {1, 2}, "as developed as card 2"),
        ([[1, 2]], (), ((1, 2, "lower"),), "tiers", {1, 2}, "less developed than"),
        ([[1], [2]], (3,), ((3, 1, "higher"), (3, 2, "lower")), "circle", {1, 2, 3}, "card 3 is marked above card 1"),
        ([[1], [2], [3]], (), ((1, 3, "incomparable"),), "follows", {1, 2, 3}, "not comparable, but card 1 is above"),
        ([[1, 2]], (3,), ((1, 3, "higher"), (3, 2, "higher")), "tied", {1, 2, 3}, "Cards 1 and 2 are tied, but card 1"),
        ([], (1, 2, 3), ((1, 2, "higher"), (2, 3, "higher"), (3, 1, "higher")), "circle", {1, 2, 3}, "is above card"),
        ([], (1, 2, 3), ((1, 2, "higher"), (2, 3, "higher"), (1, 3, "equal")), "tied", {1, 2, 3}, "1 and 3 are tied"),
    ],
)
def test_contradictions_are_shown_where_they_are(
    tiers: list[list[int]],
    tray: tuple[int, ...],
    marks: tuple[tuple[int, int, str], ...],
    kind: str,
    cards: set[int],
    said: str,
) -> None:
    found = contradictions(laid(tiers, tray, marks))
    assert {one.kind for one in found} == {kind}
    assert set(found[0].cards) == cards
    assert said.lower() in found[0].text.lower()
    assert found[0].marks
    assert set(found[0].marks) <= {(a, b) for a, b, _ in marks}
    with pytest.raises(OrderError, match=r"anna\.json contradicts itself"):
        order(tiers, tray, marks)


def test_every_mark_of_a_circle_is_named() -> None:
    found = contradictions(laid([[1], [2]], (3,), ((3, 1, "higher"), (3, 2, "lower"))))
    assert [one.marks for one in found] == [((3, 1),), ((3, 2),)]


def test_cards_of_the_deck_say_nothing_yet() -> None:
    arrangement = Arrangement(tiers=[[1]], deck=[2, 3], marks=[Mark(a=2, b=1, relation="higher")])
    said = statements(arrangement)
    assert (said.higher, said.tied, said.apart) == ([], [], [])
    assert contradictions(arrangement) == []


tiers_of_seven = st.lists(st.integers(0, 3), min_size=7, max_size=7)
marks_of_seven = st.dictionaries(
    st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda pair: pair[0] < pair[1]),
    st.sampled_from(["higher", "lower", "equal", "incomparable"]),
    max_size=5,
)


@given(tiers_of_seven)
def test_whatever_lies_in_tiers_is_an_order(places: list[int]) -> None:
    tiers = [[card for card, tier in enumerate(places) if tier == number] for number in range(4)]
    assert order(tiers) == PartialOrder.from_levels([tier for tier in tiers if tier])


@given(st.lists(st.integers(0, 4), min_size=7, max_size=7), marks_of_seven)
def test_either_contradictions_are_named_or_the_order_says_what_was_marked(
    places: list[int], marks: dict[tuple[int, int], str]
) -> None:
    tiers = [[card for card, tier in enumerate(places) if tier == number] for number in range(4)]
    tray = tuple(card for card, tier in enumerate(places) if tier == 4)
    arrangement = laid(tiers, tray, tuple((a, b, relation) for (a, b), relation in marks.items()))
    found = contradictions(arrangement)
    if found:
        assert all(one.marks and one.text for one in found)
        return
    made = order_of(plain(arrangement), "x")
    for (a, b), relation in marks.items():
        assert made.relation(a, b) == relation
    for high, low in statements(arrangement).higher:
        assert made.relation(high, low) == "higher"


def test_duplicates_have_no_part_in_the_order_but_are_checked(place: Place) -> None:
    annotation = place.session().annotation
    twice = next(card.cluster for card in annotation.cards if card.duplicate)
    others = [cluster for cluster in range(6) if cluster != twice]
    levels = [[twice], others[:2], others[2:]]
    apart = annotation.changed(arrangement=arranged(annotation, levels, duplicate=2))
    assert order_of(apart, "x") == PartialOrder.from_levels(levels)
    check = consistency(apart)
    assert check is not None
    assert (check["cluster"], check["tiers_apart"], check["ranks_apart"]) == (twice, 2, 1 + 2 + 2.5 - 1)
    same = annotation.changed(arrangement=arranged(annotation, levels))
    assert consistency(same) == {**check, "tiers_apart": 0, "ranks_apart": 0.0}
    aside = annotation.changed(arrangement=arranged(annotation, levels, duplicate=None))
    assert consistency(aside) == {**check, "tiers_apart": None, "ranks_apart": None}


def test_without_takes_cards_marks_and_empty_tiers_away() -> None:
    arrangement = laid([[1], [2, 3]], (4,), ((1, 2, "higher"), (3, 4, "incomparable")))
    assert without(arrangement, {1}) == laid([[2, 3]], (4,), ((3, 4, "incomparable"),))


def test_no_duplicate_no_check(make_place: Callable[..., Place]) -> None:
    annotation = make_place(clusters=4).session().annotation
    assert len(annotation.cards) == 4
    assert consistency(annotation) is None
