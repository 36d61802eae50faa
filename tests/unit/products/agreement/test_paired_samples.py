"""Baseline models as given on the command line."""

import pytest
from rankscape.foundation.errors import InputError
from rankscape.products.agreement.paired_samples import training_references


def test_what_baselines_were_trained_on_is_read_by_their_names():
    given = ["lights-order=lights", "people=population", "people=population"]
    found = training_references(given, ["people", "lights-order", "wild"])
    assert found == {"lights-order": "lights", "people": "population"}
    assert training_references([], ["wild"]) == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["people"], "--trained-on people: write NAME=REFERENCE"),
        (["=lights"], "--trained-on =lights: write NAME=REFERENCE"),
        (["lamps=lights"], r"there is no --baseline lamps; there are \['people'\]"),
        (["people=lights", "people=population"], "people was trained on lights already; name one reference"),
    ],
)
def test_texts_that_say_nothing_are_refused(given, said):
    with pytest.raises(InputError, match=said):
        training_references(given, ["people"])
