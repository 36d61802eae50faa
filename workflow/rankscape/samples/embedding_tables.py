"""Embeddings as tables that other programs read: a row a place, its vector in one column of lists of one length.

Located places make a GeoParquet 1.1 file with their footprint, in Hilbert order and with the bounds of every footprint
(`bbox`), so that a reader of one region skips the others. The metadata `emb` says what the vectors are, and so do
fields of a STAC item: both follow a proposal that may change (cloudnativegeo/geo-embeddings-survey), here alone.
"""

import datetime
import json
import re
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely
from affine import Affine

from rankscape.foundation.errors import InputError, TableError
from rankscape.foundation.files import sha256
from rankscape.foundation.provenance import KEY
from rankscape.foundation.tables import write_table
from rankscape.samples.patches import IMAGE, Grid, is_located
from rankscape.scenes.cogs import TAG, write_cog
from rankscape.spatial.geometry import WGS84, densified
from rankscape.spatial.seams import bounds_in_degrees, in_degrees

EMBEDDING = "embedding"
"""Column of the vectors."""
EMB_VERSION = "0.0.1"
"""Version of the proposal for `emb` in GeoParquet and in STAC."""
_MODELS = {
    "random-convolutions": "https://doi.org/10.1038/s41467-021-24638-z",
    "galileo": "https://github.com/nasaharvest/galileo",
}
"""Addresses of models by how their names begin."""
SENTINEL_2 = "https://sentinels.copernicus.eu/web/sentinel/missions/sentinel-2"
_DATE = r"\d{4}-\d{2}-\d{2}"


def parse_dates(text: str) -> tuple[datetime.datetime, datetime.datetime]:
    """Read a day, or the first and the last of several: `2020-06-01`, `2020-01-01/2020-12-31`.

    Raises:
        InputError: If it is neither.
    """
    try:
        days = [datetime.datetime.fromisoformat(day) for day in text.split("/")]
        if not re.fullmatch(f"{_DATE}(/{_DATE})?", text) or days[0] > days[-1]:
            raise ValueError
    except ValueError:
        raise InputError(f"{text!r} is no day such as 2020-06-01, nor two such as 2020-01-01/2020-12-31.") from None
    first, last = (day.replace(tzinfo=datetime.UTC) for day in (days[0], days[-1]))
    return first, last if len(days) == 1 else last + datetime.timedelta(days=1) - datetime.timedelta(microseconds=1)


def write_embeddings(
    path: Path,
    index: gpd.GeoDataFrame,
    features: np.ndarray,
    about: dict[str, Any],
    record: dict[str, Any],
    dates: str | None = None,
) -> None:
    """Write embeddings atomically: GeoParquet, or plain Parquet for images without coordinates.

    Args:
        path: Final name, ending in `.parquet`.
        index: Patches; columns of the patch store.
        features: float32, shape (patches, dims); NaN in rows of patches without an embedding.
        about: What the vectors are: `model`, and what else is known.
        record: Provenance.
        dates: When the images were taken, as `parse_dates` reads it; None where nobody knows.

    Raises:
        TableError: If rows and patches differ, or a row is finite in part.
    """
    known = np.isfinite(features)
    if len(features) != len(index) or (known.any(1) != known.all(1)).any():
        raise TableError(
            f"{path}: {features.shape} features for {len(index)} patches, or rows that are finite in part."
        )
    frame = index[["patch_id", "valid_fraction", "cloud_fraction"]].rename(columns={"patch_id": "id"})
    if dates is not None:
        first, last = parse_dates(dates)
        frame = frame.assign(
            **({"datetime": first} if first == last else {"start_datetime": first, "end_datetime": last})
        )
    if is_located(index):
        shapes = in_degrees(densified(index.geometry))
        frame = gpd.GeoDataFrame(pd.DataFrame(frame), geometry=shapes.to_numpy(), crs=WGS84)
        order = np.argsort(frame.geometry.hilbert_distance().to_numpy(), kind="stable")
    else:
        frame, order = pd.DataFrame(frame).assign(image=index[IMAGE].to_numpy()), np.arange(len(index))
    vectors = _lists(features[order], known.all(1)[order])
    document = {"version": EMB_VERSION, **about, "dim": int(features.shape[1]), "quantization": None}
    write_table(
        path,
        frame.iloc[order],
        {KEY: record, "emb": document},
        covering=is_located(index),
        columns={EMBEDDING: vectors},
    )


def _lists(rows: np.ndarray, known: np.ndarray) -> pa.Array:
    """Rows as lists of one length, null where unknown."""
    values = pa.array(np.ascontiguousarray(rows, np.float32).ravel())
    return pa.FixedSizeListArray.from_arrays(values, rows.shape[1], mask=pa.array(~known))


def write_embedding_raster(
    path: Path, grid: Grid, index: gpd.GeoDataFrame, features: np.ndarray, record: dict[str, Any]
) -> None:
    """Write embeddings of the patches of an image as a Cloud-Optimized GeoTIFF: a pixel a patch, a band a number.

    Args:
        path: Final name, ending in `.tif`.
        grid: Grid of the patches.
        index: Their rows and columns.
        features: float32, shape (patches, dims); NaN in rows of patches without an embedding.
        record: Provenance.
    """
    bands = np.full((features.shape[1], grid.rows, grid.cols), np.nan, np.float32)
    bands[:, index["row"].to_numpy(), index["col"].to_numpy()] = features.T
    names = [f"{EMBEDDING}_{number}" for number in range(len(bands))]
    transform = Affine(*grid.transform) @ Affine.scale(grid.patch_px)
    tags = {TAG: json.dumps({"provenance": record}, sort_keys=True)}
    write_cog(path, bands, crs=grid.crs, transform=transform, names=names, nodata=np.nan, tags=tags)


def item_of(
    path: Path, name: str, index: gpd.GeoDataFrame, dims: int, model: str, patch_m: float | None
) -> dict[str, Any]:
    """Return the STAC item of a table of embeddings, with fields of the proposal `emb`.

    Args:
        path: The table, written; the item lies beside it.
        name: Id of the item.
        index: Patches with a CRS.
        dims: Length of a vector.
        model: Name or address of the model.
        patch_m: Side of a patch in metres, where it has one.
    """
    outline = shapely.union_all(in_degrees(densified(index.geometry)).to_numpy())
    asset = {
        "href": f"./{path.name}", "type": "application/vnd.apache.parquet", "title": f"Embeddings by {model}",
        "roles": ["data"], "file:size": path.stat().st_size, "file:checksum": f"1220{sha256(path)}",
    }  # fmt: skip
    address = model if model.startswith("http") else next((a for n, a in _MODELS.items() if model.startswith(n)), None)
    return {
        "type": "Feature", "stac_version": "1.1.0", "id": name,
        "stac_extensions": ["https://stac-extensions.github.io/file/v2.1.0/schema.json"],
        "geometry": json.loads(shapely.to_geojson(shapely.set_precision(outline.simplify(1e-5), 1e-7))),
        "bbox": [round(value, 7) for value in bounds_in_degrees(index.geometry)],
        "properties": {
            "title": f"Embeddings by {model}", "datetime": None, "start_datetime": "2015-06-23T00:00:00Z",
            "end_datetime": "9999-12-31T00:00:00Z", "emb:type": "chip", "emb:dimensions": dims, "data_type": "float32",
            **({} if patch_m is None else {"gsd": patch_m}),
        },
        "links": [] if address is None else [{"rel": "emb:model", "href": address, "title": model}],
        "assets": {"embeddings": asset},
    }  # fmt: skip


def source_link(imagery: str) -> list[dict[str, str]]:
    """Return the link of an item to the imagery that its embeddings are made of, where that has an address."""
    return [{"rel": "emb:source-data", "href": SENTINEL_2, "title": "Sentinel-2"}] if imagery == "sentinel-2" else []
