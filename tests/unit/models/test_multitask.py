"""Losses of several tasks against values that were derived by hand."""

import json

import numpy as np
import pytest
import torch
from rankscape.models.multitask import MultiTask, TaskLoss, l1_of, task_errors


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "golden/embeddings/golden.json").read_text())["multitask"]


def tensors(golden):
    numbers = np.array(golden["labels"], dtype=float)
    return torch.tensor(golden["outputs"], dtype=torch.float64), torch.from_numpy(numbers)


@pytest.mark.shared
def test_missing_labels_count_for_nothing(golden):
    errors, present = task_errors(*tensors(golden))
    np.testing.assert_allclose(errors, golden["task_mse"], rtol=1e-6)
    assert present.all()


@pytest.mark.shared
def test_weights_by_uncertainty(golden):
    loss = TaskLoss(3, "uncertainty").double()
    loss.log_variances.data.copy_(torch.tensor(golden["log_variances"]))
    found = loss(*tensors(golden))
    found.backward()
    assert float(found.detach()) == pytest.approx(golden["uncertainty_loss"], rel=1e-6)
    np.testing.assert_allclose(loss.log_variances.grad, golden["uncertainty_gradient_log_variances"], rtol=1e-5)
    errors, _ = task_errors(*tensors(golden))
    np.testing.assert_allclose(errors.log(), golden["stationary_log_variances"], rtol=1e-6)


@pytest.mark.shared
def test_random_weights(golden):
    errors, present = task_errors(*tensors(golden))
    found = TaskLoss(3, "random").weigh(errors, present, torch.tensor(golden["random_draw"]))
    assert float(found) == pytest.approx(golden["random_loss"], rel=1e-6)


@pytest.mark.shared
def test_the_penalty_on_the_head(golden):
    layer = torch.nn.Linear(2, 3)
    layer.weight.data.copy_(torch.tensor(golden["head_weights"]))
    assert float(0.1 * l1_of(layer).detach()) == pytest.approx(golden["l1_penalty"], rel=1e-6)


@pytest.mark.parametrize("weighting", ["equal", "random", "uncertainty"])
def test_a_batch_without_any_label_teaches_nothing(weighting):
    network = MultiTask(trunk(), [2], hidden=5, dropout=0.5, weighting=weighting)
    loss = network.balance(network.predict(torch.rand(3, 4)), torch.full((3, 2), torch.nan))
    loss.backward()
    assert float(loss.detach()) == 0
    assert all((one.grad is None) or (one.grad == 0).all() for one in network.parameters())


def test_a_task_without_labels_in_a_batch_leaves_its_head_alone():
    network = MultiTask(trunk(), [2], weighting="uncertainty")
    labels = torch.tensor([[1.0, torch.nan], [0.0, torch.nan]])
    network.balance(network.predict(torch.rand(2, 4)), labels).backward()
    last = network.heads[0][-1]
    assert (last.weight.grad[1] == 0).all()
    assert (last.weight.grad[0] != 0).any()
    assert network.balance.log_variances.grad[1] == 0


def test_heads_of_two_samples_share_the_trunk_alone():
    network = MultiTask(trunk(), [1, 2], hidden=5)
    labels = torch.tensor([[torch.nan, 1.0, 0.0]] * 2)
    outputs, variances = network(torch.rand(2, 4)).split(3, 1)
    errors, present = task_errors(outputs, labels)
    (network.balance.weigh(errors, present, log_variances=variances.mean(0)) + network.penalty(present)).backward()
    first, second = network.heads
    assert all(one.grad is None or (one.grad == 0).all() for one in first.parameters())
    assert all((one.grad != 0).any() for one in second.parameters())
    assert (network.trunk.weight.grad != 0).any()
    torch.testing.assert_close(network.penalty(present), l1_of(second[-1]))


def trunk():
    layer = torch.nn.Linear(4, 6)
    layer.num_features = 6
    return layer
