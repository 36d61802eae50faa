"""What can be called changed on real land, by the years between two dates.

`.venv/bin/python benchmarks/change_on_land.py` (six minutes; the real data must lie beside the checkout, or where
RANKSCAPE_SHARED says). Pucallpa on the Ucayali: Landsat composites of 2020 and of an earlier year, cut into 1,350 tiles
of 1.2 km, scored by a model that learns from both dates. `noise`: standard deviation of the change where looks changed
least. `least called`: the least change that is significant at such a place. `grown`: mean change of ten tiles that were
green in 1985 and are city in 2020; `forest`: of 94 tiles of forest at all dates.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import geopandas as gpd

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("RANKSCAPE_SHARED", ROOT.parent / "shared"))


def main() -> None:
    """Print the table."""
    sys.path.insert(0, str(ROOT / "tests"))
    from e2e.pucallpa import GROWN, NOW, UNTOUCHED, tiles_in, write_region
    from workflow_copy import copy_workflow

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--years", nargs="+", default=["2015", "2010", "2000", "1985"])
    given = parser.parse_args()
    print("| dates | noise | least called | called changed | grown | forest |\n|---|---|---|---|---|---|", flush=True)
    for year in given.years:
        with tempfile.TemporaryDirectory() as folder:
            project = copy_workflow(Path(folder) / "project")
            write_region(SHARED / "data/pucallpa", project.folder, year)
            summary = f"results/pucallpa/change/{year}--{NOW}.json"
            project.snakemake(summary, "--configfile", "config/pucallpa.yaml")
            facts = json.loads((project.folder / summary).read_text())
            table = gpd.read_parquet((project.folder / summary).with_suffix(".parquet")).set_index("patch_id")["change"]
            grown, forest = (
                table[[f"pucallpa_{NOW}_{tile}" for tile in tiles_in(boxes)]] for boxes in (GROWN, UNTOUCHED)
            )
        least = "none" if facts["least_called"] is None else f"{facts['least_called']:.2f}"
        print(
            f"| {year} and {NOW} | {facts['noise']:.3f} | {least} | {facts['significant']} of {facts['n']} "
            f"| {grown.mean():+.2f} | {forest.mean():+.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
