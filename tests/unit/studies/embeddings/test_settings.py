"""The section of the study: what is refused before any job."""

import pytest
from rankscape.config import check_config, check_granules
from rankscape.foundation.errors import SettingsError
from rankscape.scenes.granule_table import GranuleRow
from rankscape.studies.embeddings.settings import EmbeddingsSettings

BASE = {
    "region": "small",
    "granules": "small.tsv",
    "studies": ["embeddings"],
    "references": {"truth": {"path": "truth.tif", "title": "Truth"}},
}
UNITS = {"path": "u.csv", "label": "y", "features": ["x"], "group": "g", "longitude": "e", "latitude": "n"}
REGRESSION = {"task": "truth", "features": "convolutions", "covariates": ["truth"]}


def check(**section):
    return check_config({**BASE, "embeddings": {"tasks": {"truth": {"reference": "truth"}}, **section}}, "small.yaml")


def test_what_is_compared():
    chosen = EmbeddingsSettings(
        embedders={"one": {}, "two": {"architecture": "band-statistics"}}, combinations={"both": ("one", "two")}
    )
    assert chosen.compared("any") == {
        "one": ("one",), "two": ("two",), "both": ("one", "two"), "coordinates": (), "smoothing": (),
    }  # fmt: skip
    beside = EmbeddingsSettings(embedders={"one": {}}, downstream={"models": ["ridge", "mlp-3"]}, baselines=[])
    assert beside.compared("any") == {"one": ("one",), "one-mlp-3": ("one",)}
    assert beside.models() == {"one": "ridge", "one-mlp-3": "mlp-3"}
    assert list(check().embeddings.compared("truth")) == ["convolutions", "coordinates", "smoothing"]


def test_networks_stand_beside_embeddings():
    chosen = EmbeddingsSettings(
        networks={"both": {"tasks": ["a", "b"]}, "one": {"kind": "single", "tasks": ["a", "b", "c"]}},
        tasks={name: {"reference": name} for name in "abcd"}, combined={"others": ["one"]}, baselines=[],
    )  # fmt: skip
    assert chosen.learned() == ["a", "b", "c"]
    assert list(chosen.learners()) == ["both", "one-a", "one-b", "one-c"]
    assert (chosen.learners()["one-b"].tasks, chosen.learners()["one-b"].kind) == (("b",), "multitask")
    found = chosen.compared("a")
    assert found["others"] == ("one-b", "one-c")
    assert [name for name in found if name.startswith("one-")] == ["one-a", "one-a-end-to-end"]
    assert [name for name in found if name.endswith("end-to-end")] == ["both-end-to-end", "one-a-end-to-end"]
    assert chosen.compared("d")["others"] == ("one-a", "one-b", "one-c")
    assert chosen.predicting("d") == {}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"networks": {"n": {"tasks": ["lights"]}}}, "networks.n.tasks names ['lights']; tasks has ['truth']"),
        ({"networks": {"n": {"tasks": []}}}, "embeddings.networks.n.tasks"),
        (
            {"networks": {"n": {"tasks": ["truth"]}}, "combined": {"o": ["n"]}},
            "network must not be in its combined",
        ),
        (
            {"networks": {"n": {"kind": "single", "tasks": ["truth"]}}, "combined": {"o": ["n"]}},
            "two tasks at least",
        ),
        ({"combined": {"o": ["n"]}}, "combined.o names 'n'; networks has []"),
        ({"networks": {"n": {"tasks": ["truth"], "weighting": "all"}}}, "weighting = 'all' is refused"),
        ({"embedders": {"n": {}}, "networks": {"n": {"tasks": ["truth"]}}}, "['n'] name an embedding, and"),
        ({"networks": {"n": {"kind": "single", "tasks": ["truth"]}}, "embedders": {"n-truth": {}}}, "['n-truth'] name"),
        ({"split": {"block_m": 0}}, "embeddings.split.block_m"),
        ({"tasks": {}}, "embeddings.tasks is empty"),
        ({"tasks": {"a": {"reference": "lights"}}}, "embeddings.tasks.a.reference = 'lights' is none of references"),
        ({"tasks": {"a": {"reference": "truth", "lowest": 2, "highest": 1}}}, "lowest = 2 must be below highest = 1"),
        ({"tasks": {"a": {"reference": "truth", "transform": "sqrt"}}}, "transform = 'sqrt' is refused"),
        ({"embedders": {"mine": {"path": "x.tif", "dequantise": "other"}}}, "embedders.mine.dequantise = 'other' is"),
        ({"embedders": {"mine": {"path": "x.tif", "keys": "id"}}}, "mine.keys is no known key (its value here: 'id'"),
        ({"embedders": {"mine": {"path": "nowhere/*.tif"}}}, "mine.path = 'nowhere/*.tif' matches no file"),
        ({"embedders": {"mine": {"architecture": 3}}}, "embeddings.embedders.mine.architecture = 3 is refused"),
        ({"combinations": {"both": ["convolutions", "other"]}}, "combinations.both names ['other']"),
        ({"combinations": {"both": ["convolutions"]}}, "must name two different embeddings"),
        ({"embedders": {"smoothing": {}}}, "['smoothing'] name an embedding, and a combination or a baseline too"),
        ({"embedders": {}}, "embeddings.embedders"),
        ({"downstream": {"penalties": [0]}}, "embeddings.downstream.penalties.0 = 0 is refused"),
        ({"downstream": {"checkerboard_m": [-5]}}, "embeddings.downstream.checkerboard_m.0 = -5 is refused"),
        ({"downstream": {"models": []}}, "embeddings.downstream.models"),
        ({"downstream": {"models": ["mlp-4"]}}, "embeddings.downstream.models.0 = 'mlp-4' is refused"),
        ({"downstream": {"models": ["ridge", "ridge"]}}, "names a model twice"),
        (
            {"embedders": {"a": {}, "a-mlp-3": {}}, "downstream": {"models": ["ridge", "mlp-3"]}},
            "['a-mlp-3'] name an embedding",
        ),
        ({"units": {"u": {**UNITS, "path": ""}}}, "embeddings.units.u.path is missing"),
        ({"units": {"u": {**UNITS, "embeddings": ["other"]}}}, "embeddings.units.u.embeddings names ['other']"),
        (
            {"units": {"u": {**UNITS, "longitude": None, "latitude": None, "place": "g"}}},
            "embeddings.units.u: no embedding",
        ),
        (
            {"units": {"u": {**UNITS, "place": "g", "tables": ["a/convolutions.csv"]}}},
            "['convolutions'] name two embeddings",
        ),
        ({"units": {"u": {**UNITS, "tables": ["a/b.csv"]}}}, "need `place`"),
        ({"regressions": {"r": {**REGRESSION, "task": "other"}}}, "embeddings.regressions.r.task names ['other']"),
        ({"regressions": {"r": {**REGRESSION, "features": "x"}}}, "embeddings.regressions.r.features names ['x']"),
        (
            {"regressions": {"r": {**REGRESSION, "covariates": ["x"]}}},
            "embeddings.regressions.r.covariates names ['x']",
        ),
        ({"regressions": {"r": {**REGRESSION}}}, "the reference of truth cannot explain itself"),
        ({"acquisition": "other"}, "embeddings.acquisition = 'other' is none of acquisitions"),
        ({"embedders": {"a": {"month": 13}}}, "embeddings.embedders.a.month = 13 is refused"),
    ],
)
def test_what_cannot_be_meant_is_refused(section, message):
    with pytest.raises(SettingsError) as error:
        check(**section)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_labels_need_places():
    table = {"a": GranuleRow(granule="a", role="fit", images="folder")}
    config = check_config({**BASE, "references": {"truth": {"path": "t.csv", "title": "T", "kind": "table",
                           "key": "id", "column": "v"}}, "embeddings": {"tasks": {"truth": {"reference": "truth"}}}},
                          "small.yaml")  # fmt: skip
    with pytest.raises(SettingsError, match=r"no granule of small\.tsv"):
        check_granules(config, table)
