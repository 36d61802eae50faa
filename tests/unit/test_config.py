import copy
import re

import pytest
import yaml
from rankscape.config import check_config, check_granules, load_config
from rankscape.foundation.code_version import ROOT
from rankscape.foundation.errors import SettingsError
from rankscape.scenes.granule_table import GranuleRow
from rankscape.stages.region import RegionSettings, read_study
from rankscape.studies.ranking.settings import RankingSettings

JUDGED = {
    "region": "here",
    "granules": "here.tsv",
    "references": {"lights": {"path": "lights.tif", "title": "Lights"}},
    "ranking": {
        "judges": {"eye": {"model": "m"}, "demo-eye": {"kind": "stand-in", "model": "s"}},
        "prompts": ["plain"],
        "label": {"source": "file", "file": "l.csv", "categories": ["urban", "sea"], "uninhabited": "sea"},
    },
}

TRUTH = {"truth": {"path": "truth.tif", "title": "Truth", "truth": True}}
REGRESSION = {"objective": "regression"}


def baseline_of(**values: object) -> dict:
    return {"kind": "order", "reference": "lights", **values}


def changed(**sections: object) -> dict:
    """The configuration with some sections changed, each where it belongs."""
    values = copy.deepcopy(JUDGED)
    for name, section in sections.items():
        place = values if name in RegionSettings.model_fields else values["ranking"]
        place[name] = {**place.get(name, {}), **section} if isinstance(section, dict) else section
    return values


def test_a_configuration_is_completed_with_defaults():
    config = check_config(JUDGED, "here.yaml")
    assert config.tile.patch_px == 343
    assert config.ranking.judges["eye"].concurrency == 8
    assert check_config({**JUDGED, "pathvars": {"results": "x"}}, "here.yaml") == config


@pytest.mark.parametrize(
    "name", ["config.yaml", "sichuan.yaml", "north-korea.yaml", "embeddings-usa.yaml", "embeddings-terramesh.yaml"]
)
def test_the_configurations_that_come_with_it_are_valid(name):
    assert load_config(ROOT.parent / "config" / name).region == {"config.yaml": "demo"}.get(name, name[:-5])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({**JUDGED, "tiles": {}}, "tiles is no known key"),
        ({**JUDGED, "region": "De mo"}, "region = 'De mo' is refused"),
        ({**JUDGED, "shard": "3/2"}, "shard = '3/2': there are only 2 shards"),
        ({**JUDGED, "shard": "0/2"}, "shard = '0/2' is refused"),
        (
            {**JUDGED, "shard": "1/2", "storage": {"drop": ["scenes", "tiles"]}},
            "joining shards needs tiles; take them out of it",
        ),
        (changed(storage={"drop": ["maps"]}), "storage.drop.0 = 'maps' is refused"),
        ({**JUDGED, "region": "../x"}, "region = '../x' is refused"),
        (changed(judges={"../../x": {"model": "m"}}), "../../x"),
        (changed(prompts=["../../x"]), "ranking.prompts.0 = '../../x' is refused"),
        (changed(references={"../../x": {"path": "x.tif", "title": "X"}}), "../../x"),
        (changed(label={"categories": ["../../x", "sea"]}), "ranking.label.categories.0 = '../../x' is refused"),
        ({key: JUDGED[key] for key in JUDGED if key != "granules"}, "granules is missing"),
        (changed(judges={"Eye": {"model": "m"}}), "Eye"),
        (changed(judges={"eye": {}}), "ranking.judges.eye.model is missing"),
        (changed(tile={"patch_px": True, "patchpx": 1}), "tile.patchpx is no known key"),
        (changed(prompts=[]), "judges and prompts go together"),
        ({"region": "here", "granules": "g.tsv", "ranking": {"prompts": ["plain"]}}, "judges and prompts go together"),
        ({"region": "here", "granules": "g.tsv"}, "nobody ranks the clusters"),
        (changed(label={"source": "judge", "judge": "ear"}), "label.judge = 'ear' is none of judges"),
        (changed(label={"source": "judge", "judge": "demo-eye"}), "'demo-eye' is the stand-in"),
        (
            changed(order_from_reference={"references": ["lamps"]}),
            "ranking.order_from_reference.references names ['lamps']; references has ['lights']",
        ),
        (
            changed(cluster={"k": {"rural": 3}}),
            "cluster.k names ['rural']; label.categories are ['urban', 'sea']",
        ),
        (changed(cluster={"k": {"sea": 3}}), "cluster.k.sea = 3: uninhabited land is one cluster"),
        (changed(adapt={"epochs": 0}), "adapt.epochs = 0 fits no categories"),
        (
            changed(adapt={"weights": "self_supervised", "architecture": "random-convolutions-3px-8"}),
            "nothing in random-convolutions-3px-8 can be trained",
        ),
        (changed(pretrain={"smallest_crop": 0}), "ranking.pretrain.smallest_crop = 0 is refused"),
        (
            changed(cluster={"given": "folders", "categories": {"hill": [1]}}),
            "cluster.categories names ['hill']",
        ),
        (
            changed(baselines={"lamps": baseline_of(reference="lamps")}),
            "ranking.baselines.lamps.reference = 'lamps' is none of refer",
        ),
        (
            changed(baselines={"score": baseline_of()}),
            "ranking.baselines.score: the evaluation calls something else score",
        ),
        (
            changed(baselines={"gradient": baseline_of()}),
            "ranking.baselines.gradient: the evaluation calls something else gradient",
        ),
        (
            changed(baselines={"coverage": baseline_of()}),
            "ranking.baselines.coverage: the evaluation calls something else coverage",
        ),
        (changed(baselines={"blue_green": baseline_of()}), "blue_green"),
        (
            changed(baselines={"lights": baseline_of(kind="guess")}),
            "ranking.baselines.lights.kind = 'guess' is refused",
        ),
        (changed(baselines={"lights": {"kind": "order"}}), "ranking.baselines.lights.reference is missing"),
        (
            changed(baselines={"lights": baseline_of(train={"batch": 3})}),
            "ranking.baselines.lights.train.batch is no known key",
        ),
        (
            changed(references=TRUTH, baselines={"cheat": baseline_of(reference="truth")}),
            "ranking.baselines.cheat.reference = 'truth' is the truth of a synthetic region",
        ),
        (
            changed(train={"objective": "ridge", "refit": True}, baselines={"l": baseline_of(train=REGRESSION)}),
            "ranking.baselines.l.train does not go with train: refit goes with objective = 'ridge' alone",
        ),
        (changed(people={"folder": " "}), "folder must name a folder"),
        (changed(people={"collection": ""}), "collection must name a file"),
        (changed(people={"annotators": "names.txt"}), "annotators names the people of a collection: give collection"),
        (changed(label={"column": "urban"}), "`urban` is a column of the labels, no category"),
        (changed(acquisitions={"a": {"bands": ["B04", "B04"]}}), "a band is listed twice"),
        (changed(acquisitions={"a": {"product": "reflectance", "bands": ["B08", "B04", "B03"]}}), "first three bands"),
    ],
)
def test_a_wrong_configuration_is_one_line_that_names_the_keys(values, said):
    with pytest.raises(SettingsError) as caught:
        check_config(values, "here.yaml")
    message = str(caught.value)
    assert message.startswith("here.yaml: ")
    assert "\n" not in message
    assert said in message
    assert "'granules': " not in message, "the whole configuration is repeated"


def test_people_or_references_can_rank_without_judges():
    alone = {"region": "here", "granules": "g.tsv"}
    assert check_config({**alone, "ranking": {"people": {"folder": "orders"}}}, "x").ranking.prompts == ()
    assert check_config({**alone, "ranking": {"people": {"collection": "poll.txt"}}}, "x").ranking.people.vote
    references = {"references": JUDGED["references"], "ranking": {"order_from_reference": {"references": ["lights"]}}}
    assert check_config({**alone, **references}, "x").ranking.order_from_reference.references == ("lights",)


def test_a_sensor_of_local_images_needs_images_for_every_granule():
    config = check_config({**JUDGED, "references": {}, "acquisitions": {"own": {"sensor": "local"}}}, "x")
    own = GranuleRow(granule="a", role="fit", raster="a.tif")
    check_granules(config, {"a": own})
    searched = GranuleRow(granule="48RVV", role="apply", start="2022-01-01", end="2022-02-01", max_cloud_percent=9)
    with pytest.raises(SettingsError, match=r"acquisitions.own.sensor = 'local' has no scenes .* 48RVV of here.tsv"):
        check_granules(config, {"a": own, "48RVV": searched})


def test_references_need_a_granule_with_coordinates():
    config = check_config(changed(people={"folder": "orders"}, order_from_reference={"references": ["lights"]}), "x")
    towns, land = (
        GranuleRow(granule="towns", role="fit", images="t"),
        GranuleRow(granule="a", role="apply", tiles="a"),
    )
    with pytest.raises(SettingsError, match=r"references = \['lights'\]: no granule of here\.tsv has coordinates"):
        check_granules(config, {"towns": towns})
    with pytest.raises(SettingsError, match=r"no granule of here\.tsv with the role `fit` has"):
        check_granules(config, {"towns": towns, "a": land})
    check_granules(config, {"towns": towns, "a": land.model_copy(update={"role": "fit"})})
    check_granules(check_config({**JUDGED, "references": {}}, "x"), {"towns": towns})
    counties = {"path": "c.gpkg", "title": "Counties", "id": "code"}
    divided = check_config({**JUDGED, "references": {}, "districts": {"counties": counties}}, "x")
    with pytest.raises(SettingsError, match=r"districts = \['counties'\]: no granule of here\.tsv has coordinates"):
        check_granules(divided, {"towns": towns})


def test_a_baseline_trains_as_the_score_but_for_what_it_sets():
    models = {"plain": baseline_of(), "quick": baseline_of(kind="regression", train={"seeds": 1, "objective": "ridge"})}
    config = check_config(changed(train={"epochs": 7, "targets": "ridit"}, baselines=models), "x")

    assert config.ranking.baselines["plain"].training(config.ranking.train) == config.ranking.train
    quick = config.ranking.baselines["quick"].training(config.ranking.train)
    assert (quick.epochs, quick.targets, quick.seeds, quick.objective) == (7, "ridit", 1, "ridge")


def test_baselines_need_a_granule_to_learn_from_that_has_coordinates():
    config = check_config(changed(baselines={"lights-order": baseline_of()}), "x")
    towns = GranuleRow(granule="towns", role="fit", images="t")
    land = GranuleRow(granule="a", role="apply", tiles="a")
    with pytest.raises(SettingsError, match=r"baselines = \['lights-order'\]: no granule of here\.tsv with the role"):
        check_granules(config, {"towns": towns, "a": land})
    check_granules(config, {"towns": towns, "a": land.model_copy(update={"role": "fit"})})


def test_a_judge_may_label_where_people_rank():
    label = {"source": "judge", "judge": "eye"}
    config = check_config(changed(prompts=[], label=label, people={"folder": "orders"}), "x")
    assert config.ranking.label.judge == "eye"


def test_a_file_is_named_in_the_message(tmp_path):
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({**JUDGED, "speed": "high"}))
    with pytest.raises(SettingsError, match=r"c\.yaml: speed is no known key \(its value here: 'high'\)"):
        load_config(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"judges": {}}, "judges is now ranking.judges"),
        ({"train": {"epochs": 3}}, "train is now ranking.train"),
        ({"invent": {}}, "invent is now simulate"),
        ({"fetch": {"max_scenes": 2}}, "fetch is now acquisitions.<name>"),
        ({"compose": {}}, "compose is now acquisitions.<name>"),
        ({"merge": {"crs": None}}, "merge is now ranking.mosaic"),
        ({"mosaic": {"backend": "cuda"}}, "mosaic is now ranking.rasterize"),
        ({"ranking": {"review": {}}}, "ranking.review is now ranking.inspection_sheets"),
        ({"ranking": {"train": {"partner": {}}}}, "ranking.train.partner is now ranking.train.auxiliary"),
    ],
)
def test_an_old_key_is_refused_with_its_new_name(values, said):
    with pytest.raises(SettingsError, match=re.escape(f"here.yaml: {said}. ")):
        check_config({**JUDGED, **values}, "here.yaml")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"studies": ["astrology"]}, "studies: astrology is no known study; there are embeddings, ranking"),
        ({"studies": []}, "studies = [] is refused"),
        ({"studies": "ranking"}, "studies = 'ranking' is refused"),
        ({"studies": ["ranking", "ranking"]}, "studies names ['ranking'] twice"),
        ({"acquisitions": {}}, "acquisitions is refused"),
        ({"acquisitions": {"assets": {}}}, "acquisitions.assets: a folder beside the acquisitions has this name"),
        ({"acquisitions": {"a": {}, "b": {}}}, "ranking.acquisition must name one of acquisitions ['a', 'b']"),
    ],
)
def test_studies_and_acquisitions_must_exist(values, said):
    with pytest.raises(SettingsError) as caught:
        check_config({**JUDGED, **values}, "here.yaml")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("acquisitions", "said"),
    [
        ({"radar": {"sensor": "sentinel-1"}}, "ranking.acquisition = 'radar' has no red, green and blue"),
        ({"a": {"product": "reflectance", "beside": "b"}}, "acquisitions.a.beside = 'b' is no other acquisition"),
        ({"a": {"product": "reflectance", "beside": "a"}}, "acquisitions.a.beside = 'a' is no other acquisition"),
        ({"a": {"beside": "b"}, "b": {"sensor": "sentinel-1"}}, "holds float32, a uint8: take product: reflectance"),
        (
            {"a": {"product": "reflectance", "beside": "b"}, "b": {"sensor": "sentinel-1", "beside": "a"}},
            "has another one beside it itself",
        ),
    ],
)
def test_acquisitions_that_cannot_stand_side_by_side_are_refused(acquisitions, said):
    values = changed(acquisition=next(iter(acquisitions)))
    with pytest.raises(SettingsError, match=re.escape(said)):
        check_config({**values, "acquisitions": acquisitions}, "here.yaml")


def test_dates_in_which_no_season_begins_are_refused_before_any_job():
    table = {
        "48RVV": GranuleRow(granule="48RVV", role="fit", start="2023-04-01", end="2023-05-01", max_cloud_percent=60)
    }
    config = check_config({**JUDGED, "acquisitions": {"a": {"seasons": {"dry": ["05-02", "10-01"]}}}}, "here.yaml")
    with pytest.raises(SettingsError, match="48RVV: none of the seasons dry begins between 2023-04-01 and 2023-05-01"):
        check_granules(config, table)


def test_a_study_looks_at_the_acquisition_that_it_names():
    two = {"acquisitions": {"colour": {}, "bands": {"product": "reflectance"}}}
    config = check_config({**changed(acquisition="bands"), **two}, "x")
    assert config.acquisition(config.ranking.acquisition, "ranking.acquisition") == "bands"
    with pytest.raises(
        SettingsError, match=r"ranking.acquisition = 'sand' is none of acquisitions \['colour', 'bands'\]"
    ):
        check_config({**changed(acquisition="sand"), **two}, "x")


def test_a_region_that_names_no_acquisition_has_one():
    assert check_config(JUDGED, "x").acquisition(None, "ranking.acquisition") == "default"


def test_a_study_reads_its_own_section_and_the_shared_ones(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump({**JUDGED, "studies": ["ranking", "astrology"], "astrology": {"stars": 3}}))
    region, ranking = read_study(path, "ranking", RankingSettings)
    assert (region.region, ranking.prompts) == ("here", ("plain",))
    path.write_text(yaml.safe_dump(changed(order_from_reference={"references": ["lamps"]})))
    with pytest.raises(SettingsError, match=r"c\.yaml: ranking\.order_from_reference\.references names \['lamps'\]"):
        read_study(path, "ranking", RankingSettings)


@pytest.mark.parametrize("name", ["32TAA", "48RAV", "48RVK", "32XNH"])
def test_an_mgrs_granule_that_does_not_exist_is_refused_before_any_job(name):
    row = {"role": "fit", "start": "2023-06-01", "end": "2023-06-30", "max_cloud_percent": 10}
    with pytest.raises(SettingsError, match=f"granules: {name}: .*mend its row"):
        check_granules(check_config(JUDGED, "x"), {name: GranuleRow.checked({"granule": name, **row}, "x")})
