"""`rankscape simulate` as the workflow calls it: all files, the same bytes each time, clear words for wrong input."""

import json

import pytest
import rasterio
from rankscape.__main__ import main
from rankscape.foundation.files import sha256
from rankscape.synthetic.settings import SimulateSettings
from rankscape.synthetic.world.world_grid import CRS, FIT, GRANULES, ORIGIN_M, WorldGrid, around
from unit.synthetic.conftest import Region, simulate_region


def hashes(region: Region) -> dict[str, str]:
    return {str(p.relative_to(region.folder)): sha256(p) for p in sorted(region.folder.rglob("*")) if p.is_file()}


def test_two_runs_give_the_same_bytes_and_another_seed_another_land(region, tmp_path):
    first, second = hashes(region), hashes(simulate_region(tmp_path / "again"))
    assert first == second
    other = hashes(simulate_region(tmp_path / "other", seed=8))
    assert set(other) == set(first)
    unchanged = {name for name in first if first[name] == other[name]}
    assert unchanged <= {"sentinel-2-l2a/collection.json"}


def test_every_file_is_there_and_nothing_half_written(region):
    names = set(hashes(region))
    assert {"catalog.json", "labels.csv", "lights.tif", "population.tif", "truth.tif", "truth-2016.tif"} <= names
    assert {"counties.parquet", "surroundings.csv"} <= names
    assert len(region.items) == 2 * len(GRANULES) + 2
    assert not [name for name in names if ".part" in name or "draft" in name]


def test_outputs_say_where_they_come_from(region):
    for name in ("truth", "lights", "population"):
        with rasterio.open(getattr(region, name)) as dataset:
            record = json.loads(dataset.tags()["RANKSCAPE"])
        assert record["stage"] == "simulate"
        assert record["seed"] == 7
    assert json.loads(region.catalog.read_text())["rankscape"] == record


def test_truth_covers_the_whole_world(region, small_layout):
    with rasterio.open(region.truth) as dataset:
        assert dataset.crs.to_string() == CRS
        assert dataset.shape == small_layout.shape
        assert tuple(dataset.transform)[:6] == tuple(small_layout.transform)[:6]
        values = dataset.read(1)
    assert values.dtype == "float32"
    assert values.min() == 0
    assert 0.5 < values.max() <= 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"granule_px": 100}, "granule_px"),
        ({"granule_px": 257}, "granule_px"),
        ({"seed": -1}, "seed"),
        ({"sead": 1}, "sead is no known key"),
        ({"annotators": 0}, "annotators"),
    ],
)
def test_wrong_settings_end_with_one_line_and_no_file(tmp_path, capsys, settings, words):
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "--settings", json.dumps(settings), "--folder", str(tmp_path)])
    said = capsys.readouterr().err.strip().splitlines()
    assert ended.value.code == 2
    assert len(said) == 1
    assert words in said[0]
    assert list(tmp_path.iterdir()) == []


def test_defaults_are_those_of_the_demo():
    assert SimulateSettings().model_dump() == {
        "granule_px": 1024, "label_patch_px": 32, "labelled_patches": 300, "annotators": 4, "seed": 7,
    }  # fmt: skip


def test_neighbours_share_two_patches_of_the_demo():
    layout = WorldGrid(1024)
    assert layout.spacing_px == 960
    assert layout.shape == (1984, 2944)
    west, east = layout.bounds("03TVG"), layout.bounds("03TWG")
    assert west[2] - east[0] == 640
    assert (west[0], west[3]) == ORIGIN_M
    north, south = layout.bounds("03TVG"), layout.bounds("03TVF")
    assert south[3] - north[1] == 640
    assert layout.granule_transform("03TXF").c == ORIGIN_M[0] + 2 * 9600
    assert set(FIT) < set(GRANULES)


def test_a_square_around_a_place_is_cut_off_at_the_border():
    assert around(3.7, 98.2, 5, (100, 100)) == (slice(0, 8), slice(93, 100))
    assert around(50, 50, 5, (100, 100)) == (slice(45, 55), slice(45, 55))
