import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from rankscape.__main__ import main
from rankscape.foundation.errors import SettingsError, TableError
from rankscape.foundation.files import read_json
from rankscape.foundation.tables import read_metadata, read_table, write_table
from rankscape.samples.patches import read_index
from rankscape.studies.ranking.clusters.clustering import cluster_patches, fingerprint, places_once
from rankscape.studies.ranking.clusters.granule_features import open_features
from rankscape.studies.ranking.clusters.settings import ClusterSettings
from rankscape.studies.ranking.stages.categorize import categorize
from rankscape.studies.ranking.stages.cluster import cluster

CATEGORIES = ["town", "country"]
LABEL = {"source": "file", "file": "l.csv", "categories": CATEGORIES}
QUICK = {"k_min": 2, "k_max": 4, "stability_seeds": 2}


@pytest.fixture
def categories(region, tmp_path):
    path = tmp_path / "categories.parquet"
    categorize(
        settings=json.dumps(LABEL), features=region.features, indices=region.indices, backbone=region.backbone, out=path
    )
    return path


def run(region, categories, folder, **settings):
    out, summary = folder / "clusters.parquet", folder / "clusters.json"
    cluster(
        settings=json.dumps({**QUICK, **settings}),
        features=region.features,
        indices=region.indices,
        categories=categories,
        out=out,
        summary=summary,
        threads=2,
    )
    return read_table(out), read_json(summary)


def test_stage_finds_the_looks_and_numbers_them_by_category_and_size(region, categories, tmp_path):
    table, summary = run(region, categories, tmp_path)
    assert list(table.columns) == ["patch_id", "granule", "category", "cluster"]
    assert table["cluster"].dtype == np.int32
    known = summary["clusters"]
    assert [one["cluster"] for one in known] == [0, 1, 2, 3]
    assert [one["category"] for one in known] == ["town", "town", "country", "country"]
    assert known[0]["size"] > known[1]["size"]
    assert [one["size"] for one in known] == table["cluster"].value_counts().sort_index().to_list()
    looks = {}
    for path, look in zip(region.indices, region.looks, strict=True):
        looks |= dict(zip(read_index(path)["patch_id"], look, strict=True))
    agreement = pd.crosstab(table["cluster"], table["patch_id"].map(looks))
    assert ((agreement > 0).sum(axis=1) == 1).all()
    for one in known:
        assert table.set_index("patch_id").loc[one["medoid"], "cluster"] == one["cluster"]
    town = summary["categories"]["town"]
    assert (town["k"], town["k_given"], town["stability"], len(town["stability_by_seed"])) == (2, False, 1.0, 1)
    assert set(town["silhouettes"]) == {"2", "3", "4"}
    assert summary["uninhabited"] is None
    assert np.allclose(np.array(summary["centroids"]).argmax(axis=1), [looks[one["medoid"]] for one in known])


def test_a_place_counts_once(region, categories, tmp_path):
    table, _ = run(region, categories, tmp_path)
    kept = set(table["patch_id"])
    assert not any(
        f"03TVF_{row}_{8 + col}" in kept and f"03TWF_{row}_{col}" in kept for row in (0, 11) for col in (0, 1)
    )
    first = read_index(region.indices[0])
    assert set(first.loc[first["usable"], "patch_id"]) <= kept
    # Where the first granule has no usable patch, the second one's stands for the place.
    bad = first[~first["usable"] & (first["col"] >= 8)]
    second = read_index(region.indices[1])
    stand_ins = second[second["usable"]].merge(bad.assign(col=bad["col"] - 8)[["row", "col"]], on=["row", "col"])
    assert set(stand_ins["patch_id"]) <= kept


def test_the_same_inputs_give_the_same_bytes_and_a_fingerprint(region, categories, tmp_path):
    table, summary = run(region, categories, tmp_path / "a")
    run(region, categories, tmp_path / "b")
    for name in ("clusters.parquet", "clusters.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    lines = "".join(f"{patch}\t{number}\n" for patch, number in sorted(zip(table.patch_id, table.cluster, strict=True)))
    assert summary["fingerprint"] == hashlib.sha256(lines.encode()).hexdigest()
    assert summary["fingerprint"] == fingerprint(table.sample(frac=1, random_state=0))
    record = read_metadata(tmp_path / "a" / "clusters.parquet", "rankscape")
    assert record == summary["provenance"]
    assert record["seed"] == 0


def test_uninhabited_land_is_one_cluster_the_last(region, tmp_path):
    path = tmp_path / "categories.parquet"
    settings = json.dumps({**LABEL, "uninhabited": "town"})
    categorize(settings=settings, features=region.features, indices=region.indices, backbone=region.backbone, out=path)
    table, summary = run(region, path, tmp_path, k={"country": 1})
    assert [one["category"] for one in summary["clusters"]] == ["country", "town"]
    assert summary["uninhabited"] == 1
    assert summary["clusters"][1]["uninhabited"]
    assert summary["categories"]["country"] == {
        "k": 1,
        "k_given": True,
        "silhouettes": {},
        "stability": None,
        "stability_by_seed": [],
    }
    assert set(table.loc[table["category"] == "town", "cluster"]) == {1}


def invented(*parts: tuple[str, int]) -> tuple[np.ndarray, pd.DataFrame]:
    names = [name for name, count in parts for _ in range(count)]
    features = np.random.default_rng(1).normal(size=(len(names), 4)).astype(np.float32)
    ids = [f"03TVF_0_{number}" for number in range(len(names))]
    return features, pd.DataFrame({"patch_id": ids, "granule": "03TVF", "category": names})


def test_empty_and_tiny_categories_are_said_in_the_log(capsys):
    features, table = invented(("village", 40), ("pass", 2))
    found = cluster_patches(
        features, table, ["village", "desert", "pass"], None, ClusterSettings(stability_seeds=2, k_max=4), threads=1
    )
    assert [one["category"] for one in found.summary["clusters"]][-1] == "pass"
    assert found.summary["categories"]["pass"]["k"] == 1
    assert "desert" not in found.summary["categories"]
    said = capsys.readouterr().err
    assert "desert: no patch, no cluster." in said
    assert "pass: 2 patches, 2 distinct, are few" in said


def test_numbers_do_not_depend_on_the_numbers_of_k_means():
    features, table = invented(("land", 60))
    settings = ClusterSettings(k={"land": 3}, stability_seeds=2, features="standardise")
    found = cluster_patches(features, table, ["land"], None, settings, threads=1).summary
    sizes = [one["size"] for one in found["clusters"]]
    assert sizes == sorted(sizes, reverse=True)


def test_equal_sizes_are_numbered_by_the_centroid():
    features = np.repeat(np.array([[5, 0], [0, 5]], np.float32), 4, axis=0)
    table = invented(("land", 8))[1]
    found = cluster_patches(features, table, ["land"], None, ClusterSettings(k={"land": 2}), threads=1)
    assert found.summary["centroids"] == [[0, 5], [5, 0]]
    assert found.table["cluster"].to_list() == [1] * 4 + [0] * 4


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"k": {"village": 2}}, r"cluster.k names \['village'\]"),
        ({"k": {"town": 2}}, "gives 2 clusters to 'town', the uninhabited one"),
    ],
)
def test_a_k_that_cannot_be_is_an_error(settings, said):
    features, table = invented(("town", 10))
    with pytest.raises(SettingsError, match=said):
        cluster_patches(features, table, ["town"], "town", ClusterSettings(**settings), threads=1)


def test_an_unknown_category_is_an_error():
    features, table = invented(("moon", 10))
    with pytest.raises(TableError, match=r"\['moon'\]"):
        cluster_patches(features, table, ["town"], None, ClusterSettings(), threads=1)


def test_categories_of_other_patches_are_an_error(region, categories, tmp_path, capsys):
    write_table(categories, read_table(categories).iloc[1:], {"label": read_metadata(categories, "label")})
    arguments = ["ranking", "cluster", "--settings", "{}", "--features", *map(str, region.features)]
    arguments += ["--indices", *map(str, region.indices), "--categories", str(categories)]
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--out", str(tmp_path / "c.parquet"), "--summary", str(tmp_path / "c.json")])
    assert caught.value.code == 2
    assert "run categorize again" in capsys.readouterr().err
    assert not (tmp_path / "c.parquet").exists()


def test_no_usable_patch_is_an_error(region, patch_store):
    patch_store("03TVF", pixels=np.zeros((96, 80, 3), np.uint8), usable=np.zeros(120, bool))
    granules = open_features(region.features[:1], region.indices[:1])
    with pytest.raises(TableError, match="No patch is usable"):
        places_once(granules, pd.DataFrame({"patch_id": [], "category": []}))
