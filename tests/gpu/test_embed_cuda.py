"""Features and fits on a real GPU, against the CPU's."""

import numpy as np
import pytest
import torch
from rankscape.learning.adapted import Adapted, embed_patches
from rankscape.learning.processes import use_device
from rankscape.models.backbones import create_backbone
from rankscape.models.preparation import Preparation
from rankscape.samples.patches import open_patches

pytestmark = pytest.mark.gpu


@pytest.fixture
def patches(patch_store):
    pixels = np.random.default_rng(0).integers(1, 255, (256, 256, 3), dtype=np.uint8)
    return open_patches(patch_store("03TVF", pixels=pixels, patch_px=32))


def features(patches, gpus):
    device = use_device(gpus, 1)
    preparation = Preparation(64, "rgb", "each", (0.0,) * 3, (1.0,) * 3, ("B04", "B03", "B02"))
    backbone = create_backbone("resnet18", "random", 3, seed=0)
    return embed_patches(Adapted("resnet18", backbone, preparation, None, (), None), patches, 16, device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")
def test_gpu_repeats_itself_and_agrees_with_the_cpu(patches):
    first, second, cpu = features(patches, 1), features(patches, 1), features(patches, 0)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, cpu, rtol=1e-3, atol=1e-4)
