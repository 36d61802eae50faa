"""The map: score and uncertainty, references and residuals, change, districts, and what the networks responded to."""

from collections.abc import Mapping, Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from rankscape.foundation.errors import InputError
from rankscape.products.report.embedded_images import read_map
from rankscape.products.report.geography import Plane
from rankscape.products.report.interactive_map import MapContent, map_fragment, packed_bytes, packed_numbers
from rankscape.products.report.layers import SHOWN, Layer, gridded, previews, spans
from rankscape.products.report.palette import DIFFERENCE, DOUBT, RAMP, REFERENCE, ramp_css
from rankscape.products.report.reading import RunReader
from rankscape.products.report.section_registry import Fragment
from rankscape.samples.patches import Patches, is_located
from rankscape.studies.ranking.page import inputs
from rankscape.studies.ranking.page.surprises import map_plane, residual_layers
from rankscape.studies.ranking.product_files import CHANGE, DISTRICTS, REGION_PREVIEW
from rankscape.studies.ranking.scoring.artifacts import SALIENCY, SALIENCY_RECORD, SaliencyRecord

_NOBODY = 65535
"""Stands for a patch without a cluster."""
_COLOURS_SPAN, _LEAST_LIMIT = 0.99, 0.01
"""Colours are strongest at this quantile of the contributions, or at this one: rounding is no response."""
_BORDER_SHARE = 1 / 2000
"""Borders are simplified by this share of the map."""


def draw(run: RunReader) -> Fragment | None:
    """Draw the map; None where no patch has coordinates."""
    plane, preview = run.once(map_plane), run.path(REGION_PREVIEW)
    if plane is None or preview is None:
        return None
    stores = inputs.patches(run)
    content = MapContent(
        plane,
        map_layers(run, plane),
        inputs.learned_granules(run),
        previews(plane, stores, run.settings.imagery_mb),
        read_map(preview, REGION_PREVIEW.verb),
        _outlines(run, plane),
        _clusters(run, plane),
        _responses(run, stores),
        (
            f"A square is one patch, about {patch_side_m(stores)} m wide; its colour is its score.",
            "The score is a position in an order, not an amount: 0.8 is more developed than 0.4, but not twice "
            "as much.",
            "A place without colour has no score: clouds, or no image.",
            "Single patches are uncertain; look at neighbourhoods, and at the uncertainty.",
        ),
    )
    return map_fragment(content, run.region, ramp_css())


def patch_side_m(stores: Mapping[str, Patches]) -> str:
    """Return the side of a patch in metres; several where granules differ. Patches without coordinates do not count."""
    located = (store.grid for store in stores.values() if is_located(store.index))
    sides = {round(grid.patch_px * abs(grid.transform[0])) for grid in located}
    return " or ".join(f"{side:,}" for side in sorted(sides))


def map_layers(run: RunReader, plane: Plane) -> list[Layer]:
    """Return the layers: score and its uncertainty, each reference and its residuals, change."""
    scores = inputs.scores(run)
    note = "Position in the order of all patches, from 0 (least developed) to 1 (most developed)."
    words = ("least developed", "most developed")
    found = [Layer("score", "Score", "Score", note, RAMP, (0.0, 1.0), gridded(plane, scores, "score"), words)]
    doubt = scores["score_std"].dropna().to_numpy()
    if len(doubt) and np.ptp(doubt) > 0:
        ends = (0.0, float(np.quantile(doubt, SHOWN[1])))
        values = gridded(plane, scores, "score_std")
        note = "Standard deviation of the score."
        found.append(Layer("uncertainty", "Score", "Uncertainty", note, DOUBT, ends, values, ("certain", "uncertain")))
    found += [*_references(run, plane), *residual_layers(run, plane)]
    changes: dict[str, pd.DataFrame] = run.read_all(CHANGE)
    return found + [_change(plane, f"change-{n}", name, table) for n, (name, table) in enumerate(changes.items())]


def _references(run: RunReader, plane: Plane) -> list[Layer]:
    layers = []
    for number, compared in enumerate(inputs.comparisons(run)):
        facts, places = compared.evaluation, compared.places
        known = places["value"].dropna().to_numpy(np.float64)
        if len(known):
            group = "Known truth" if facts.truth else "References"
            values = gridded(plane, places, "value")
            key, note = f"reference-{number}", "Mean over each patch."
            layer = Layer(key, group, facts.title, note, REFERENCE, spans(known), values, transform=facts.transform)
            layers.append(layer)
    return layers


def _change(plane: Plane, key: str, name: str, table: pd.DataFrame) -> Layer:
    before, _, after = name.partition("--")
    note = "Score at the later date less score at the earlier one; seasonal and sensor effects are taken out."
    end = float(np.nanquantile(np.abs(table["change"].to_numpy(np.float64)), SHOWN[1], method="lower"))
    ends, title = (-max(end, 0.05), max(end, 0.05)), f"Change, {before} to {after}"
    values = gridded(plane, table, "change")
    return Layer(key, "Change", title, note, DIFFERENCE, ends, values, ("fell", "rose"), signed=True)


def _clusters(run: RunReader, plane: Plane) -> dict[str, Any]:
    """Name and level of each cluster, and the cluster of each patch."""
    order, entries, table = inputs.order(run), inputs.summary(run).clusters, inputs.clusters(run)
    level = {c: number for number, members in enumerate(order.levels, 1) for c in members}
    named = [{"cluster": one.cluster, "category": one.category, "level": level[one.cluster]} for one in entries]
    place = {entry.cluster: number for number, entry in enumerate(entries)}
    found = {}
    for granule in plane.granules:
        part = table[table["granule"] == granule.granule]
        grid = np.full((granule.grid.rows, granule.grid.cols), _NOBODY, np.int64)
        if len(part):
            grid[granule.places(part["patch_id"])] = [place[int(c)] for c in part["cluster"]]
            found[granule.granule] = packed_numbers(grid)
    return {"named": named, "levels": len(order.levels), "of": found}


def _outlines(run: RunReader, plane: Plane) -> list[dict[str, Any]]:
    """Polygons of the first set of districts on the plane, with their scores; neighbours stay without gaps."""
    table: gpd.GeoDataFrame | None = next(iter(run.read_all(DISTRICTS).values()), None)
    if table is None:
        return []
    table = table.sort_values(["rank", "district"], na_position="last")
    shapes = table.geometry.to_crs(plane.crs).translate(-plane.origin[0], -plane.origin[1])
    tolerance = max(plane.size) * _BORDER_SHARE
    covered = bool(shapes.is_valid.all() and shapes.is_valid_coverage())
    shapes = shapes.simplify_coverage(tolerance) if covered else shapes.simplify(tolerance)
    return [
        {"name": str(name), "score": None if np.isnan(score) else round(float(score), 4), "polygons": _rings(shape)}
        for name, score, shape in zip(table["name"], table["score"].astype(float), shapes, strict=True)
        if shape is not None and not shape.is_empty
    ]


def _rings(shape: Any) -> list[list[list[list[float]]]]:
    """Polygons, each its outer ring and its holes, each a list of points."""
    parts = [part for part in getattr(shape, "geoms", [shape]) if part.geom_type == "Polygon"]
    rings = ([part.exterior, *part.interiors] for part in parts)
    return [[np.round(np.asarray(ring.coords)[:, :2], 1).tolist() for ring in polygon] for polygon in rings]


def _responses(run: RunReader, stores: Mapping[str, Patches]) -> dict[str, Any] | None:
    """What the networks responded to in each patch; None where no patch has a map.

    Raises:
        InputError: If the maps are of other patches, or have different numbers of places.
    """
    records: Sequence[tuple[str, SaliencyRecord]] = list(run.read_all(SALIENCY_RECORD).items())
    held = {
        one.granule: _contributions(run, name, one, stores[one.granule])
        for name, one in records
        if one.granule in stores
    }
    strength = [np.abs(maps[np.isfinite(maps)]) for maps in held.values()]
    if not sum(map(len, strength)):
        return None
    if len({record.cells for _, record in records}) > 1:
        raise InputError(f"{run.folder}: saliency maps have different numbers of places: make all again.")
    limit = max(float(np.quantile(np.concatenate(strength), _COLOURS_SPAN)), _LEAST_LIMIT)
    first, note = records[0][1], next((record.reason for _, record in records if record.reason), "")
    packed = {name: packed_bytes(_steps(values, limit)) for name, values in held.items()}
    return {"cells": first.cells, "limit": round(limit, 4), "method": first.method, "of": packed, "note": note}


def _contributions(run: RunReader, name: str, record: SaliencyRecord, store: Patches) -> np.ndarray:
    """Contributions of a granule, float64, shape (rows, columns, cells, cells); NaN where there are none."""
    array: np.ndarray = run.read(SALIENCY, name)
    if array.shape != (len(store.index), record.cells, record.cells) or array.dtype != np.uint8:
        path = run.path(SALIENCY, name)
        raise InputError(f"{path} does not fit the patches of {record.granule}: make it again.")
    laid = np.full((store.grid.rows, store.grid.cols, record.cells, record.cells), np.nan)
    values = (array.astype(np.float64) - 128) / 127 * record.scale
    laid[store.index["row"], store.index["col"]] = np.where(array > 0, values, np.nan)
    return laid


def _steps(values: np.ndarray, limit: float) -> np.ndarray:
    """0 without a value, else 128 + 127 x contribution / limit."""
    known = np.isfinite(values)
    steps = np.rint(127 * np.clip(np.where(known, values, 0) / limit, -1, 1))
    return np.where(known, 128 + steps, 0).astype(np.uint8)
