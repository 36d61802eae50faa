"""Features of patches: what the backbone sees in each, without augmentation."""

import numpy as np
import torch

from rankscape.foundation.errors import RasterError
from rankscape.foundation.progress import track
from rankscape.learning.model import Adapted
from rankscape.samples.patches import Patches


def embed_patches(adapted: Adapted, patches: Patches, batch_size: int, device: torch.device) -> np.ndarray:
    """Compute the feature vector of every usable patch.

    Batches are read straight from the mapped array, in its order.

    Args:
        adapted: Backbone and preparation.
        patches: Patches of one granule.
        batch_size: Patches a forward pass.
        device: CPU or GPU.

    Returns:
        float32, shape (patches, dims); NaN in the rows of patches that are not usable.

    Raises:
        RasterError: If the patches have other bands than the backbone was fitted to, or one has no finite features.
    """
    _check_bands(adapted, patches)
    features = np.full((len(patches.index), adapted.dims), np.nan, np.float32)
    usable = np.flatnonzero(patches.index["usable"].to_numpy(bool))
    backbone = adapted.backbone.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = [usable[start : start + batch_size] for start in range(0, len(usable), batch_size)]
    with torch.inference_mode():
        for rows in track(batches, "embed", unit="batch"):
            pictures = adapted.preparation.tensor(patches.array[rows])
            seen = backbone(pictures.to(device, memory_format=torch.channels_last))
            features[rows] = seen.cpu().numpy()
    _check_finite(features, patches, usable)
    return features


def _check_bands(adapted: Adapted, patches: Patches) -> None:
    needed, found = adapted.preparation.bands, patches.grid.bands
    seen = None if adapted.preparation.colour == "all" else 3
    if found[:seen] != needed[:seen]:
        raise RasterError(
            f"The backbone was fitted to the bands {list(needed)}, the patches have {list(found)}: give patches of the"
            " same bands, or run adapt again."
        )


def _check_finite(features: np.ndarray, patches: Patches, usable: np.ndarray) -> None:
    broken = usable[~np.isfinite(features[usable]).all(1)]
    if broken.size:
        raise RasterError(
            f"{broken.size} usable patches have no finite features, such as"
            f" {patches.index['patch_id'].iloc[int(broken[0])]}: the weights do not suit them; adapt again."
        )
