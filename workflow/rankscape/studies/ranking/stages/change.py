"""Measure how the score changed between two dates, and which changes are significant.

Season, haze and sensor are taken out by places whose appearance changed least. What deviation is left among these is
the noise that a change must exceed. A table, a summary, a map, and images of the largest changes.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import geopandas as gpd
import numpy as np
import pandas as pd
import torch
from cyclopts import Parameter

from rankscape.foundation.errors import TableError
from rankscape.foundation.files import sha256
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import KEY, provenance
from rankscape.foundation.tables import read_metadata
from rankscape.learning.processes import use_device
from rankscape.products.change.change import ChangeFindings, ScoreAgain, measure_change
from rankscape.products.change.dates import PairedDates, read_dates
from rankscape.products.change.invariants import Radiometry
from rankscape.products.change.map import CHANGE_RAMP, write_change_map
from rankscape.products.change.settings import ChangeSettings
from rankscape.samples.patches import index_of
from rankscape.spatial.geometry import WGS84
from rankscape.spatial.seams import in_degrees
from rankscape.stages.options import Gpus, Threads, settings_of
from rankscape.studies.ranking.explanations.overlays import Changed, write_changes
from rankscape.studies.ranking.product_files import CHANGE, CHANGE_RECORD
from rankscape.studies.ranking.scoring.model import ScoreModel, read_model
from rankscape.studies.ranking.scoring.prediction import score_patches
from rankscape.studies.ranking.scoring.settings import PredictSettings


def change(
    *,
    settings: Annotated[str, settings_of(ChangeSettings)],
    change: Annotated[str, Parameter(help="The two periods: earlier--later.")],
    places: Annotated[list[str], Parameter(help="Names of the places, in the order of their granules.")],
    before_scores: Annotated[list[Path], Parameter(help="Scores (.parquet) of the earlier date, a granule each.")],
    before_patches: Annotated[list[Path], Parameter(help="Patch arrays (.npy) of the earlier date; indices beside.")],
    after_scores: Annotated[list[Path], Parameter(help="Scores of the later date, in the same order.")],
    after_patches: Annotated[list[Path], Parameter(help="Patch arrays of the later date, in the same order.")],
    model: Annotated[Path, Parameter(help="Score model that both dates were scored with: score.safetensors.")],
    out: Annotated[Path, Parameter(help="Table to write: the change of every patch (GeoParquet, WGS 84).")],
    document: Annotated[Path, Parameter(help="Summary to write (JSON): counts, what was taken out, noise.")],
    raster: Annotated[Path, Parameter(help="Map to write: change and change_std (COG); its style goes beside it.")],
    preview: Annotated[Path, Parameter(help="Image of the map to write (PNG).")],
    images: Annotated[Path, Parameter(help="Folder to write: before, after and Grad-CAM of the largest changes.")],
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Measure the change of every place between two dates, apart from season, sensor and noise."""
    chosen = ChangeSettings.from_text(settings, "ranking.change")
    before, after = _dates(before_patches, before_scores), _dates(after_patches, after_scores)
    seen = read_dates(before, after, places, chosen.max_cloud_fraction)
    device = use_device(gpus, threads)
    networks, batch_size = _model(model, [*before_scores, *after_scores], device)
    measured = measure_change(seen, chosen, _score_again(networks, batch_size, device))
    inputs = {"model": model, "ramp": CHANGE_RAMP}
    for patches, scores in (*before, *after):
        inputs |= {f"scores/{scores.stem}": scores, f"index/{patches.stem}": index_of(patches)}
    record = provenance("ranking change", chosen, inputs, seed=networks.seed, backend=device.type)
    periods = dict(zip(("before", "after"), change.split("--"), strict=True))
    title = f"{chosen.title}, {' to '.join(periods.values())}"
    CHANGE.write(out, _table(seen, measured), record, periods=periods)
    write_change_map(_measured(seen, measured), title, (raster, preview), record)
    write_changes(images, _largest(seen, measured, chosen.images), networks, device, record)
    CHANGE_RECORD.write(document, {"title": title, **periods, **_levels(chosen), **measured.facts}, record)
    facts = measured.facts
    say(f"{change}: {facts['n']} patches, {facts['up']} rose and {facts['down']} fell at a false-discovery rate of "
        f"{chosen.level:g}; noise {facts['noise']:.3f}.")  # fmt: skip


def _dates(patches: Sequence[Path], scores: Sequence[Path]) -> list[tuple[Path, Path]]:
    if len(patches) != len(scores):
        raise TableError(f"{len(patches)} patch arrays and {len(scores)} score tables of one date: give one of each.")
    return list(zip(patches, scores, strict=True))


def _model(path: Path, scores: Sequence[Path], device: torch.device) -> tuple[ScoreModel, int]:
    """Read the model as the scores were made with it, and the batch size; refuse scores of another model."""
    records = [read_metadata(table, KEY) for table in scores]
    for table, record in zip(scores, records, strict=True):
        if record["inputs"].get("model") != sha256(path) or record["settings"] != records[0]["settings"]:
            raise TableError(
                f"{table} was not scored with {path} and the settings of {scores[0]}: predict both dates again, alike."
            )
    settings = PredictSettings.model_validate(records[0]["settings"])
    return replace(read_model(path, device, settings.precision), views=settings.views), settings.batch_size


def _score_again(networks: ScoreModel, batch_size: int, device: torch.device) -> ScoreAgain:
    def again(one: PairedDates, radiometry: Radiometry) -> tuple[np.ndarray, np.ndarray]:
        rows = one.rows[0]
        index = one.before.index.iloc[rows]
        normalized = replace(one.before, array=radiometry.applied(np.asarray(one.before.array[rows])), index=index)
        found = score_patches(networks, normalized, device, batch_size, f"{one.place}, normalized")
        return found["score"].to_numpy(float), found["ensemble_std"].fillna(0.0).to_numpy(float)

    return again


def _table(seen: Sequence[PairedDates], measured: ChangeFindings) -> gpd.GeoDataFrame:
    parts = []
    for one, rows in _measured(seen, measured):
        after = one.after.index.iloc[one.rows[1]]
        granules = {"granule": after["granule"], "before_granule": one.before.index.iloc[one.rows[0]]["granule"]}
        named = rows.assign(**{name: ids.to_numpy() for name, ids in granules.items()})
        parts.append(gpd.GeoDataFrame(named, geometry=in_degrees(after.geometry).to_numpy(), crs=WGS84))
    return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True))[list(CHANGE.needed)]


def _measured(seen: Sequence[PairedDates], measured: ChangeFindings) -> list[tuple[PairedDates, pd.DataFrame]]:
    """Places that were measured, each with its rows."""
    by_place = dict(list(measured.frame.groupby("place", sort=False)))
    return [(one, by_place[one.place]) for one in seen if one.place in by_place]


def _largest(seen: Sequence[PairedDates], measured: ChangeFindings, count: int) -> list[Changed]:
    """The largest changes, whichever way, the significant ones first."""
    frame = measured.frame
    order = np.lexsort((frame["patch_id"].to_numpy(), -frame["change"].abs().to_numpy(), ~frame["significant"]))
    return [_changed(seen, measured, row) for _, row in frame.iloc[order[:count]].iterrows()]


def _changed(seen: Sequence[PairedDates], measured: ChangeFindings, row: pd.Series) -> Changed:
    one = next(one for one in seen if one.place == row["place"])
    at = int(np.flatnonzero(one.frame["patch_id"].to_numpy() == row["patch_id"])[0])
    before, after = (np.asarray(store.array[rows[at]]) for store, rows in zip(one.stores, one.rows, strict=True))
    radiometry = measured.normalized.get(one.place)
    relit = radiometry.applied(before) if radiometry else before
    names = ("score_before", "score_after", "change", "raw_change", "change_std", "q")
    facts = {"place": one.place, **{name: round(float(row[name]), 6) for name in names}}
    sure = "" if row["significant"] else ", not significant"
    facts["words"] = (
        f"{row['patch_id']}: {row['change']:+.2f} ± {row['change_std']:.2f}{sure}, {row['score_after']:.2f} now"
    )
    return Changed(row["before_patch_id"], row["patch_id"], before, relit, after, facts)


def _levels(settings: ChangeSettings) -> dict[str, object]:
    chosen = settings.model_dump(mode="json", include={"correction", "least_change", "radiometry", "effect"})
    return {"false_discovery_rate": settings.level, **chosen}
