import json

import numpy as np
import pytest
from rankscape.__main__ import main
from rankscape.foundation.errors import InputError, TableError, WeightsError
from rankscape.foundation.files import write_array
from rankscape.foundation.tables import read_metadata, read_table
from rankscape.samples.patches import read_index
from rankscape.studies.ranking.clusters.granule_features import Head, categorize_patches, head_of, open_features
from rankscape.studies.ranking.stages.categorize import categorize
from scipy.special import softmax

from .conftest import write_backbone

CATEGORIES = ["town", "country"]
SETTINGS = json.dumps({"source": "file", "file": "l.csv", "categories": CATEGORIES, "uninhabited": "country"})


def test_stage_gives_every_usable_patch_its_category(region, tmp_path):
    out = tmp_path / "categories.parquet"
    categorize(settings=SETTINGS, features=region.features, indices=region.indices, backbone=region.backbone, out=out)
    table = read_table(out)
    assert list(table.columns) == ["patch_id", "granule", "p_town", "p_country", "category"]
    index = [read_index(path) for path in region.indices]
    usable = [one["usable"].to_numpy() for one in index]
    ids = [patch for one, good in zip(index, usable, strict=True) for patch in one.loc[good, "patch_id"]]
    assert list(table["patch_id"]) == ids
    look = np.concatenate([look[good] for look, good in zip(region.looks, usable, strict=True)])
    assert list(table["category"]) == ["town" if one < 2 else "country" for one in look]
    assert np.allclose(table["p_town"] + table["p_country"], 1)
    assert read_metadata(out, "label") == {"categories": CATEGORIES, "uninhabited": "country"}
    assert set(read_metadata(out, "rankscape")["inputs"]) >= {"backbone", "features/03TVF", "index/03TWF"}


def test_the_order_of_the_files_does_not_matter(region, tmp_path):
    a, b = tmp_path / "a.parquet", tmp_path / "b.parquet"
    categorize(settings=SETTINGS, features=region.features, indices=region.indices, backbone=region.backbone, out=a)
    categorize(
        settings=SETTINGS, features=region.features[::-1], indices=region.indices, backbone=region.backbone, out=b
    )
    assert a.read_bytes() == b.read_bytes()


def test_probabilities_are_the_softmax_and_large_scores_do_not_overflow():
    rng = np.random.default_rng(0)
    head = Head(rng.normal(size=(3, 4)), rng.normal(size=3))
    features = rng.normal(size=(7, 4)).astype(np.float32)
    expected = softmax(features.astype(float) @ head.weight.T + head.bias, axis=1)
    assert np.allclose(head.probabilities(features), expected, atol=1e-15)
    assert head.probabilities(features * 1e4).sum() == pytest.approx(7)


def test_of_equals_the_first_category_is_taken(region):
    granules = open_features(region.features, region.indices)
    table = categorize_patches(granules, Head(np.zeros((2, 5)), np.zeros(2)), CATEGORIES)
    assert set(table["category"]) == {"town"}
    assert (table["p_country"] == 0.5).all()


def test_one_category_needs_no_head(region, tmp_path):
    backbone = write_backbone(tmp_path / "plain.safetensors", None)
    out = tmp_path / "categories.parquet"
    categorize(settings="{}", features=region.features, indices=region.indices, backbone=backbone, out=out)
    table = read_table(out)
    assert (table["p_land"] == 1).all()
    assert set(table["category"]) == {"land"}


def test_several_categories_without_a_head_are_an_error():
    with pytest.raises(WeightsError, match="no land-category head, but 2 categories") as caught:
        head_of({}, {}, CATEGORIES, "b.safetensors")
    assert "adapt.epochs" in str(caught.value)


def test_a_head_of_other_categories_is_an_error(tmp_path, region, capsys):
    arguments = ["--features", *map(str, region.features), "--indices", *map(str, region.indices)]
    settings = json.dumps({"source": "file", "file": "l.csv", "categories": ["country", "town"]})
    rest = ["--backbone", str(region.backbone), "--out", str(tmp_path / "c.parquet")]
    with pytest.raises(SystemExit) as caught:
        main(["ranking", "categorize", "--settings", settings, *arguments, *rest])
    assert caught.value.code == 2
    assert "was fitted to the categories ['town', 'country']" in capsys.readouterr().err
    assert not (tmp_path / "c.parquet").exists()


def test_a_head_of_another_width_is_an_error(region):
    granules = open_features(region.features, region.indices)
    with pytest.raises(WeightsError, match="reads 9 features and is given 5"):
        categorize_patches(granules, Head(np.zeros((2, 9)), np.zeros(2)), CATEGORIES)


def test_features_and_indices_must_pair(region, tmp_path):
    with pytest.raises(TableError, match=r"\['03TWF'\] stand alone"):
        open_features(region.features, region.indices[:1])
    with pytest.raises(InputError, match="does not exist"):
        open_features([tmp_path / "03TVF.npy"], region.indices[:1])


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((119, 5), np.float32), "lists 120 patches"),
        (np.zeros(120, np.float32), "has shape"),
        (np.full((120, 5), np.nan, np.float32), "no features for"),
    ],
)
def test_features_that_do_not_belong_to_the_patches_are_an_error(region, array, said):
    write_array(region.features[0], array)
    with pytest.raises(TableError, match=said):
        open_features(region.features, region.indices)


def test_features_of_two_backbones_are_an_error(region):
    write_array(region.features[0], np.zeros((120, 6), np.float32))
    with pytest.raises(TableError, match="'03TVF': 6, '03TWF': 5"):
        open_features(region.features, region.indices)
