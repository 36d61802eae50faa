import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rankscape.__main__ import main
from rankscape.foundation.errors import TableError
from rankscape.foundation.files import read_json, write_json
from rankscape.foundation.tables import write_table
from rankscape.samples.patches import open_patches, read_index
from rankscape.studies.ranking.clusters.cluster_sheets import (
    contact_sheet,
    plan_contact_sheets,
    resized,
    write_contact_sheets,
)

CLUSTERS = [
    {"cluster": 0, "category": "town", "size": 119, "uninhabited": False},
    {"cluster": 1, "category": "ice", "size": 1, "uninhabited": True},
]


@pytest.fixture
def table(region):
    ids = read_index(region.indices[0])["patch_id"]
    return pd.DataFrame({"patch_id": ids, "cluster": np.where(np.arange(120) < 119, 0, 1).astype(np.int32)})


def test_sheets_are_drawn_with_the_seed(table):
    first = plan_contact_sheets(table, CLUSTERS, 9, 0)
    assert first == plan_contact_sheets(table, CLUSTERS, 9, 0)
    assert first[0].patch_ids != plan_contact_sheets(table, CLUSTERS, 9, 1)[0].patch_ids
    assert [len(set(sheet.patch_ids)) for sheet in first] == [9, 1]
    assert first[0].title == "Cluster 0: town, 119 patches (9 shown)"
    assert first[1].title == "Cluster 1: ice, uninhabited, 1 patch"
    assert [sheet.file for sheet in first] == ["00.png", "01.png"]


def test_table_and_summary_of_different_clusterings_are_an_error(table):
    with pytest.raises(TableError, match="different clusterings"):
        plan_contact_sheets(table, [{**CLUSTERS[0], "size": 118}, CLUSTERS[1]], 9, 0)


def test_stage_writes_one_image_a_cluster_that_shows_its_patches(region, table, tmp_path, monkeypatch):
    monkeypatch.setattr("rankscape.studies.ranking.stages.contact_sheets.SHEET_PATCHES", 4)
    clusters, summary, out = tmp_path / "clusters.parquet", tmp_path / "clusters.json", tmp_path / "sheets"
    write_table(clusters, table, {})
    write_json(summary, {"clusters": CLUSTERS})
    out.mkdir()
    (out / "07.png").write_bytes(b"of an earlier clustering")
    arguments = [
        "ranking",
        "contact-sheets",
        "--settings",
        "{}",
        "--patches",
        *map(str, region.tiles),
    ]
    for _ in range(2):
        with pytest.raises(SystemExit) as caught:
            main([*arguments, "--clusters", str(clusters), "--summary", str(summary), "--out", str(out)])
        assert caught.value.code in (0, None)
    assert sorted(path.name for path in out.iterdir()) == ["00.png", "01.png", "index.json"]
    named = read_json(out / "index.json")["sheets"]
    assert [len(one["patches"]) for one in named] == [4, 1]
    image = np.asarray(Image.open(out / "00.png"))
    index = read_index(region.indices[0])
    position = index.index[index["patch_id"] == named[0]["patches"][0]][0]
    colour = open_patches(region.tiles[0]).array[position, 0, 0]
    assert (image[40, 40] == colour).all()


def test_a_patch_that_is_in_no_granule_is_an_error(region, table, tmp_path):
    sheets = plan_contact_sheets(table, CLUSTERS, 4, 0)
    with pytest.raises(TableError, match="in none of the patch arrays given"):
        write_contact_sheets(tmp_path / "s", sheets, [open_patches(region.tiles[1])], {})


@pytest.mark.parametrize(("side", "shown"), [(8, 96), (32, 96), (50, 100), (96, 96), (192, 192), (343, 172)])
def test_patches_are_shown_at_a_size_that_can_be_seen(side, shown):
    patch = np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8)
    assert resized(patch).shape == (shown, shown, 3)
    if side < 96:
        assert np.array_equal(resized(patch)[:: shown // side, :: shown // side], patch)


def test_a_long_title_fits_and_one_patch_is_enough():
    sheet = contact_sheet("Cluster 0: a_category_with_a_rather_long_name, 1 patch", [np.zeros((32, 32, 3), np.uint8)])
    assert sheet.shape[1] > 300
    assert (sheet[:, -2:] == 255).all()
