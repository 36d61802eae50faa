"""Declarations of a run's files: paths, round trips, and what is said of a file that does not keep to its own."""

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rankscape.artifacts import Array, Column, Document, DocumentKeys, File, Keys, OpenKeys, Table, declared_in
from rankscape.foundation.errors import InputError, TableError
from rankscape.foundation.files import read_json, write_json
from rankscape.foundation.provenance import KEY
from rankscape.foundation.tables import read_metadata, write_table
from rankscape.studies.ranking import artifacts as ranking
from shapely.geometry import Point

RECORD = {"stage": "weigh", "package": "0"}


class Part(Keys):
    """A part."""

    size: int
    """Its size."""


class Weighed(DocumentKeys):
    """What was weighed."""

    title: str
    """Title."""
    parts: list[Part]
    """Parts."""
    note: str = ""
    """Left out where there is nothing to say."""


WEIGHTS = Table(
    "scale/{place}.parquet", "scale weigh", "Weights", row="one stone",
    columns=(
        Column("stone", "text", "", "Name"), Column("weight_g", "number", "g", "Weight"),
        Column("count", "integer", "", "Stones"), Column("whole", "true/false", "", "Whether it is whole"),
        Column("colour", "text", "", "Colour", optional=True), Column("share_{mineral}", "number", "0 to 1", "Share"),
    ),
)  # fmt: skip
WEIGHED = Document("scale/{place}.json", "scale weigh", "What was weighed", model=Weighed)
STONES = pd.DataFrame({"stone": ["a", "b"], "weight_g": [1.5, np.nan], "count": [1, 2], "whole": [True, False]})


def test_a_path_is_filled_matched_and_found(tmp_path):
    nested = File("scale/{judge}/{round}.json", "scale weigh", "Nested")
    assert nested.wildcards == ("judge", "round")
    path = nested.of(tmp_path, judge="seer", round="3", other="is passed over")
    path.parent.mkdir(parents=True)
    path.touch()
    (path.parent / "deeper").mkdir()
    assert list(nested.found(tmp_path)) == [({"judge": "seer", "round": "3"}, path)]
    assert nested.match("scale/seer/3.json") == {"judge": "seer", "round": "3"}
    assert nested.match("scale/seer/deep/3.json") is None


def test_the_same_wildcard_twice_has_one_value():
    twice = File("maps/{granule}/{granule}.tif", "draw", "Map")
    assert twice.match("maps/a/a.tif") == {"granule": "a"}
    assert twice.match("maps/a/b.tif") is None


@given(st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True), st.from_regex(r"[A-Z0-9_]+", fullmatch=True))
def test_every_filled_path_gives_its_names_back(judge, granule):
    kind = File("ranking/{judge}--{granule}.json", "rank", "Order")
    assert kind.match(kind.path.format(judge=judge, granule=granule)) == {"judge": judge, "granule": granule}


def test_a_table_comes_back_as_it_was_written(tmp_path):
    path = WEIGHTS.of(tmp_path, place="here")
    WEIGHTS.write(path, STONES.assign(share_iron=0.5), RECORD, about={"by": "hand"})
    pd.testing.assert_frame_equal(WEIGHTS.read(path), STONES.assign(share_iron=0.5))
    assert read_metadata(path, KEY) == RECORD
    assert read_metadata(path, "about") == {"by": "hand"}
    assert WEIGHTS.names(path) == [*STONES.columns, "share_iron"]


def test_a_table_may_be_text(tmp_path):
    text = replace(WEIGHTS, path="scale/{place}.csv")
    path = text.of(tmp_path, place="here")
    text.write(path, STONES, RECORD)
    assert path.read_text().splitlines()[0] == "stone,weight_g,count,whole"
    pd.testing.assert_frame_equal(text.read(path), STONES)
    assert text.names(path) == list(STONES.columns)


def test_a_table_with_geometry_comes_back_with_it(tmp_path):
    places = Table("places.parquet", "find", "Places", columns=(Column("geometry", "geometry", "degrees", "Where"),))
    frame = gpd.GeoDataFrame(geometry=[Point(1, 2)], crs=4326)
    places.write(tmp_path / "places.parquet", frame, RECORD, covering=True)
    assert places.read_geo(tmp_path / "places.parquet").geometry.iloc[0] == Point(1, 2)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (STONES.drop(columns="weight_g"), r"lacks the columns \['weight_g'\]; it has \['stone', 'count', 'whole'\]"),
        (STONES.assign(odd=1), r"the columns \['odd'\] are not declared in 'scale/{place}.parquet'"),
        (STONES.assign(count=[1.5, 2.5]), "column 'count' has the type float64, declared is integer"),
        (STONES.assign(stone=[1, 2]), "column 'stone' has the type int64, declared is text"),
        (STONES.assign(whole="yes"), "column 'whole' has the type str, declared is true/false"),
    ],
)
def test_a_writer_keeps_to_the_declaration(tmp_path, frame, message):
    with pytest.raises(TableError, match=message):
        WEIGHTS.write(tmp_path / "here.parquet", frame, RECORD)
    assert not list(tmp_path.iterdir())


def test_a_reader_says_which_column_is_missing_and_what_to_do(tmp_path):
    path = tmp_path / "here.parquet"
    write_table(path, STONES[["stone"]], {})
    with pytest.raises(
        TableError, match=r"here.parquet lacks .*'weight_g'.*: make it again with `rankscape scale weigh`"
    ):
        WEIGHTS.read(path)
    assert list(WEIGHTS.read(path, "stone")["stone"]) == ["a", "b"]
    with pytest.raises(TableError, match=r"lacks the columns \['colour'\]"):
        WEIGHTS.read(path, "stone", "colour")
    with pytest.raises(TableError, match="does not exist"):
        WEIGHTS.read(tmp_path / "gone.parquet")


def test_columns_are_described_by_name_by_pattern_or_as_others():
    assert WEIGHTS.needed == ("stone", "weight_g", "count", "whole")
    assert WEIGHTS.column("share_iron").words == "Share"
    assert WEIGHTS.column("odd") is None
    open_table = Table("a.csv", "copy", "Copy", columns=(Column("{any}", "number", "", "Any"),), others="As given")
    assert open_table.column("x").words == "Any"
    assert Table("a.csv", "copy", "Copy", others="As given").column("x").words == "As given"


def test_a_document_comes_back_as_it_was_written(tmp_path):
    path = WEIGHED.of(tmp_path, place="here")
    for keys in ({"title": "T", "parts": [{"size": 1}]}, Weighed(title="T", parts=[Part(size=1)])):
        WEIGHED.write(path, keys, RECORD)
        assert read_json(path) == {"title": "T", "parts": [{"size": 1}], "provenance": RECORD}
        assert WEIGHED.read(path) == Weighed(title="T", parts=[Part(size=1)], provenance=RECORD)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"title": "T"}, r"parts: Field required"),
        ({"title": "T", "parts": [], "odd": 1}, r"odd: Extra inputs are not permitted"),
        ({"title": "T", "parts": [{"size": 1, "odd": 2}]}, r"parts.0.odd: Extra inputs"),
        ({"title": "T", "parts": [{"size": "large"}]}, r"parts.0.size: Input should be a valid integer"),
    ],
)
def test_a_document_that_is_not_as_declared_is_not_written(tmp_path, keys, message):
    with pytest.raises(InputError, match=f"does not keep to its declaration .*{message}"):
        WEIGHED.write(tmp_path / "here.json", keys, RECORD)
    assert not (tmp_path / "here.json").exists()


def test_a_reader_says_which_key_is_missing_and_passes_over_others(tmp_path):
    path = tmp_path / "here.json"
    write_json(path, {"title": "T", "parts": [{"size": 1, "later": 2}], "later": 3})
    assert WEIGHED.read(path).parts[0].size == 1
    write_json(path, {"title": "T", "parts": [{}]})
    told = r"here.json was not written by `rankscape scale weigh` \(parts.0.size: Field required\): make it again"
    with pytest.raises(InputError, match=told):
        WEIGHED.read(path)


def test_documents_of_a_foreign_standard_are_open(tmp_path):
    item = Document("item.json", "draw", "Item")
    item.write(tmp_path / "item.json", {"type": "Feature"}, RECORD)
    assert item.model is OpenKeys
    assert item.read(tmp_path / "item.json").model_extra == {"type": "Feature"}


def test_a_module_declares_its_constants_or_what_it_names():
    own = declared_in(ranking)
    assert own == ranking.ARTIFACTS
    assert len({one.path for one in own}) == len(own)
    assert all(one.path.startswith("ranking/") and one.title and one.verb for one in own)


def test_media_types_and_roles_follow_the_suffix():
    assert Array("a.npy", "tile", "Pixels").role == "data"
    assert File("a.png", "draw", "Map").role == "overview"
    assert (File("a.qml", "draw", "Style").role, File("a.qml", "draw", "Style").media_type) == (
        "metadata",
        "application/xml",
    )
    assert File("folder", "draw", "Images").suffix == ""
