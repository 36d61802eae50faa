"""What regions of real land have in common: a person labelled and judged places, a stand-in ranked the clusters."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import geopandas as gpd
from shapely.geometry import Polygon

SEEN: dict[str, Any] = {
    "path": "seen.gpkg",
    "kind": "polygons",
    "column": "built_up",
    "title": "How built-up a person found it (0 to 3)",
}
"""The reference: what the person said of places without a label."""


def write_polygons(path: Path, column: str, places: Iterable[tuple[object, Polygon]], crs: int) -> None:
    """Write polygons with one column."""
    values, polygons = zip(*places, strict=True)
    gpd.GeoDataFrame({column: values}, geometry=list(polygons), crs=crs).to_file(path)


def base_configuration(region: str, block_m: int, squares: str, **ranking: Any) -> dict[str, Any]:
    """Return the configuration of a region as far as it is the same for all.

    Args:
        region: Name of the region, and of its granule table.
        block_m: Side of the blocks of land that training and validation never share.
        squares: Title of the squares that are the districts, in `squares.gpkg`.
        ranking: Further keys of the section `ranking`.
    """
    return {
        "region": region,
        "granules": f"config/granules/{region}.tsv",
        "references": {"seen": SEEN},
        "districts": {"squares": {"path": "squares.gpkg", "title": squares, "id": "code"}},
        "ranking": {
            "judges": {"stand-in": {"kind": "stand-in", "model": "stand-in"}},
            "prompts": ["remote-sensing-expert-zh", "economics-student-en"],
            "label": {
                "source": "file",
                "file": "labels.csv",
                "categories": ["urban", "rural", "uninhabited"],
                "uninhabited": "uninhabited",
            },
            "adapt": {
                "architecture": "tf_efficientnet_lite0+levels",
                "weights": "packaged",
                "input_px": 64,
                "colour": "all",
                "normalisation": "patches",
                "fitted": "head",
                "epochs": 5,
                "block_m": block_m,
            },
            "cluster": {"k_min": 2, "k_max": 5},
            "rate": {"rounds": 2},
            "order_from_reference": {"block_m": block_m},
            "train": {"objective": "ridge", "block_m": block_m, "patches_per_cluster": 400, "seeds": 3},
            **ranking,
        },
    }
