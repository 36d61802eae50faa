"""Where the granules of a synthetic world lie: one continuous world, cut into granules that overlap as real ones do."""

from dataclasses import dataclass

from affine import Affine

CRS = "EPSG:32603"
"""UTM zone 3 north: at the latitudes used here it is open water in the Pacific, so no real place is meant."""
PIXEL_M = 10.0
OVERLAP_PX = 64
"""Pixels that neighbours share; real granules share about 980 of 10,980."""
ORIGIN_M = (480_000.0, 4_620_000.0)
"""Upper left corner of the world."""
GRANULES = {
    "03TVG": (0, 0), "03TWG": (0, 1), "03TXG": (0, 2),
    "03TVF": (1, 0), "03TWF": (1, 1), "03TXF": (1, 2),
}  # fmt: skip
"""Row and column of every granule; rows count southwards. Only the names are those of the MGRS grid."""
FIT = ("03TVG", "03TWG", "03TVF", "03TWF")
"""Granules that the demo learns from, and that the simulated annotators saw."""


@dataclass(frozen=True)
class WorldGrid:
    """The grid of the world at 10 m and the windows of its granules."""

    granule_px: int
    """Side of a granule in pixels."""

    @property
    def spacing_px(self) -> int:
        """Distance of neighbouring granules' corners."""
        return self.granule_px - OVERLAP_PX

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the whole world."""
        rows = max(row for row, _ in GRANULES.values()) * self.spacing_px + self.granule_px
        cols = max(col for _, col in GRANULES.values()) * self.spacing_px + self.granule_px
        return rows, cols

    @property
    def transform(self) -> Affine:
        """Transform of the world's pixels to UTM metres."""
        return _grid(0, 0)

    def window(self, granule: str) -> tuple[slice, slice]:
        """Return the rows and columns of the world that a granule shows."""
        row, col = (place * self.spacing_px for place in GRANULES[granule])
        return slice(row, row + self.granule_px), slice(col, col + self.granule_px)

    def granule_transform(self, granule: str) -> Affine:
        """Return the transform of a granule's pixels to UTM metres."""
        rows, cols = self.window(granule)
        return _grid(rows.start, cols.start)

    def bounds(self, granule: str) -> tuple[float, float, float, float]:
        """Return left, bottom, right, top of a granule in UTM metres."""
        transform, side_m = self.granule_transform(granule), self.granule_px * PIXEL_M
        return transform.c, transform.f - side_m, transform.c + side_m, transform.f


def _grid(row: int, col: int) -> Affine:
    """Return the grid whose upper left corner lies at a pixel of the world."""
    return Affine(PIXEL_M, 0.0, ORIGIN_M[0] + col * PIXEL_M, 0.0, -PIXEL_M, ORIGIN_M[1] - row * PIXEL_M)


def around(row: float, col: float, reach_px: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the square of the world around a place, cut off at the world's borders."""
    return (
        slice(max(0, int(row) - reach_px), min(shape[0], int(row) + reach_px)),
        slice(max(0, int(col) - reach_px), min(shape[1], int(col) + reach_px)),
    )
