"""Augmentation, devices, weights on disk, batches, held-out places."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rankscape.foundation.errors import DeviceError, WeightsError
from rankscape.foundation.tables import read_table
from rankscape.learning.augmentation import BRIGHTNESS, GAIN, appearance, augment
from rankscape.learning.fitting import even_batches, right, settle_batch_norm
from rankscape.learning.labels import select_labelled
from rankscape.learning.processes import use_device
from rankscape.models.backbones import create_backbone
from rankscape.models.preparation import Preparation
from rankscape.models.weights import load_weights, read_safetensors, save_weights, under
from rankscape.samples.patches import open_patches


def images(count=40, side=6):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_augmentation_repeats_with_its_generator_and_leaves_the_batch_alone():
    batch = images()
    before = batch.clone()
    first, second = (augment(batch, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(batch, before)
    assert not torch.equal(first, augment(batch, torch.Generator().manual_seed(4)))
    assert first.shape == batch.shape


def test_each_image_is_one_of_eight_views_in_another_light():
    batch = images()
    found = set()
    for before, after in zip(batch, augment(batch, torch.Generator().manual_seed(0)), strict=True):
        views = [torch.rot90(before, turn, (-2, -1)) for turn in range(4)]
        views += [view.flip(-1) for view in views]
        # A view and the result differ by a gain and a shift: their correlation is 1.
        alike = [np.corrcoef(view.flatten(), after.flatten())[0, 1] > 0.9999 for view in views]
        assert sum(alike) == 1
        found.add(alike.index(True))
    assert len(found) == 8


def test_light_changes_within_its_limits():
    level = torch.ones(500, 1, 4, 4)
    after = augment(level, torch.Generator().manual_seed(0))[:, 0, 0, 0]
    assert after.min() >= 1 - GAIN - BRIGHTNESS
    assert after.max() <= 1 + GAIN + BRIGHTNESS
    assert after.std() > 0.05


def test_the_cpu_is_prepared_to_repeat_its_results():
    assert use_device(0, 1).type == "cpu"
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == 1


def test_more_gpus_than_there_are_is_an_error():
    with pytest.raises(DeviceError, match=r"9 GPU\(s\) asked for"):
        use_device(9, 1)


def test_weights_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "w.safetensors"
    tensors = {"b": torch.arange(6.0).reshape(2, 3).T, "a": torch.tensor([1], dtype=torch.int64)}
    save_weights(path, tensors, {"name": "Höhe", "seeds": [1, 2]})
    content = path.read_bytes()
    again, document = load_weights(path)
    assert document == {"name": "Höhe", "seeds": [1, 2]}
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)
    save_weights(path, dict(reversed(tensors.items())), {"seeds": [1, 2], "name": "Höhe"})
    assert path.read_bytes() == content


def test_tensors_that_share_memory_are_written_each(tmp_path):
    shared = torch.ones(4)
    save_weights(tmp_path / "w.safetensors", {"a": shared, "b": shared[:2]}, {})
    assert {name: len(one) for name, one in load_weights(tmp_path / "w.safetensors")[0].items()} == {"a": 4, "b": 2}


def test_weights_of_others_are_refused(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "w.safetensors"
    with pytest.raises(WeightsError, match="does not exist"):
        load_weights(path)
    save_file({"a": torch.ones(2)}, path)
    assert read_safetensors(path)[1] == {}
    with pytest.raises(WeightsError, match="not made by Rankscape"):
        load_weights(path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(WeightsError, match="no whole safetensors file"):
        load_weights(path)
    assert under({"a.b": torch.ones(1), "c": torch.ones(1)}, "a.").keys() == {"b"}


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(2, 70))
def test_batches_are_of_equal_size_and_hold_everything_once(count, batch_size):
    order = np.random.default_rng(0).permutation(count)
    parts = list(even_batches(order, batch_size))
    sizes = {len(part) for part in parts}
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    np.testing.assert_array_equal(np.concatenate(parts), order)
    assert count == 1 or min(sizes) > 1 or batch_size == 2


def test_a_tied_label_is_right_either_way():
    shares = np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [0.2, 0.3, 0.5]], np.float32)
    logits = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 0, 0]])
    assert right(logits, shares) == 2


@pytest.fixture
def labelled(land):
    stores = [open_patches(path) for path in land.tiles]
    return select_labelled(stores, read_table(land.labels), ("town", "field"), "labels")


PREPARATION = Preparation(32, "all", "imagenet", (0.3,) * 4, (0.2,) * 4, ("B04", "B03", "B02", "B08"))


def test_labelled_patches_come_in_the_order_asked_for(labelled):
    chosen = np.array([5, 100, 2, 77])
    together = labelled.images(chosen, PREPARATION)
    for place, number in enumerate(chosen):
        alone = labelled.stores[labelled.store[number]].array[labelled.position[number]][None]
        assert torch.equal(together[place : place + 1], PREPARATION.tensor(alone))


def test_batch_norm_gets_the_statistics_of_all_images(labelled):
    backbone = create_backbone("test_resnet", "random", 4, seed=0)
    settle_batch_norm(backbone, PREPARATION, labelled, len(labelled), torch.device("cpu"))
    with torch.no_grad():
        seen = backbone.conv1(labelled.images(np.arange(len(labelled)), PREPARATION))
    torch.testing.assert_close(backbone.bn1.running_mean, seen.mean((0, 2, 3)), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(backbone.bn1.running_var, seen.var((0, 2, 3)), rtol=1e-3, atol=1e-5)
    assert backbone.bn1.momentum == 0.1


def test_a_network_without_batch_norm_is_left_alone(labelled):
    network = torch.nn.Conv2d(4, 2, 1)
    before = network.weight.detach().clone()
    settle_batch_norm(network, PREPARATION, labelled, 32, torch.device("cpu"))
    assert torch.equal(network.weight, before)


def seen(strength, seed=0, batch=None):
    given = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(9)) if batch is None else batch
    return appearance(given, torch.Generator().manual_seed(seed), strength), given


def test_appearance_of_strength_0_changes_nothing_and_draws_nothing():
    generator = torch.Generator().manual_seed(0)
    batch = torch.rand(4, 3, 8, 8)
    assert appearance(batch, generator, 0) is batch
    assert torch.equal(generator.get_state(), torch.Generator().manual_seed(0).get_state())


def test_appearance_repeats_itself_and_differs_between_images_and_channels():
    level = torch.full((64, 3, 4, 4), 0.3)
    first, again, other = (seen(1, seed, level)[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first.std((2, 3)) < 1e-6).all()
    assert first[:, 0, 0, 0].std() > 0.03
    assert (first[:, 0, 0, 0] / first[:, 2, 0, 0]).std() > 0.02


def test_appearance_grows_with_its_strength_and_keeps_pixels_without_data():
    changes = [float((seen(strength)[0] - seen(strength)[1]).abs().mean()) for strength in (0.1, 0.5, 1.0)]
    assert 0 < changes[0] < changes[1] < changes[2]
    batch = torch.rand(5, 4, 6, 6)
    batch[1, :, :2] = torch.nan
    after, _ = seen(1, batch=batch)
    assert torch.equal(after.isnan(), batch.isnan())
    assert (after[~after.isnan()] >= 0).all()


def test_haze_takes_contrast_and_saturation_keeps_the_mean():
    after, before = seen(1)
    assert (after.std((1, 2, 3)) / before.std((1, 2, 3))).median() < 1
    grey = torch.rand(8, 1, 4, 4).expand(8, 3, 4, 4).contiguous()
    assert torch.isfinite(seen(1, batch=grey)[0]).all()
