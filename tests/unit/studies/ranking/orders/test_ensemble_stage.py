"""The stage ensemble on text files alone, on collections, and on files of the workflow beside them."""

import json
from pathlib import Path
from typing import Any

import pytest
from rankscape.__main__ import main
from rankscape.foundation.files import read_json, write_json
from rankscape.studies.ranking.orders.partial_orders import PartialOrder

FEW = json.dumps({"bootstrap_draws": 50, "levels": 3})


def run(*arguments: Any) -> int:
    """Run the verb; return its exit status."""
    with pytest.raises(SystemExit) as end:
        main(["ranking", "ensemble", *map(str, arguments)])
    return int(end.value.code or 0)


def text(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def workflow_file(folder: Path, name: str, order: str, fingerprint: str | None = "f" * 64) -> Path:
    document = {**PartialOrder.parse(order).to_document(), "fingerprint": fingerprint}
    write_json(folder / name, document)
    return folder / name


def summary(folder: Path, clusters: int = 5) -> Path:
    """A summary whose last cluster is uninhabited."""
    entries = [{"cluster": number, "category": "land", "size": 1} for number in range(clusters)]
    write_json(folder / "clusters.json", {"clusters": entries, "uninhabited": clusters - 1, "fingerprint": "f" * 64})
    return folder / "clusters.json"


def test_text_files_alone(tmp_path: Path) -> None:
    first, second = text(tmp_path, "a.txt", "3=4>1>0=2\n"), text(tmp_path, "b.txt", "3>4\n4>1=0\n1>2  # the end\n")
    out = tmp_path / "order.json"
    assert run("--orders", first, second, "--out", out) == 0
    document = read_json(out)
    assert document["method"] == "robust"
    assert document["clusters"] == [0, 1, 2, 3, 4]
    assert document["weights"] == {"a": pytest.approx(0.5), "b": pytest.approx(0.5)}
    assert document["levels"][0] == [3, 4]
    assert document["fingerprint"] is None
    assert document["uninhabited"] is None
    assert set(document["leave_one_out"]) == {"a", "b"}
    assert set(document["provenance"]["inputs"]) == {"order/a", "order/b"}
    again = tmp_path / "again.json"
    assert run("--out", again, "--orders", second, first) == 0
    assert again.read_bytes() == out.read_bytes()


@pytest.mark.parametrize("method", ["robust", "welsch", "mean", "kemeny", "bradley_terry", "report"])
def test_every_method_from_text(tmp_path: Path, method: str) -> None:
    poll = text(tmp_path, "poll.txt", "# four people\n1>2>3>4\n\n2>1>3=4\n1>2>4>3\n1=2>3>4\n")
    settings = json.dumps({"method": method, "bootstrap_draws": 20, "levels": 2})
    assert run("--collection", poll, "--settings", settings, "--out", tmp_path / "order.json") == 0
    document = read_json(tmp_path / "order.json")
    assert document["levels"] == [[1, 2], [3, 4]]
    assert list(document["weights"]) == ["poll-02", "poll-04", "poll-05", "poll-06"]
    assert sum(document["weights"].values()) == pytest.approx(1)
    assert document["unordered"] == []
    assert document["edges"] == [[1, 3], [1, 4], [2, 3], [2, 4]]


def test_a_configuration_file_and_files_of_the_workflow(tmp_path: Path) -> None:
    configuration = text(
        tmp_path, "config.yaml", "ranking:\n  ensemble: {method: mean, bootstrap_draws: 0, levels: 2}\n"
    )
    orders = [workflow_file(tmp_path, "x.json", "0>1>2"), text(tmp_path, "y.txt", "0>1>2>3")]
    assert run("--orders", *orders, "--settings", configuration, "--out", tmp_path / "o.json") == 0
    document = read_json(tmp_path / "o.json")
    assert document["method"] == "mean"
    assert document["fingerprint"] == "f" * 64
    assert document["clusters"] == [0, 1, 2, 3]
    assert document["intervals"] is None


def test_text_with_a_summary_may_name_the_uninhabited_cluster_at_the_bottom(tmp_path: Path, capsys: Any) -> None:
    known, out = summary(tmp_path), tmp_path / "o.json"
    good = text(tmp_path, "a.txt", "0>1>2>3>4")
    assert run("--orders", good, "--summary", known, "--settings", FEW, "--out", out) == 0
    assert read_json(out)["levels"][-1] == [4]
    bad = text(tmp_path, "b.txt", "0>1>2>4>3")
    assert run("--orders", bad, "--summary", known, "--out", out) == 2
    assert "puts the uninhabited cluster 4 level with or above [3]" in capsys.readouterr().err


def test_open_pairs_of_text_files(tmp_path: Path) -> None:
    first, second = text(tmp_path, "a.txt", "1>2\n3"), text(tmp_path, "b.txt", "1>2\n3")
    assert run("--orders", first, second, "--settings", FEW, "--out", tmp_path / "o.json") == 0
    assert read_json(tmp_path / "o.json")["unordered"] == [[1, 3], [2, 3]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("3>1>0", "bad.txt lacks the clusters [2, 4]: place them, or write each alone on a line"),
        ("0>1>2>3>4>0", "bad.txt contradicts itself: 0 > 1 > 2 > 3 > 4 > 0"),
        ("0>1>2>3>4>9", "good.txt lacks the clusters [9]"),
        ("0>1>x", "bad.txt, line 1: 'x' is no cluster number"),
        ("0>1>2>3>4\n4>3>2>1>0\n", "in 2 lines, so it holds the orders of several annotators"),
        ("\n# nothing\n", "bad.txt names no cluster"),
    ],
)
def test_bad_text(tmp_path: Path, capsys: Any, content: str, said: str) -> None:
    good, bad = text(tmp_path, "good.txt", "0>1>2>3>4"), text(tmp_path, "bad.txt", content)
    assert run("--orders", good, bad, "--out", tmp_path / "o.json") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "o.json").exists()


def test_unknown_clusters_with_a_summary(tmp_path: Path, capsys: Any) -> None:
    bad = text(tmp_path, "bad.txt", "0>1>2>3>9")
    assert run("--orders", bad, "--summary", summary(tmp_path), "--out", tmp_path / "o.json") == 2
    assert "bad.txt names the clusters [9], which do not exist" in capsys.readouterr().err


def test_what_the_files_are_called_and_made_for(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "o.json"
    (tmp_path / "more").mkdir()
    twice = [text(tmp_path, "a.txt", "0>1"), text(tmp_path / "more", "a.txt", "1>0")]
    assert run("--orders", *twice, "--out", out) == 2
    assert "Two orders are named a" in capsys.readouterr().err
    apart = [workflow_file(tmp_path, "x.json", "0>1"), workflow_file(tmp_path, "y.json", "0>1", "e" * 64)]
    assert run("--orders", *apart, "--out", out) == 2
    assert "were made for different clusters" in capsys.readouterr().err
    nameless = workflow_file(tmp_path, "z.json", "0>1", None)
    assert run("--orders", nameless, "--out", out) == 0
    assert read_json(out)["fingerprint"] is None
    assert run("--orders", nameless, "--summary", summary(tmp_path), "--out", out) == 2
    assert "was made for other clusters" in capsys.readouterr().err


def test_nothing_to_merge(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "o.json"
    assert run("--out", out) == 2
    assert "give --orders or --collection" in capsys.readouterr().err
    assert run("--orders", tmp_path / "none.txt", "--out", out) == 2
    assert "none.txt does not exist" in capsys.readouterr().err
    assert run("--collection", text(tmp_path, "empty.txt", "# nobody\n"), "--out", out) == 2
    assert "empty.txt holds no order" in capsys.readouterr().err
    (tmp_path / "latin.txt").write_bytes(b"0>1 # \xe9")
    assert run("--orders", tmp_path / "latin.txt", "--out", out) == 2
    assert "latin.txt is no UTF-8 text" in capsys.readouterr().err


def test_an_annotation_is_no_order_yet(tmp_path: Path, capsys: Any) -> None:
    write_json(tmp_path / "anna.json", {"format": "annotation", "arrangement": {}})
    write_json(tmp_path / "list.json", [1, 2])
    assert run("--orders", tmp_path / "anna.json", "--out", tmp_path / "o.json") == 2
    assert "make one of it with `rankscape ranking import-order`" in capsys.readouterr().err
    assert run("--orders", tmp_path / "list.json", "--out", tmp_path / "o.json") == 2
    assert "list.json holds a JSON list, an object is needed" in capsys.readouterr().err


@pytest.mark.shared
def test_ten_real_annotators_in_one_file(tmp_path: Path, shared: Path) -> None:
    lines = shared / "data" / "north-korea" / "orders" / "POG_collection.txt"
    assert run("--collection", lines, "--settings", '{"bootstrap_draws": 100}', "--out", tmp_path / "o.json") == 0
    document = read_json(tmp_path / "o.json")
    assert len(document["weights"]) == 10
    assert document["mean_tau"] == pytest.approx(0.759408, abs=1e-6)
    assert document["kendall_w"] == pytest.approx(0.8947, abs=5e-5)
    assert 6 < document["effective_judges"] < 10
