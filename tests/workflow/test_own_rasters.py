"""A region of one's own rasters: what a row names is watched, file by file."""

from pathlib import Path

import numpy as np
import rasterio
import yaml
from rasterio.transform import from_origin
from workflow_copy import Project, copy_workflow

PATCHES = "results/mine/samples/default/town.npy"


def write(path: Path, left: int) -> None:
    shape = {"driver": "GTiff", "height": 32, "width": 32, "count": 3, "dtype": "uint16", "crs": "EPSG:32648"}
    with rasterio.open(path, "w", **shape, transform=from_origin(500_000 + 10 * left, 3_400_000, 10, 10)) as file:
        file.write(np.full((3, 32, 32), 2000, np.uint16))


def test_tiles_that_are_added_to_a_mosaic_are_cut_and_nothing_else_runs_again(tmp_path):
    project: Project = copy_workflow(tmp_path / "project")
    (project.folder / "exports").mkdir()
    write(project.folder / "exports/a.tif", 0)
    table = "granule\trole\traster\ntown\tfit\texports/*.tif\n"
    (project.folder / "config/granules/mine.tsv").write_text(table)
    config = {
        "region": "mine", "granules": "config/granules/mine.tsv", "acquisitions": {"default": {"sensor": "local"}},
        "tile": {"patch_px": 16, "scale": 0.0001},
        "ranking": {"judges": {"sun": {"kind": "stand-in", "model": "stand-in"}}, "prompts": ["economics-student-en"]},
    }  # fmt: skip
    (project.folder / "config/config.yaml").write_text(yaml.safe_dump(config))
    project.snakemake(PATCHES)
    assert np.load(project.folder / PATCHES).shape == (4, 16, 16, 3)
    assert project.planned(PATCHES) == set()
    write(project.folder / "exports/b.tif", 32)
    assert project.planned(PATCHES) == {"tile samples/default/town.npy"}
    project.snakemake(PATCHES)
    found = np.load(project.folder / PATCHES)
    assert found.shape == (8, 16, 16, 3)
    np.testing.assert_allclose(found, 0.2, rtol=1e-6)
    (project.folder / "config/granules/mine.tsv").write_text(table.replace("exports/", "none/"))
    refused = project.snakemake("--dry-run", check=False)
    assert (
        "none/*.tif holds no raster: mend the column `raster` of the granule table" in refused.stderr + refused.stdout
    )
