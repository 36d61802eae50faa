"""The demo, small enough to be made in two minutes, and what must be the same from run to run."""

import hashlib
import json
from pathlib import Path

import pandas as pd
import yaml
from snakemake.utils import update_config
from workflow_copy import Project, copy_workflow


def small_region(folder: Path) -> Project:
    """The demo with `config/presets/small.yaml`: granules of 256 pixels, a tiny network, few epochs."""
    project = copy_workflow(folder)
    path = folder / "config/config.yaml"
    config = yaml.safe_load(path.read_text())
    update_config(config, yaml.safe_load((folder / "config/presets/small.yaml").read_text()))
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
