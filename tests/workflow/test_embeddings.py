"""What reruns in the study of embeddings: what is added brings its own jobs, and what follows from them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from workflow_copy import Project, copy_workflow

DEMO = "config/embeddings-demo.yaml"
ARGUMENTS = ("--configfile", DEMO)
TASKS = ("built", "farmed", "invisible", "people", "roads", "smooth", "water")
SETS = ("convolutions", "statistics", "both", "coordinates", "smoothing", "together", "others")
LEARNED = {"together": ("built", "farmed", "water"), "alone-built": ("built",), "alone-water": ("water",)}
GRANULES = ("03TVG", "03TWG", "03TXG", "03TVF", "03TWF", "03TXF")
SMALL = """
region: small
granules: small.tsv
studies: [embeddings]
tile: {patch_px: 16}
references:
  label: {path: label.tif, title: Roughness of the ground}
  hills: {path: hills.tif, title: Hills}
embeddings:
  embedders:
    convolutions: {architecture: random-convolutions-3px-32}
    mine: {path: mine-*.tif, min_coverage: 0.9}
  networks:
    net: {tasks: [rough], trunk: test_resnet, epochs: 8, learning_rate: 0.05, normalisation: none}
  tasks:
    rough: {reference: label}
  label: {block_m: 480}
  units:
    homes: {path: homes.csv, label: price, features: [rooms], group: street, longitude: lon, latitude: lat}
  regressions:
    hills: {task: rough, features: convolutions, covariates: [hills]}
  downstream: {checkerboard_m: [320], draws: 100}
  maps: {rough: {features: convolutions, pixels: [north]}}
"""
PAGES = {"report report/index.html", "publish catalog.json"}


def downstream(tasks, sets):
    return {f"downstream embeddings/downstream/{task}/{name}.json" for task in tasks for name in sets}


def of_networks(networks):
    """What a network's own predictions, and features of one of a single task, are judged by."""
    ends = {f"{task}/{name}-end-to-end" for name, tasks in networks.items() for task in tasks}
    single = {f"{task}/{name}" for name, tasks in networks.items() for task in tasks if name.startswith("alone-")}
    return {f"downstream embeddings/downstream/{one}.json" for one in ends | single}


def curves(tasks, sets=("convolutions",)):
    return {f"curve embeddings/curves/{task}/{name}.json" for task in tasks for name in sets}


def maps(task, granules=GRANULES):
    own = {f"predict embeddings/maps/{task}/{granule}.parquet" for granule in granules}
    return own | {f"regress embeddings/regressions/{task}.safetensors"}


def contrasts(tasks):
    return {f"contrast embeddings/contrasts/{task}.json" for task in tasks}


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = copy_workflow(tmp_path_factory.mktemp("embeddings") / "project")
    project.pretend(*ARGUMENTS)
    assert project.planned(*ARGUMENTS) == set()
    return project.folder


@pytest.fixture
def made(_made: Path, tmp_path: Path) -> Project:
    """The demo of the study with every file made; a copy that the test may change."""
    shutil.copytree(_made, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


def test_each_change_reruns_its_own_jobs_and_what_follows(made: Project) -> None:
    made.configure(DEMO, embeddings={"tasks": {"wet": {"reference": "water", "transform": "log1p"}}})
    added = {"label embeddings/labels/wet.parquet"} | downstream(["wet"], SETS) | contrasts(["wet"])
    assert made.planned(*ARGUMENTS) == added | curves(["wet"]) | PAGES

    made.configure(DEMO, embeddings={"tasks": {"wet": {"reference": "water", "lowest": 0.0}}})
    made.pretend(*ARGUMENTS)
    made.configure(DEMO, embeddings={"maps": {"wet": {"features": "both"}}})
    assert made.planned(*ARGUMENTS) == maps("wet") | PAGES
    made.pretend(*ARGUMENTS)
    made.configure(DEMO, embeddings={"embedders": {"wide": {"architecture": "random-convolutions-7px-32"}}})
    new = {"fit embeddings/models/wide.safetensors"}
    new |= {f"embed embeddings/features/wide/{granule}.npy" for granule in GRANULES}
    every = [*TASKS, "wet"]
    assert made.planned(*ARGUMENTS) == new | downstream(every, ["wide"]) | contrasts(every) | PAGES

    made.pretend(*ARGUMENTS)
    (made.folder / "mine.csv").write_text("patch_id,A0,A1\n")
    made.configure(DEMO, embeddings={"embedders": {"mine": {"path": "mine.csv"}}})
    new = {f"join embeddings/features/mine/{granule}.npy" for granule in GRANULES}
    assert made.planned(*ARGUMENTS) == new | downstream(every, ["mine"]) | contrasts(every) | PAGES


def test_the_bootstrap_makes_no_embedding_again(made: Project) -> None:
    made.configure(DEMO, embeddings={"downstream": {"draws": 200}})
    assert made.planned(*ARGUMENTS) == downstream(TASKS, SETS) | of_networks(LEARNED) | contrasts(TASKS) | PAGES


def test_a_network_brings_its_own_jobs(made: Project) -> None:
    made.configure(DEMO, embeddings={"networks": {"third": {"tasks": ["built", "water"], "trunk": "test_resnet"}}})
    new = {"train embeddings/networks/third.safetensors"} | of_networks({"third": ("built", "water")})
    new |= {f"embed embeddings/features/third/{granule}.npy" for granule in GRANULES}
    assert made.planned(*ARGUMENTS) == new | downstream(TASKS, ["third"]) | contrasts(TASKS) | PAGES

    made.pretend(*ARGUMENTS)
    made.configure(DEMO, embeddings={"curve": {"sizes": [100]}})
    assert made.planned(*ARGUMENTS) == curves(TASKS) | PAGES


def test_a_granule_without_labels_costs_its_own_jobs_alone(made: Project) -> None:
    table = made.folder / "config/granules/embeddings-demo.tsv"
    table.write_text(table.read_text() + "03TYG\tapply\t2021-01-01\t2023-12-31\t60\n")
    planned = made.planned(*ARGUMENTS)
    verbs = {one.partition(" ")[0] for one in planned}
    assert maps("built", ["03TYG"]) - {"regress embeddings/regressions/built.safetensors"} <= planned
    assert not verbs & {"regress", "downstream", "curve", "contrast", "label", "fit"}
    assert all("03TYG" in one for one in planned - PAGES if not one.startswith(("simulate", "search")))


def test_a_model_reruns_its_own_jobs_alone(made: Project) -> None:
    made.configure(DEMO, embeddings={"downstream": {"models": ["ridge", "mlp-3"]}})
    named = ("convolutions", "statistics", "both", "together", "others")
    own = downstream(TASKS, [f"{name}-mlp-3" for name in named])
    own |= downstream(["built"], ["alone-built-mlp-3"]) | downstream(["water"], ["alone-water-mlp-3"])
    assert made.planned(*ARGUMENTS) == own | contrasts(TASKS) | PAGES


def raster(path: Path, bands: np.ndarray, names: tuple[str, ...], corner_m: tuple[float, float], side_m: float) -> None:
    """Write float32 bands north up in UTM."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2], "dtype": "float32"}
    transform = Affine(side_m, 0, corner_m[0], 0, -side_m, corner_m[1])
    with rasterio.open(path, "w", driver="GTiff", crs="EPSG:32603", transform=transform, **shape) as file:
        file.write(bands.astype(np.float32))
        file.descriptions = names


@pytest.fixture
def small(fresh: Project) -> Project:
    """Two granules of the user's own rasters; patches of 16 px whose roughness is the label."""
    chance = np.random.default_rng(0)
    rough = chance.uniform(0.01, 0.05, (2, 10, 10))
    for place, name in enumerate(("north", "south")):
        wide = rough[place].repeat(16, 0).repeat(16, 1)
        pixels = np.clip(0.15 + wide * chance.normal(size=(3, 160, 160)), 0.001, 1)
        corner = (4e5, 4.5e6 - 4e3 * place)
        raster(fresh.folder / f"images/{name}.tif", pixels, ("B04", "B03", "B02"), corner, 10.0)
    both = np.concatenate([100 * rough[0], np.full((15, 10), np.nan), 100 * rough[1]])[None]
    raster(fresh.folder / "hills.tif", both + chance.normal(size=both.shape), ("hills",), (4e5, 4.5e6), 160.0)
    both[:, ::5] = np.nan
    raster(fresh.folder / "label.tif", both, ("label",), (4e5, 4.5e6), 160.0)
    for place in range(2):
        bands = np.stack([rough[place], chance.normal(size=(10, 10))])
        raster(fresh.folder / f"mine-{place}.tif", bands, ("a", "b"), (4e5, 4.5e6 - 4e3 * place), 160.0)
    row, col, unit = (one.ravel() for one in np.mgrid[0:10, 0:10, 0:2])
    east, north = Transformer.from_crs(32603, 4326, always_xy=True).transform(400080 + 160 * col, 4499920 - 160 * row)
    lines = [f"{row[i]},{row[i] % 3 + unit[i]},{4 * rough[0, row[i], col[i]]},{east[i]},{north[i]}" for i in range(200)]
    (fresh.folder / "homes.csv").write_text("\n".join(["street,rooms,price,lon,lat", *lines]))
    (fresh.folder / "small.tsv").write_text(
        "granule\trole\traster\nnorth\tfit\timages/north.tif\nsouth\tfit\timages/south.tif\n"
    )
    (fresh.folder / "small.yaml").write_text(SMALL)
    return fresh


def test_own_images_and_labels_run_to_the_page(small: Project) -> None:
    arguments = ("--configfile", "small.yaml", "--set-resources", "tile:mpi=mpiexec", "tile:tasks=1")
    small.snakemake(*arguments)

    results = small.folder / "results/small"
    found = json.loads((results / "embeddings/downstream/rough/convolutions.json").read_text())
    assert set(found["splits"]) == {"random", "blocks", "held_out"}, "two granules have no third to leave out"
    assert found["splits"]["blocks"]["r2"] > 0.7
    mine = json.loads((results / "embeddings/downstream/rough/mine.json").read_text())
    assert mine["splits"]["blocks"]["r2"] > 0.99, "the embedding contains the label"
    record = json.loads((results / "embeddings/features/mine/north.json").read_text())
    assert (record["usable"], record["joined"]["unused"]) == (100, 1), "the other raster is of the other granule"
    assert (
        json.loads((results / "embeddings/downstream/rough/smoothing.json").read_text())["splits"]["blocks"]["r2"] < 0.1
    )
    units = json.loads((results / "embeddings/units/homes.json").read_text())["fits"]
    assert units["units"]["outside"]["r2"] < 0.1 < 0.7 < units["units+convolutions"]["outside"]["r2"]
    learned, itself = (
        json.loads((results / f"embeddings/downstream/rough/{name}.json").read_text())["splits"]
        for name in ("net", "net-end-to-end")
    )
    assert set(learned) == set(itself) == {"held_out"}, "a network has seen the places of the other splits"
    assert learned["held_out"]["n"] == itself["held_out"]["n"] == found["splits"]["held_out"]["n"]
    assert learned["held_out"]["r2"] > 0.3
    (_, hills) = json.loads((results / "embeddings/inference/hills.json").read_text())["coefficients"]
    assert hills["corrected"]["low"] > 0
    page = (results / "report/embeddings.html").read_text()
    assert "Regressions of predicted labels" in page
    assert "What embeddings add to data of units" in page
    assert "One part of the land held out from networks too" in page
    assert "Blocks of land held out" in page
    assert "Roughness of the ground" in page
    assert "Whole granules left out" not in page
    assert "Images tell it in new blocks too (R² " in page
    assert "Roughness of the ground prediction" in page
    assert {path.name for path in (results / "embeddings/pixels/rough").glob("*.tif")} == {"north.tif"}
    items = {path.stem for path in (results / "catalog/items").glob("*.json")}
    tables = {f"{name}-{granule}" for name in ("convolutions", "mine", "net") for granule in ("north", "south")}
    assert items == tables | {"north-rough", "south-rough", "north-rough-pixels"}
    assert "How sure a prediction is" in page
    assert "embeddings/downstream" in (results / "data-dictionary.md").read_text()
    assert small.planned(*arguments) == set()
