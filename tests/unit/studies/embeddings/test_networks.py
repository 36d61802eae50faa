"""Networks that learn labels: one split, training, what they compute, and what they predict themselves."""

import json
from itertools import groupby

import numpy as np
import pandas as pd
import pytest
import torch
from rankscape.learning import trainer
from rankscape.learning.adapted import load_adapted
from rankscape.learning.checkpoints import Checkpoints
from rankscape.learning.processes import ProcessGroup, use_device
from rankscape.learning.selection import open_stores
from rankscape.studies.embeddings.artifacts import (
    DOWNSTREAM,
    FEATURE_RECORD,
    LABELS,
    NETWORK_PREDICTIONS,
    NETWORK_RECORD,
    PREDICTIONS,
    SPLIT,
    SPLIT_RECORD,
)
from rankscape.studies.embeddings.joining import with_parts
from rankscape.studies.embeddings.network_settings import NetworkSettings
from rankscape.studies.embeddings.network_training import gather_labels, train_network
from rankscape.studies.embeddings.regressing import FeatureSet, evaluate_splits
from stopping import dying_in

SMALL = {
    "trunk": "test_resnet", "tasks": ["truth"], "epochs": 2, "learning_rate": 0.05, "batch_size": 16,
}  # fmt: skip


class Networks:
    """A region with two tasks, and the verbs that train on them."""

    def __init__(self, region):
        self.region, self.folder, self.run = region, region.folder, region.run
        assert region.label() == 0
        region.set_values(lambda bright, chance: np.where(chance.random(len(bright)) < 0.3, np.nan, -bright))
        assert region.label("dark") == 0

    def labels(self, *tasks):
        return [self.folder / f"labels/{task}.parquet" for task in tasks]

    def split(self, *tasks, **settings):
        files = ("--labels", *self.labels(*(tasks or ("truth", "dark"))), "--indices", *self.region.indices)
        out = self.folder / "split.parquet"
        return self.run("embeddings", "split", "--settings", json.dumps(settings), *files, "--out", out)

    def train(self, name, *, labels=(), checkpoints=None, **settings):
        chosen = {**SMALL, **settings}
        words = ["embeddings", "train", "--settings", json.dumps(chosen), "--split", self.folder / "split.parquet"]
        words += ["--labels", *self.labels(*(labels or chosen["tasks"])), "--patches", *self.region.patches]
        words += [] if checkpoints is None else ["--checkpoints", checkpoints]
        return self.run(*words, "--out", self.folder / f"models/{name}.safetensors")

    def downstream(self, features, embeddings, *more, task="truth", predicted=None, split=True):
        files = [
            self.folder / f"features/{name}/{path.stem}.npy" for name in embeddings for path in self.region.patches
        ]
        words = ["--labels", *self.labels(task), "--indices", *self.region.indices, "--features", *files, *more]
        words += ["--split", self.folder / "split.parquet"] if split else []
        words += [] if predicted is None else ["--predicted", self.folder / f"models/{predicted}.parquet"]
        out = self.folder / f"downstream/{task}/{features}.json"
        return self.run("embeddings", "downstream", "--settings", '{"draws": 100}', *words, "--out", out)

    def result(self, features, task="truth"):
        return DOWNSTREAM.read(self.folder / f"downstream/{task}/{features}.json")


@pytest.fixture
def networks(region):
    """The region with labels of two tasks and one split."""
    found = Networks(region)
    assert found.split() == 0
    return found


def test_one_split_for_all(networks):
    table, about = SPLIT.read(networks.folder / "split.parquet"), SPLIT_RECORD.read(networks.folder / "split.json")
    assert len(table) == 3 * 142
    assert (table.groupby("block")["part"].nunique() == 1).all()
    assert (table.groupby("block")["fold"].nunique() == 1).all()
    shares = table["part"].value_counts(normalize=True)
    np.testing.assert_allclose(shares[["train", "validation", "test"]], [0.64, 0.16, 0.20], atol=0.04)
    assert set(table.loc[table["part"] == "test", "fold"]) == {-1}
    assert set(table.loc[table["part"] != "test", "fold"]) == set(range(5))
    assert (about.block_m, about.block_origin) == (320, "widest of the tasks")
    assert sum(about.labels["truth"].values()) == len(table)
    assert sum(about.labels["dark"].values()) == len(LABELS.read(networks.folder / "labels/dark.parquet")) < len(table)
    first = (networks.folder / "split.parquet").read_bytes()
    assert networks.split() == 0
    assert (networks.folder / "split.parquet").read_bytes() == first
    assert networks.split(seed=1, block_m=480) == 0
    assert SPLIT_RECORD.read(networks.folder / "split.json").block_origin == "given"


def test_too_few_blocks_are_refused(networks, capsys):
    assert networks.split(block_m=1e6) == 2
    assert "embeddings.split.block_m = 1e+06 leaves 1 blocks with labels; 5 are needed" in capsys.readouterr().err


def test_a_network_is_an_embedding_and_predicts_itself(networks):
    assert networks.train("both", tasks=["truth", "dark"], epochs=12, input_px=32) == 0
    record = NETWORK_RECORD.read(networks.folder / "models/both.json")
    assert list(record.tasks) == ["truth", "dark"]
    assert record.epochs[-1]["training_loss"] < record.epochs[0]["training_loss"]
    assert record.tasks["dark"].labels["train"] < record.tasks["truth"].labels["train"]
    labels, split = LABELS.read(networks.labels("truth")[0]), SPLIT.read(networks.folder / "split.parquet")
    train = labels[labels["patch_id"].isin(split.loc[split["part"] == "train", "patch_id"])]
    assert record.tasks["truth"].mean == pytest.approx(train["label"].mean())

    region = networks.region
    assert region.embed("both") == 0
    about = FEATURE_RECORD.read(networks.folder / "features/both/03TVF.json")
    assert (about.learned, about.dims) == (["dark", "truth"], record.dims)
    assert networks.downstream("both", ("both",)) == networks.downstream("own", (), predicted="both") == 0
    ridge, own = networks.result("both"), networks.result("own")
    assert (ridge.learned, list(ridge.splits), own.embeddings) == (["dark", "truth"], ["held_out"], ["both"])
    assert own.splits["held_out"].n == ridge.splits["held_out"].n == (split["part"] == "test").sum()
    assert ridge.splits["held_out"].r2 > max(own.splits["held_out"].r2 - 0.02, 0.6)
    table = PREDICTIONS.read(networks.folder / "downstream/truth/both.parquet").set_index("patch_id")
    test = split.set_index("patch_id")["part"] == "test"
    assert (table["held_out"].notna() == test.loc[table.index]).all()
    assert table["random"].isna().all()


def test_other_features_are_held_out_beside_it(networks):
    assert networks.region.fit("rcf") == networks.region.embed("rcf") == networks.downstream("rcf", ("rcf",)) == 0
    found = networks.result("rcf")
    assert list(found.splits) == ["random", "blocks", "places", "held_out"]
    assert found.splits["held_out"].r2 > 0.8
    assert found.splits["held_out"].n < found.splits["blocks"].n
    assert networks.downstream("smoothing", ()) == networks.downstream("coordinates", ()) == 0
    assert networks.result("smoothing").splits["held_out"].r2 < 0.2


def test_a_network_that_learned_is_judged_only_where_it_has_not_seen(networks, capsys):
    assert networks.train("dark", tasks=["dark"]) == networks.region.embed("dark") == 0
    assert networks.downstream("dark", ("dark",), split=False) == 2
    assert "contains a network that learned from labels (dark)" in capsys.readouterr().err
    assert networks.downstream("others", ("dark",), "--others", task="dark") == 2
    assert "others contains a network that learned dark itself" in capsys.readouterr().err
    assert networks.downstream("others", ("dark",), "--others") == 0
    assert list(networks.result("others").splits) == ["held_out"]
    assert networks.region.fit("again", architecture="test_resnet",
                               weights=str(networks.folder / "models/dark.safetensors")) == 0  # fmt: skip
    assert load_adapted(networks.folder / "models/again.safetensors").tasks == ("dark",)


def test_predictions_of_other_tasks_are_refused(networks, capsys):
    assert networks.train("dark", tasks=["dark"], epochs=1) == 0
    assert networks.downstream("own", (), predicted="dark") == 2
    assert "predicts no labelled patch of truth" in capsys.readouterr().err


def test_test_places_change_nothing_that_is_learned(networks):
    assert networks.train("before") == 0
    path = networks.labels("truth")[0]
    table, split = LABELS.read(path), SPLIT.read(networks.folder / "split.parquet")
    test = table["patch_id"].isin(split.loc[split["part"] == "test", "patch_id"])
    table.loc[test, "label"] = 1e6
    LABELS.write(path, table, {})
    assert networks.train("after") == 0
    before, after = (
        NETWORK_PREDICTIONS.read(networks.folder / f"models/{name}.parquet") for name in ("before", "after")
    )
    pd.testing.assert_frame_equal(before, after)


def test_a_short_search_is_recorded(networks):
    search = {"l1": [0.0, 0.1], "hidden": [None, 8], "dropout": [0.0, 0.5], "milestone": [1], "trials": 4, "epochs": 1}
    assert networks.train("searched", search=search) == 0
    found = NETWORK_RECORD.read(networks.folder / "models/searched.json")
    assert len(found.trials) == 4
    best = min(found.trials, key=lambda one: one.validation_loss)
    assert found.chosen.model_dump(exclude={"validation_loss"}) == best.model_dump(exclude={"validation_loss"})
    assert found.trials[0].model_dump(exclude={"validation_loss"}) == {
        "l1": 0.01, "milestones": [10], "hidden": None, "dropout": 0.0,
    }  # fmt: skip
    assert len({str(one.model_dump(exclude={"validation_loss"})) for one in found.trials}) == 4
    assert not any(one.hidden is None and one.dropout for one in found.trials), "dropout belongs to the hidden layer"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 400}, "fewer than a batch of 400"),
        ({"trunk": "resnet999"}, "is no model of timm"),
        ({"trunk": "band-statistics"}, "Nothing in band-statistics can be trained"),
        ({"tasks": ["truth", "dark"], "labels": ["truth"]}, "--labels lacks ['dark']"),
        ({"learning_rate": 1.0, "l1": 100.0, "epochs": 6}, "has come apart in epoch"),
        ({"tasks": ["truth", "truth"]}, "names a task twice"),
        ({"tasks": ["truth", "dark"], "samples": [["truth"]], "labels": ["truth"]}, "must name each of tasks"),
    ],
)
def test_what_cannot_be_learned_is_refused(networks, capsys, settings, message):
    assert networks.train("none", **settings) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in said
    assert not (networks.folder / "models/none.safetensors").exists()


def test_labels_that_training_places_lack_are_refused(networks, capsys):
    split = SPLIT.read(networks.folder / "split.parquet")
    path = networks.labels("dark")[0]
    table = LABELS.read(path)
    held = split.loc[split["part"] == "test", "patch_id"]
    LABELS.write(path, table[table["patch_id"].isin(held)], {})
    assert networks.train("none", tasks=["truth", "dark"]) == 2
    assert "dark has nothing to learn: there are none in the training part" in capsys.readouterr().err
    LABELS.write(path, table, {})
    SPLIT.write(networks.folder / "split.parquet", split.iloc[3:], {})
    assert networks.train("none", tasks=["truth"]) == 2
    assert "The split lacks 3 labelled patches" in capsys.readouterr().err


def test_weights_and_bands_of_others_are_refused(networks, patch_store, capsys):
    assert networks.train("four", trunk="test_resnet", epochs=1) == 0
    weights = str(networks.folder / "models/four.safetensors")
    assert networks.train("none", trunk="resnet10t", weights=weights) == 2
    assert "holds no weights of resnet10t with 3 channels" in capsys.readouterr().err
    torch.save({"code": print}, networks.folder / "models/bad.pt")
    assert networks.train("none", weights=str(networks.folder / "models/bad.pt")) == 2
    assert "a pickle with more than tensors" in capsys.readouterr().err
    pixels = np.full((96, 96, 4), 0.1, np.float32)
    networks.region.patches = [patch_store("03TVF", pixels=pixels, patch_px=8, bands=("B04", "B03", "B02", "B08"))]
    assert networks.region.embed("four") == 2
    assert "fitted to the bands ['B04', 'B03', 'B02'], the patches have" in capsys.readouterr().err


@pytest.fixture
def learn(networks):
    """Train without the command line: `learn(checkpoints, ...)` returns what came of it."""
    group = ProcessGroup(use_device(0, 1))
    stores, split = open_stores(networks.region.patches), SPLIT.read(networks.folder / "split.parquet")
    tables = {path.stem: LABELS.read(path) for path in networks.labels("truth", "dark")}

    def call(checkpoints=None, **settings):
        chosen = NetworkSettings.checked({**SMALL, "tasks": ["truth", "dark"], **settings}, "test")
        return train_network("t", chosen, gather_labels(stores, tables, split, chosen, "t"), group, checkpoints)

    return call


@pytest.mark.parametrize(("name", "call"), [("_one_epoch", 2), ("_one_epoch", 5), ("_step", 8)])
def test_a_training_stopped_at_any_moment_gives_the_same_weights(learn, tmp_path, monkeypatch, name, call):
    settings = {
        "epochs": 3, "milestones": [1], "batch_size": 48, "hidden": 8, "dropout": 0.5, "weighting": "random",
        "weight_decay": 0.01,
        "samples": [["truth"], ["dark"]], "search": {"l1": [0.1], "trials": 2, "epochs": 2},
    }  # fmt: skip
    kept = Checkpoints.of(tmp_path / "kept", {})
    with dying_in(trainer, name, call, monkeypatch):
        learn(kept, **settings)
    again, whole = learn(kept, **settings), learn(**settings)
    pd.testing.assert_frame_equal(again.predictions, whole.predictions)
    assert again.record == whole.record
    first, second = (one.embedding.backbone.state_dict() for one in (again, whole))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_batches_of_two_samples_take_turns(learn, monkeypatch):
    seen = []
    step = trainer._step

    def watched(task, state, shared, batch):
        seen.append(tuple(np.isfinite(batch[1].numpy()).any(0)))
        return step(task, state, shared, batch)

    monkeypatch.setattr(trainer, "_step", watched)
    found = learn(epochs=1, samples=[["truth"], ["dark"]])
    assert set(seen) == {(True, False), (False, True)}
    assert abs(seen.count((True, False)) - seen.count((False, True))) <= len(seen) // 3
    assert max(len(list(run)) for _, run in groupby(seen)) <= 2
    assert set(found.predictions["task"]) == {"truth", "dark"}


def test_a_feature_that_slept_while_training_does_not_decide(networks):
    rows = with_parts(LABELS.read(networks.labels("truth")[0]), networks.folder / "split.parquet")
    chance, test = np.random.default_rng(0), rows["held_out"].to_numpy() == 5
    asleep = np.where(test, chance.random(len(rows)), 1e-5 * chance.random(len(rows)))
    features = np.column_stack([rows["label"] + chance.normal(size=len(rows)), asleep])
    plain = FeatureSet(rows, features, (2,))
    scores = [next(evaluate_splits(one, ["held_out"]))[2]["r2"] for one in (plain, plain.scaled_whole())]
    assert scores[1] > 0.9 > scores[0]
