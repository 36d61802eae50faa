"""What the page says about agreement, case by case."""

import pytest
from rankscape.products.agreement.artifacts import Evaluation
from rankscape.studies.ranking.page.headlines import agreement_table, granule_rows, headline, other_names


def agreement(value, half=0.05, n=100):
    if value is None:
        return {"n": n, "reason": "too few"}
    ends = {"low": None, "high": None} if half is None else {"low": value - half, "high": value + half}
    return {"n": n, "spearman": {"value": value, **ends}, "pearson": {"value": value, **ends}}


def evaluation(score, statistic=None, part="apply", half=0.05):
    predictors = {"score": {part: agreement(score, half)}}
    if statistic is not None:
        predictors["brightness"] = {part: agreement(statistic, half)}
    return Evaluation.model_validate({"reference": "lights", "title": "Lights", "predictors": predictors})


@pytest.mark.parametrize(
    ("score", "statistic", "half", "verdict", "words"),
    [
        (0.9, 0.6, 0.05, "good", "ahead by more than the intervals"),
        (0.9, 0.85, 0.05, "caution", "the intervals overlap"),
        (0.9, -0.85, 0.05, "caution", "the intervals overlap"),
        (0.9, 0.6, None, "caution", "without intervals"),
        (0.9, None, 0.05, "caution", "No pixel statistic is compared with it"),
        (0.6, 0.6, 0.05, "bad", "does as well"),
        (0.6, -0.7, 0.05, "bad", "does as well"),
        (0.03, 0.01, 0.05, "bad", "interval includes zero"),
        (-0.5, 0.1, 0.05, "bad", "runs against the reference"),
    ],
)
def test_verdicts(score, statistic, half, verdict, words):
    found = headline(evaluation(score, statistic, half=half), ())
    assert found.verdict == verdict
    assert words in found.conclusion


def test_finding_names_figures_and_the_pixel_statistic():
    found = headline(evaluation(0.9, -0.6), ())
    assert found.finding == (
        "On granules that nothing was learned from the score follows this reference with Spearman 0.90 (100 patches, "
        "95 % interval 0.85 to 0.95). The best pixel statistic, brightness, reaches −0.60 (−0.65 to −0.55)."
    )
    assert found.statistic_value.value == -0.6


def test_agreement_on_granules_learned_from_is_never_good():
    found = headline(evaluation(0.9, 0.3, part="fit"), ())
    assert found.verdict == "caution"
    assert "On the granules that it was learned from" in found.finding
    assert "never seen may fare worse" in found.conclusion


def test_reference_that_voted_is_not_independent():
    found = headline(evaluation(0.9, 0.3), {"lights"})
    assert found.verdict == "caution"
    assert "not independent" in found.conclusion
    assert headline(evaluation(0.2, 0.9), {"lights"}).verdict == "bad"


def test_no_number_gives_the_reason():
    found = headline(evaluation(None), ())
    assert found.part is None
    assert found.finding == "No correlation is given: too few."
    bare = Evaluation.model_validate({"reference": "x", "title": "X", "predictors": {"score": {}}})
    assert "too few places" in headline(bare, ()).finding


def test_table_holds_the_parts_that_exist_with_the_score_first():
    document = {
        "reference": "x", "title": "X",
        "predictors": {
            "own": {"pooled": agreement(0.1), "apply": agreement(0.2, n=30)},
            "gradient": {"pooled": agreement(0.5)},
            "score": {"pooled": agreement(-0.8), "apply": agreement(None, n=30)},
        },
    }  # fmt: skip
    found = agreement_table(Evaluation.model_validate(document))
    assert found.parts == (("Granules that nothing was learned from", 30), ("All granules", 100))
    assert [row[0].label for row in found.rows] == ["Score of this map", "Gradient of brightness", "own"]
    assert found.rows[0][0].reason == "too few"
    assert found.rows[0][1].spearman == "−0.80"
    assert found.rows[1][0].reason == "not given"
    assert other_names(Evaluation.model_validate(document)) == ["Gradient of brightness", "own"]


def test_granules_are_sorted_and_carry_their_role():
    document = {
        "reference": "x", "title": "X",
        "predictors": {
            "score": {"granules": {"b": agreement(0.8), "a": None}},
            "gradient": {"granules": {"b": agreement(0.5)}},
        },
    }  # fmt: skip
    rows = granule_rows(Evaluation.model_validate(document), {"b"})
    assert [(row.granule, row.role, row.others) for row in rows] == [("a", "apply", ("–",)), ("b", "fit", ("0.50",))]
    assert rows[0].row.reason == "not given"
