"""Split places into training, validation and test by blocks of land, once for all networks and tasks.

Networks must not see the places that they are judged at, and neither must the ridge on what they compute.
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
from cyclopts import Parameter

from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.samples.joins import read_indices
from rankscape.stages.options import Indices, settings_of
from rankscape.studies.embeddings.artifacts import LABELS, PARTS, SPLIT, SPLIT_RECORD, TASK
from rankscape.studies.embeddings.splitting import split_places
from rankscape.studies.embeddings.tasks import SplitSettings


def split(
    *,
    settings: Annotated[str, settings_of(SplitSettings)],
    labels: Annotated[
        list[Path], Parameter(help="Labels (.parquet) of the tasks that networks learn; a .json beside each.")
    ],
    indices: Indices,
    out: Annotated[Path, Parameter(help="Split to write (.parquet); a .json beside it describes it.")],
) -> None:
    """Split places into training, validation and test by blocks of land."""
    chosen = SplitSettings.from_text(settings, "embeddings.split")
    tables = {path.stem: LABELS.read(path)["patch_id"] for path in labels}
    is_given = chosen.block_m != "auto"
    widest = max(TASK.read(path.with_suffix(".json")).block_m for path in labels)
    side = float(chosen.block_m) if is_given else widest
    labelled = set().union(*tables.values())
    table = split_places(read_indices(indices), labelled, side, chosen.seed)
    inputs = {f"labels/{path.stem}": path for path in labels} | {f"index/{path.stem}": path for path in indices}
    record = provenance("embeddings split", chosen, inputs, seed=chosen.seed)
    SPLIT.write(out, table[["patch_id", "granule", "block", "part", "fold"]], record)
    counts = {name: _count(table, own) for name, own in tables.items()}
    SPLIT_RECORD.write(out.with_suffix(".json"), {
        "block_m": side, "block_origin": "given" if is_given else "widest of the tasks",
        "blocks": int(table["block"].nunique()), "patches": _count(table, table["patch_id"]), "labels": counts,
    }, record)  # fmt: skip
    shares = ", ".join(f"{number:,} {part}" for part, number in _count(table, pd.Series(sorted(labelled))).items())
    say(f"{shares} patches with labels, in blocks of {side:g} m.")


def _count(table: pd.DataFrame, ids: "pd.Series[str]") -> dict[str, int]:
    own = table.loc[table["patch_id"].isin(ids), "part"]
    return {part: int((own == part).sum()) for part in PARTS}
