"""Parts of the ranking page by themselves: samples, sources of orders, training."""

import pytest
from rankscape.studies.ranking.judges.round_records import RoundRecord
from rankscape.studies.ranking.orders.artifacts import TauMatrix, Vote
from rankscape.studies.ranking.page import judges_section as judges
from rankscape.studies.ranking.page.clusters import sample
from rankscape.studies.ranking.page.training_section import backbone_facts, curves_plot, measures
from rankscape.studies.ranking.scoring.artifacts import BackboneRecord, Curve


def test_samples_begin_with_the_medoid_and_are_seeded():
    members = [f"p{i}" for i in range(50)]
    chosen = sample(members, "p7", 8, [0, 1])
    assert chosen[0] == "p7"
    assert len(set(chosen)) == 8
    assert chosen == sample(members, "p7", 8, [0, 1]) != sample(members, "p7", 8, [1, 1])
    assert "gone" not in sample(members, "gone", 60, [0, 1])
    assert sample([], None, 8, [0, 1]) == []


def test_orders_are_written_as_annotators_do():
    assert judges.order_text(Vote(source={}, levels=[[3, 4], [1]])) == "3 = 4 > 1"
    assert judges.order_text(Vote(source={}, text="0>1")) == "0>1"
    assert judges.order_text(Vote(source={})) == "no levels: pairs only"


def test_mean_tau_leaves_an_order_itself_out():
    tau = TauMatrix(sources=["a", "b", "c"], matrix=[[1, 0.5, None], [0.5, 1, -0.1], [None, -0.1, 1]])
    assert judges.mean_taus(tau) == pytest.approx({"a": 0.5, "b": 0.2, "c": -0.1})
    assert judges.mean_taus(None) == judges.mean_taus(TauMatrix(sources=["a"], matrix=[[1]])) == {}


def test_missing_replies_are_counted_by_reason():
    replies = [{"answer": 5.0}, *({"missing": reason} for reason in ["cut short", "refused", "refused", None, "odd"])]
    asked = RoundRecord(judge="j", prompt="p", round=1, questions=[{"clusters": [0], "replies": replies}])
    assert judges.missing_reasons([asked]) == [("refused", 2), ("cut short", 1), ("no answer given", 1), ("odd", 1)]
    assert judges.missing_reasons([asked], most=1) == [("refused", 2), ("other reasons", 3)]


def test_curves_count_epochs_from_one():
    curve = Curve(seed=3, epochs=[{"loss": 1.0, "note": "x"}, {"loss": None}, {"epoch": 9, "loss": 2}])
    assert curve.series("loss") == [(1, 1.0), (9, 2.0)]
    assert curve.name == "seed 3"
    assert Curve().name == "network"
    assert measures([curve]) == ["loss"]
    assert curves_plot("c", [Curve()], "loss", "loss") is None


def test_facts_of_the_backbone_are_taken_apart():
    backbone = BackboneRecord.model_validate(
        {"dims": 512, "epochs": 3, "held_out": {"accuracy": 0.5}, "categories": ["a", "b"], "uninhabited": None}
    )
    assert list(backbone_facts(backbone)) == [
        ("categories", "a, b"), ("dims", "512"), ("held out accuracy", "0.500"),
    ]  # fmt: skip
    assert backbone.curve.epochs == []
