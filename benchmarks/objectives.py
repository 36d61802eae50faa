"""Objectives that train a network, compared on the published tiles of North Korea by what `train` records.

Run the region once (`.venv/bin/snakemake --cores 2 --configfile config/north-korea.yaml`), then
`.venv/bin/python benchmarks/objectives.py results/north-korea` (half an hour on two cores). Networks are `resnet10t` at
64 px from random weights, which a processor trains in minutes; three seeds each; the split is the stage's own, and the
uninhabited tiles are among the levels. The last row is the region's own model on the same split.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rankscape.foundation.files import read_json

COMMON = {"start": "random", "seeds": 3, "epochs": 8, "batch_size": 32, "learning_rate": 3e-3}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="results folder of config/north-korea.yaml")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    print_objectives(arguments.results, arguments.threads)


def print_objectives(results: Path, threads: int) -> None:
    """Train by every objective, and print what `train` records."""
    files = sorted((results / "tiles").glob("*.npy"))
    tiles = [part for file in files for part in ("--patches", file)]
    inputs = ["--order", results / "ranking/order.json", "--clusters", results / "clusters/clusters.parquet"]
    inputs += ["--summary", results / "clusters/clusters.json", *tiles]
    print("| objective | tau-b, mean of three networks | tau-b of each | within .07 | best epochs |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        backbone = random_backbone(results, Path(place), tiles)
        for name, changes in (
            ("regression", {"objective": "regression"}),
            ("regression, no mixtures", {"objective": "regression", "linearity_weight": 0}),
            ("rank", {"objective": "rank"}),
            ("listwise", {"objective": "listwise"}),
        ):
            record = Path(place) / "score.json"
            rankscape(
                "ranking", "train", "--settings", json.dumps(COMMON | changes), *inputs, "--backbone", backbone,
                "--out", record.with_suffix(".safetensors"), "--record", record, "--threads", threads,
            )  # fmt: skip
            print(row(name, read_json(record)), flush=True)
    print(row("the region's model", read_json(results / "model/score.json")))


def random_backbone(results: Path, place: Path, tiles: Sequence[object]) -> Path:
    """Let `adapt` make a network of random weights, and the preparation of its pictures."""
    settings = {"architecture": "resnet10t", "weights": "random", "input_px": 64, "normalisation": "each", "epochs": 0}
    out = place / "backbone.safetensors"
    rankscape(
        "ranking", "adapt", "--settings", json.dumps(settings), "--labels", results / "model/labels.parquet", *tiles,
        "--out", out, "--record", place / "backbone.json",
    )  # fmt: skip
    return out


def row(name: str, record: dict) -> str:
    """Make a row of the table of a training's record."""
    each = ", ".join(f"{seed['validation']['kendall_tau_b']:.3f}" for seed in record["seeds"])
    epochs = ", ".join(str(seed["best_epoch"] or "-") for seed in record["seeds"])
    whole = record["validation"]
    return f"| {name} | {whole['kendall_tau_b']:.3f} | {each} | {whole['share_within']:.3f} | {epochs} |"


def rankscape(*words: object) -> None:
    """Run a verb; its output is shown only if it fails."""
    command = [sys.executable, "-m", "rankscape", *map(str, words)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)


if __name__ == "__main__":
    main()
