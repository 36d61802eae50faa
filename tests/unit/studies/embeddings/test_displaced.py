"""Labels at points that were moved: discs, their shares, features averaged over them, uncertainty."""

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from rankscape.foundation.errors import TableError
from rankscape.foundation.files import read_json
from rankscape.samples.joins import read_indices
from rankscape.samples.settings import ReferenceSettings
from rankscape.studies.embeddings.artifacts import LABELS
from rankscape.studies.embeddings.displaced import displaced_points, read_discs
from rankscape.studies.embeddings.joining import join_features
from rankscape.studies.embeddings.tasks import DownstreamSettings

SIDE_M = 80.0
KIND = {"column": "kind", "U": 100, "R": 200}


@pytest.fixture
def survey(region):
    """Clusters of two kinds in three granules: 40 points, two of them in one patch."""
    chance = np.random.default_rng(5)
    rows = []
    for path in region.indices:
        index = gpd.read_parquet(path)
        for number in chance.choice(np.arange(2, len(index)), 13, replace=False):
            middle = index.geometry.iloc[int(number)].centroid
            rows.append((middle.x, middle.y, float(chance.uniform(1, 9)), "UR"[int(chance.integers(2))]))
    rows.append(rows[0])
    frame = pd.DataFrame(rows, columns=["x", "y", "wealth", "kind"])
    degrees = gpd.GeoSeries(gpd.points_from_xy(frame["x"], frame["y"]), crs="EPSG:32603").to_crs(4326)
    frame = frame.assign(LONGNUM=degrees.x, LATNUM=degrees.y, spread=0.5).drop(columns=["x", "y"])
    frame.loc[len(frame)] = [5.0, "U", 0.0, 0.0, 0.5]
    frame.to_csv(region.folder / "survey.csv", index=False)
    return region


def reference(region, **more):
    keys = {"path": str(region.folder / "survey.csv"), "title": "Wealth", "kind": "points", "column": "wealth"}
    return {**keys, "displacement_m": KIND, **more}


def label(region, **more):
    chosen = json.dumps({"block_m": 320, "min_coverage": 0.2})
    return region.run(
        "embeddings", "label", "--settings", chosen, "--task-settings", json.dumps({"reference": "truth"}),
        "--reference-settings", json.dumps(reference(region, **more)), "--indices", *region.indices,
        "--values", *region.values, "--out", region.folder / "labels/wealth.parquet",
    )  # fmt: skip


def test_each_point_is_a_row_with_the_patches_of_its_disc(survey):
    assert label(survey, variance="spread") == 0
    table = LABELS.read(survey.folder / "labels/wealth.parquet", "disc", "variance", "label", "patch_id")
    assert len(table) == 40, "the point at 0 degrees lies outside"
    assert table["patch_id"].is_unique
    row, _, share = read_discs(table["disc"])
    np.testing.assert_allclose(np.bincount(row, share), 1, atol=1e-4)
    record = read_json(survey.folder / "labels/wealth.json")
    assert record["label_noise"] == 0.5
    assert record["r2_limit"] == pytest.approx(1 - 0.5 / record["std"] ** 2)
    assert record["patches_a_label"] > 5


def test_shares_are_those_of_the_disc(survey):
    chosen = ReferenceSettings(**reference(survey, displacement_m=200.0))
    found = displaced_points(chosen, read_indices(survey.indices))
    middle = found.loc[found["coverage"].idxmax()]
    shares = {part.rpartition("=")[0]: float(part.rpartition("=")[2]) for part in middle["disc"].split()}
    assert shares[middle["patch_id"]] == pytest.approx(SIDE_M**2 / (np.pi * 200**2), rel=0.01)
    assert middle["coverage"] == pytest.approx(1, abs=0.02)


def test_features_are_averaged_over_the_disc(survey):
    assert survey.fit("rcf") == survey.embed("rcf") == label(survey) == 0
    table = LABELS.read(survey.folder / "labels/wealth.parquet")
    files = [survey.folder / f"features/rcf/{path.stem}.npy" for path in survey.patches]
    data, lacking = join_features(table, ["rcf"], files, survey.indices, DownstreamSettings())
    features = {
        name: row
        for path, file in zip(survey.indices, files, strict=True)
        for name, row in zip(gpd.read_parquet(path)["patch_id"], np.load(file), strict=True)
    }
    wanted = []
    for disc in table["disc"]:
        pairs = [(features[part.rpartition("=")[0]], float(part.rpartition("=")[2])) for part in disc.split()]
        wanted.append(sum(row * share for row, share in pairs) / sum(share for _, share in pairs))
    np.testing.assert_allclose(data.features, wanted, rtol=1e-5, atol=1e-7)
    assert lacking == 0
    assert survey.downstream("rcf", ("rcf",), "wealth") == 0


def test_a_kind_without_a_distance_is_refused(survey):
    chosen = ReferenceSettings(**reference(survey, displacement_m={"column": "kind", "U": 2000}))
    with pytest.raises(TableError, match="kind holds R, for which displacement_m has no distance: it has U"):
        displaced_points(chosen, read_indices(survey.indices))


def test_exchanged_columns_are_named(survey):
    frame = pd.read_csv(survey.folder / "survey.csv").rename(columns={"LONGNUM": "LATNUM", "LATNUM": "LONGNUM"})
    frame.to_csv(survey.folder / "survey.csv", index=False)
    with pytest.raises(TableError, match="are the two columns exchanged"):
        displaced_points(ReferenceSettings(**reference(survey)), read_indices(survey.indices))
