"""The stage regress on invented places: its documents, its joins, and what it refuses."""

import json
import re

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import yaml
from rankscape.__main__ import main
from rankscape.foundation.tables import write_table
from rankscape.samples.patches import index_of, read_index

SIDE = 12


@pytest.fixture
def places():
    """Invented places named row_col, in four provinces."""
    generator = np.random.default_rng(3)
    rows, cols = np.divmod(np.arange(SIDE * SIDE), SIDE)
    frame = pd.DataFrame({"row_col": [f"{row}_{col}" for row, col in zip(rows, cols, strict=True)]})
    frame["province"] = np.array(["north", "south", "east", "west"])[rows // 3]
    frame["road_m"] = generator.uniform(100, 9000, len(frame))
    frame["zone"] = (generator.random(len(frame)) < 0.3).astype(int)
    frame["people"] = generator.integers(1, 500, len(frame))
    frame["rose"] = 0.4 * frame["zone"] - 0.05 * np.log(frame["road_m"]) + rows / 40
    frame["rose"] += 0.1 * generator.normal(size=len(frame))
    return frame


@pytest.fixture
def run(tmp_path, capsys):
    """Run `rankscape ranking regress`; return its status, its document and what it said."""

    def start(regression, *extra):
        config = tmp_path / "config.yaml"
        config.write_text(yaml.safe_dump({"ranking": {"regressions": {"roads": {"title": "Roads", **regression}}}}))
        out = tmp_path / "regressions/roads.json"
        with pytest.raises(SystemExit) as ended:
            main(
                [
                    "ranking",
                    "regress",
                    "--settings",
                    str(config),
                    "--name",
                    "roads",
                    "--out",
                    str(out),
                    *map(str, extra),
                ]
            )
        said = capsys.readouterr().err
        return ended.value.code, json.loads(out.read_text()) if out.is_file() else None, said

    return start


@pytest.fixture
def regression(tmp_path, places):
    """A regression of a table's column, its table written as CSV."""
    places.to_csv(tmp_path / "places.csv", index=False)
    return {
        "places": "tables",
        "tables": [{"path": str(tmp_path / "places.csv"), "key": "row_col"}],
        "outcomes": [{"column": "rose"}],
        "explanatory": [{"column": "zone"}, {"column": "road_m", "transform": "log"}],
        "fixed_effects": "province",
        "cluster": "province",
    }


def expected_of(places, outcome):
    design = pd.DataFrame({"zone": places["zone"], "road": np.log(places["road_m"])}).astype(float)
    design = pd.concat([design, pd.get_dummies(places["province"], drop_first=True, dtype=float)], axis=1)
    groups = pd.factorize(places["province"])[0]
    return sm.OLS(outcome, sm.add_constant(design)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)


def refused(found):
    code, document, said = found
    assert code == 2
    assert document is None
    assert said.startswith("rankscape: ")
    assert said.count("\n") == 1
    return said


def test_the_document_and_its_tables(run, regression, places, tmp_path):
    regression["outcomes"].append({"column": "rose", "positive": True, "leave_out": ["zone"], "title": "it rose"})

    code, document, _ = run(regression)

    expected = expected_of(places, places["rose"])
    found = {one["column"]: one for one in document["models"][0]["estimates"]}
    assert code == 0
    assert found["zone"]["coefficient"] == pytest.approx(expected.params["zone"], rel=1e-9)
    assert found["road_m"]["std_error"] == pytest.approx(expected.bse["road"], rel=1e-9)
    assert found["zone"]["stars"] == "***"
    assert [one["column"] for one in document["models"][1]["estimates"]] == ["road_m"]
    assert document["models"][1]["mean"] == pytest.approx((places["rose"] > 0).mean())
    assert any("With 4 clusters" in note for note in document["notes"])
    assert document["provenance"]["inputs"].keys() == {"tables/places.csv"}
    rows = pd.read_csv(tmp_path / "regressions/roads.csv")
    assert rows["coefficient"].tolist()[:2] == [one["coefficient"] for one in found.values()]
    assert rows["model"].tolist() == [1, 1, 2]


def test_the_latex_table(run, regression, tmp_path):
    regression["title"] = "Roads & zones_of 50 % {x}"
    regression["explanatory"][0]["label"] = "Zone #1"
    regression["explanatory"].append({"column": "people", "shown": False})

    run(regression)

    text = (tmp_path / "regressions/roads.tex").read_text()
    assert r"\caption{Roads \& zones\_of 50 \% \{x\}}" in text
    assert r"Zone \#1 & 0." in text
    assert "people" in text  # in the note, as not shown
    assert not re.search(r"^people", text, re.MULTILINE)
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    assert "p \\textless{} 0.10" in text
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    for line in text[text.index(r"\toprule") : text.index(r"\bottomrule")].splitlines()[1:]:
        assert line in {r"\midrule", r"\toprule"} or re.fullmatch(r"[^&]*& [^&]*\\\\", line.replace(r"\&", "")), line


def test_tables_of_three_kinds_join(run, regression, places, tmp_path):
    places[["row_col", "zone"]].to_excel(tmp_path / "zones.xlsx", sheet_name="Z", index=False)
    write_table(tmp_path / "roads.parquet", places[["row_col", "road_m"]].iloc[:-4], {})
    provinces = pd.DataFrame({"name": [*"enws", None], "rain": [1.0, 2, 3, 4, 5]})
    provinces["name"] = provinces["name"].map(dict(zip("enws", ["east", "north", "west", "south"], strict=True)))
    provinces.to_csv(tmp_path / "provinces.tsv", sep="\t", index=False)
    places[["row_col", "rose", "province"]].to_csv(tmp_path / "places.csv", index=False)
    regression["tables"] += [
        {"path": str(tmp_path / "zones.xlsx"), "sheet": "Z", "key": "row_col", "match": "row_col"},
        {"path": str(tmp_path / "roads.parquet"), "key": "row_col", "match": "row_col"},
        {"path": str(tmp_path / "provinces.tsv"), "key": "name", "match": "province"},
    ]
    regression |= {"fixed_effects": None}
    regression["explanatory"].append({"column": "rain"})

    _, document, _ = run(regression)

    model = document["models"][0]
    assert (model["n"], model["dropped"]) == (len(places) - 4, 4)
    assert "4 of 144 places are not in roads.parquet, such as '11_8', '11_9', '11_10'." in document["notes"]
    assert model["estimates"][2]["column"] == "rain"


def test_score_of_patches_on_a_table_of_places(run, regression, places, patch_store, tmp_path):
    store = patch_store(pixels=np.zeros((SIDE * 8, SIDE * 8, 3), np.uint8))
    index = read_index(index_of(store))
    score = pd.DataFrame({"patch_id": index["patch_id"], "score": places["rose"], "score_std": 0.1})
    write_table(tmp_path / "scores.parquet", score, {})
    regression |= {"places": "score", "outcomes": [{"column": "score"}], "conley_m": 500}
    regression["tables"][0]["match"] = "row_col"

    _, document, _ = run(regression, "--scores", tmp_path / "scores.parquet", "--indices", index_of(store))

    model = document["models"][0]
    expected = expected_of(places, places["rose"])
    assert model["estimates"][0]["coefficient"] == pytest.approx(expected.params["zone"], rel=1e-9)
    assert model["estimates"][0]["conley_error"] > 0
    assert model["spatial"]["neighbours"] == 8
    assert document["provenance"]["inputs"].keys() == {"tables/places.csv", "scores/scores", "indices/03TVF"}


def test_change_of_places_between_two_periods(run, regression, places, patch_store, tmp_path):
    index = read_index(index_of(patch_store(pixels=np.zeros((SIDE * 8, SIDE * 8, 3), np.uint8))))
    change = gpd.GeoDataFrame(
        {"patch_id": index["patch_id"], "granule": "03TVF", "change": places["rose"]}, geometry=index.geometry
    ).to_crs(4326)
    write_table(tmp_path / "change.parquet", change, {})
    regression |= {"places": "2016--2019", "outcomes": [{"column": "change"}]}
    regression["tables"][0]["match"] = "row_col"

    _, document, _ = run(regression, "--change", tmp_path / "change.parquet")

    assert document["models"][0]["n"] == len(places)
    assert document["models"][0]["spatial"]["moran"] == pytest.approx(0, abs=0.2)


def test_tiles_have_coordinates(run, regression, places, tmp_path):
    places["row_col"] = [f"{6200 + int(n) // SIDE}_{13900 + int(n) % SIDE}" for n in range(len(places))]
    places.to_csv(tmp_path / "places.csv", index=False)

    _, document, _ = run(regression | {"zoom": 14})

    assert document["models"][0]["spatial"] is not None
    assert "is no tile `row_col` of zoom 10" in refused(_again(run, tmp_path, regression | {"zoom": 10}))


def _again(run, tmp_path, regression):
    (tmp_path / "regressions/roads.json").unlink()
    return run(regression)


@pytest.mark.parametrize(
    ("column", "values", "change", "message"),
    [
        ("zone", None, {}, r"no table has the columns \['zone'\]; there are row_col, province"),
        ("rose", 0.25, {}, "the outcome is 0.25 at all 144 places"),
        ("province", "north", {"fixed_effects": None}, "cluster = 'province' holds one group only, 'north'"),
        ("road_m", 0.0, {}, "column 'road_m' is 0 at a place, and transform = log takes only values above 0"),
        ("people", 3, {"explanatory": [{"column": "people", "transform": "standard"}]}, "'people' is the same at all"),
        ("zone", "many", {}, "column 'zone' of row 5 is 'many', which is no number"),
        ("people", 0, {"weights": "people"}, "weights = 'people' is 0 at a place"),
        ("zone", 1, {}, "zone is constant within every group of the fixed effects"),
    ],
)
def test_columns_that_cannot_be_used(run, regression, places, tmp_path, column, values, change, message):
    if values is None:
        places = places.drop(columns=column)
    elif column == "zone" and values == "many":
        places[column] = places[column].astype(object)
        places.loc[5, column] = values
    else:
        places[column] = values
    places.to_csv(tmp_path / "places.csv", index=False)

    assert re.search(message, refused(run(regression | change)))


def test_keys_that_match_nothing_are_shown(run, regression, places, tmp_path):
    other = pd.DataFrame({"tile": ["a7", "b8"], "hills": [1, 2]})
    other.to_csv(tmp_path / "hills.csv", index=False)
    regression["tables"].append({"path": str(tmp_path / "hills.csv"), "key": "tile", "match": "row_col"})

    said = refused(run(regression))

    assert "no tile is the row_col of any place: the table holds 'a7', 'b8', the places hold '0_0', '0_1'" in said


def test_few_places_are_refused(run, regression, places, tmp_path):
    places.assign(zone=places["zone"].where(places.index % 6 == 0)).to_csv(tmp_path / "places.csv", index=False)

    assert "24 of 144 places have all columns; a regression needs 30" in refused(run(regression))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"path": "nowhere.csv"}, "nowhere.csv does not exist"),
        ({"path": "places.doc"}, "places.doc is no table: .csv, .tsv, .tab, .txt, .xlsx, .parquet can be read"),
        ({"path": "broken.xlsx"}, "broken.xlsx cannot be read as a workbook"),
        ({"path": "twice.csv"}, "row_col '0_0' stands in two rows"),
        ({"path": "places.csv", "key": "tile"}, r"places.csv lacks the columns \['tile'\]"),
        ({"path": "places.csv"}, r"the columns \['people', .* are there already: name the ones to take"),
        ({"path": "places.csv", "match": "tile"}, "places have no column 'tile'"),
    ],
)
def test_tables_that_cannot_be_joined(run, regression, places, tmp_path, table, message):
    (tmp_path / "broken.xlsx").write_text("no workbook")
    pd.concat([places, places.iloc[:1]]).to_csv(tmp_path / "twice.csv", index=False)
    given = {"key": "row_col", "match": "row_col"} | table
    regression["tables"].append(given | {"path": str(tmp_path / given["path"])})

    assert re.search(message, refused(run(regression)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"places": "lately"}, "places = 'lately'.*allowed are score, tables, or two periods"),
        ({"places": "tables", "tables": []}, "places = 'tables' needs tables"),
        ({"places": "score"}, "is joined and needs `match`"),
        ({"outcomes": [{"column": "rose", "leave_out": ["hill"]}]}, r"leave_out names \['hill'\]"),
        ({"outcomes": [{"column": "rose", "leave_out": ["zone", "road_m"]}]}, "without explanatory columns"),
        ({"explanatory": [{"column": "zone"}, {"column": "zone"}]}, r"explanatory names \['none zone'\] twice"),
        ({"places": "score", "zoom": 14}, "zoom is for places = 'tables'"),
    ],
)
def test_settings_that_cannot_be_used(run, regression, change, message):
    assert re.search(message, refused(run(regression | change)))


def test_files_that_were_not_given(run, regression):
    regression["tables"][0]["match"] = "row_col"

    assert "give --scores and --indices" in refused(run(regression | {"places": "score"}))
    assert "give --change" in refused(run(regression | {"places": "2016--2019"}))


def test_a_name_that_the_configuration_lacks(tmp_path, capsys):
    config = tmp_path / "config.yaml"
    config.write_text("ranking: {regressions: {roads: {}}}")

    with pytest.raises(SystemExit) as ended:
        main(["ranking", "regress", "--settings", str(config), "--name", "rails", "--out", str(tmp_path / "o.json")])

    assert ended.value.code == 2
    assert "regressions has ['roads'], but --name is 'rails'" in capsys.readouterr().err
