"""Make the labels of a task, and put their places into folds: at random, by blocks of land, by granule."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.errors import TableError
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.samples.artifacts import REFERENCE_VALUES
from rankscape.samples.joins import read_indices
from rankscape.samples.settings import ReferenceSettings
from rankscape.stages.options import Indices, settings_of
from rankscape.studies.embeddings.artifacts import LABELS, SPLITS, TASK
from rankscape.studies.embeddings.displaced import displaced_points, noise_keys, wide_enough
from rankscape.studies.embeddings.labelling import block_side, labels_of, make_labels, with_folds
from rankscape.studies.embeddings.tasks import LabellingSettings, TaskSettings


def label(
    *,
    settings: Annotated[str, settings_of(LabellingSettings)],
    task_settings: Annotated[str, Parameter(help="Settings of the task: a JSON object, or the configuration (YAML).")],
    reference_settings: Annotated[str, Parameter(help="Settings of its reference, likewise.")],
    indices: Indices,
    values: Annotated[list[Path], Parameter(help="Values of the reference at patches (.parquet), a granule each.")],
    out: Annotated[
        Path, Parameter(help="Labels to write (.parquet), named as the task; a .json beside it describes them.")
    ],
    locations: Annotated[
        list[str] | None, Parameter(help="Granules that show the place of another, as granule=place.")
    ] = None,
) -> None:
    """Make the labels of a task, and put their places into folds."""
    chosen, name = LabellingSettings.from_text(settings, "embeddings.label"), out.stem
    task = TaskSettings.from_text(task_settings, f"embeddings.tasks.{name}")
    reference = ReferenceSettings.from_text(reference_settings, f"references.{task.reference}")
    patches = read_indices(indices)
    by_granule = {path.stem: path for path in values}
    found = []
    for index in patches:
        granule = str(index["granule"].iloc[0])
        if granule not in by_granule:
            raise TableError(f"--values lacks the values at granule {granule}: run aggregate for it.")
        own = REFERENCE_VALUES.read(by_granule[granule])
        if not own["patch_id"].equals(index["patch_id"].astype(own["patch_id"].dtype)):
            raise TableError(f"{by_granule[granule]} has other patches than the index of {granule}: aggregate again.")
        found.append(own)
    origin = f"embeddings.tasks.{name}"
    displaced = None if reference.displacement_m is None else displaced_points(reference, patches)
    if displaced is None:
        labelled = make_labels(task, chosen, patches, found, origin)
    else:
        labelled = labels_of(displaced.assign(raw=displaced["value"]), task, chosen, origin)
    side = wide_enough(block_side(labelled.table, chosen), labelled.table, chosen)
    place_of = dict(pair.split("=", 1) for pair in locations or [])
    places = [place_of.get(granule, granule) for granule in labelled.table["granule"]]
    table = with_folds(labelled.table, places, side.block_m, chosen.seed)
    noise = {} if displaced is None else noise_keys(table, task.transform)
    inputs = {f"index/{path.stem}": path for path in indices} | {f"values/{path.stem}": path for path in values}
    inputs |= {} if displaced is None else {"points": Path(reference.path)}
    record = provenance("embeddings label", chosen, inputs, seed=chosen.seed)
    columns = ["patch_id", "granule", "label", "longitude", "latitude", "block", *SPLITS]
    LABELS.write(out, table[columns + ([] if displaced is None else ["disc", "variance"])], record)
    TASK.write(out.with_suffix(".json"), {
        "task": name, "title": reference.title, "transform": task.transform, "patches": labelled.patches,
        "labelled": len(table), "clipped": labelled.clipped, "mean": float(table["label"].mean()),
        "std": float(table["label"].std(ddof=0)), "block_m": side.block_m, "block_origin": side.origin,
        "block_note": side.note, "blocks": int(table["block"].nunique()),
        "folds": {split: int(table[split].max()) + 1 for split in SPLITS}, **noise,
    }, record)  # fmt: skip
    say(f"{name}: {len(table):,} labels at {labelled.patches:,} patches, blocks of {side.block_m:g} m.")
