"""The stage district: means by area and by people, intervals, ranks, census, outputs, and what it refuses."""

import itertools
import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from PIL import Image
from pyproj import Transformer
from rankscape.__main__ import main
from rankscape.evaluation.correlation import pearson, spearman
from rankscape.foundation.provenance import KEY
from rankscape.foundation.tables import read_geotable, read_metadata, read_table, write_table
from rankscape.products.districts.districts import ScoredPatches, score_districts
from rankscape.products.districts.settings import COLUMNS, DistrictSettings
from rankscape.samples.patches import index_of, read_index
from rankscape.spatial.intersections import cut
from scipy.stats import spearmanr
from shapely.geometry import box

UTM = "EPSG:32603"
LEFT, TOP, SIDE, COUNT = 400_000.0, 4_500_000.0, 80.0, 12
EAST, SOUTH = LEFT + COUNT * SIDE, TOP - COUNT * SIDE


@pytest.fixture
def land(patch_store, tmp_path):
    """Write granules of 12 x 12 patches, 960 m wide, with a score; returns the options."""

    def write(*granules, score=None, std=0.1, usable=None):
        files = {"scores": [], "indices": []}
        for name, east_patches in granules or [("03TVF", 0)]:
            pixels = np.zeros((COUNT * 8, COUNT * 8, 3), np.uint8)
            index = index_of(
                patch_store(name, pixels=pixels, origin_m=(LEFT + east_patches * SIDE, TOP), usable=usable)
            )
            frame = read_index(index)
            centre = frame.geometry.centroid
            values = (centre.x.to_numpy() - LEFT) / (4 * COUNT * SIDE) if score is None else score(centre)
            path = tmp_path / "scores" / f"{name}.parquet"
            table = {"patch_id": frame["patch_id"], "score": values, "score_std": std}
            write_table(path, pd.DataFrame(table), {})
            files["scores"].append(str(path))
            files["indices"].append(str(index))
        return files

    return write


@pytest.fixture
def polygons(tmp_path):
    """Write districts; returns their path."""

    def write(shapes, crs=UTM, **columns):
        frame = gpd.GeoDataFrame({"code": [f"d{n}" for n in range(len(shapes))], **columns}, geometry=shapes, crs=crs)
        frame.to_parquet(tmp_path / "districts.parquet")
        return str(tmp_path / "districts.parquet")

    return write


def columns_of_land(parts):
    """Districts that cut the land into columns, borders within patches."""
    edges = np.linspace(LEFT, EAST, parts + 1)
    edges[1:-1] += 13
    return [box(west, SOUTH, east, TOP) for west, east in itertools.pairwise(edges)]


def run(files, tmp_path, path, **settings):
    chosen = {"path": path, "title": "Districts", "id": "code", "correlation_range_m": 500, **settings}
    arguments = ["ranking", "district", "--settings", json.dumps(chosen), "--name", "mine"]
    for role, paths in files.items():
        arguments += [f"--{role}", *paths]
    for option, suffix in {"out": "parquet", "table": "csv", "document": "json", "image": "png"}.items():
        arguments += [f"--{option}", str(tmp_path / f"out.{suffix}")]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def result(tmp_path):
    return read_geotable(tmp_path / "out.parquet"), json.loads((tmp_path / "out.json").read_text())


def test_outputs_are_as_promised(land, polygons, tmp_path):
    shapes = [*columns_of_land(3), box(EAST + 5000, SOUTH, EAST + 6000, TOP)]
    path = polygons(shapes, label=["West", "Middle", "East", "Elsewhere"], income=[1.0, 2.0, 4.0, 3.0])
    census = {"income": {"column": "income", "title": "Income", "log": True}}
    assert run(land(), tmp_path, path, name="label", census=census, min_districts=3) in (0, None)
    table, document = result(tmp_path)
    assert table.columns.tolist() == [*COLUMNS, "income", "geometry"]
    assert table.crs.to_epsg() == 4326
    assert table["name"].tolist() == ["West", "Middle", "East", "Elsewhere"]
    assert table["rank"].tolist()[:3] == [3, 2, 1]
    assert table.loc[3, ["score", "score_std", "score_low", "rank", "rank_low"]].isna().all()
    assert table["covered_fraction"].tolist() == pytest.approx([1, 1, 1, 0], abs=1e-6)
    assert table["population"].isna().all()
    assert (table["score_low"] < table["score"])[:3].all()
    assert (table["score"] < table["score_high"])[:3].all()
    assert document["unscored"] == ["d3"]
    assert document["notes"] == ["1 of 4 districts lie outside the region: d3."]
    assert (document["count"], document["scored"], document["patches"]) == (4, 3, 144)
    assert (document["weighting"], document["correlation_range_m"]) == ("area", 500)
    assert document["comparisons"]["income"]["n"] == 3
    assert document["comparisons"]["income"]["spearman"]["value"] == pytest.approx(1)
    assert "polygons/districts.parquet" in document["provenance"]["inputs"]
    assert read_metadata(tmp_path / "out.parquet", KEY) == document["provenance"]
    flat = pd.read_csv(tmp_path / "out.csv")
    assert flat.columns.tolist() == [*COLUMNS, "income"]
    np.testing.assert_allclose(flat["score"], table["score"])
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.mode == "RGBA"


def test_means_weigh_by_the_part_of_a_patch_that_lies_inside(land, polygons, tmp_path):
    assert not run(land(), tmp_path, polygons(columns_of_land(3)))
    edges = [LEFT, LEFT + 333, LEFT + 653, EAST]
    left = LEFT + SIDE * np.arange(COUNT)
    score = (left + SIDE / 2 - LEFT) / (4 * COUNT * SIDE)
    for (west, east), found in zip(itertools.pairwise(edges), result(tmp_path)[0]["score"], strict=True):
        width = np.clip(np.minimum(left + SIDE, east) - np.maximum(left, west), 0, None)
        assert found == pytest.approx((width * score).sum() / width.sum(), abs=1e-7)


def test_places_that_two_granules_show_count_once(land, polygons, tmp_path):
    path = polygons([box(LEFT, SOUTH, EAST + 640, TOP)])
    assert not run(land(("03TVF", 0), ("03TVG", 8)), tmp_path, path)
    table, document = result(tmp_path)
    assert document["patches"] == 12 * 20
    assert table["covered_fraction"][0] == pytest.approx(1, abs=1e-6)
    assert table["score"][0] == pytest.approx((20 * SIDE / 2) / (4 * COUNT * SIDE), abs=1e-6)


def test_patches_without_a_score_do_not_count(land, polygons, tmp_path):
    usable = np.tile(np.arange(COUNT) >= 3, COUNT)
    assert not run(land(usable=usable), tmp_path, polygons(columns_of_land(3)), min_covered_fraction=0.5)
    table, document = result(tmp_path)
    assert table["covered_fraction"][0] == pytest.approx((333 - 240) / 333, abs=1e-6)
    assert np.isnan(table["score"][0])
    assert document["notes"] == ["1 of 3 districts are covered to less than 50% by scored patches: d0."]
    assert not run(land(usable=usable), tmp_path, polygons(columns_of_land(3)), min_covered_fraction=0.2)
    assert result(tmp_path)[0]["score"].notna().all()


def write_people(path, values, crs=UTM, side=SIDE, nodata=None):
    transform = Affine(side, 0, LEFT, 0, -side, TOP)
    profile = {"driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": "float32"}
    with rasterio.open(path, "w", **profile, crs=crs, transform=transform, nodata=nodata) as raster:
        raster.write(values.astype(np.float32), 1)
    return str(path)


@pytest.mark.parametrize(("unit", "people"), [("count", 144.0), ("per_ha", 92.16), ("per_km2", 0.9216)])
def test_people_weigh_land(land, polygons, tmp_path, unit, people):
    where = np.zeros((COUNT, COUNT))
    where[:, [0, 1, 11]] = 4
    raster = write_people(tmp_path / "people.tif", where)
    path = polygons([box(LEFT, SOUTH, LEFT + 480, TOP), box(LEFT + 480, SOUTH, EAST - 40, TOP)])
    assert not run(land(), tmp_path, path, population={"path": raster, "unit": unit})
    table, document = result(tmp_path)
    assert document["weighting"] == "population"
    score = (np.arange(COUNT) + 0.5) / (4 * COUNT)
    assert table["score"].tolist() == pytest.approx([score[:2].mean(), score[11]], abs=1e-6)
    assert table["population"].sum() == pytest.approx(people * 5 / 6, rel=1e-3)
    assert "population" in document["provenance"]["inputs"]


def test_districts_where_nobody_lives_have_no_score(land, polygons, tmp_path):
    where = np.full((COUNT, COUNT), -9.0)
    where[:, :4] = 1
    raster = write_people(tmp_path / "people.tif", where, nodata=-9)
    assert not run(land(), tmp_path, polygons(columns_of_land(2)[:2]), population={"path": raster})
    assert result(tmp_path)[1]["notes"] == ["1 of 2 districts have no people in the population raster: d1."]


def test_the_variance_is_that_of_correlated_errors(land, polygons, tmp_path):
    spread = {}
    for range_m in (0, 500, 1e9):
        assert not run(land(std=0.1), tmp_path, polygons(columns_of_land(3)), correlation_range_m=range_m)
        spread[range_m] = result(tmp_path)[0]["score_std"][0]
    width = np.array([80, 80, 80, 80, 13.0]) / 333
    assert spread[0] == pytest.approx(0.1 * np.sqrt((width**2).sum() / 12), rel=1e-6)
    assert spread[0] < spread[500] < spread[1e9]
    assert spread[1e9] == pytest.approx(0.1, rel=1e-5)


def test_the_range_is_that_of_the_score(land, polygons, tmp_path):
    found = {}
    for length_m in (30, 300):

        def waves(centre, length_m=length_m):
            return 0.5 + 0.3 * np.sin(centre.x.to_numpy() / length_m) * np.cos(centre.y.to_numpy() / length_m)

        assert not run(land(score=waves), tmp_path, polygons(columns_of_land(3)), correlation_range_m="auto")
        document = result(tmp_path)[1]
        assert document["correlation_range_from"] == "variogram"
        found[length_m] = document["correlation_range_m"]
    assert 50 < found[30] < 0.5 * found[300]
    assert not run(
        land(score=lambda centre: np.full(len(centre), 0.5)), tmp_path, polygons(columns_of_land(3)),
        correlation_range_m="auto",
    )  # fmt: skip
    table, document = result(tmp_path)
    assert document["correlation_range_from"] == "region"
    assert table["score_std"].tolist() == pytest.approx([0.1] * 3, rel=0.05)


def test_patches_without_score_std_leave_a_score_without_an_interval(land, polygons, tmp_path):
    std = np.tile(np.where(np.arange(COUNT) < 2, np.nan, 0.1), COUNT)
    assert not run(land(std=std), tmp_path, polygons(columns_of_land(3)))
    table, document = result(tmp_path)
    assert table["score"].notna().all()
    assert table["score_std"].isna().tolist() == table["rank_low"].isna().tolist() == [True, False, False]
    assert "d0" in document["notes"][0]


def test_census_columns_are_compared(land, polygons, tmp_path):
    chance = np.random.default_rng(0)
    income = np.exp(np.linspace(0, 2, 12) + chance.normal(0, 0.3, 12))
    income[3] = np.nan
    few = np.where(np.arange(12) < 3, 1.0, np.nan)
    path = polygons(columns_of_land(12), income=income, few=few, same=np.ones(12), debt=np.arange(12) - 4.0)
    names = ("income", "few", "same", "debt")
    census = {name: {"column": name, "title": name, "log": name == "income"} for name in names}
    assert not run(land(), tmp_path, path, census=census)
    table, document = result(tmp_path)
    found = document["comparisons"]
    kept = table["income"].notna()
    logs = np.log(table["score"][kept]).to_numpy(), np.log(table["income"][kept]).to_numpy()
    assert found["income"]["n"] == 11
    assert found["income"]["pearson"]["value"] == pytest.approx(pearson(*logs))
    assert found["income"]["r2_log"]["value"] == pytest.approx(pearson(*logs) ** 2)
    assert found["income"]["spearman"]["value"] == pytest.approx(spearman(*logs))
    for name in ("pearson", "spearman", "r2_log"):
        assert found["income"][name]["low"] <= found["income"][name]["value"] <= found["income"][name]["high"]
    assert found["few"]["reason"] == "3 districts with score and value; at least 10 are needed"
    assert found["same"]["reason"] == "the value is the same in all 12 districts"
    assert found["debt"]["pearson"]["value"] == pytest.approx(1, abs=0.02)
    assert (found["debt"]["n"], found["debt"]["n_log"], found["debt"]["r2_log"]["value"]) == (12, 7, None)


def test_the_same_inputs_give_the_same_bytes(land, polygons, tmp_path):
    files, path = land(), polygons(columns_of_land(4))
    names = [f"out.{suffix}" for suffix in ("parquet", "csv", "json", "png")]
    seen = []
    for _ in range(2):
        assert not run(files, tmp_path, path)
        seen.append([(tmp_path / name).read_bytes() for name in names])
    assert seen[0] == seen[1]


REFUSED = {
    "elsewhere": ([box(0, 0, 1, 1)], {"crs": "EPSG:4326"}, {}, "none of its 1 polygons meets a scored patch"),
    "overlap": ([box(LEFT, SOUTH, EAST, TOP)] * 2, {}, {}, "district d0 and district d1 overlap in 100 %"),
    "no CRS": ([box(LEFT, SOUTH, EAST, TOP)], {"crs": None}, {}, "has no CRS"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_polygons_end_with_one_line_and_no_file(land, polygons, tmp_path, capsys, case):
    shapes, given, settings, words = REFUSED[case]
    assert run(land(), tmp_path, polygons(shapes, **given), **settings) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert words in said[-1]
    assert sum(line.startswith("rankscape:") for line in said) == 1
    assert not list(tmp_path.glob("out.*"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"values": np.full((COUNT, COUNT), -1.0)}, "holds -1 people in a cell of band 1"),
        ({"crs": None}, "people.tif has no CRS"),
        ({"crs": "EPSG:32633"}, "holds nobody on any patch"),
        ({"values": np.zeros((COUNT, COUNT))}, "holds nobody on any patch"),
        ({"band": 2}, "has 1 bands, but band = 2"),
    ],
)
def test_wrong_population_rasters(land, polygons, tmp_path, capsys, change, words):
    band = change.pop("band", 1)
    raster = write_people(tmp_path / "people.tif", **{"values": np.ones((COUNT, COUNT)), **change})
    path = polygons(columns_of_land(2))
    assert run(land(), tmp_path, path, population={"path": raster, "band": band}) == 2
    assert words in capsys.readouterr().err


def test_scores_of_other_patches_are_refused(land, polygons, tmp_path, capsys):
    files, path = land(), polygons(columns_of_land(2))
    table = read_table(files["scores"][0])
    write_table(files["scores"][0], table[:-1], {})
    assert run(files, tmp_path, path) == 2
    assert "1 patches are in no table, 03TVF_11_11 for one" in capsys.readouterr().err
    write_table(files["scores"][0], pd.concat([table, table[:1]]), {})
    assert run(files, tmp_path, path) == 2
    assert "patch 03TVF_0_0 stands in two rows" in capsys.readouterr().err
    write_table(files["scores"][0], table.assign(score=np.nan), {})
    assert run(files, tmp_path, path) == 2
    assert "no usable patch has a score" in capsys.readouterr().err


def north_korea(shared):
    """Published scores of web-mercator tiles of zoom 14, and published scores of districts."""
    folder = shared / "data/north-korea"
    table = pd.read_csv(folder / "tables/NK_gt_stats.csv")
    row, col = table["y_x"].str.split("_", expand=True).astype(int).to_numpy().T
    half = 20037508.342789244
    side = half / 2**13
    tiles = shapely.box(col * side - half, half - (row + 1) * side, (col + 1) * side - half, half - row * side)
    return table, gpd.GeoSeries(tiles, crs="EPSG:3857"), gpd.read_file(folder / "districts/NK_siScore_district.shp")


def test_published_scores_rank_the_districts_of_north_korea_as_published(shared):
    table, tiles, districts = north_korea(shared)
    to_degrees = Transformer.from_crs(3857, 4326, always_xy=True)
    middle = tiles.centroid
    longitude, latitude = to_degrees.transform(middle.x.to_numpy(), middle.y.to_numpy())
    settings = DistrictSettings(path="nk.shp", title="t", id="FID_NK_Bou", correlation_range_m=20_000)
    polygons = districts.rename(columns={"FID_NK_Bou": "district", "Level2": "name"})
    score = table["4years_mean"].to_numpy(float)
    land = ScoredPatches((tiles,), score, np.full(len(score), 0.05), longitude, latitude)
    found = score_districts(land, polygons, settings).table
    assert found["score"].notna().sum() == 178
    assert found["covered_fraction"].min() > 0.7
    assert spearmanr(found["score"], districts["Mean4years"]).statistic == pytest.approx(0.9904, abs=1e-4)
    assert ((found["rank_low"] <= found["rank"]) & (found["rank"] <= found["rank_high"])).all()
    pieces = cut([tiles], districts.geometry)
    for year, expected in {2016: 0.97, 2017: 0.95, 2018: 0.98, 2019: 0.98}.items():
        values = table[f"year{year}"].to_numpy(float)[pieces.patch]
        mean = np.bincount(pieces.district, pieces.area_m2 * values) / np.bincount(pieces.district, pieces.area_m2)
        assert spearmanr(mean, districts[f"Mean{year % 100}"]).statistic > expected
