"""A network learns, without labels, that neighbours are alike and distant tiles are not (Tile2Vec, AAAI 2019).

Distances are metres where places are known, whatever granule a patch lies in: a neighbour is near in both axes, a
distant tile is not, and does not overlap its anchor. Of images without coordinates, two tiles of one image are
neighbours.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor, nn

from rankscape.foundation.errors import RasterError, SettingsError, WeightsError
from rankscape.learning.adapted import Adapted
from rankscape.learning.adapting import chunks_of
from rankscape.learning.augmentation import turn
from rankscape.learning.checkpoints import Checkpoints
from rankscape.learning.fitting import even_batches, settle_batch_norm
from rankscape.learning.processes import ProcessGroup
from rankscape.learning.selection import Selection, select_usable
from rankscape.learning.trainer import BatchLoss, Measured, TrainingTask, TrainState, seeded, train
from rankscape.models.backbones import check_input, create_backbone, published_statistics
from rankscape.models.preparation import Preparation, fit_preparation
from rankscape.models.tile2vec import triplet_loss
from rankscape.samples.patches import Patches, is_located
from rankscape.spatial.geometry import WGS84, centres, plane_around
from rankscape.studies.embeddings.network_settings import Tile2VecSettings

_SAMPLE = 1000
"""Patches that statistics of channels come from."""
_NEIGHBOUR_PX = 100
"""Published reach of the neighbourhood."""
_BETAS = (0.5, 0.999)
_TRIES = 100
"""Draws after which a distant tile is looked for among all."""


@dataclass(frozen=True)
class Neighbourhood:
    """Which patches are neighbours, and which are distant."""

    x: np.ndarray
    """Easting of each patch in one plane, metres; without coordinates images are as far apart as need be."""
    y: np.ndarray
    """Northing."""
    reach_m: float
    """Neighbours are no farther, in both axes."""
    side_m: float
    """Side of a patch: what is nearer, in both axes, overlaps."""
    itself: bool
    """Whether two tiles of one patch are neighbours."""

    @property
    def apart_m(self) -> float:
        """Distant tiles are farther, in one axis at least; those that touch do not overlap, whatever the last digit."""
        return max(self.reach_m, 0.99 * self.side_m)

    def near(self) -> list[np.ndarray]:
        """Return the neighbours of every patch."""
        tree = cKDTree(np.column_stack([self.x, self.y]))
        found = tree.query_ball_point(tree.data, self.reach_m * (1 + 1e-9), p=np.inf)
        return [
            np.array([one for one in sorted(own) if self.itself or one != place], np.int64)
            for place, own in enumerate(found)
        ]

    def distant(self, anchor: int, chance: np.random.Generator) -> int:
        """Draw a distant patch.

        Raises:
            RasterError: If there is none.
        """
        for _ in range(_TRIES):
            other = int(chance.integers(len(self.x)))
            if self._is_apart(anchor, np.array([other]))[0]:
                return other
        others = np.flatnonzero(self._is_apart(anchor, np.arange(len(self.x))))
        if not len(others):
            raise RasterError(
                f"Every patch lies within {self.apart_m:g} m of another, so that none is distant: lower neighbour_m, or"
                " add granules."
            )
        return int(chance.choice(others))

    def _is_apart(self, anchor: int, others: np.ndarray) -> np.ndarray:
        away = np.maximum(np.abs(self.x[others] - self.x[anchor]), np.abs(self.y[others] - self.y[anchor]))
        return np.asarray(away > self.apart_m * (1 + 1e-9))


def find_neighbourhood(patches: Selection, settings: Tile2VecSettings) -> Neighbourhood:
    """Find out how far patches are from each other.

    Raises:
        SettingsError: If images have no coordinates and tiles are whole patches.
    """
    grid = patches.stores[0].grid
    cut = settings.tile_px is not None and settings.tile_px < grid.patch_px
    if not all(is_located(store.index) for store in patches.stores):
        if not cut:
            raise SettingsError(
                "embeddings.tile2vec: images without coordinates have no neighbours: set tile_px below"
                f" {grid.patch_px}, so that two tiles of one image are."
            )
        return Neighbourhood(np.arange(len(patches)) * 4.0, np.zeros(len(patches)), 1.0, 1.0, itself=True)
    where = gpd.GeoSeries(patches.footprints().centroid).to_crs(WGS84)
    x, y = centres(where, plane_around("laea", where))
    side = math.sqrt(float(np.median(patches.footprints().area)))
    reach = settings.neighbour_m or max(_NEIGHBOUR_PX * side / grid.patch_px, 1.01 * side)
    return Neighbourhood(x, y, reach, side, itself=cut)


class TripletTask(TrainingTask):
    """Triplets of tiles: an anchor, a neighbour, and a distant tile, each turned by itself."""

    def __init__(
        self, patches: Selection, around: Neighbourhood, preparation: Preparation, settings: Tile2VecSettings
    ) -> None:
        """Learn from usable patches.

        Raises:
            RasterError: If no patch has a neighbour.
        """
        self._patches, self._around, self._preparation, self._settings = patches, around, preparation, settings
        self._near = around.near()
        self._anchors = np.flatnonzero([len(own) > 0 for own in self._near])
        if len(self._anchors) < 2:
            raise RasterError(
                f"{len(self._anchors)} patches have a neighbour within {around.reach_m:g} m: raise neighbour_m."
            )

    @property
    def anchors(self) -> int:
        """Patches with a neighbour."""
        return len(self._anchors)

    def batches(self, state: TrainState) -> Iterator[Tensor]:
        """Yield triplets, shape (3 n, channels, side, side): anchors, their neighbours, distant tiles."""
        chance, wanted = state.chance, self._settings.triplets or len(self._anchors)
        rounds = -(-wanted // len(self._anchors))
        order = np.concatenate([chance.permutation(self._anchors) for _ in range(rounds)])[:wanted]
        for anchors in even_batches(order, self._settings.batch_size):
            near = [int(chance.choice(self._near[anchor])) for anchor in anchors]
            far = [self._around.distant(anchor, chance) for anchor in anchors]
            images = self._patches.images(np.concatenate([anchors, near, far]).astype(np.int64), self._preparation)
            yield turn(self._cut(images, chance), state.light)

    def loss(self, network: nn.Module, batch: Tensor, state: TrainState) -> BatchLoss:
        """Return the loss of a batch of triplets."""
        vectors = network(batch.to(state.device)).chunk(3)
        loss = triplet_loss(*vectors, margin=self._settings.margin, l2=self._settings.l2)
        return BatchLoss(loss, {"loss": loss}, len(batch) // 3)

    def end_epoch(self, state: TrainState, means: dict[str, float]) -> Measured:
        """Refuse to go on from a loss that is no number.

        Raises:
            SettingsError: If it is none.
        """
        if not math.isfinite(means["loss"]):
            raise SettingsError(
                f"The network has come apart in epoch {len(state.curve) + 1}: set learning_rate below"
                f" {self._settings.learning_rate:g}."
            )
        return Measured({**means})

    def _cut(self, images: Tensor, chance: np.random.Generator) -> Tensor:
        """Cut a tile out of each image, at a place of chance."""
        side, tile = images.shape[-1], self._settings.tile_px or images.shape[-1]
        if tile >= side:
            return images
        corners = chance.integers(side - tile + 1, size=(len(images), 2)).tolist()
        cut = (
            image[:, top : top + tile, left : left + tile] for image, (top, left) in zip(images, corners, strict=True)
        )
        return torch.stack(list(cut))


def learn_neighbours(
    name: str,
    settings: Tile2VecSettings,
    stores: list[Patches],
    group: ProcessGroup,
    checkpoints: Checkpoints | None = None,
) -> tuple[Adapted, dict[str, Any]]:
    """Train a network on triplets of usable patches.

    The same settings and patches give the same weights, bit for bit on one device with one number of threads, also
    where it was stopped at any moment and goes on from its checkpoint.

    Args:
        name: The network.
        settings: Network, triplets and training.
        stores: Patch stores of the granules.
        group: The processes that train together.
        checkpoints: Where to go on from; None keeps nothing.

    Returns:
        The network as an embedding, on the CPU, and what is known of it, as JSON values.

    Raises:
        RasterError: If no patch is usable, has a neighbour, or is distant from another.
        SettingsError: If images without coordinates are not cut into tiles, or training comes apart.
        WeightsError: If there is no such network, or nothing in it can be trained.
    """
    patches, chance = select_usable(stores), np.random.default_rng([settings.seed, 1])
    grid, sample = stores[0].grid, chance.permutation(len(patches))[:_SAMPLE]
    preparation = fit_preparation(
        chunks_of(patches.take(np.sort(sample))), grid.bands, input_px=grid.patch_px, colour=settings.colour,
        normalisation=settings.normalisation, published=published_statistics(settings.architecture),
    )  # fmt: skip
    around = find_neighbourhood(patches, settings)
    task = TripletTask(patches, around, preparation, settings)
    with seeded(int(chance.integers(2**62)), group.device):
        network = create_backbone(settings.architecture, "random", preparation.channels, settings.seed)
        if not any(True for _ in network.parameters()):
            raise WeightsError(
                f"Nothing in {settings.architecture} can be trained: name tile2vec-512, or a timm model."
            )
        check_input(network, preparation.channels, settings.tile_px or grid.patch_px, settings.architecture)
        network.to(group.device)
        light = torch.Generator().manual_seed(int(chance.integers(2**62)))
        optimizer = torch.optim.Adam(network.parameters(), settings.learning_rate, betas=_BETAS)
        state = TrainState(network, (optimizer,), None, chance, light, group.device)
        train(task, state, epochs=settings.epochs, name=name, checkpoints=checkpoints, group=group)
    # In an order of chance: neighbours are alike, and a batch of them varies less than the land does.
    mixed = patches.take(np.random.default_rng([settings.seed, 2]).permutation(len(patches)))
    settle_batch_norm(network, preparation, mixed, 3 * settings.batch_size, group.device)
    network.eval().cpu()
    adapted = Adapted(settings.architecture, network, preparation, None, (), None)
    return adapted, {
        "network": name, "architecture": settings.architecture, "dims": adapted.dims, "patches": len(patches),
        "anchors": task.anchors, "neighbour_m": around.reach_m if is_located(patches.stores[0].index) else None,
        "epochs": state.curve,
    }  # fmt: skip
