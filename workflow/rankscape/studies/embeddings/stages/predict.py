"""Predict a task at every patch of a granule: as a table and as a map, with intervals.

Only the regression is needed, not the labels that it was fitted to: a granule without labels costs its own jobs alone.
"""

import json
from pathlib import Path
from typing import Annotated

import geopandas as gpd
import numpy as np
import pandas as pd
from cyclopts import Parameter

from rankscape.foundation.provenance import provenance
from rankscape.products.maps.granules import write_patches
from rankscape.products.maps.items import write_item
from rankscape.products.maps.ramp import RAMP, read_ramp, style_of, write_style
from rankscape.products.maps.region_map import outline
from rankscape.products.maps.surface import read_surface
from rankscape.samples.patches import read_index
from rankscape.stages.options import OneIndex
from rankscape.studies.embeddings.artifacts import MAP_BANDS, PATCH_PREDICTIONS, RESIDUALS
from rankscape.studies.embeddings.regressions import KeptRegression, granule_features, load_regression


def predict(
    *,
    model: Annotated[Path, Parameter(help="Regression of the task (.safetensors); its residuals lie beside it.")],
    features: Annotated[list[Path], Parameter(help="Features of the granule (.npy), a file each embedding.")],
    index: OneIndex,
    out: Annotated[Path, Parameter(help="Table to write (.parquet).")],
    raster: Annotated[Path, Parameter(help="Raster to write: prediction, half-width and residual (COG).")],
    item: Annotated[Path, Parameter(help="STAC item to write (JSON), in the folder of the raster or above.")],
) -> None:
    """Predict a task at every patch of a granule, as a table and as a map with QGIS style and STAC item."""
    regression, patches = load_regression(model), read_index(index)
    predicted = regression.predict(granule_features(regression, features, len(patches)))
    residuals = RESIDUALS.read(model.with_suffix(".parquet")).set_index("patch_id")
    table = _table(regression, predicted, residuals.reindex(patches["patch_id"]), patches["patch_id"])
    inputs = {"model": model, "index": index} | {f"features/{path.parent.name}": path for path in features}
    record = provenance("embeddings predict", None, {**inputs, "ramp": RAMP})
    PATCH_PREDICTIONS.write(out, table, record)
    surface = read_surface(out, index, MAP_BANDS)
    write_patches(raster, surface, {"RANKSCAPE": json.dumps(record, sort_keys=True)}, MAP_BANDS)
    about = regression.about
    write_style(raster, read_ramp(), *about.shown)
    write_item(
        item, f"{surface.granule}-{about.task}", {"map": raster, "style": style_of(raster)}, crs=surface.grid.crs,
        transform=surface.transform, values=surface.values, names=MAP_BANDS, record=record,
        outline=gpd.GeoSeries([outline(surface)], crs=surface.grid.crs),
        description=f"{about.title}, predicted from {about.features}, with half of the width of its interval.",
    )  # fmt: skip


def _table(
    regression: KeptRegression, predicted: np.ndarray, residuals: pd.DataFrame, patch_id: "pd.Series[str]"
) -> pd.DataFrame:
    """Columns of `PATCH_PREDICTIONS`."""
    width = regression.about.half_width
    half = np.where(np.isfinite(predicted), np.nan if width is None else width, np.nan)
    return pd.DataFrame({
        "patch_id": patch_id.to_numpy(), "prediction": predicted, "half_width": half,
        "label": residuals["label"].to_numpy(float), "residual": residuals["residual"].to_numpy(float),
        "value": regression.values(predicted), "value_low": regression.values(predicted - half),
        "value_high": regression.values(predicted + half),
    })  # fmt: skip
