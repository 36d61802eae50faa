import numpy as np
from rankscape.tiles.store import open_patches


def test_roundtrip(patch_store):
    p = patch_store("03TVF", pixels=np.random.default_rng(0).integers(0, 255, (40, 52, 3), dtype=np.uint8))
    o = open_patches(p)
    assert o.array.shape == (30, 8, 8, 3)
    assert o.grid.cols == 6 and o.index.crs.to_epsg() == 32603
    assert list(o.index.columns) == [
        "patch_id",
        "granule",
        "row",
        "col",
        "valid_fraction",
        "cloud_fraction",
        "usable",
        "geometry",
    ]
