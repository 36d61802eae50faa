"""Clusters that are given by folders of images or by a table."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rankscape.__main__ import main
from rankscape.foundation.errors import InputError
from rankscape.foundation.files import read_json, write_array
from rankscape.foundation.tables import read_table, write_table
from rankscape.samples.patches import read_index
from rankscape.studies.ranking.clusters.folders import check_cluster_folders, cluster_of_folder
from rankscape.studies.ranking.clusters.soft_labels import labels_table

NAMES = ["urban", "rural", "sea"]
IMAGES = ["00/1", "00/2", "00/3", "03/1", "03/2", "3/9", "loose1", "loose2", "loose3"]
FOUND = ["urban", "rural", "rural", "sea", "sea", "urban", "sea", "urban", "sea"]
"""Category of each image as the head sees it."""


def run(*arguments):
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code or 0


class Study:
    """A folder of images, its patches, features, categories and labels."""

    def __init__(self, folder, images=IMAGES):
        self.folder = folder
        for number, name in enumerate(images):
            path = folder / "images" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (9, 9, number + 1)).save(path)
        assert run("tile", "--settings", "{}", "--source", folder / "images", "--granule", "nk", "--out",
                   folder / "nk.npy", "--images") == 0  # fmt: skip
        self.index = read_index(folder / "nk.parquet")
        (folder / "features").mkdir()
        rng = np.random.default_rng(0)
        write_array(folder / "features/nk.npy", rng.normal(0, 1, (len(self.index), 4)).astype(np.float32))
        self.categorize(dict(zip(images, FOUND, strict=False)))
        write_table(folder / "labels.parquet", labels_table({}, NAMES), {})

    def categorize(self, by_image):
        names = self.index["image"].str.removesuffix(".png")
        table = self.index[["patch_id", "granule"]].assign(category=names.map(by_image))
        label = {"categories": NAMES, "uninhabited": "sea"}
        write_table(self.folder / "categories.parquet", pd.DataFrame(table), {"label": label})

    def label(self, **shares):
        table = labels_table({f"nk_{name}": row for name, row in shares.items()}, NAMES)
        write_table(self.folder / "labels.parquet", table, {})

    def cluster(self, **settings):
        return run("ranking", "cluster", "--settings", json.dumps(settings), "--features",
                   self.folder / "features/nk.npy", "--indices", self.folder / "nk.parquet", "--categories",
                   self.folder / "categories.parquet",
                   "--labels", self.folder / "labels.parquet", "--out", self.folder / "clusters.parquet",
                   "--summary", self.folder / "clusters.json")  # fmt: skip

    @property
    def clusters(self):
        table = read_table(self.folder / "clusters.parquet")
        return dict(zip(table["patch_id"].str.removeprefix("nk_"), table["cluster"], strict=True))

    @property
    def summary(self):
        return read_json(self.folder / "clusters.json")


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def test_folders_are_clusters_and_loose_uninhabited_images_the_last(study):
    assert study.cluster(given="folders") == 0
    assert study.clusters == {
        "00_1": 0, "00_2": 0, "00_3": 0, "03_1": 3, "03_2": 3, "3_9": 3, "loose1": 4, "loose3": 4,
    }  # fmt: skip
    known = {one["cluster"]: one for one in study.summary["clusters"]}
    assert {number: (one["category"], one["size"], one["uninhabited"]) for number, one in known.items()} == {
        0: ("rural", 3, False), 3: ("urban", 3, False), 4: ("sea", 2, True),
    }  # fmt: skip
    assert study.summary["uninhabited"] == 4
    assert known[0]["medoid"] in {"nk_00_1", "nk_00_2", "nk_00_3"}
    assert len(study.summary["centroids"]) == 3
    assert re.fullmatch(r"[0-9a-f]{64}", study.summary["fingerprint"])
    assert study.summary["categories"]["urban"] == {
        "k": 1, "k_given": True, "silhouettes": {}, "stability": None, "stability_by_seed": [],
    }  # fmt: skip


def test_annotators_are_believed_more_than_the_head(study):
    study.label(loose1=(0, 0.75, 0.25), loose2=(0.25, 0, 0.75), loose3=(0.5, 0, 0.5))
    assert study.cluster(given="folders") == 0
    assert {name for name, cluster in study.clusters.items() if cluster == 4} == {"loose2"}


def test_categories_of_the_settings_stand_above_the_majority(study):
    assert study.cluster(given="folders", categories={"urban": [0], "sea": [3]}) == 0
    assert {one["cluster"]: one["category"] for one in study.summary["clusters"]} == {0: "urban", 3: "sea"}
    assert study.summary["uninhabited"] == 3
    assert study.clusters["loose1"] == 3


def test_a_table_gives_clusters_to_some_patches(study):
    (study.folder / "c.tsv").write_text("cluster\tpatch_id\n7\tnk_00_1\n7\tnk_loose2\n2\tnk_03_1\n")
    assert study.cluster(given="file", file=str(study.folder / "c.tsv")) == 0
    assert study.clusters == {"00_1": 7, "loose2": 7, "03_1": 2, "03_2": 8, "loose1": 8, "loose3": 8}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["nk_00_9,1"], "line 2: patch 'nk_00_9' is none of the 9 patches"),
        (["nk_00_1,1", "nk_00_1,2"], "line 3: patch 'nk_00_1' is listed twice"),
        (["nk_00_1,urban"], "cluster = 'urban' is no whole number"),
        ([], "has no rows"),
    ],
)
def test_a_wrong_table_is_one_line(study, capsys, lines, says):
    (study.folder / "c.csv").write_text("\n".join(["patch_id,cluster", *lines]))
    assert study.cluster(given="file", file=str(study.folder / "c.csv")) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert says in error[-1]
    assert not (study.folder / "clusters.parquet").exists()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"given": "folders", "categories": {"urban": [0, 5], "rural": [6]}},
            "given clusters [5, 6] have no usable patch",
        ),
        ({"given": "folders", "categories": {"sea": [0, 3]}}, "[0, 3] as sea: land without people is one cluster"),
        ({"given": "file", "file": "nowhere.csv"}, "nowhere.csv is no file: cluster.file must name"),
        ({"given": "file"}, "given `file` and the key `file` go together"),
        ({"given": "folders", "k": {"urban": 3}}, "the clusters are given"),
        ({"categories": {"urban": [1]}}, "given is 'none'"),
        ({"given": "folders", "categories": {"urban": [1], "rural": [1]}}, "lists the clusters [1] twice"),
    ],
)
def test_given_clusters_that_cannot_be_are_one_line(study, capsys, settings, says):
    assert study.cluster(**settings) == 2
    assert says in capsys.readouterr().err.strip().splitlines()[-1]


def test_folders_with_other_names_or_none(tmp_path, capsys):
    assert Study(tmp_path / "a", ["00/1", "towns/1"]).cluster(given="folders") == 2
    assert "granule nk: the folder towns of towns/1.png is no cluster number" in capsys.readouterr().err
    assert Study(tmp_path / "b", ["1", "2"]).cluster(given="folders") == 2
    assert "no image of the granules with the role `fit` lies in a folder named by a number" in capsys.readouterr().err


def test_the_folder_right_around_an_image_counts():
    assert cluster_of_folder("north/07/1.png", "x") == 7
    assert cluster_of_folder("1.png", "x") is None
    with pytest.raises(InputError, match="the folder 07/old of"):
        cluster_of_folder("07/old/1.png", "x")


def test_cluster_folders_are_checked_before_any_job(study):
    folder = study.folder / "images"
    check_cluster_folders(folder)
    (folder / "notes").mkdir()
    check_cluster_folders(folder)
    (folder / "05").mkdir()
    (folder / "05/README.txt").write_text("nothing yet")
    with pytest.raises(InputError, match="cluster folder 05 holds no image"):
        check_cluster_folders(folder)
    (folder / "05/1.png").touch()
    (folder / "notes/1.png").touch()
    with pytest.raises(InputError, match=r"folder notes of notes/1\.png is no cluster number"):
        check_cluster_folders(folder)
