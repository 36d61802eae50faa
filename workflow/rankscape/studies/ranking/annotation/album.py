"""The pictures on the cards, read from the patch stores when they are asked for."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rankscape.foundation.errors import TableError
from rankscape.samples.patches import Patches, open_patches
from rankscape.samples.rendering import as_png, as_rgb, enlarged

LEAST_PX = 96
"""Smaller patches are enlarged to at least this side, by a whole factor and without smoothing."""


class Album:
    """Pictures by patch id; the arrays are mapped, not read."""

    def __init__(self, tiles: Sequence[Path], patches: Iterable[str]) -> None:
        """Find patches in patch arrays.

        Raises:
            InputError: If an array is missing or broken.
            TableError: If a patch is in none of the arrays.
        """
        wanted = set(patches)
        self._places: dict[str, tuple[Patches, int]] = {}
        for path in tiles:
            store = open_patches(path)
            own = ((str(name), place) for place, name in enumerate(store.index["patch_id"]))
            self._places |= {name: (store, place) for name, place in own if name in wanted}
        missing = sorted(wanted - set(self._places))
        if missing:
            raise TableError(
                f"Patch {missing[0]} (and {len(missing) - 1} more) of the clusters is in none of the patch arrays "
                f"{[path.name for path in tiles]}: tiles and clusters belong to different runs; run the workflow again."
            )

    def png(self, patch: str) -> bytes:
        """Return a patch as PNG.

        Raises:
            KeyError: If the album has no such patch.
        """
        store, place = self._places[patch]
        return as_png(enlarged(as_rgb(store.array[place]), LEAST_PX))
