"""The section on judges: plots and tables of what the audit found."""

import re
from typing import Any

import pytest
from invented_rounds import Temper
from rankscape.studies.ranking.judges.artifacts import ROUND
from rankscape.studies.ranking.orders.artifacts import (
    AUDIT,
    ORDER,
    Audit,
    AuditedJudge,
    ClusterPairs,
    GroupTau,
    SourceGroup,
    TakenRound,
)
from rankscape.studies.ranking.page import judge_figures
from rankscape.studies.ranking.page import judges_section as judges
from rankscape.studies.ranking.page import order as order_section

from .test_page import Checker

SLOPES = {"rounds": 2, "clusters": 6}
SMALL = {"granules": ("03TUF",), "rounds": 2, "side": 5, "references": {}}


def page_of(made: Any, run: Any) -> str:
    status, line = run(made.arguments())
    assert status == 0, line
    return made.page.read_text()


def test_every_mode_is_shown_with_its_own_measures(region, run):
    tempers = {"seer": Temper(leaning=20, price=0.01, repaired=0.5), "rival": Temper(lost=0.3)}
    modes = {"couples": "pairs", "sheets": "tiers"}
    made = region(
        **SMALL, judges={"seer": False, "rival": False}, prompts=("expert", "couples", "sheets"), modes=modes,
        tempers=tempers,
    )  # fmt: skip
    page = page_of(made, run)
    text = Checker(page).text
    for words in ("What the judges answered", "Scores given", "Time and cost", "What the rounds took", "seer, couples"):
        assert words in text
    assert "First shown wins: The interval leaves out 50 %" in text
    assert "Usable: Fewer than nine replies of ten are usable." in text
    assert "Without a price: rival." in text
    for name in ("taus", "weights", "distributions", "taken", "ranks", "pairs"):
        assert f'id="{name}-' in page
    assert re.search(r"tau 0\.\d\d", text)


def test_people_alone_have_weights_and_agreement_but_no_rounds(region, run):
    page = page_of(region(**SMALL, judges={}, people=("person--ada", "person--bo")), run)
    assert 'id="taus-' in page
    assert 'id="weights-' in page
    for name in ("distributions", "taken"):
        assert f'id="{name}-' not in page
    assert "What the judges answered" not in page


def test_one_order_alone(region, run):
    page = page_of(region(**SMALL, judges={}, people=("data--lights",)), run)
    assert 'id="taus-' not in page
    assert "reference raster" in page


def test_pairs_that_nobody_ordered_are_named(region, run):
    made = region(**SMALL, judges={}, people=("person--ada", "person--bo"))
    audit = made.document(AUDIT)
    audit["pairs"]["nobody"] = [[0, 1], *([min(2, c), max(2, c)] for c in range(6) if c != 2)]
    made.change(AUDIT, **audit)
    tied = next(level for level in made.document(ORDER)["levels"] if len(level) > 1)
    made.change(ORDER, incomparable=[tied[:2]])
    page = page_of(made, run)
    assert "2 with any other cluster and 0 and 1" in Checker(page).text
    assert page.count('class="card open"') == 2


def test_intervals_and_sources_left_out_are_drawn(region, run):
    made = region(**SMALL)
    ranks = made.document(ORDER)["ranks"]
    made.change(ORDER, leave_one_out={"a": ranks, "b": {key: rank + 1 for key, rank in ranks.items()}})
    page = page_of(made, run)
    assert page.count('class="span"') == page.count('class="tick"') == 6
    assert "Merged ranks of 6 clusters with intervals" in page


def test_audit_of_other_clusters_is_refused(region, run):
    made = region(**SMALL)
    made.change(AUDIT, fingerprint="0" * 64)
    status, line = run(made.arguments())
    assert status == 2
    assert "audit.json ranks other clusters than" in line


def test_old_rounds_are_refused(region, run):
    made = region(**SMALL)
    made.file(ROUND, judge="seer", prompt="expert", round="1").write_text(
        '{"judge": "seer", "prompt": "expert", "round": 1, "images": []}'
    )
    status, line = run(made.arguments())
    assert status == 2
    assert "was not written by `rankscape ranking rate` (questions: Field required)" in line


def judge(**values: Any) -> AuditedJudge:
    return AuditedJudge(judge="seer", prompt="expert", replies=10, usable_share=1.0, **values)


def row(**values: Any) -> judges.JudgeRow:
    audit = Audit(
        judges=[judge(**values)],
        groups=[],
        tau=GroupTau(groups=[], matrix=[]),
        pairs=ClusterPairs(clusters=[], above=[]),
    )
    return judges.judge_rows(audit)[0]


@pytest.mark.parametrize(
    ("values", "place", "text", "doubtful"),
    [
        ({"position_bias": {"count": 9, "share": 0.62, "low": 0.55, "high": 0.7}}, 2, "62 %", True),
        ({"position_bias": {"count": 9, "share": 0.52, "low": 0.45, "high": 0.6}}, 2, "52 %", False),
        ({"place_bias": {"count": 9, "mean": 0.3, "low": 0.2, "high": 0.4}}, 2, "tau 0.30", True),
        ({"place_bias": {"count": 1, "mean": 0.3, "low": None, "high": None}}, 2, "tau 0.30", False),
        ({"consistency": {"count": 9, "share": 0.5, "low": 0.4, "high": 0.6}}, 3, "50 %", False),
        ({"drift": {"per_round": 1.25, "low": 0.5, "high": 2, **SLOPES}}, 4, "+1.25", True),
        ({"drift": {"per_round": -1.25, "low": -2.5, "high": 2, **SLOPES}}, 4, "−1.25", False),
        ({"drift": {"per_round": 0.001, "low": -2.5, "high": 2, **SLOPES}}, 4, "0.00", False),
        ({"tau_between_rounds": 0.7}, 5, "0.70", False),
        ({"spread": {"mean_deviation": 4.25, "questions": 9}}, 6, "4.2", False),
        ({}, 4, "–", False),
    ],
)
def test_cells(values, place, text, doubtful):
    cell = row(**values).answers[place]
    assert (cell.text, cell.doubtful) == (text, doubtful)


@pytest.mark.parametrize(
    ("seconds", "cost", "texts"),
    [
        (0.2, None, ("< 1 s", "–")),
        (90, 0.0123, ("90 s", "0.0123 USD")),
        (600, 12.5, ("10 min", "12.50 USD")),
        (9000, 0.5, ("2.5 h", "0.50 USD")),
        (None, 0.5, ("–", "0.50 USD")),
    ],
)
def test_time_and_money(seconds, cost, texts):
    assert tuple(cell.text for cell in row(seconds=seconds, cost=cost, currency="USD").effort[5:]) == texts


def test_negative_and_missing_taus_are_pictured():
    plot = judge_figures.taus("t", GroupTau(groups=["a", "b"], matrix=[[None, -0.4], [-0.4, None]]))
    assert plot is not None
    assert "−.40" in plot.svg
    assert judge_figures.taus("t", GroupTau(groups=["a"], matrix=[[None]])) is None
    assert judge_figures.taus("t", GroupTau(groups=["a", "b"], matrix=[[None, None], [None, None]])) is not None


@pytest.mark.parametrize("count", [12, 30, 70])
def test_many_sources_stay_readable(count):
    groups = [f"a-judge-with-a-long-name-{i}--and-a-prompt-as-long" for i in range(count)]
    matrix = [[None if i == j else 0.5 for j in range(count)] for i in range(count)]
    plot = judge_figures.taus("t", GroupTau(groups=groups, matrix=matrix))
    assert plot is not None
    assert (">.50<" in plot.svg) == (count <= 32)
    assert "…" in plot.svg
    bars = judge_figures.weights("w", [SourceGroup(group=g, kind="round", orders=3, weight=1 / count) for g in groups])
    assert bars is not None
    assert ("lightest are left out" in bars.caption) == (count > 40)


def test_time_without_prices_and_many_judges():
    rounds = [TakenRound(judge=f"j{i}", prompt="p", round=n, seconds=60.0 * n) for i in range(9) for n in (1, 2)]
    plot = judge_figures.taken("t", rounds)
    assert plot is not None
    assert "No judge has a price" in plot.caption
    assert ">others<" in plot.svg
    assert judge_figures.taken("t", []) is None
    assert judge_figures.taken("t", [TakenRound(judge="j", prompt="p", round=1)]) is None


def test_nothing_to_plot():
    assert judge_figures.weights("w", [SourceGroup(group="a", kind="person", orders=1)]) is None
    assert judge_figures.distributions("d", []) is None
    assert order_section.ranks("r", {0: 1.0}, {0: None}, {}, {}) is None
    assert order_section.pairs("p", ClusterPairs(clusters=[0], above=[[None]]), {0: 1.0}) is None
    assert judges.judge_notes([]) == []
