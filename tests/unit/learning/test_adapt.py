"""The stage `adapt` as users call it: patches and labels in, a backbone that knows the land out."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from rankscape.foundation.files import read_json
from rankscape.foundation.tables import read_metadata, read_table, write_table
from rankscape.learning.adapted import load_adapted
from rankscape.models.backbones import create_backbone
from rankscape.models.weights import load_weights, read_safetensors, under


@pytest.fixture
def relabel(land):
    """Write other labels: `relabel(change)` returns their file; `change` gets the table and returns another."""

    def make(change):
        path = land.folder / "other.parquet"
        write_table(path, change(read_table(land.labels)), {"label": read_metadata(land.labels, "label")})
        return path

    return make


def test_a_fit_learns_to_tell_town_from_field(adapt, tmp_path):
    out = tmp_path / "model" / "backbone.safetensors"
    assert adapt(out, epochs=8) == 0
    record = read_json(out.with_suffix(".json"))
    assert record["fitted"]["accuracy"] > 0.95
    assert record["held_out"]["accuracy"] > 0.9
    assert record["fitted"]["patches"] + record["held_out"]["patches"] == record["labels"]
    assert record["held_out_blocks"] >= 1
    losses = [epoch["loss"] for epoch in record["epochs"]]
    assert len(losses) == 8
    assert losses[-1] < losses[0]
    assert record["provenance"]["backend"] == "cpu"


def test_the_file_holds_all_that_later_stages_need(adapt, land, tmp_path):
    out = tmp_path / "backbone.safetensors"
    adapt(out, epochs=1)
    tensors, document = load_weights(out)
    assert document["categories"] == ["town", "field"]
    assert document["uninhabited"] == "field"
    assert document["channels"] == 4
    assert document["architecture"] == "test_resnet"
    assert document["preparation"]["bands"] == ["B04", "B03", "B02", "B08"]
    assert document["provenance"]["stage"] == "ranking adapt"
    assert tensors["head.weight"].shape == (2, load_adapted(out).dims)
    assert {name.partition(".")[0] for name in tensors} == {"backbone", "head"}
    labelled = read_json(out.with_suffix(".json"))["labels"]
    unusable = {f"{granule}_0_{col}" for granule in ("03TVF", "03TWF") for col in range(3)}
    assert labelled == len(set(read_table(land.labels)["patch_id"]) - unusable)


def test_two_runs_give_the_same_bytes_and_another_seed_others(adapt, land, tmp_path):
    outs = [tmp_path / name / "backbone.safetensors" for name in "abc"]
    adapt(outs[0], epochs=2)
    adapt(outs[1], epochs=2, tiles=land.tiles[::-1])
    adapt(outs[2], epochs=2, seed=1)
    first, second, other = (load_weights(out)[0] for out in outs)
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert outs[0].with_suffix(".json").read_bytes() == outs[1].with_suffix(".json").read_bytes()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


@pytest.mark.parametrize("way", ["no labels", "no epochs"])
def test_without_labels_or_epochs_the_backbone_stays_as_it_came(adapt, relabel, tmp_path, way):
    out = tmp_path / "backbone.safetensors"
    if way == "no labels":
        assert adapt(out, labels=relabel(lambda table: table.iloc[:0])) == 0
    else:
        assert adapt(out, epochs=0) == 0
    adapted = load_adapted(out)
    assert adapted.head is None
    expected = create_backbone("test_resnet", "random", 4, 0).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in adapted.backbone.state_dict().items())
    assert read_json(out.with_suffix(".json"))["epochs"] == []


def test_too_few_labels_to_spare_some_are_all_fitted_to(adapt, relabel, tmp_path):
    out = tmp_path / "backbone.safetensors"
    assert adapt(out, labels=relabel(lambda table: table.iloc[:40]), epochs=1) == 0
    record = read_json(out.with_suffix(".json"))
    assert "held_out" not in record
    assert "are needed to hold some out" in record["nothing_held_out_because"]


def _doubled(table):
    return pd.concat([table, table.iloc[:1]])


def _strange(table):
    return table.assign(patch_id=["99XXX_0_0", "99XXX_0_1", *table["patch_id"].iloc[2:]])


def _unbalanced(table):
    return table.assign(town=np.where(np.arange(len(table)) == 3, 0.9, table["town"]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_strange, "names 2 patches that no granule given has, such as 99XXX_0_0, 99XXX_0_1"),
        (_doubled, "twice"),
        (_unbalanced, "add up to 1"),
        (lambda table: table.drop(columns="field"), "lacks the columns ['field']"),
        (lambda table: table.iloc[:1], "two at least are needed"),
    ],
    ids=["strange", "doubled", "unbalanced", "column", "one"],
)
def test_labels_that_cannot_be_used_are_named(adapt, relabel, tmp_path, capsys, change, says):
    assert adapt(tmp_path / "backbone.safetensors", labels=relabel(change)) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "backbone.safetensors").exists()
    assert not (tmp_path / "backbone.json").exists()


def test_weights_and_architectures_that_cannot_be_had(adapt, tmp_path, capsys):
    out = tmp_path / "backbone.safetensors"
    assert adapt(out, architecture="resnet17") == 2
    assert adapt(out, weights=str(tmp_path / "none.safetensors")) == 2
    assert adapt(out, architecture="vit_tiny_patch16_224") == 2
    lines = capsys.readouterr().err.strip().splitlines()
    told = [line for line in lines if line.startswith("rankscape:")]
    assert "near: [" in told[0]
    assert "none.safetensors' is no file" in told[1]
    assert "does not take images of 32 px" in told[2]


def test_granules_of_other_bands_are_refused(adapt, land, patch_store, tmp_path, capsys):
    other = patch_store("03TXF", pixels=np.ones((96, 96, 3), np.float32))
    assert adapt(tmp_path / "b.safetensors", tiles=[*land.tiles, other]) == 2
    assert "make all granules with the same settings" in capsys.readouterr().err


def test_own_weights_are_named_in_the_provenance(adapt, tmp_path):
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    adapt(first, epochs=0)
    assert adapt(second, epochs=0, weights=str(first), seed=3) == 0
    assert "weights" in read_json(second.with_suffix(".json"))["provenance"]["inputs"]
    ours, theirs = load_weights(first)[0], load_weights(second)[0]
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_labels_of_another_origin_are_refused(adapt, land, tmp_path, capsys):
    path = land.folder / "bare.parquet"
    write_table(path, read_table(land.labels), {})
    assert adapt(tmp_path / "b.safetensors", labels=path) == 2
    assert "no metadata `label`" in capsys.readouterr().err


def test_settings_are_closed(run, land, tmp_path, capsys):
    given = ["--labels", land.labels, "--patches", *land.tiles, "--out", tmp_path / "b", "--record", tmp_path / "r"]
    assert run("ranking", "adapt", "--settings", json.dumps({"momentum": 1}), *given) == 2
    assert "adapt.momentum is no known key" in capsys.readouterr().err


def test_the_head_alone_is_fitted_where_the_settings_say_so(adapt, tmp_path):
    plain, headed = tmp_path / "plain.safetensors", tmp_path / "headed.safetensors"
    adapt(plain, epochs=0)
    assert adapt(headed, epochs=1, fitted="head") == 0
    before, after = (under(read_safetensors(path)[0], "backbone.") for path in (plain, headed))
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert "head.weight" in read_safetensors(headed)[0]
