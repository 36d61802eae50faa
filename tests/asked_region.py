"""The real workflow where clusters are made and judges are to be asked: the rest of a region is left out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from conftest import write_patch_store
from rankscape.foundation.files import write_json
from rankscape.foundation.tables import write_table
from workflow_copy import Project, copy_workflow

CLUSTERS, COLUMNS, PATCH_PX = 4, 6, 8
PROMPTS = {"roads": "How good are the roads?", "roofs": "How many roofs are there?"}


def asked_region(folder: Path, judges: dict[str, Any], **sections: Any) -> Project:
    """Copy the workflow and make the clusters of a region by hand: the higher the number, the brighter its patches."""
    project = copy_workflow(folder)
    config = {
        "region": "small",
        "granules": "config/granules/small.tsv",
        "ranking": {
            "judges": judges,
            "prompts": ["roads"],
            "sample": {"images_per_cluster": 2},
            "rate": {"rounds": 1, "replies": 1},
            **sections,
        },
    }
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config, sort_keys=False, width=1000))
    header, row = "granule\trole\tstart\tend\tmax_cloud_percent", "03TVF\tfit\t2021-01-01\t2021-12-31\t60"
    (folder / "config/granules/small.tsv").write_text(f"{header}\n{row}\n")
    for name, text in PROMPTS.items():
        (folder / f"config/prompts/{name}.md").write_text(f'{text} Answer with JSON: {{"score": 0 to 100}}\n')
    make_clusters(folder / "results/small")
    return project


def make_clusters(results: Path) -> None:
    """Write what `tile` and `cluster` would have written."""
    levels = np.linspace(20, 230, CLUSTERS).repeat(PATCH_PX)[:, None, None]
    noise = np.random.default_rng(0).integers(0, 9, (CLUSTERS * PATCH_PX, COLUMNS * PATCH_PX, 3))
    write_patch_store(results / "samples/default", "03TVF", pixels=(levels + noise).astype(np.uint8), patch_px=PATCH_PX)
    rows = [
        {"patch_id": f"03TVF_{cluster}_{column}", "granule": "03TVF", "category": "land", "cluster": cluster}
        for cluster in range(CLUSTERS)
        for column in range(COLUMNS)
    ]
    table = pd.DataFrame(rows).astype({"cluster": np.int32})
    write_table(results / "ranking/clusters/clusters.parquet", table, {"rankscape": {}})
    facts = {"category": "land", "size": COLUMNS, "uninhabited": False}
    entries = [{"cluster": number, **facts} for number in range(CLUSTERS)]
    document = {"clusters": entries, "uninhabited": None, "fingerprint": "f" * 64}
    write_json(results / "ranking/clusters/clusters.json", document)


def orders(judge: str, *, prompts: int = 1, rounds: int = 1) -> list[str]:
    """Orders of a judge, as targets."""
    names = list(PROMPTS)[:prompts]
    numbers = range(1, rounds + 1)
    return [f"results/small/ranking/orders/{judge}--{name}--{number}.json" for name in names for number in numbers]


def read_round(project: Project, judge: str, prompt: str = "roads", number: int = 1) -> dict[str, Any]:
    """A round as its file holds it."""
    path = project.folder / f"results/small/ranking/rounds/{judge}/{prompt}/{number}.json"
    document: dict[str, Any] = json.loads(path.read_text())
    return document
