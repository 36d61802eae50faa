"""Losses of networks that teach themselves, and the heads that they are computed on, from the library lightly.

Only this module imports lightly. Nothing else of it is used, and importing it asks no server.
"""

import os

import torch
from torch import Tensor, nn

from rankscape.learning.settings import PretrainSettings
from rankscape.models.backbones import mend_torchvision

# Releases before 1.6 ask a server for a newer one when they are imported.
os.environ.setdefault("LIGHTLY_DID_VERSION_CHECK", "True")
mend_torchvision()

from lightly.loss.barlow_twins_loss import BarlowTwinsLoss  # noqa: E402
from lightly.loss.ntx_ent_loss import NTXentLoss  # noqa: E402
from lightly.loss.vicreg_loss import VICRegLoss  # noqa: E402
from lightly.models.modules.heads import (  # noqa: E402
    BarlowTwinsProjectionHead,
    SimCLRProjectionHead,
    VICRegProjectionHead,
)


class Pretext(nn.Module):
    """A backbone, a projection head, and a loss of two views of the same patches.

    `vicreg` draws the views' projections together, keeps the deviation of each of their numbers above 1 and their
    covariances small (Bardes, Ponce and LeCun, ICLR 2022, with its weights 25, 25, 1). `simclr` tells a patch's other
    view from all others of the batch, by cosines over a temperature (Chen et al., ICML 2020). `barlow_twins` makes the
    correlation matrix between the views the identity, off-diagonal terms weighted 0.005 (Zbontar et al., ICML 2021).
    """

    def __init__(self, backbone: nn.Module, settings: PretrainSettings) -> None:
        super().__init__()
        self.backbone = backbone
        self._is_fast = settings.precision == "bfloat16"
        if self._is_fast:
            # The kernels of mixed precision prefer pictures and weights laid out by channels last.
            backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        dims, width = int(backbone.num_features), settings.projection_dims  # type: ignore[arg-type]
        self.head: nn.Module
        self.loss: nn.Module
        if settings.method == "vicreg":
            self.head, self.loss = VICRegProjectionHead(dims, width, width), VICRegLoss()
        elif settings.method == "simclr":
            self.head, self.loss = SimCLRProjectionHead(dims, width, width), NTXentLoss(settings.temperature)
        else:
            self.head, self.loss = BarlowTwinsProjectionHead(dims, width, width), BarlowTwinsLoss()

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """Compare two views of each patch.

        Args:
            views: Prepared pictures, float32, shape (2 n, channels, side, side): the first views of all patches, then
                the second ones in the same order.

        Returns:
            The loss, and the backbone's features, float32, shape (2 n, dims). Head and loss compute in float32.
        """
        with torch.autocast(views.device.type, torch.bfloat16, enabled=self._is_fast):
            seen: Tensor = self.backbone(views)
        features = seen.float()
        loss: Tensor = self.loss(*self.head(features).chunk(2))
        return loss, features
