"""The published change regression of North Korea (Ahn et al. 2023, Table 1) on the real tables."""

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import yaml
from rankscape.__main__ import main

pytestmark = pytest.mark.shared

ZOOM = 14
DISTANCES = ["Distance_border", "Distance_Pyongyang", "Distance_city", "Distance_port"]
ZONES = {"Agriculture": "Agriculture", "Tourism": "Tourism", "Industrial": "Industrial", "Exporting": "Exporting"}
MINES = {"Gold": "Gold", "Coal": "Coal", "Copper": "Cooper", "Iron": "Iron", "Uranium": "Uranium"}
SITES = [*ZONES, *MINES, "Nuclear"]

# Table 1, column 2: change of log night lights, coefficient and error clustered by province.
PUBLISHED = {
    "Distance_border": (0.058, 0.028), "Distance_Pyongyang": (0.175, 0.098), "Distance_city": (0.083, 0.032),
    "Distance_port": (0.022, 0.024), "Gold": (-0.024, 0.028), "Coal": (0.003, 0.024), "Copper": (0.076, 0.040),
    "Iron": (-0.126, 0.059), "Uranium": (0.077, 0.072), "Nuclear": (-0.098, 0.046),
}  # fmt: skip


def site_dummies(folder, names):
    """1 where a place or one of its eight neighbours holds a site; the paper's own table of these is not published."""
    zones, mines = (gpd.read_file(folder / f"NK_{name}.shp").dropna(subset="geometry") for name in ("SEZ_EDZ", "mines"))
    layers = {column: zones[zones["Class"] == kind] for column, kind in ZONES.items()}
    layers |= {column: mines[mines["Type"] == kind] for column, kind in MINES.items()}
    layers["Nuclear"] = gpd.read_file(folder / "NK_nuclear.shp")
    row_col = names.str.split("_", expand=True).to_numpy(int)
    table = {"tile": names}
    for column, sites in layers.items():
        north = np.arcsinh(np.tan(np.radians(sites.geometry.y.to_numpy())))
        at = np.column_stack([(1 - north / np.pi) / 2, (sites.geometry.x.to_numpy() + 180) / 360]) * 2**ZOOM
        apart = np.abs(row_col[:, None] - np.floor(at).astype(int)).max(axis=2)
        table[column] = (apart.min(axis=1) <= 1).astype(int)
    return pd.DataFrame(table)


@pytest.fixture(scope="module")
def tables(shared):
    folder = shared / "data/north-korea/tables"
    joined = pd.read_csv(folder / "NK_gt_stats.csv")[["y_x", "year2016", "year2019"]]
    for name in ("NK_gird_NL_mean", "NK_gird_distance"):
        joined = joined.merge(pd.read_excel(folder / f"{name}.xlsx"), left_on="y_x", right_on="gridid")
    counties = pd.read_excel(folder / "NKData_ver210108.xlsx", sheet_name="Data")
    joined = joined.merge(counties[["county_code", "sido_name", "lpop2008", "Area"]], on="county_code")
    sites = site_dummies(shared / "data/north-korea/districts", joined["y_x"])
    return joined.merge(sites, left_on="y_x", right_on="tile")


@pytest.fixture(scope="module")
def document(shared, tables, tmp_path_factory):
    folder, data = tmp_path_factory.mktemp("regress"), shared / "data/north-korea/tables"
    tables[["tile", *SITES]].to_csv(folder / "sites.csv", index=False)
    logs = {"transform": "log"}
    regression = {
        "title": "Change of score and night lights, 2016-2019",
        "places": "tables",
        "zoom": ZOOM,
        "tables": [
            {"path": str(data / "NK_gt_stats.csv"), "key": "y_x", "columns": ["year2016", "year2019"]},
            {"path": str(data / "NK_gird_NL_mean.xlsx"), "key": "gridid", "match": "y_x"},
            {"path": str(data / "NK_gird_distance.xlsx"), "key": "gridid", "match": "y_x"},
            {
                "path": str(data / "NKData_ver210108.xlsx"), "sheet": "Data", "key": "county_code",
                "match": "county_code", "columns": ["sido_name", "lpop2008", "Area"],
            },
            {"path": str(folder / "sites.csv"), "key": "tile", "match": "y_x"},
        ],
        "outcomes": [
            {"column": "year2019", "minus": "year2016", "title": "change of score"},
            {"column": "year2019", "minus": "year2016", "add": 0.01, **logs, "title": "change of log score"},
            {"column": "NL19mean", "minus": "NL16mean", "add": 0.01, **logs, "title": "change of log night lights"},
        ],
        "explanatory": [
            *({"column": name, **logs} for name in DISTANCES), *({"column": name} for name in SITES),
            {"column": "lpop2008", "shown": False}, {"column": "Area", "shown": False, **logs},
        ],
        "fixed_effects": "sido_name",
        "cluster": "sido_name",
    }  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump({"ranking": {"regressions": {"change": regression}}}))
    out = folder / "change.json"
    with pytest.raises(SystemExit) as ended:
        main(["ranking", "regress", "--settings", str(folder / "config.yaml"), "--name", "change", "--out", str(out)])
    assert ended.value.code == 0
    assert "32,578 & 32,578 & 32,578" in out.with_suffix(".tex").read_text()
    return json.loads(out.read_text())


def outcomes(tables):
    return [
        tables["year2019"] - tables["year2016"],
        np.log(tables["year2019"] + 0.01) - np.log(tables["year2016"] + 0.01),
        np.log(tables["NL19mean"] + 0.01) - np.log(tables["NL16mean"] + 0.01),
    ]


def design_of(tables):
    columns = np.log(tables[DISTANCES]).join(tables[SITES].astype(float)).join(tables["lpop2008"])
    columns["area"] = np.log(tables["Area"])
    provinces = pd.get_dummies(tables["sido_name"], drop_first=True, dtype=float)
    return sm.add_constant(pd.concat([columns, provinces], axis=1))


def test_coefficients_and_errors_are_statsmodels_own(document, tables):
    design, groups = design_of(tables), pd.factorize(tables["sido_name"])[0]
    shown = [*DISTANCES, *SITES, "lpop2008"]

    for model, outcome in zip(document["models"], outcomes(tables), strict=True):
        expected = sm.OLS(outcome, design).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
        found = {one["column"]: one for one in model["estimates"]}
        assert (model["n"], model["clusters"], model["groups"]) == (32_578, 10, 10)
        assert [found[name]["coefficient"] for name in shown] == pytest.approx(expected.params[shown], rel=1e-9)
        assert [found[name]["std_error"] for name in shown] == pytest.approx(expected.bse[shown], rel=1e-9)


def test_the_sandwich_of_numpy_alone(document, tables):
    design = design_of(tables).to_numpy()
    orthogonal, triangle = np.linalg.qr(design)
    for model, outcome in zip(document["models"], outcomes(tables), strict=True):
        values = np.linalg.solve(triangle, orthogonal.T @ outcome.to_numpy())
        scores = design * (outcome.to_numpy() - design @ values)[:, None]
        sums = pd.DataFrame(scores).groupby(tables["sido_name"].to_numpy()).sum().to_numpy()
        half = np.linalg.solve(triangle, np.linalg.solve(triangle.T, sums.T))
        factor = 10 / 9 * (len(design) - 1) / (len(design) - design.shape[1])
        errors = np.sqrt(factor * (half**2).sum(axis=1))
        found = model["estimates"]
        assert [one["coefficient"] for one in found] == pytest.approx(values[1 : 1 + len(found)], rel=1e-9)
        assert [one["std_error"] for one in found] == pytest.approx(errors[1 : 1 + len(found)], rel=1e-9)


def test_the_published_column_of_night_lights_comes_out(document):
    model = document["models"][2]
    found = {one["column"]: one for one in model["estimates"]}

    assert model["mean"] == pytest.approx(3.10, abs=0.005)
    for name, (coefficient, error) in PUBLISHED.items():
        assert found[name]["coefficient"] == pytest.approx(coefficient, abs=0.0105), name
        assert found[name]["std_error"] == pytest.approx(error, abs=0.0035), name


def test_the_published_columns_of_the_score_do_not(document):
    """The scores in the repository are not those of the paper's table: their mean change is another (paper: -0.09)."""
    model = document["models"][1]

    assert model["mean"] == pytest.approx(-0.023, abs=0.0005)
    assert model["spatial"]["moran"] > 0.1
