"""Districts, change, regressions and responses of a synthetic region, by the contract of the stages that write them."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from PIL import Image
from rankscape.foundation.files import write_array, write_json
from rankscape.foundation.tables import read_geotable, read_table, write_table
from rankscape.scenes.artifacts import DOWNLOAD
from rankscape.studies.ranking.product_files import CHANGE_IMAGES, CHANGE_RECORD, DISTRICTS_RECORD, REGRESSION
from rankscape.studies.ranking.scoring.artifacts import SALIENCY_RECORD, SCORES
from shapely.geometry import box

from .conftest import Region, record


def add_districts(region: Region) -> Path:
    """Two districts that share the region, and one beside it without a score."""
    land = pd.concat([read_geotable(path.with_suffix(".parquet")) for path in region.tiles])
    west, south, east, north = land.total_bounds
    middle = (west + east) / 2
    shapes = [box(west, south, middle, north), box(middle, south, east, north), box(east, south, east + 500, north)]
    table = gpd.GeoDataFrame(
        {
            "district": ["a", "b", "c"], "name": ["Harbour <b>", "Upland", "Nowhere"], "patches": [50, 40, 0],
            "area_m2": 1e6, "covered_fraction": [1.0, 0.8, 0.0], "population": [1200.0, np.nan, np.nan],
            "score": [0.7, 0.3, np.nan], "score_std": [0.05, 0.04, np.nan], "score_low": [0.6, 0.22, np.nan],
            "score_high": [0.8, 0.38, np.nan], "rank": [1.0, 2.0, np.nan], "rank_low": [1.0, 1.0, np.nan],
            "rank_high": [2.0, 2.0, np.nan],
        },
        geometry=shapes, crs=land.crs,
    ).to_crs("EPSG:4326")  # fmt: skip
    path = region.file(DISTRICTS_RECORD, districts="counties")
    region.name("districts", "counties")
    write_table(path.with_suffix(".parquet"), table, {"rankscape": record("districts")})
    agreement = {"value": 0.9, "low": 0.8, "high": 0.95}
    write_json(path, {
        "title": "Counties", "weighting": "area", "provenance": record("districts"), "notes": ["Two of three."],
        "comparisons": {
            "density": {"title": "Density", "n": 2, "spearman": agreement, "pearson": agreement, "r2_log": agreement},
            "income": {"title": "Income", "n": 1, "reason": "1 district with score and value"},
        },
    })  # fmt: skip
    return path


def add_change(region: Region) -> Path:
    """Every patch at two dates; a few of them changed."""
    land = pd.concat([read_geotable(path.with_suffix(".parquet")) for path in region.tiles], ignore_index=True)
    score = pd.concat([read_table(region.file(SCORES, granule=g)) for g in region.names["current"]], ignore_index=True)[
        "score"
    ]
    change = np.linspace(-0.3, 0.3, len(land))
    table = gpd.GeoDataFrame(
        {
            "patch_id": land["patch_id"], "before_patch_id": land["patch_id"], "granule": land["granule"],
            "before_granule": land["granule"], "place": land["granule"], "row": land["row"], "col": land["col"],
            "score_before": score - change,
            "score_after": score, "change": change, "raw_change": change + 0.01, "change_std": 0.05,
            "p": 0.5, "q": np.where(np.abs(change) > 0.28, 0.0004, 0.7), "significant": np.abs(change) > 0.28,
            "invariant": False,
        },
        geometry=land.geometry, crs=land.crs,
    )  # fmt: skip
    path = region.file(CHANGE_RECORD, change="2016--2019")
    region.name("changes", "2016--2019")
    write_table(path.with_suffix(".parquet"), table, {"rankscape": record("change")})
    write_json(path, {"before": "2016", "after": "2019", "provenance": record("change")})
    _draw(region.file(CHANGE_IMAGES, change="2016--2019"))
    return path


def _draw(folder: Path) -> None:
    """Pictures of two changes; nobody can say why the second one changed."""
    folder.mkdir(parents=True)
    entries = []
    for number, more in enumerate(({}, {"reason": "One place only."}), 1):
        files = {role: f"0{number}-{role}.png" for role in ("before", "after")} | {"file": f"0{number}-why.png"}
        for place, name in enumerate(files.values(), 1):
            Image.new("RGB", (20 * place, 20), (80 * place, 90, 40)).save(folder / name)
        entries.append({"words": f"change {number}", **files, **more})
    write_json(folder / "index.json", {"images": entries, "note": "", "provenance": record("change")})


def add_regression(region: Region) -> Path:
    """Two models; the second has no coefficient of the first one's column."""
    estimates = [
        {"column": "mine", "label": "Distance to mines", "coefficient": -0.0002, "std_error": 0.0001,
         "conley_error": 0.00012, "p": 0.04,
         "stars": "**", "shown": True},
        {"column": "c", "label": "Control", "coefficient": 1.0, "stars": "", "shown": False},
    ]  # fmt: skip
    models = [
        {"outcome": "Change", "n": 900, "clusters": 9, "r2": 0.31, "estimates": estimates},
        {"outcome": "Lights", "n": 900, "clusters": 9, "r2": 0.2, "estimates": estimates[1:]},
    ]
    path = region.file(REGRESSION, regression="mines")
    region.name("regressions", "mines")
    write_json(path, {"title": "Mines", "models": models, "notes": ["A note."], "provenance": record("regress")})
    return path


def add_responses(region: Region, cells: int = 3) -> list[Path]:
    """Maps of the even patches of every granule."""
    paths = []
    for tiles in region.tiles:
        count = len(read_geotable(tiles.with_suffix(".parquet")))
        maps = np.full((count, cells, cells), 128, np.uint8)
        maps[:, 0, 0], maps[:, 1, 1] = 255, 1
        maps[1::2] = 0
        path = region.file(SALIENCY_RECORD, granule=tiles.stem)
        region.name("explained", tiles.stem)
        write_array(path.with_suffix(".npy"), maps)
        facts = {"granule": tiles.stem, "method": "occlusion", "cells": cells, "scale": 0.4}
        write_json(path, {**facts, "reason": "Only some were covered.", "provenance": record("saliency")})
        paths.append(path)
    return paths


def add_scenes(region: Region) -> list[Path]:
    """What was fetched for every granule."""
    paths = []
    for number, tiles in enumerate(region.tiles, 1):
        path = region.file(DOWNLOAD, granule=tiles.stem)
        region.name("imaged", tiles.stem)
        scene = {"item_id": "S2A", "datetime": f"2021-0{number}-19T22:05:31Z", "platform": "Sentinel-2A"}
        write_json(path, {"granule": tiles.stem, "sensor": "sentinel2", "product": "reflectance", "scenes": [scene]})
        paths.append(path)
    return paths


def everything(region: Region) -> None:
    """All that a run may make of the scores."""
    for add in (add_districts, add_change, add_regression, add_responses, add_scenes):
        add(region)


def map_data(page: str) -> dict[str, object]:
    """The document behind a page's map."""
    start = page.index('id="map-data">') + len('id="map-data">')
    found: dict[str, object] = json.loads(page[start : page.index("</script>", start)])
    return found
