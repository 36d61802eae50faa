"""What only the ends of the graph depend on: districts, regressions and what is published rerun nothing before them."""

PAGES = {"report report/index.html", "publish catalog.json"}
"""What shows everything that was made."""


def test_other_settings_of_districts_average_these_alone(finished):
    finished.configure(districts={"counties": {"min_covered_fraction": 0.3}})

    assert finished.planned() == {"district ranking/districts/counties.parquet"} | PAGES


def test_new_districts_of_a_shapefile_read_all_its_files(finished):
    for suffix in (".shp", ".dbf", ".shx", ".prj"):
        (finished.folder / f"zones{suffix}").write_text("zones")
    finished.configure(districts={"zones": {"path": "zones.shp", "title": "Zones", "id": "code"}})

    assert finished.planned() == {"district ranking/districts/zones.parquet"} | PAGES
    read = finished.snakemake("--dry-run", "--nocolor").stdout
    assert all(f"zones{suffix}" in read for suffix in (".shp", ".dbf", ".shx", ".prj"))


def test_a_reference_of_a_shapefile_is_all_its_files(finished):
    for suffix in (".shp", ".dbf"):
        (finished.folder / f"areas{suffix}").write_text("areas")
    finished.configure(references={"areas": {"path": "areas.shp", "title": "Areas", "kind": "polygons", "column": "v"}})
    assert "areas.dbf" in finished.snakemake("--dry-run", "--nocolor").stdout


def test_a_regression_on_scores_is_made_by_itself(finished):
    (finished.folder / "roads.csv").write_text("place,road_m\n0_0,10\n")
    roads = {
        "title": "Roads",
        "tables": [{"path": "roads.csv", "key": "place", "match": "row_col"}],
        "outcomes": [{"column": "score"}],
        "explanatory": [{"column": "road_m", "transform": "km"}],
    }
    finished.configure(ranking={"regressions": {"roads": roads}})

    assert finished.planned() == {"regress ranking/regressions/roads.json"} | PAGES


def test_other_settings_of_publishing_publish_anew_and_make_nothing(finished):
    finished.configure(publish={"confidence": 0.9})

    assert finished.planned() == {"publish catalog.json", "tabulate ranking/maps/patches.parquet"}
