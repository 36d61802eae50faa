"""Labelled places that are held out whole, so that a fit is tested on land that it has not seen."""

from dataclasses import dataclass

import numpy as np

from rankscape.learning.labelled import LabelledPatches

_FEWEST_LABELS = 100
_FEWEST_BLOCKS = 5
_FEWEST_HELD = 20


@dataclass(frozen=True)
class Split:
    """Which labelled patches are fitted to, and which are held out."""

    held: np.ndarray
    """bool, shape (patches,)."""
    blocks: int
    """Number of blocks held out."""
    reason: str | None
    """Why nothing is held out; None where something is."""


def hold_out(patches: LabelledPatches, fraction: float, block_m: float, generator: np.random.Generator) -> Split:
    """Draw blocks of land until about `fraction` of the labelled patches lie in them.

    Blocks that alone would hold out more than twice the share are passed over. Nothing is held out where the labels
    are too few to spare some, or where a category would be left without a patch to fit to.
    """
    none = np.zeros(len(patches), bool)
    if fraction == 0:
        return Split(none, 0, "held_out_fraction is 0")
    if len(patches) < _FEWEST_LABELS:
        return Split(none, 0, f"{len(patches)} labels; {_FEWEST_LABELS} are needed to hold some out")
    block = patches.blocks(block_m)
    names = generator.permutation(np.unique(block))
    if len(names) < _FEWEST_BLOCKS:
        return Split(none, 0, f"{len(names)} blocks of {block_m:g} m; {_FEWEST_BLOCKS} are needed to hold some out")
    chosen = _draw(block, names, fraction * len(patches))
    held = np.isin(block, chosen)
    if held.sum() < _FEWEST_HELD:
        return Split(none, 0, f"no choice of blocks of {block_m:g} m holds out about {fraction:g} of the labels")
    if (patches.shares.sum(0) > 0).sum() > (patches.shares[~held].sum(0) > 0).sum():
        return Split(none, 0, "a category stands only in the blocks drawn to be held out")
    return Split(held, len(chosen), None)


def _draw(block: np.ndarray, names: np.ndarray, wanted: float) -> list[int]:
    chosen: list[int] = []
    held = 0
    for name in names.tolist():
        size = int((block == name).sum())
        if held < wanted and held + size <= 2 * wanted:
            chosen.append(name)
            held += size
    return chosen
