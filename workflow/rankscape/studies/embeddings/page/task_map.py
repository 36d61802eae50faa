"""The map: predictions, labels and residuals of every task, to switch between."""

import numpy as np
import pandas as pd

from rankscape.products.report.geography import Plane, lay_out
from rankscape.products.report.interactive_map import MapContent, map_fragment
from rankscape.products.report.layers import SHOWN, Layer, gridded, previews, spans, thumbnail
from rankscape.products.report.palette import DIFFERENCE, RAMP, REFERENCE, ramp_css
from rankscape.products.report.reading import RunReader
from rankscape.products.report.section_registry import Fragment
from rankscape.samples.artifacts import PATCHES
from rankscape.samples.patches import open_patches
from rankscape.studies.embeddings.artifacts import PATCH_PREDICTIONS, PREDICTIONS
from rankscape.studies.embeddings.page.results import best_of, tasks_of, unit_of

_MOST_TASKS = 10
"""Tasks with layers of their own: more would be no choice."""


def draw_map(run: RunReader) -> Fragment | None:
    """Draw the map; None where nothing lies on it."""
    opened = [open_patches(path) for path in run.paths(PATCHES).values()]
    stores = {str(one.index["granule"].iloc[0]): one for one in opened if len(one.index)}
    plane = lay_out(stores)
    mapped = _mapped(run)
    names = sorted(tasks_of(run), key=lambda name: name not in mapped)[:_MOST_TASKS]
    layers = [] if plane is None else [one for name in names for one in _layers(run, plane, name, mapped.get(name))]
    if plane is None or not layers:
        return None
    learned = {name for layer in layers if layer.key.startswith("label-") for name in layer.values}
    content = MapContent(
        plane,
        layers,
        learned,
        previews(plane, stores, run.settings.imagery_mb),
        thumbnail(plane, layers[0]),
        reading=(
            "A square is one patch. Colours of a label and of its prediction are the same.",
            "A held-out prediction is that of a model that has not seen the block of land around the patch.",
            "A residual is the label minus its held-out prediction.",
            "A place without colour has no label, or no clear image.",
        ),
    )
    return map_fragment(content, run.region, ramp_css())


def _mapped(run: RunReader) -> dict[str, pd.DataFrame]:
    """Predictions at every patch, by task."""
    found: dict[str, list[pd.DataFrame]] = {}
    for name, table in run.read_all(PATCH_PREDICTIONS).items():
        found.setdefault(name.partition("/")[0], []).append(table)
    return {task: _with_granules(pd.concat(tables, ignore_index=True)) for task, tables in found.items()}


def _with_granules(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(granule=table["patch_id"].str.rsplit("_", n=2).str[0])


def _layers(run: RunReader, plane: Plane, name: str, mapped: pd.DataFrame | None) -> list[Layer]:
    """Prediction, label and residual of one task."""
    found, task = best_of(run, name), tasks_of(run)[name]
    if found is None:
        return []
    best, split = found
    held_out = _with_granules(run.read(PREDICTIONS, f"{name}/{best.features}"))
    held_out = held_out.assign(residual=held_out["label"] - held_out[split])
    ends, title = spans(held_out["label"].to_numpy(float)), unit_of(task)
    if mapped is None:
        note = f"Held-out prediction from {best.features}."
        first = ("prediction", "held-out prediction", note, RAMP, gridded(plane, held_out, split))
    else:
        first = ("prediction", "prediction", "From all labels.", RAMP, gridded(plane, mapped, "prediction"))
    label = ("label", "label", f"{len(held_out):,} labels.", REFERENCE, gridded(plane, held_out, "label"))
    shown = [
        Layer(f"{key}-{name}", task.title, f"{title} {word}", note, ramp, ends, values)
        for key, word, note, ramp, values in (first, label)
    ]
    end = float(np.quantile(held_out["residual"].abs(), SHOWN[1])) or 1.0
    residual = Layer(
        f"difference-{name}", task.title, f"{title} residual", "Label minus held-out prediction.", DIFFERENCE,
        (-end, end), gridded(plane, held_out, "residual"), ("label is lower", "label is higher"), signed=True,
    )  # fmt: skip
    return [*shown, residual]
