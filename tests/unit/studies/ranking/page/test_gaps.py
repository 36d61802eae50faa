"""Regions that lack something, and inputs that do not belong together."""

import json

import numpy as np
import pandas as pd
import pytest
from rankscape.foundation.tables import write_table
from rankscape.studies.ranking.clusters.artifacts import CLUSTERS, SUMMARY
from rankscape.studies.ranking.orders.artifacts import ORDER, PERSON_ORDER
from rankscape.studies.ranking.product_files import EVALUATION, PLACES, REGION_PREVIEW
from rankscape.studies.ranking.scoring.artifacts import BACKBONE_RECORD, SCORES, TRAINING

SMALL = {"granules": ("03TUF",), "rounds": 1, "side": 5}


def made_page(made, run, **settings):
    status, line = run(made.arguments(**settings))
    assert status == 0, line
    return made.page.read_text()


def test_without_references(region, run):
    page = made_page(region(**SMALL, references={}), run)
    assert "no reference was given" in page
    assert "the score is compared with nothing" in page


def test_with_people_only(region, run):
    page = made_page(region(**SMALL, judges={}, people=("person--ada", "person--bo")), run)
    assert "2 people" in page
    assert "stand-in, no vision model" not in page
    assert "Missing replies are missing" not in page


def test_with_one_order_only(region, run):
    page = made_page(region(**SMALL, judges={}, people=("person--ada",)), run)
    assert "1 person" in page
    assert 'id="taus-' not in page


def test_with_one_network(region, run):
    page = made_page(region(**SMALL, seeds=1), run)
    assert "One network was trained" in page
    assert "The most uncertain patches" not in page
    assert 'id="deviation-' not in page


def test_with_one_category_without_the_uninhabited(region, run):
    page = made_page(region(**SMALL, per_category={"land": 3}, levels=3, uninhabited=False), run)
    assert "uninhabited" not in page
    assert "least developed" in page


def test_with_nulls_where_the_contract_allows_them(region, run):
    made = region(**SMALL)
    nulls = ("intervals", "weights", "effective_judges", "tau", "mean_tau", "kendall_w", "leave_one_out", "iterations")
    made.change(ORDER, **dict.fromkeys(nulls))
    summary = made.document(SUMMARY)
    for entry in summary["clusters"]:
        entry["medoid"] = None
    for facts in summary["categories"].values():
        facts |= {"k_given": True, "silhouettes": None, "stability": None}
    made.change(SUMMARY, **summary)
    made.change(TRAINING, validation=None, patches=None, blocks=None, limits=None)
    made.change(BACKBONE_RECORD, epochs=[], uninhabited=None)
    evaluation = made.document(EVALUATION, reference="lights")
    for predictor in evaluation["predictors"].values():
        predictor["granules"] = None
        predictor["pooled"]["spearman"] |= {"low": None, "high": None}
        predictor["fit"] = None
    made.change(EVALUATION, {"reference": "lights"}, **evaluation)
    page = made_page(made, run)
    assert "without intervals the lead cannot be told from chance" in page
    assert "given in the settings" not in page


def test_a_number_of_clusters_that_was_given_has_no_plot_of_choices(region, run):
    made = region(**SMALL)
    summary = made.document(SUMMARY)
    for facts in summary["categories"].values():
        facts |= {"k_given": True, "silhouettes": {str(facts["k"]): 0.3}}
    made.change(SUMMARY, **summary)
    assert "mean silhouette of" not in made_page(made, run).lower()


def test_reasons_stand_where_numbers_are_not_given(region, run):
    values = dict.fromkeys(("score", "gradient", "blue_green", "brightness"))
    page = made_page(region(**SMALL, references={"lights": {"title": "Lights", "values": values}}), run)
    assert "not given: 100 places with score and reference; at least 30 are needed" in page
    assert "No correlation is given: 100 places" in page


def test_orders_without_levels_and_incomparable_clusters(region, run):
    made = region(**SMALL)
    made.change(PERSON_ORDER, {"annotator": "ada"}, levels=None, text="0>1")
    order = made.document(ORDER)
    made.change(ORDER, edges=order["edges"][1:], incomparable=[order["edges"][0]])
    page = made_page(made, run)
    assert "Incomparable, since no judge ordered them" in page
    assert 'marker-end="url(#arrowhead)"' in page


def test_more_orders_than_names_fit(region, run):
    page = made_page(region(granules=("03TUF",), side=5, rounds=18), run)
    assert "18 judges&#39; rounds" in page
    assert "seer, prompt expert" in page


def test_settings_are_shown_without_secrets(region, run):
    made = region(**SMALL)
    record = made.document(ORDER)["provenance"]
    record["settings"] = {"base_url": "https://me:secret@judge.example/v1?key=ssh-quiet"}
    made.change(ORDER, provenance=record)
    page = made_page(made, run)
    assert "https://…@judge.example/v1?key=…" in page
    assert "ssh-quiet" not in page
    assert "secret" not in page
    assert "samples_per_cluster: 8" in page


def test_nothing_scored_at_all(region, run):
    made = region(**SMALL, references={})
    frame = pd.read_parquet(made.file(SCORES, granule="03TUF")).assign(
        score=np.float32("nan"), score_std=np.float32("nan")
    )
    write_table(made.file(SCORES, granule="03TUF"), frame, {})
    assert "of 25 cut" in made_page(made, run)


def _no_levels(made):
    document = made.document(ORDER)
    del document["levels"]
    made.file(ORDER).write_text(json.dumps(document))


def _levels(made, change):
    made.change(ORDER, levels=change(made.document(ORDER)["levels"]))


LIGHTS = {"reference": "lights"}
WRONG = {
    "order.json was not written by `rankscape ranking ensemble` (levels: Field required)": _no_levels,
    "differ in the clusters [6]": lambda m: _levels(m, lambda levels: levels[:-1]),
    "differ in the clusters [0]": lambda m: _levels(m, lambda levels: [[0], *levels]),
    "ada.json ranks other clusters than": lambda m: m.change(
        PERSON_ORDER, {"annotator": "ada"}, fingerprint="0" * 64
    ),
    "is no whole PNG": lambda m: m.file(REGION_PREVIEW).write_bytes(b"PNG, they said"),
    "region.png does not exist, and the section 'The map' needs it: make it with `rankscape mosaic`": lambda m: m.file(
        REGION_PREVIEW
    ).unlink(),
    "lights.parquet does not exist": lambda m: m.file(PLACES, **LIGHTS).unlink(),
    "03TUF.npy does not exist": lambda m: m.tiles[0].unlink(),
    "names the granules ['03TUF'], but there are patches of ['03TVF'] alone": lambda m: m.names["shown"].pop(0),
    "lacks the columns ['cluster']": lambda m: write_table(
        m.file(CLUSTERS), pd.DataFrame({"patch_id": ["a"], "granule": "b", "category": "c"}), {}
    ),
    "score.json is no valid JSON": lambda m: m.file(TRAINING).write_text('{"seeds": ['),
    "was not written by `rankscape ranking evaluate` (predictors:": lambda m: m.change(
        EVALUATION, LIGHTS, predictors={}
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", WRONG)
def test_wrong_input_is_one_clear_line(region, run, message):
    made = region(granules=("03TUF", "03TVF"), rounds=1, side=4)
    WRONG[message](made)
    status, line = run(made.arguments())
    assert status == 2
    assert message in line
    assert not made.page.exists()


def test_wrong_setting_is_one_clear_line(region, run):
    made = region(**SMALL)
    status, line = run(made.arguments(samples_per_cluster=0))
    assert status == 2
    assert "report.samples_per_cluster = 0 is refused" in line
