"""The same places seen at two dates: patches and scores of both, joined by row and column."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rankscape.foundation.errors import TableError
from rankscape.foundation.tables import read_table
from rankscape.samples.patches import Grid, Patches, index_of, is_located, open_patches

_SCORES = ("patch_id", "score", "score_std", "ensemble_std")
_PARTS = {
    "crs": "CRS",
    "transform": "transform",
    "height_px": "height",
    "width_px": "width",
    "patch_px": "patch side",
    "bands": "bands",
}


@dataclass(frozen=True)
class PairedDates:
    """One place at two dates, and its patches that can be compared."""

    place: str
    """Land that both dates show."""
    before: Patches
    """Patches of the earlier date."""
    after: Patches
    """Patches of the later date."""
    rows: tuple[np.ndarray, np.ndarray]
    """Positions of the compared patches in the two stores, int64, each of shape (n,), ordered by row and column."""
    frame: pd.DataFrame
    """One row a compared patch: patch_id, before_patch_id, row, col, score_before, score_after, ensemble_std_before,
    ensemble_std_after."""
    left_out: dict[str, int]
    """Patches of the later date that are not compared, by the reason."""

    @property
    def stores(self) -> tuple[Patches, Patches]:
        """The patches of both dates, the earlier first."""
        return self.before, self.after


def read_dates(
    before: Sequence[tuple[Path, Path]],
    after: Sequence[tuple[Path, Path]],
    places: Sequence[str],
    max_cloud_fraction: float,
) -> list[PairedDates]:
    """Read places at two dates.

    Args:
        before: Patch array and score table of the earlier date of each place.
        after: The same of the later date, in the same order.
        places: Names of the places, in that order.
        max_cloud_fraction: Patches with more cloud at one of the dates are not compared.

    Raises:
        TableError: If the lists differ in length, a score table is of other patches than its array, a place has no
            coordinates, or the two dates of a place lie on different grids.
    """
    if not len(before) == len(after) == len(places) > 0:
        raise TableError(
            f"{len(places)} places, {len(before)} earlier and {len(after)} later granules: give both dates of each."
        )
    return [_seen(*one, max_cloud_fraction) for one in zip(places, before, after, strict=True)]


def _seen(place: str, before: tuple[Path, Path], after: tuple[Path, Path], max_cloud_fraction: float) -> PairedDates:
    stores = open_patches(before[0]), open_patches(after[0])
    _check_grids(place, before[0], after[0], stores[0].grid, stores[1].grid)
    if not is_located(stores[0].index) or not is_located(stores[1].index):
        raise TableError(f"{before[0]} and {after[0]}: images without coordinates are not the same places: leave out.")
    first, second = (
        _patches(store, tiles, scores, max_cloud_fraction)
        for store, (tiles, scores) in zip(stores, (before, after), strict=True)
    )
    both = first.merge(second, on=["row", "col"], suffixes=("_before", "_after"), how="right", validate="one_to_one")
    both = both.sort_values(["row", "col"], ignore_index=True)
    reasons = _reasons(both)
    kept = both[reasons == ""].reset_index(drop=True)
    frame = kept.rename(columns={"patch_id_before": "before_patch_id", "patch_id_after": "patch_id"})
    columns = ["patch_id", "before_patch_id", "row", "col", "score_before", "score_after", "ensemble_std_before"]
    rows = kept["position_before"].to_numpy(np.int64), kept["position_after"].to_numpy(np.int64)
    counts = {str(reason): int(count) for reason, count in reasons[reasons != ""].value_counts().items()}
    return PairedDates(place, *stores, rows, frame[[*columns, "ensemble_std_after"]], counts)


def _check_grids(place: str, before: Path, after: Path, first: Grid, second: Grid) -> None:
    differing = [words for part, words in _PARTS.items() if getattr(first, part) != getattr(second, part)]
    if differing:
        name = next(part for part in _PARTS if getattr(first, part) != getattr(second, part))
        raise TableError(
            f"{index_of(before)} and {index_of(after)}, the two dates of {place}, lie on different grids "
            f"({', '.join(differing)}: {getattr(first, name)} and {getattr(second, name)}): cut both from images "
            "of one grid, with the same settings."
        )


def _patches(store: Patches, tiles: Path, scores: Path, max_cloud_fraction: float) -> pd.DataFrame:
    """Patches of one date: position, row, col, patch_id, score, ensemble_std, and what they can be used for."""
    table = read_table(scores, _SCORES)
    if not np.array_equal(table["patch_id"].to_numpy(), store.index["patch_id"].to_numpy()):
        raise TableError(f"{scores} does not hold the patches of {tiles}, in their order: predict the scores again.")
    return pd.DataFrame(
        {
            "position": np.arange(len(table)),
            "row": store.index["row"].to_numpy(),
            "col": store.index["col"].to_numpy(),
            "patch_id": table["patch_id"],
            "score": table["score"].to_numpy(float),
            "ensemble_std": table["ensemble_std"].fillna(0.0).to_numpy(float),
            "scored": np.isfinite(table["score"].to_numpy(float)) & store.index["usable"].to_numpy(bool),
            "clear": store.index["cloud_fraction"].to_numpy(float) <= max_cloud_fraction,
        }
    )


def _reasons(both: pd.DataFrame) -> pd.Series:
    """Why a patch of the later date is not compared; empty where it is."""
    reasons = pd.Series("", index=both.index)
    reasons[~(both["clear_before"].eq(True) & both["clear_after"].eq(True))] = "cloud at one of the dates"
    reasons[~(both["scored_before"].eq(True) & both["scored_after"].eq(True))] = "no score at one of the dates"
    reasons[both["position_before"].isna()] = "no patch at the earlier date"
    return reasons
