"""Citation, notice and README of a run."""

import datetime
import json

import pytest
import yaml

from .conftest import MORE, published


def cited(run):
    return yaml.safe_load((run / "CITATION.cff").read_text())


def test_citation_names_what_the_run_is_made_of(run):
    published(run)
    document = cited(run)
    assert document["cff-version"] == "1.2.0"
    assert document["type"] == "dataset"
    assert document["title"].endswith(": island")
    assert document["authors"] == [{"name": "A. Author"}]
    assert document["license"] == "CC-BY-4.0"
    assert document["date-released"] == datetime.date(2022, 6, 24), "the day of the newest scene: a run knows no clock"
    titles = [reference["title"] for reference in document["references"]]
    assert titles == ["Rankscape", "Copernicus Sentinel-2 data [2019, 2021, 2022]", "Night lights (nW)", "vision-7b"]
    needed = {"type", "title", "authors"}
    assert all(needed <= set(reference) for reference in document["references"])


def test_day_and_version_can_be_given(run):
    published(run, settings='{"released": "2024-02-29", "version": "2.1"}')
    assert cited(run)["date-released"] == datetime.date(2024, 2, 29)
    assert cited(run)["version"] == "2.1"
    assert cited(run)["authors"] == [{"name": "The authors of this run"}]
    assert "license" not in cited(run)


def test_days_come_from_what_was_found_where_the_record_of_what_was_taken_is_gone(run):
    for granule in ("03TVF", "03TXG"):
        folder = run / "scenes/seasons" / granule
        (folder / "download.json").unlink()
        item = {"properties": {"datetime": "2018-05-05T10:00:00Z"}}
        (folder / "candidates.json").write_text(json.dumps({"items": [item]}))
    assert published(run) == 0
    assert "Contains modified Copernicus Sentinel data [2018]." in (run / "NOTICE.txt").read_text()


@pytest.mark.parametrize(
    ("imagery", "words"),
    [
        ("sentinel-2", "Contains modified Copernicus Sentinel data [2019, 2021, 2022]."),
        ("synthetic", "The imagery is synthetic: no satellite took it."),
        ("own", "the terms of its owner hold for it"),
    ],
)
def test_notice_says_whose_imagery_it_is(run, imagery, words):
    published(run, settings=json.dumps({"imagery": imagery}))
    notice = (run / "NOTICE.txt").read_text()
    assert words in notice
    assert ("Legal_Notice" in notice) == (imagery == "sentinel-2")
    assert "Night lights (nW)" in notice
    assert "vision-7b" in notice
    assert "none is given" in notice
    assert words in (run / "README.txt").read_text()


def test_readme_lists_what_there_is_and_nothing_else(with_more):
    published(with_more)
    text = (with_more / "README.txt").read_text()
    assert "2 granules, seen from 2019-06-01 to 2022-06-24" in text
    assert "ranking/maps/region-colour.tif" in text
    assert "ranking/districts/" not in text
    published(with_more, **MORE)
    text = (with_more / "README.txt").read_text()
    assert "ranking/districts/{districts}.parquet" in text
    assert "ranking/change/{change}.tif" in text
    assert "ranking/maps/dense" not in text


def test_a_licence_that_is_no_identifier_is_refused(run, capsys):
    assert published(run, settings='{"licence": "free for all"}') == 2
    assert "publish.licence = 'free for all' is refused" in capsys.readouterr().err
