"""Searches of the public catalogues; run by hand: `pytest -m online tests/online`."""

import datetime

import pytest
from rankscape.scenes.candidates import choose
from rankscape.scenes.catalogues import open_catalogue
from rankscape.scenes.granule_table import Window
from rankscape.scenes.mgrs import granule
from rankscape.scenes.sensors.sentinel2 import SENSOR
from rankscape.scenes.settings import SearchSettings

pytestmark = pytest.mark.online

WINDOW = Window(granule="48RVV", start=datetime.date(2022, 8, 1), end=datetime.date(2022, 8, 31), max_cloud_percent=60)


@pytest.mark.parametrize(
    ("href", "signing"),
    [
        ("https://planetarycomputer.microsoft.com/api/stac/v1", "planetary-computer"),
        ("https://earth-search.aws.element84.com/v1", "none"),
    ],
)
def test_a_summer_month_over_chengdu_has_scenes(href, signing):
    settings = SearchSettings(href=href, signing=signing, collection=SENSOR.collection)

    choice = choose(open_catalogue(settings, SENSOR).items(granule(WINDOW.granule), WINDOW), WINDOW, settings, SENSOR)

    assert choice.items
