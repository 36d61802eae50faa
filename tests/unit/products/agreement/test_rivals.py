"""What taught the rivals, as given on the command line."""

import pytest
from rankscape.foundation.errors import InputError
from rankscape.products.agreement.baseline_models import marks_of, teachers


def test_teachers_are_read_by_the_rivals_names():
    given = ["lights-order=lights", "people=population", "people=population"]
    assert teachers(given, ["people", "lights-order", "wild"]) == {"lights-order": "lights", "people": "population"}
    assert teachers([], ["wild"]) == {}


def test_a_rival_is_marked_where_its_teacher_is_the_reference():
    assert marks_of("lights", "lights") == {"taught_by": "lights", "learned_from": "reference"}
    assert marks_of("lights", "population") == {"taught_by": "lights"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["people"], "--taught people: write NAME=REFERENCE"),
        (["=lights"], "--taught =lights: write NAME=REFERENCE"),
        (["lamps=lights"], r"there is no --rival lamps; the rivals are \['people'\]"),
        (["people=lights", "people=population"], "people learned from lights already; name one reference"),
    ],
)
def test_teachers_that_say_nothing_are_refused(given, said):
    with pytest.raises(InputError, match=said):
        teachers(given, ["people"])
