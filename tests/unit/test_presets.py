"""Presets: partial configuration files on top of a region's own, as Snakemake merges them."""

import copy

import pytest
import yaml
from rankscape.config import check_config, load_config
from rankscape.foundation.code_version import ROOT
from rankscape.foundation.errors import SettingsError
from snakemake.utils import update_config

PRESETS = ROOT.parent / "config" / "presets"
TILES = {
    "region": "north-korea-like",
    "granules": "tiles.tsv",
    "ranking": {
        "label": {
            "source": "file",
            "file": "labels.csv",
            "categories": ["urban", "rural", "uninhabited"],
            "uninhabited": "uninhabited",
        },
        "people": {"folder": "orders"},
        "adapt": {"architecture": "resnet10t", "weights": "random", "input_px": 128},
    },
}
REGIONS = {
    "tiles": TILES,
    "demo": yaml.safe_load((ROOT.parent / "config/config.yaml").read_text(encoding="utf-8")),
    "sichuan": yaml.safe_load((ROOT.parent / "config/sichuan.yaml").read_text(encoding="utf-8")),
}


def merged(region, preset):
    values = copy.deepcopy(REGIONS[region])
    update_config(values, yaml.safe_load((PRESETS / f"{preset}.yaml").read_text(encoding="utf-8")))
    return check_config(values, preset)


@pytest.mark.parametrize("region", list(REGIONS))
@pytest.mark.parametrize("preset", ["ahn-2023", "gong-2024"])
def test_every_preset_goes_on_top_of_every_region(region, preset):
    plain, config = check_config(REGIONS[region], region), merged(region, preset)
    assert config != plain
    shared = ("region", "granules", "search", "acquisitions", "references")
    assert all(getattr(config, name) == getattr(plain, name) for name in shared)
    kept = ("label", "judges", "prompts", "people")
    assert all(getattr(config.ranking, name) == getattr(plain.ranking, name) for name in kept)
    assert config.ranking.adapt.architecture == plain.ranking.adapt.architecture


def test_the_papers_preset_is_the_paper():
    config = merged("tiles", "ahn-2023").ranking
    assert config.adapt.method == "mean_teacher"
    assert (config.adapt.consistency_weight, config.adapt.ramp_epochs, config.adapt.teacher_decay) == (12.5, 20, 0.999)
    assert config.adapt.colour == "grey"
    assert (config.cluster.method, config.cluster.k) == ("deepcluster", {"urban": 11, "rural": 11})
    assert (config.refine.groups, config.refine.epochs) == (50, 20)
    assert (config.train.objective, config.train.rank_steepness, config.ensemble.method) == ("rank", 30, "welsch")


def test_the_reports_preset_is_the_report():
    region = merged("tiles", "gong-2024")
    config = region.ranking
    assert region.tile.patch_px == 343
    assert (config.cluster.method, config.cluster.k_min, config.cluster.k_max) == ("kmeans", 3, 20)
    assert (config.rate.rounds, config.rate.replies, config.sample.images_per_cluster) == (10, 3, 3)
    assert (config.rank.margin, config.rank.ties, config.ensemble.method) == (10, "leader", "report")
    assert (config.train.objective, config.train.linearity_weight) == ("regression", 1)


@pytest.mark.parametrize("preset", ["ahn-2023", "gong-2024"])
def test_a_preset_alone_says_what_to_do(preset):
    path = PRESETS / f"{preset}.yaml"
    with pytest.raises(SettingsError) as caught:
        load_config(path)
    assert str(caught.value) == (
        f"{path} names no region and no granules: a file of settings, such as a preset, is given after a region's own "
        f"file: --configfile config/mine.yaml {path}."
    )


def test_a_region_without_the_papers_categories_is_told():
    values = copy.deepcopy(TILES)
    values["ranking"]["label"] |= {"categories": ["town", "uninhabited"]}
    update_config(values, yaml.safe_load((PRESETS / "ahn-2023.yaml").read_text(encoding="utf-8")))
    with pytest.raises(SettingsError, match=r"cluster.k names \['rural', 'urban'\]; label.categories are"):
        check_config(values, "mine.yaml")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"cluster": {"method": "deepcluster"}}, "cluster.method = 'deepcluster' trains the backbone, and nothing in"),
        ({"adapt": {"method": "mean_teacher"}}, "method = 'mean_teacher' trains the backbone, and nothing in"),
    ],
)
def test_what_trains_the_backbone_refuses_one_that_cannot_be_trained(section, said):
    values = copy.deepcopy(TILES)
    update_config(values, {"ranking": {"adapt": {"architecture": "random-convolutions-3px-128"}}})
    update_config(values, {"ranking": section})
    with pytest.raises(SettingsError, match=said):
        check_config(values, "mine.yaml")
