"""The drawing of an order: laws that must hold for every order."""

import re
from itertools import combinations, pairwise, product

from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.studies.ranking.page.graph import CARD_HEIGHT, CARD_WIDTH, draw, split_edges


@st.composite
def orders(drawing):
    count = drawing(st.integers(1, 30))
    clusters = drawing(st.permutations(range(count)))
    cuts = sorted(drawing(st.sets(st.integers(1, max(count - 1, 1)), max_size=8)))
    levels = [list(clusters[a:b]) for a, b in pairwise([0, *cuts, count]) if a < b]
    downward = [pair for high, low in combinations(levels, 2) for pair in product(high, low)]
    edges = drawing(st.lists(st.sampled_from(downward), max_size=20)) if downward else []
    whole = [list(product(a, b)) for a, b in pairwise(levels) if drawing(st.booleans())]
    return levels, [*edges, *(pair for pairs in whole for pair in pairs)]


@settings(max_examples=60, deadline=None)
@given(orders())
def test_cards_never_overlap_and_levels_go_down(order):
    levels, edges = order
    drawing = draw(levels, edges, {c: float(c) for level in levels for c in level})
    cards = list(drawing.cards.values())
    assert sorted(drawing.cards) == sorted(c for level in levels for c in level)
    for one, other in combinations(cards, 2):
        assert abs(one.x - other.x) >= CARD_WIDTH or abs(one.y - other.y) >= CARD_HEIGHT
    for level, band in zip(levels, drawing.bands, strict=True):
        for card in (drawing.cards[c] for c in level):
            assert band.y <= card.y
            assert card.bottom <= band.y + band.height
            assert 0 <= card.x <= drawing.width - CARD_WIDTH
    assert all(upper.y + upper.height < lower.y for upper, lower in pairwise(drawing.bands))
    assert drawing.height == drawing.bands[-1].y + drawing.bands[-1].height


@settings(max_examples=60, deadline=None)
@given(orders())
def test_every_edge_is_drawn_once(order):
    levels, edges = order
    whole, single = split_edges(levels, edges)
    drawn = {p for (a, b), full in zip(pairwise(levels), whole, strict=True) if full for p in product(a, b)}
    assert drawn | set(single) == set(edges)
    assert not drawn & set(single)
    drawing = draw(levels, edges, {})
    assert len(drawing.arrows) == sum(whole)
    assert len(drawing.lines) == len(single)


@settings(max_examples=60, deadline=None)
@given(orders())
def test_lines_pass_rows_of_cards_through_gaps(order):
    levels, edges = order
    drawing = draw(levels, edges, {})
    for path in drawing.lines:
        for x, top, bottom in re.findall(r" ([\d.]+) ([\d.]+)V([\d.]+)", path):
            passed = [c for c in drawing.cards.values() if c.y < float(bottom) and c.bottom > float(top)]
            assert passed
            assert all(not card.x < float(x) < card.x + CARD_WIDTH for card in passed)


def test_complete_levels_get_one_arrow_and_the_rest_lines():
    levels = [[0, 1], [2, 3], [4]]
    drawing = draw(levels, [(0, 2), (0, 3), (1, 2), (1, 3), (3, 4)], {0: 2.0, 1: 1.0, 2: 3.5, 3: 3.5, 4: None})
    assert len(drawing.arrows) == 1
    assert len(drawing.lines) == 1
    assert drawing.cards[1].x < drawing.cards[0].x
    assert drawing.cards[2].x < drawing.cards[3].x


def test_edges_that_do_not_lead_down_are_left_out():
    assert split_edges([[0, 1], [2]], [(2, 0), (0, 1)]) == ([False], [])


def test_wide_levels_break_into_lines():
    drawing = draw([list(range(23))], [], {})
    assert len({card.y for card in drawing.cards.values()}) == 3
    assert drawing.width < 1000


def test_no_levels_draw_nothing():
    drawing = draw([], [], {})
    assert drawing.height == 0
    assert not drawing.cards
