"""What the stages that embed write: features, their record, a table for others, and its STAC item."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import geopandas as gpd
import numpy as np
import shapely
from cyclopts import Parameter

from rankscape.foundation.files import write_array
from rankscape.samples.embedding_tables import item_of, write_embeddings
from rankscape.studies.embeddings.artifacts import EMBEDDING_ITEM, FEATURE_RECORD, JoinKeys

EmbeddingTableFile = Annotated[
    Path | None,
    Parameter(help="GeoParquet to write beside the features, with a footprint a row; a STAC item lies beside it."),
]
Dates = Annotated[
    tuple[str, ...],
    Parameter(help="Day of the images, or first and last: 2020-01-01/2020-12-31.", consume_multiple=(0, 1)),
]


def first(dates: Sequence[str]) -> str | None:
    """Return the only date that was given; None where there is none."""
    return next((date for date in dates if date), None)


def write_features(
    out: Path,
    features: np.ndarray,
    index: gpd.GeoDataFrame,
    model: str,
    record: dict[str, Any],
    *,
    table: Path | None,
    dates: str | None,
    joined: JoinKeys | None = None,
    learned: Sequence[str] = (),
) -> None:
    """Write the embeddings of one granule.

    Args:
        out: Features (.npy); a .json beside it describes them.
        features: float32, shape (patches, dims); NaN in rows of patches without an embedding.
        index: The patches.
        model: Name of the network, or of the model that supplied embeddings name.
        record: Provenance.
        table: GeoParquet to write, and a STAC item beside it; None writes neither.
        dates: When the images were taken, as `parse_dates` reads it.
        joined: Of supplied embeddings: what became of their rows.
        learned: Tasks whose labels the network learned from.
    """
    granule, dims = str(index["granule"].iloc[0]), int(features.shape[1])
    keys = {
        "granule": granule, "patches": len(features), "usable": int(np.isfinite(features[:, 0]).sum()), "dims": dims,
        "architecture": model, **({} if joined is None else {"joined": joined.model_dump()}),
        **({"learned": sorted(learned)} if learned else {}),
    }  # fmt: skip
    if table is not None:
        write_embeddings(table, index, features, {"model": model, "sources": [granule]}, record, dates)
        name = f"{out.parent.name}-{granule}"
        item = item_of(table, name, index, dims, model, _side_m(index))
        EMBEDDING_ITEM.write(table.with_suffix(".json"), item, record)
    write_array(out, features)
    FEATURE_RECORD.write(out.with_suffix(".json"), keys, record)


def _side_m(index: gpd.GeoDataFrame) -> float | None:
    """Side of a patch in metres; None in a CRS of other units."""
    if not index.crs.is_projected:
        return None
    return float(np.sqrt(shapely.area(index.geometry.iloc[0])) * index.crs.axis_info[0].unit_conversion_factor)
