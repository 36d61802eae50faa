"""Clusters of a real scene: the city and the forest must not end in one group."""

import json

import numpy as np
import pandas as pd
import pytest
import rasterio
from rankscape.foundation.files import read_json, write_array
from rankscape.foundation.tables import read_table
from rankscape.samples.patches import index_of, open_patches
from rankscape.studies.ranking.stages.categorize import categorize
from rankscape.studies.ranking.stages.cluster import cluster

from .conftest import write_backbone

VEGETATION, BARE_OR_BUILT = 4, 5


@pytest.mark.shared
def test_the_clusters_of_bolzano_follow_the_land(shared, patch_store, tmp_path):
    with rasterio.open(shared / "data" / "scenes" / "bolzano.tif") as scene:
        pixels, classes = scene.read([1, 2, 3]), scene.read(5)
    reflectance = np.moveaxis(pixels, 0, -1).astype(np.float32) / 10_000
    tiles = patch_store("32TPS", pixels=reflectance, patch_px=32, crs="EPSG:32632")
    patches = open_patches(tiles).array
    features = tmp_path / "features" / "32TPS.npy"
    write_array(features, np.concatenate([patches.mean((1, 2)), patches.std((1, 2))], axis=1))
    indices, categories = [index_of(tiles)], tmp_path / "categories.parquet"
    categorize(
        settings="{}",
        features=[features],
        indices=indices,
        backbone=write_backbone(tmp_path / "b.safetensors", None),
        out=categories,
    )
    settings = json.dumps({"features": "standardise", "k": {"land": 6}, "stability_seeds": 2})
    out, summary = tmp_path / "clusters.parquet", tmp_path / "clusters.json"

    cluster(settings=settings, features=[features], indices=indices, categories=categories, out=out, summary=summary)

    rows, cols = reflectance.shape[0] // 32, reflectance.shape[1] // 32
    cut = classes[: rows * 32, : cols * 32].reshape(rows, 32, cols, 32)
    built = (cut == BARE_OR_BUILT).mean((1, 3)).ravel()
    green = (cut == VEGETATION).mean((1, 3)).ravel()
    by_cluster = pd.DataFrame({"cluster": read_table(out)["cluster"], "built": built, "green": green})
    means = by_cluster.groupby("cluster").mean()
    brightness = np.array(read_json(summary)["centroids"])[:, :3].mean(axis=1)
    assert means["green"].iloc[brightness.argmin()] > 0.9
    assert means["built"].iloc[brightness.argmax()] > 0.6
