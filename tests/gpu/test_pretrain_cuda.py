"""Pre-training on a real GPU repeats itself, and goes on after a stop as if there had been none."""

import numpy as np
import pytest
import torch
from rankscape.learning import trainer
from rankscape.learning.checkpoints import Checkpoints
from rankscape.learning.pretraining import pretrain_backbone
from rankscape.learning.processes import use_device
from rankscape.learning.settings import AdaptSettings, PretrainSettings
from rankscape.samples.patches import open_patches
from stopping import dying_in

pytestmark = pytest.mark.gpu


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_gpu_repeats_itself_also_after_a_stop(patch_store, tmp_path, monkeypatch, precision):
    pixels = np.random.default_rng(0).integers(1, 255, (256, 256, 3), dtype=np.uint8)
    stores = [open_patches(patch_store("03TVF", pixels=pixels, patch_px=32))]
    settings = PretrainSettings(precision=precision, input_px=32, epochs=3, batch_size=32, projection_dims=16)
    device = use_device(1, 1)

    def taught(checkpoints=None):
        network = AdaptSettings(architecture="resnet10t", normalisation="each")
        adapted, record = pretrain_backbone(settings, network, stores, device, checkpoints)
        return adapted.backbone.state_dict(), record["epochs"]

    weights, curve = taught()
    kept = Checkpoints.of(tmp_path / "kept", {})
    with dying_in(trainer, "_one_epoch", 3, monkeypatch):
        taught(kept)
    again, same = taught(kept)
    assert same == curve
    assert all(torch.equal(weights[name], again[name]) for name in weights)
