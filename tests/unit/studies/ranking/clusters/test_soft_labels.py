import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rankscape.foundation.errors import TableError
from rankscape.foundation.tables import read_metadata, read_table
from rankscape.samples.patches import read_index
from rankscape.studies.ranking.clusters.soft_labels import image_names, labels_table, read_labels
from rankscape.studies.ranking.stages.label import label

CATEGORIES = ["urban", "rural"]
KNOWN = ["03TVF_0_0", "03TVF_0_1", "03TVF_1_0"]


def write(path: Path, *lines: str, delimiter: str = ",") -> Path:
    path.write_text("\n".join(lines).replace(",", delimiter) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_labels_are_read_in_the_order_of_the_patches_and_of_the_categories(tmp_path, delimiter):
    path = write(
        tmp_path / "l.csv", "rural,patch_id,urban", "0.25, 03TVF_1_0 ,0.75", "1,03TVF_0_0,0", delimiter=delimiter
    )
    table = read_labels(path, CATEGORIES, KNOWN)
    assert list(table.columns) == ["patch_id", "urban", "rural"]
    assert list(table["patch_id"]) == ["03TVF_0_0", "03TVF_1_0"]
    assert table["urban"].to_list() == [0.0, 0.75]
    assert table["rural"].dtype == np.float64


def test_a_byte_order_mark_and_blank_lines_do_no_harm(tmp_path):
    path = tmp_path / "l.csv"
    path.write_bytes(b"\xef\xbb\xbfpatch_id,urban,rural\r\n\r\n03TVF_0_0,1,0\r\n")
    assert len(read_labels(path, CATEGORIES, KNOWN)) == 1


def test_thirds_that_add_up_to_one_within_a_millionth_are_brought_to_one(tmp_path):
    path = write(tmp_path / "l.csv", "patch_id,a,b,c", "03TVF_0_0,0.3333333,0.3333333,0.3333333")
    table = read_labels(path, ["a", "b", "c"], KNOWN)
    assert table[["a", "b", "c"]].sum(axis=1).iloc[0] == pytest.approx(1, abs=1e-15)


HEADER = "patch_id,urban,rural"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["patch_id,urban,village"], ["unknown columns ['village']", "missing columns ['rural']"]),
        (["patch_id,urban,rural,urban"], ["line 1", "repeated columns ['urban']"]),
        (["urban,rural"], ["missing columns ['patch_id']"]),
        ([HEADER, "03TVF_0_0,1,0", "03TVF_9_9,1,0"], ["line 3", "'03TVF_9_9'", "none of the 3 patches"]),
        ([HEADER, "03TVF_0_0,1,0", "03TVF_0_0,0,1"], ["line 3", "'03TVF_0_0'", "labelled twice"]),
        ([HEADER, "03TVF_0_0,1.2,-0.2"], ["line 2", "urban = '1.2'"]),
        ([HEADER, "03TVF_0_0,0.5,-0.5"], ["line 2", "'03TVF_0_0'", "rural = '-0.5'"]),
        ([HEADER, "03TVF_0_0,0.5,0.4"], ["line 2", "'03TVF_0_0'", "add up to 0.9", "urban 0.5, rural 0.4"]),
        ([HEADER, "03TVF_0_0,0,0"], ["add up to 0,"]),
        ([HEADER, "03TVF_0_0,yes,0"], ["line 2", "urban = 'yes' is no number"]),
        ([HEADER, "03TVF_0_0,nan,1"], ["urban = 'nan' is no share"]),
        ([HEADER, "03TVF_0_0,1"], ["line 2", "2 cells, and 3 columns"]),
        ([HEADER, "03TVF_0_0,1,0,0"], ["more cells than columns"]),
        ([HEADER], ["has no rows"]),
        ([""], ["has no rows"]),
    ],
)
def test_a_wrong_row_is_named_with_file_line_patch_and_value(tmp_path, lines, said):
    path = write(tmp_path / "labels.csv", *lines)
    with pytest.raises(TableError) as caught:
        read_labels(path, CATEGORIES, KNOWN)
    message = str(caught.value)
    assert "labels.csv" in message
    assert "\n" not in message
    assert all(part in message for part in said), message


def test_a_missing_or_binary_file_is_one_line(tmp_path):
    with pytest.raises(TableError, match="is no file"):
        read_labels(tmp_path / "none.csv", CATEGORIES, KNOWN)
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TableError, match="UTF-8"):
        read_labels(tmp_path / "b.csv", CATEGORIES, KNOWN)


def test_an_empty_table_has_the_columns():
    table = labels_table({}, CATEGORIES)
    assert list(table.columns) == ["patch_id", *CATEGORIES]
    assert table.empty
    assert table["urban"].dtype == np.float64


def settings(**values: object) -> str:
    return json.dumps(values)


def test_stage_reads_a_file_and_leaves_out_patches_under_cloud(region, tmp_path):
    index = read_index(region.indices[0])
    good, bad = index.loc[index["usable"], "patch_id"].iloc[0], index.loc[~index["usable"], "patch_id"].iloc[0]
    file = write(tmp_path / "l.csv", "patch_id,town,country", f"{good},0.5,0.5", f"{bad},1,0")
    out = tmp_path / "labels.parquet"
    label(
        settings=settings(source="file", file=str(file), categories=["town", "country"]), patches=region.tiles, out=out
    )
    assert read_table(out)["patch_id"].to_list() == [good]
    about = read_metadata(out, "label")
    assert about == {"source": "file", "categories": ["town", "country"], "uninhabited": None}
    assert {"labels", "index/03TVF", "index/03TWF"} == set(read_metadata(out, "rankscape")["inputs"])


def test_stage_writes_an_empty_table_for_source_none(region, tmp_path):
    label(settings=settings(), patches=region.tiles, out=tmp_path / "labels.parquet")
    table = read_table(tmp_path / "labels.parquet")
    assert list(table.columns) == ["patch_id", "land"]
    assert table.empty


def test_stage_leaves_nothing_behind_when_the_file_is_wrong(region, tmp_path):
    file = write(tmp_path / "l.csv", "patch_id,town,country", "99XXX_0_0,1,0")
    out = tmp_path / "out" / "labels.parquet"
    with pytest.raises(TableError, match="99XXX_0_0"):
        label(
            settings=settings(source="file", file=str(file), categories=["town", "country"]),
            patches=region.tiles,
            out=out,
        )
    assert not out.parent.exists()


PICTURES = pd.DataFrame(
    {"patch_id": ["a_0001", "a_0002", "a_x_7", "a_town", "land_0_0"],
     "image": ["0001.webp", "0002.webp", "x/7.png", "town.png", None]}
)  # fmt: skip


def test_images_are_named_by_number_path_or_file(tmp_path):
    path = write(tmp_path / "l.csv", "image_id,urban,rural", "2,0,1", "town.png,1,0", "x/7,1,0", "0001.webp,1,0")
    table = read_labels(path, CATEGORIES, list(PICTURES["patch_id"]), "image_id", image_names(PICTURES))
    assert list(table["patch_id"]) == ["a_0001", "a_0002", "a_x_7", "a_town"]
    assert list(table["urban"]) == [1, 0, 1, 1]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["image_id,urban,rural", "3,0,1"], ["line 2", "image_id '3' is none of the 4 images", "such as '1'"]),
        (["image_id,urban,rural", "7,0,1"], ["image_id '7' is none"]),
        (["image_id,urban,rural", "1,0,1", "0001,0,1"], ["line 3", "'a_0001' is labelled twice"]),
        (["patch_id,urban,rural", "a_0001,0,1"], ["missing columns ['image_id']"]),
    ],
)
def test_names_that_match_no_image_are_one_line(tmp_path, lines, said):
    path = write(tmp_path / "l.csv", *lines)
    with pytest.raises(TableError) as error:
        read_labels(path, CATEGORIES, list(PICTURES["patch_id"]), "image_id", image_names(PICTURES))
    assert all(part in str(error.value) for part in said), str(error.value)


def test_a_name_of_two_images_and_a_region_without_images(tmp_path):
    two = pd.DataFrame({"patch_id": ["a_1", "b_01"], "image": ["1.png", "01.png"]})
    path = write(tmp_path / "l.csv", "image_id,urban,rural", "1,0,1")
    with pytest.raises(TableError, match="'1' names 2 images, a_1 and b_01"):
        read_labels(path, CATEGORIES, ["a_1", "b_01"], "image_id", image_names(two))
    with pytest.raises(TableError, match="no granule with the role `fit` is a folder of images"):
        image_names(PICTURES[["patch_id"]])


def test_the_published_labels_belong_to_their_images(shared):
    study = shared / "data/north-korea"
    files = sorted(file.name for file in (study / "labelled").iterdir())
    index = pd.DataFrame({"patch_id": [f"labelled_{name[:4]}" for name in files], "image": files})
    table = read_labels(
        study / "labelled.csv", ["urban", "rural", "uninhabited"], list(index["patch_id"]), "image_id",
        image_names(index),
    )  # fmt: skip
    assert len(table) == len(files) == 612
    assert table.set_index("patch_id").loc["labelled_1248"].tolist() == [0.25, 0.75, 0]
