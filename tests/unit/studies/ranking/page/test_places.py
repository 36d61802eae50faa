"""What surprises on the page, and which date of a place its map shows."""

import html
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
from rankscape.products.agreement.artifacts import Evaluation
from rankscape.studies.ranking.page.inputs import ComparedReference
from rankscape.studies.ranking.page.surprises import against_reference, against_statistics


def comparison(**columns):
    document = {"reference": "lights", "title": "Lights", "predictors": {"score": {}}}
    count = len(next(iter(columns.values())))
    names = {"patch_id": [f"g_0_{i}" for i in range(count)], "granule": "g", "role": "fit"}
    return ComparedReference(Evaluation.model_validate(document), pd.DataFrame({**names, **columns}))


def test_residuals_are_differences_of_ranks():
    found = against_reference(comparison(score=[0.1, 0.2, 0.3, 0.9], value=[1.0, 5.0, 7.0, 2.0]))
    assert found["residual"].tolist() == [0.0, -0.25, -0.25, 0.5]


def test_a_reference_that_falls_with_the_score_is_reversed():
    rising = np.linspace(0, 1, 50)
    found = against_reference(comparison(score=rising, value=-(rising**3)))
    assert np.abs(found["residual"]).max() < 1e-12


def test_what_pixel_statistics_explain_is_no_surprise():
    chance = np.random.default_rng(0)
    measures = {name: chance.random(200) for name in ("gradient", "blue_green", "brightness")}
    score = measures["gradient"].copy()
    score[7] = 2.0
    held = comparison(score=score, value=chance.random(200), **measures)
    found = against_statistics([held])
    assert int(found["residual"].argmax()) == 7
    assert np.delete(np.abs(found["residual"].to_numpy()), 7).max() < 0.05
    assert against_statistics([replace(held, places=held.places.drop(columns="gradient"))]) is None


def test_an_earlier_date_to_learn_from_does_not_lie_over_the_map(region, run):
    made = region()
    earlier = made.names["current"].pop(0)

    assert run(made.arguments())[0] == 0

    document = re.search(r'id="map-data">(.*?)</script>', made.page.read_text(), re.DOTALL)
    granules = [one["id"] for one in json.loads(html.unescape(document[1]))["granules"]]
    assert granules == made.names["current"]
    assert earlier not in granules
