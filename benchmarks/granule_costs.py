"""What one full granule costs at every stage, and what a region of many would; prints two tables.

`.venv/bin/python benchmarks/granule_costs.py` (some ten minutes on two cores)

The real workflow runs from the search to the map, with the settings of `config/sichuan.yaml`, on one invented granule
of 10980 x 10980 px in true colour and its classes at 20 m, from a catalogue on disk. What costs nothing here or depends
on others is changed: labels come from a table, orders from the stand-in judge, networks start from random weights,
learned stages run one epoch (the weights of a network change nothing of what its predictions cost). The times and peaks
are those that Snakemake's `benchmark` writes: of what ends within a second it sees little. The second table multiplies
the processor time and the bytes of the stages that run once a granule.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pystac
import rasterio
import yaml
from affine import Affine
from pyproj import Transformer
from rankscape.scenes.cogs import write_cog
from shapely.geometry import box, mapping
from tiling import invent

ROOT = Path(__file__).parents[1]
GRANULE, CRS, SIDE_PX, PATCH_PX = "48RVU", "EPSG:32648", 10980, 343
ITEM = "S2B_MSIL2A_20230715T034141_R061_T48RVU_20230715T080000"
STAGES = ("search", "fetch", "compose", "tile", "embed", "predict", "rasterize")
FILES = {
    "fetch": "scenes/assets", "compose": f"scenes/sentinel-2/{GRANULE}/*.tif",
    "tile": f"samples/sentinel-2/{GRANULE}.*", "embed": f"ranking/features/{GRANULE}.*",
    "predict": f"ranking/scores/{GRANULE}.*", "rasterize": f"ranking/maps/{GRANULE}*",
}  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What a stage took for one granule."""

    stage: str
    wall_s: float
    processor_s: float
    peak_mb: float
    kept_mb: float


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--granules", type=int, nargs="+", default=[60, 600, 18_000])
    parser.add_argument("--folder", type=Path, help="keep the run here instead of a temporary folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        costs = run(given.folder or Path(place) / "project")
    print("| stage | wall, s | processor, s | peak memory, MB | bytes kept, MB |\n|---|--:|--:|--:|--:|")
    for cost in costs:
        print(
            f"| {cost.stage} | {cost.wall_s:.1f} | {cost.processor_s:.1f} | {cost.peak_mb:.0f} | {cost.kept_mb:.1f} |"
        )
    print("\n| granules | processor hours | " + " | ".join(f"{cost.stage}, h" for cost in costs) + " | kept, TB |")
    print("|--:|--:|" + "--:|" * len(costs) + "--:|")
    for count in given.granules:
        hours = [cost.processor_s * count / 3600 for cost in costs]
        kept_tb = sum(cost.kept_mb for cost in costs) * count / 1e6
        print(
            f"| {count:,} | {sum(hours):,.1f} | " + " | ".join(f"{hour:,.1f}" for hour in hours) + f" | {kept_tb:.2f} |"
        )


def run(folder: Path) -> list[Cost]:
    """Run the workflow on the invented granule in a copy of the project."""
    sys.path.insert(0, str(ROOT / "tests"))
    from workflow_copy import copy_workflow

    project = copy_workflow(folder)
    write_catalogue(folder / "catalogue")
    write_labels(folder / "labels.csv")
    (folder / "config/granules/one.tsv").write_text(
        f"granule\trole\tstart\tend\tmax_cloud_percent\n{GRANULE}\tfit\t2023-07-01\t2023-07-31\t20\n"
    )
    (folder / "config/one.yaml").write_text(json.dumps(configuration()))
    # One rank and one job at a time: a stage's time is its own.
    ranks = ("--set-resources", "tile:mpi=mpiexec", "tile:tasks=1")
    project.snakemake("--configfile", "config/one.yaml", *ranks, "--resources", "mem_mb=8000")
    return [cost_of(folder / "results/one", stage) for stage in STAGES]


def configuration() -> dict:
    """The settings of Sichuan, with what others would have to give replaced."""
    config = yaml.safe_load((ROOT / "config/sichuan.yaml").read_text(encoding="utf-8"))
    config |= {"region": "one", "granules": "config/granules/one.tsv"}
    config["search"] = {"kind": "static", "href": "catalogue/catalog.json", "signing": "none"}
    study = config["ranking"]
    study |= {"prompts": study["prompts"][:1], "judges": {"stand-in": {"kind": "stand-in", "model": "stand-in"}}}
    study["label"] = {"source": "file", "file": "labels.csv", "categories": ["urban", "rural", "mountain", "highland"]}
    study["adapt"] |= {"weights": "random", "epochs": 1}
    study["rate"]["rounds"] = 1
    study["train"] |= {"epochs": 1, "patches_per_cluster": 20}
    return config


def write_catalogue(folder: Path) -> None:
    """Write a catalogue of one item: a true-colour asset and its classes."""
    item_folder = folder / "sentinel-2-l2a" / ITEM
    item_folder.mkdir(parents=True)
    transform = Affine(10, 0, 399_960, 0, -10, 3_300_000)
    common = {"crs": CRS, "level": 3, "threads": 2}
    write_cog(item_folder / "visual.tif", picture(), transform=transform, names=("red", "green", "blue"), **common)
    classes = np.full((1, SIDE_PX // 2, SIDE_PX // 2), 5, np.uint8)
    write_cog(
        item_folder / "SCL.tif", classes, transform=transform @ Affine.scale(2), names=("SCL",), resampling="nearest",
        **common,
    )  # fmt: skip
    catalogue = pystac.Catalog("one", "One synthetic granule")
    extent = pystac.Extent(pystac.SpatialExtent([[100, 28, 107, 31]]), pystac.TemporalExtent([[None, None]]))
    collection = pystac.Collection("sentinel-2-l2a", "Sentinel-2 Level-2A", extent)
    catalogue.add_child(collection)
    collection.add_item(item_of(transform))
    catalogue.normalize_hrefs(str(folder))
    catalogue.save(pystac.CatalogType.SELF_CONTAINED)


def picture() -> np.ndarray:
    """The granule of `benchmarks/tiling.py`, with more contrast from west to east: something to put in order."""
    contrast = np.linspace(0.3, 2, SIDE_PX, dtype=np.float32)
    bands = invent(SIDE_PX)
    for band in bands:
        band[:] = np.clip(80 + (band - np.float32(80)) * contrast, 1, 255)
    return bands


def item_of(transform: Affine) -> pystac.Item:
    """The item as the Planetary Computer would write it."""
    with rasterio.Env():
        corners = Transformer.from_crs(CRS, 4326, always_xy=True).transform_bounds(
            transform.c, transform.f - 10 * SIDE_PX, transform.c + 10 * SIDE_PX, transform.f
        )
    item = pystac.Item(
        ITEM, mapping(box(*corners)), list(corners), pystac.utils.str_to_datetime("2023-07-15T03:41:41Z"), {}
    )
    item.properties |= {
        "platform": "sentinel-2b", "s2:mgrs_tile": GRANULE, "s2:processing_baseline": "05.09", "eo:cloud_cover": 1.0,
        "s2:generation_time": "2023-07-15T08:00:00Z", "sat:relative_orbit": 61, "s2:nodata_pixel_percentage": 0.0,
    }  # fmt: skip
    for name in ("visual", "SCL"):
        item.add_asset(name, pystac.Asset(f"./{name}.tif", media_type=pystac.MediaType.COG, roles=["data"]))
    return item


def write_labels(path: Path) -> None:
    """Give the four categories to the quarters of the granule."""
    side = SIDE_PX // PATCH_PX
    lines = ["patch_id,urban,rural,mountain,highland"]
    for row in range(side):
        for col in range(side):
            place = 2 * (row >= side // 2) + (col >= side // 2)
            lines.append(f"{GRANULE}_{row}_{col}," + ",".join(str(int(k == place)) for k in range(4)))
    path.write_text("\n".join(lines) + "\n")


def cost_of(results: Path, stage: str) -> Cost:
    """Read what Snakemake measured, and what lies on disk."""
    measured = next(results.glob(f"benchmarks/*{stage}/**/{GRANULE}.tsv"))
    table = pd.read_csv(measured, sep="\t")
    found = list(results.glob(FILES[stage])) if stage in FILES else []
    files = [path for top in found for path in (top.rglob("*") if top.is_dir() else [top]) if path.is_file()]
    kept_mb = sum(path.stat().st_size for path in files) / 1e6
    return Cost(stage, *(float(table[name].iloc[0]) for name in ("s", "cpu_time", "max_rss")), kept_mb)


if __name__ == "__main__":
    main()
