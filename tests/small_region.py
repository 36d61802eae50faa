"""The demo, small enough to be made in two minutes, and what must be the same from run to run."""

import hashlib
import json
from pathlib import Path

import pandas as pd
import yaml
from workflow_copy import Project, copy_workflow

SIMULATE = {"granule_px": 256, "labelled_patches": 150}
RANKING = {
    "prompts": ["economics-student-en", "which-is-richer-pairs-en", "sort-places-tiers-zh"],
    "adapt": {"architecture": "test_resnet", "weights": "random", "input_px": 32, "colour": "all", "epochs": 4},
    "cluster": {"k_min": 2, "k_max": 3, "k": {}},
    "rate": {"rounds": 1},
    "order_from_reference": {"block_m": 600},
    "train": {"epochs": 2, "seeds": 2, "block_m": 600, "patches_per_cluster": 40},
    "evaluate": {"block_m": 600, "min_places": 10},
    "change": {"min_places": 10},
}


def small_region(folder: Path) -> Project:
    """The demo, smaller: the same granules of 256 pixels, a tiny network, few epochs."""
    project = copy_workflow(folder)
    path = folder / "config/config.yaml"
    config = yaml.safe_load(path.read_text())
    config["simulate"] = SIMULATE
    ranking = config["ranking"]
    for section, values in RANKING.items():
        ranking[section] = ranking.get(section, {}) | values if isinstance(values, dict) else values
    ranking["adapt"]["normalisation"] = "patches"
    path.write_text(yaml.safe_dump(config, allow_unicode=True))
    return project


def results(project: Project) -> dict[str, object]:
    """What must be the same from run to run: order, clusters, scores, maps."""
    demo = project.folder / "results/demo"
    order = json.loads((demo / "ranking/order.json").read_text())
    found: dict[str, object] = {"ranks": order["ranks"], "levels": order["levels"], "weights": order["weights"]}
    for path in sorted([*demo.glob("ranking/scores/*.parquet"), demo / "ranking/clusters/clusters.parquet"]):
        table = pd.read_parquet(path)
        columns = {name: hashlib.sha256(pd.util.hash_array(table[name].to_numpy()).tobytes()) for name in table}
        found[path.name] = {name: digest.hexdigest() for name, digest in columns.items()}
    for path in sorted(demo.glob("samples/*/*.npy")):
        found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
