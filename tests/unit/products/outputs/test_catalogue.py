"""The STAC catalogue: valid by STAC's own schemas, whole, relative, and the same from run to run."""

import json
import shutil
from pathlib import Path

import jsonschema
import pystac
import pytest
from pystac.errors import STACValidationError
from pystac.validation import validate_dict
from rankscape.foundation.files import sha256

from .conftest import MORE, published

ASSET = {
    "type": "object",
    "required": ["href", "type", "title", "roles", "file:size", "file:checksum"],
    "properties": {
        "href": {"pattern": r"^\.\.?/(?!.*(//|\\|:)).+$"},
        "file:size": {"type": "integer", "minimum": 0},
        "file:checksum": {"pattern": "^1220[0-9a-f]{64}$"},
        "proj:code": {"pattern": "^EPSG:[0-9]+$"},
        "proj:transform": {"type": "array", "minItems": 6, "maxItems": 9, "items": {"type": "number"}},
        "proj:shape": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "integer"}},
        "table:columns": {"type": "array", "items": {"type": "object", "required": ["name"]}},
    },
    # Extensions allow no other fields with their prefix.
    "patternProperties": {
        "^(?!(file:(size|checksum)|proj:(code|wkt2|transform|shape)|table:columns)$)(file|proj|table):": False,
    },
}
"""What the extensions file 2.1, projection 2.0 and table 1.2 ask of the fields used here."""


def documents(folder: Path) -> list[Path]:
    return [folder / "catalog.json", folder / "catalog/collection.json", *sorted(folder.glob("catalog/items/*.json"))]


def walk(folder: Path) -> list[pystac.STACObject]:
    """All objects with assets, reached from the catalogue by links alone."""
    catalogue = pystac.Catalog.from_file(str(folder / "catalog.json"))
    return [*catalogue.get_children(), *catalogue.get_items(recursive=True)]


def test_every_document_is_valid(with_more):
    assert published(with_more, **MORE) == 0
    for path in documents(with_more):
        document = json.loads(path.read_text())
        assert validate_dict(document, extensions=[]), "nothing was validated"
        for asset in document.get("assets", {}).values():
            jsonschema.validate(asset, ASSET)
        prefixes = {key.partition(":")[0] for one in document.get("assets", {}).values() for key in one if ":" in key}
        prefixes |= {key.partition(":")[0] for key in document.get("properties", {}) if ":" in key}
        extensions = [address.split("/")[3] for address in document.get("stac_extensions", [])]
        assert {{"proj": "projection"}.get(prefix, prefix) for prefix in prefixes} <= {*extensions, "table"}


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("catalog.json", "links", 3),
        ("catalog/collection.json", "extent", {}),
        ("catalog/collection.json", "license", None),
        ("catalog/items/03TVF.json", "properties", {"datetime": None}),
    ],
)
def test_the_validation_refuses_what_is_wrong(run, name, key, value):
    published(run)
    with pytest.raises(STACValidationError):
        validate_dict(json.loads((run / name).read_text()) | {key: value}, extensions=[])


def test_links_and_checksums_hold_in_any_folder(with_more, tmp_path):
    assert published(with_more, **MORE) == 0
    other = Path(shutil.copytree(with_more, tmp_path / "on a stick" / "copy"))
    shutil.rmtree(with_more)
    found = walk(other)
    assert [one.id for one in found] == ["island", "region", "03TVF", "03TXG", "districts-census", "change-2016--2021"]
    for one in found:
        assert one.get_root().id == "rankscape-island"
        for asset in one.assets.values():
            path = Path(asset.get_absolute_href())
            assert path.is_relative_to(other)
            assert asset.extra_fields["file:checksum"] == "1220" + sha256(path)
            assert asset.extra_fields["file:size"] == path.stat().st_size
    assert all(one.get_parent().id == "island" and one.get_collection().id == "island" for one in found[1:])


def test_collection_says_what_where_when_and_on_which_terms(run):
    published(run)
    collection = pystac.Collection.from_file(str(run / "catalog/collection.json"))
    document = collection.to_dict(transform_hrefs=False)
    assert collection.license == "CC-BY-4.0"
    assert "Contains modified Copernicus Sentinel data [2019, 2021, 2022]." in collection.description
    assert document["extent"]["temporal"]["interval"] == [["2019-06-01T00:00:00Z", "2022-06-24T22:05:29Z"]]
    west, _, _, north = document["extent"]["spatial"]["bbox"][0]
    boxes = [item.bbox for item in walk(run)[1:]]
    assert (west, north) == (min(box[0] for box in boxes), max(box[3] for box in boxes))
    assert set(document["item_assets"]) >= {"map", "colour", "uncertainty", "preview", "patches", "style"}
    assert document["summaries"]["proj:code"] == ["EPSG:32603"]
    assert document["provenance"]["stage"] == "publish"
    assert document["provenance"]["inputs"]["ranking/maps/region.json"] == sha256(run / "ranking/maps/region.json")
    columns = document["assets"]["ranking-maps-patches.parquet"]["table:columns"]
    assert {column["name"] for column in columns} >= {"patch_id", "score", "geometry"}
    assert all(column["description"] for column in columns)
    licences = [link["href"] for link in document["links"] if link["rel"] == "license"]
    assert licences == ["../NOTICE.txt"]


def test_items_have_the_days_of_their_own_scenes(run):
    published(run)
    times = {one.id: (one.properties["start_datetime"], one.properties["end_datetime"]) for one in walk(run)[1:]}
    assert times["03TVF"] == ("2021-07-19T22:05:31.024Z", "2021-07-19T22:05:31.024Z")
    assert times["region"] == ("2019-06-01T00:00:00.000Z", "2022-06-24T22:05:29.000Z")


def test_without_records_of_scenes_the_span_is_open(run):
    shutil.rmtree(run / "scenes")
    assert published(run, settings='{"imagery": "own"}') == 0
    collection = json.loads((run / "catalog/collection.json").read_text())
    assert collection["extent"]["temporal"]["interval"] == [["2015-06-23T00:00:00Z", None]]
    assert validate_dict(collection, extensions=[])
    assert "date-released" not in (run / "CITATION.cff").read_text()


def test_the_same_inputs_give_the_same_bytes(with_more):
    sums = []
    for _ in range(2):
        assert published(with_more, **MORE) == 0
        sums.append({path: sha256(path) for path in with_more.rglob("*") if path.is_file()})
    assert sums[0] == sums[1]
    assert not [path for path in sums[0] if str(with_more).encode() in path.read_bytes()], "a path of this machine"


def test_an_item_of_an_earlier_run_does_not_stay(run):
    (run / "catalog/items").mkdir(parents=True)
    (run / "catalog/items/gone.json").write_text("{}")
    published(run)
    assert [path.name for path in sorted(run.glob("catalog/items/*"))] == ["03TVF.json", "03TXG.json", "region.json"]


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        (["ranking/maps/region.json"], "it lacks ranking/maps/region.json (`mosaic`): let the workflow finish"),
        (["ranking/scores/03TXG.parquet"], "ranking/scores/03TXG.parquet does not exist"),
        (
            [
                "ranking/evaluation/night-lights.json",
                "ranking/model/score.md",
                "report/index.html",
                "ranking/audit.json",
            ],
            "and 1 more",
        ),
        (["ranking/maps/03TVF.tif"], "is missing, but"),
    ],
)
def test_a_run_that_is_incomplete_is_told_in_one_line(run, capsys, gone, message):
    for name in gone:
        (run / name).unlink()
    assert published(run) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("rankscape: ") == 1
    assert error.strip().splitlines()[-1].startswith("rankscape: ")
    assert not (run / "catalog.json").exists()


def test_a_map_of_another_run_is_refused(run, capsys):
    with (run / "ranking/maps/03TVF.tif").open("ab") as handle:
        handle.write(b"more")
    assert published(run) == 2
    assert "they are of two runs" in capsys.readouterr().err


def test_a_broken_item_and_a_broken_record_of_scenes_are_named(run, capsys):
    record = run / "scenes/seasons/03TVF/download.json"
    record.write_text('{"scenes": [{}]}')
    assert published(run) == 2
    assert "scenes/seasons/03TVF/download.json names no days of scenes" in capsys.readouterr().err
    record.unlink()
    (run / "ranking/maps/03TVF.json").write_text("{}")
    assert published(run) == 2
    assert "ranking/maps/03TVF.json is no STAC item of a map" in capsys.readouterr().err
