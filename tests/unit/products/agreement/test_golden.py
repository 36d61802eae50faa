"""Published figures of North Korea, from the published tables, by the functions that `evaluate` uses."""

import warnings

import numpy as np
import pandas as pd
import pytest
from rankscape.evaluation.correlation import PairedSamples

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def tables(shared):
    return shared / "data/north-korea/tables"


@pytest.fixture(scope="module")
def places(tables):
    """The 32,578 places, with the scores of the guided runs joined by place."""
    frame = pd.read_csv(tables / "NK_gt_stats.csv", encoding="utf-8-sig").set_index("y_x")
    for name in ("NL", "LC"):
        baseline = pd.read_csv(tables / f"NK_{name}_guided.csv", encoding="utf-8-sig", index_col="y_x")
        frame[name] = baseline["score"].reindex(frame.index)
    return frame


@pytest.fixture(scope="module")
def districts(tables):
    """The 178 districts, indexed by their code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # styles that openpyxl does not know
        return pd.read_excel(tables / "NKData_ver210108.xlsx", sheet_name="Data").set_index("county_code")


def compared(predictors, reference):
    stacked, values = np.asarray(predictors, float), np.asarray(reference, float)
    return PairedSamples(stacked, values, values).estimate()


def test_published_scores_and_baselines_agree_with_floor_area_as_published(places):
    columns = ["year2016", "year2017", "year2018", "year2019", "4years_mean", "NL", "LC"]
    assert len(places) == 32_578
    assert places[columns].notna().all().all()
    found = compared(places[columns].T, places["FA2014"])
    published = [0.732107, 0.692994, 0.794985, 0.736945, 0.783345]
    np.testing.assert_allclose(found.spearman[0, :5], published, atol=5e-7)
    np.testing.assert_allclose(found.spearman[0, 5:], [0.6193, 0.7628], atol=5e-5)


def test_district_means_agree_with_floor_area_as_published(places):
    """Mean score of four years against mean floor area, both over all places of a district."""
    means = places.groupby("district")[["4years_mean", "FA2014"]].mean()
    assert len(means) == 178
    found = compared([means["4years_mean"]], means["FA2014"])
    assert found.spearman[0, 0] == pytest.approx(0.903, abs=5e-4)
    assert found.log_pearson[0, 0] ** 2 == pytest.approx(0.7855, abs=5e-5), "other columns give the published .824"


@pytest.mark.parametrize("year", [2017, 2019])
def test_logarithms_of_district_figures_agree_as_published(districts, year):
    """The districts' own mean score of the year against floor area by km²; the two years cannot be told apart."""
    density = districts["building14sum"] / districts["Area"]
    found = compared([districts[f"KDDsqmean{year}"]], density)
    assert found.log_pearson[0, 0] ** 2 == pytest.approx(0.824, abs=5e-4)


def test_the_places_of_the_papers_own_table(tables, places):
    """Table S4 holds the 22,619 places with floor area, and another version of the scores than the table of all."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        own = pd.read_excel(tables / "TableS4_evaluation.xlsx", sheet_name="grid_year").set_index("y_x")
    built = places[places["FA2014"] > 0]
    assert len(own) == 22_619
    assert set(own.index) == set(built.index)
    assert compared([own["4years_average"]], own["lnFA2014"]).spearman[0, 0] == pytest.approx(0.7740, abs=5e-5)
    assert compared([built["4years_mean"]], built["FA2014"]).spearman[0, 0] == pytest.approx(0.7497, abs=5e-5)
