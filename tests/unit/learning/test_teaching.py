"""Mean Teacher: its formulas, and what `adapt` makes of patches without a label."""

import json

import numpy as np
import pytest
import torch
from rankscape.foundation.files import read_json
from rankscape.foundation.tables import read_table
from rankscape.learning.augmentation import augment
from rankscape.learning.fitting import fit
from rankscape.learning.labels import select_labelled, shares_of
from rankscape.learning.selection import sample_unlabelled
from rankscape.learning.settings import AdaptSettings
from rankscape.learning.teaching import MeanTeacherTask, consistency_weight, teacher_decay
from rankscape.learning.trainer import TrainState
from rankscape.models.backbones import create_backbone
from rankscape.models.preparation import Preparation
from rankscape.models.weights import load_weights
from rankscape.samples.patches import open_patches
from torch import nn

PREPARATION = Preparation(32, "all", "imagenet", (0.1,) * 4, (0.06,) * 4, ("B04", "B03", "B02", "B08"))
QUICK = {"architecture": "test_resnet", "weights": "random", "input_px": 32, "epochs": 2, "batch_size": 32}


@pytest.mark.parametrize(
    ("epoch", "expected"), [(0, 12.5 * np.exp(-5)), (10, 12.5 * np.exp(-1.25)), (20, 12.5), (500, 12.5)]
)
def test_the_weight_of_consistency_rises_as_published(epoch, expected):
    assert consistency_weight(epoch, 12.5, 20) == pytest.approx(expected, rel=1e-12)


def test_without_a_ramp_the_weight_is_full_at_once():
    assert consistency_weight(0, 3.0, 0) == 3.0


@pytest.mark.parametrize(("step", "expected"), [(1, 0.5), (9, 0.9), (999, 0.999), (100_000, 0.999)])
def test_the_teacher_forgets_its_start_and_then_keeps_its_share(step, expected):
    assert teacher_decay(step, 0.999) == pytest.approx(expected, rel=1e-12)


@pytest.fixture
def labelled(land):
    stores = [open_patches(path) for path in land.tiles]
    return select_labelled(stores, read_table(land.labels), ("town", "field"), "labels")


def test_unlabelled_patches_are_usable_ones_without_a_label(labelled):
    drawn = sample_unlabelled(labelled, 10_000, np.random.default_rng(0))
    usable = sum(int(store.index["usable"].sum()) for store in labelled.stores)
    assert len(drawn) == usable - len(labelled)
    places = [set(zip(one.store.tolist(), one.position.tolist(), strict=True)) for one in (labelled, drawn)]
    assert not places[0] & places[1]
    assert all(labelled.stores[store].index["usable"].iloc[position] for store, position in places[1])
    few = sample_unlabelled(labelled, 7, np.random.default_rng(0))
    assert len(few) == 7


def test_unlabelled_patches_may_differ_in_size_between_granules(land, patch_store):
    pixels = np.random.default_rng(0).random((96, 96, 4)).astype(np.float32)
    bands = ("B04", "B03", "B02", "B08")
    other = patch_store("03TXF", pixels=pixels, patch_px=16, origin_m=(420_000.0, 4_500_000.0), bands=bands)
    stores = [open_patches(path) for path in [*land.tiles, other]]
    labelled = select_labelled(stores, read_table(land.labels), ("town", "field"), "labels")
    drawn = sample_unlabelled(labelled, 10_000, np.random.default_rng(0))
    assert set(drawn.store.tolist()) == {0, 1, 2}
    assert drawn.images(np.array([0, len(drawn) - 1]), PREPARATION).shape == (2, 4, 32, 32)


class Line(nn.Module):
    """Mean brightness of an image times one weight, as logits of two categories."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, images):
        level = images.mean((1, 2, 3))
        return torch.stack([level * self.weight, torch.zeros_like(level)], 1)


def taught(labelled, **settings):
    unlabelled = sample_unlabelled(labelled, 40, np.random.default_rng(0))
    chosen = AdaptSettings(**{**QUICK, **settings})
    return MeanTeacherTask(labelled, PREPARATION, chosen, unlabelled, np.random.default_rng(1))


def state_of(network, epochs=0):
    light = torch.Generator().manual_seed(2)
    chance = np.random.default_rng(0)
    return TrainState(network, (), None, chance, light, torch.device("cpu"), curve=[{}] * epochs)


def batch_of(labelled, count):
    return labelled.images(np.arange(count), PREPARATION), shares_of(labelled)[:count]


def test_loss_is_entropy_and_weighted_difference_of_two_views(labelled):
    task, network = taught(labelled, consistency_weight=4.0, ramp_epochs=2), Line(1.5)
    task.begin(network)
    batch = batch_of(labelled, 6)
    for epoch in (0, 2):
        found, light = task.loss(network, batch, state_of(network, epoch)), torch.Generator().manual_seed(2)
        weight = 4.0 * np.exp(-5 * (1 - epoch / 2) ** 2)
        assert found.loss.item() == pytest.approx(
            found.means["loss"].item() + weight * found.means["consistency"].item(), rel=1e-5
        )
        assert found.means["consistency"] > 0, "the two views are differently augmented"
        assert found.count == 6
        if epoch == 0:
            more = taught(labelled)._more(6)
            logits = network(augment(torch.cat([batch[0], more]), light))[:6]
            expected = -(torch.from_numpy(batch[1]) * torch.log_softmax(logits, 1)).sum(1).mean()
            assert found.means["loss"].item() == pytest.approx(expected.item(), rel=1e-5), (
                "of the labelled images alone"
            )


def test_consistency_teaches_the_network_and_never_the_teacher(labelled):
    task, network = taught(labelled, consistency_weight=4.0, ramp_epochs=0), Line(1.5)
    task.begin(network)
    found = task.loss(network, batch_of(labelled, 6), state_of(network))
    found.loss.backward()
    assert network.weight.grad != 0
    assert task.teacher.module.weight.grad is None
    assert not task.teacher.module.weight.requires_grad
    assert found.means["consistency"] > 0


def test_the_teacher_is_the_moving_average_and_what_is_kept(labelled):
    task, network = taught(labelled, teacher_decay=0.6), Line(1.0)
    task.begin(network)
    average = 1.0
    for step, weight in enumerate([3.0, 5.0, 7.0], 1):
        network.weight.data.fill_(weight)
        task.stepped(state_of(network))
        kept = min(1 - 1 / (step + 1), 0.6)
        average = kept * average + (1 - kept) * weight
        assert task.teacher.module.weight.item() == pytest.approx(average, rel=1e-6)
    assert network.weight.item() == 7.0
    task.end(network)
    assert network.weight.item() == pytest.approx(average, rel=1e-6)


def test_every_unlabelled_patch_is_shown_before_one_is_shown_again(labelled):
    order = taught(labelled)._order
    seen = [next(order) for _ in range(80)]
    assert sorted(seen[:40]) == sorted(seen[40:]) == list(range(40))
    assert seen[:40] != seen[40:]


def test_without_unlabelled_patches_the_labelled_ones_remain(labelled):
    none = labelled.take(np.zeros(len(labelled), bool))
    task = MeanTeacherTask(labelled, PREPARATION, AdaptSettings(**QUICK), none, np.random.default_rng(0))
    network = Line(1.0)
    task.begin(network)
    assert np.isfinite(task.loss(network, batch_of(labelled, 4), state_of(network)).loss.item())


def test_the_network_that_learns_and_the_teacher_differ(labelled):
    weights = []

    class Watched(MeanTeacherTask):
        def end(self, network):
            weights.append({name: value.clone() for name, value in network.state_dict().items()})
            super().end(network)
            weights.append(network.state_dict())

    backbone = create_backbone("test_resnet", "random", 4, seed=0)
    unlabelled = sample_unlabelled(labelled, 40, np.random.default_rng(0))
    settings = AdaptSettings(**QUICK)
    task = Watched(labelled, PREPARATION, settings, unlabelled, np.random.default_rng(1))
    found = fit(backbone, task, settings, torch.device("cpu"), np.random.default_rng(0))
    student, teacher = weights
    moved = [name for name in student if not torch.equal(student[name], teacher[name])]
    assert set(dict(task.teacher.module.named_parameters())) <= set(moved)
    kept = dict(task.teacher.module[0].named_parameters())
    assert all(torch.equal(tensor, kept[name]) for name, tensor in backbone.named_parameters())
    assert torch.equal(found.head.weight, task.teacher.module[1].weight)
    assert [set(epoch) for epoch in found.epochs] == [{"epoch", "loss", "consistency", "accuracy"}] * 2


def test_adapt_learns_by_mean_teacher_the_same_in_every_run(adapt, tmp_path):
    outs = [tmp_path / name / "backbone.safetensors" for name in "abc"]
    # Averages over few steps lag: a smaller share is kept, so that the teacher is up to date after eight epochs.
    settings = {"method": "mean_teacher", "epochs": 8, "teacher_decay": 0.8, "ramp_epochs": 4}
    assert adapt(outs[0], **settings) == 0
    assert adapt(outs[1], **settings) == 0
    assert adapt(outs[2], **{**settings, "method": "supervised"}) == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()
    record, plain = (read_json(out.with_suffix(".json")) for out in (outs[0], outs[2]))
    assert not torch.equal(load_weights(outs[0])[0]["head.weight"], load_weights(outs[2])[0]["head.weight"])
    assert record["held_out"]["accuracy"] > 0.9
    assert (record["method"], plain["method"]) == ("mean_teacher", "supervised")
    assert (record["unlabelled"], plain["unlabelled"]) == (2 * 144 - 6 - record["labels"], 0)
    assert 0 <= record["held_out"]["brier"] <= 2
    assert set(record["held_out"]["auc"]) == {"town", "field", "inhabited"}
    assert record["held_out"]["auc"]["town"] > 0.95
    assert record["held_out"]["unanimous"] == {"patches": 0, "accuracy": None}


def test_random_convolutions_refuse_a_teacher(adapt, tmp_path, capsys):
    out = tmp_path / "backbone.safetensors"
    assert adapt(out, method="mean_teacher", architecture="random-convolutions-3px-8") == 2
    said = capsys.readouterr().err
    assert "nothing in random-convolutions-3px-8 can be trained: set method to 'supervised'" in said
    assert not out.exists()


@pytest.mark.parametrize("wrong", [{"teacher_decay": 1.0}, {"consistency_weight": -1}, {"method": "teacher"}])
def test_settings_that_cannot_be(run, tmp_path, capsys, wrong):
    given = ["--labels", "l", "--patches", "t", "--out", tmp_path / "b", "--record", tmp_path / "r"]
    assert run("ranking", "adapt", "--settings", json.dumps(wrong), *given) == 2
    assert f"adapt.{next(iter(wrong))} = " in capsys.readouterr().err
