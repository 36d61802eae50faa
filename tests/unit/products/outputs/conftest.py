"""A finished run of two small granules: maps drawn by their own stages, documents of the other stages invented."""

import json
import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from conftest import write_patch_store
from rankscape.__main__ import main
from rankscape.foundation.tables import read_geotable, write_table
from rankscape.samples.patches import index_of

ORIGINS_M = {"03TVF": (400_000.0, 4_500_000.0), "03TXG": (400_400.0, 4_500_000.0)}
"""The second granule begins on the last column of the first: 6 patches of 80 m."""
DOCUMENTS = {
    "ranking/clusters/clusters.json": {"clusters": []},
    "ranking/order.json": {"method": "mean", "levels": [[2], [0, 1]], "ranks": {"0": 2.5, "1": 2.5, "2": 1.0}},
    "ranking/audit.json": {
        "judges": [{"judge": "a", "prompt": name, "model": "vision-7b"} for name in ("one", "two")],
        "groups": [], "tau": {"groups": [], "matrix": []}, "pairs": {"clusters": [], "above": []},
    },
    "ranking/model/score.json": {"objective": "regression", "seeds": []},
    "ranking/evaluation/night-lights.json": {
        "reference": "night-lights", "title": "Night lights (nW)", "predictors": {"score": {}},
    },
}  # fmt: skip
SCENES = {"03TVF": ["2021-07-19T22:05:31.024000Z"], "03TXG": ["2022-06-24T22:05:29Z", "2019-06-01T00:00:00Z"]}


def ended(*arguments: str) -> int:
    """Exit code of the command line."""
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return stopped.value.code or 0


NAMES = {"granule": [*ORIGINS_M], "acquisition": ["seasons"], "reference": ["night-lights"]}
NONE = {"study": [], "districts": [], "change": [], "regression": [], "baseline": []}
MORE = {
    "districts": ["census"], "change": ["2016--2021"], "regression": ["paper"], "baseline": ["lights-guided"],
}  # fmt: skip


def tabulated(folder: Path, **more: list[str]) -> int:
    """Bring together all that is known of every patch."""
    names = json.dumps({**NAMES, **NONE, **more, "apply": ["03TXG"]})
    out = folder / "ranking/maps/patches.parquet"
    return ended("ranking", "tabulate", "--region", folder, "--names", names, "--out", out)


def published(
    folder: Path, *, settings: str = '{"authors": ["A. Author"], "licence": "CC-BY-4.0"}', **more: list[str]
) -> int:
    """Make the table of all patches, and publish a finished run."""
    fixed = ["publish", "--settings", settings, "--region", "island", "--out", folder / "catalog.json"]
    names = json.dumps({**NAMES, **NONE, **more})
    return tabulated(folder, **more) or ended(*fixed, "--studies", "ranking", "--names", names)


@pytest.fixture(scope="session")
def _run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "island"
    rng = np.random.default_rng(0)
    for granule, origin in ORIGINS_M.items():
        _write_granule(folder, granule, origin, rng)
    scores, indices = sorted(folder.glob("ranking/scores/*.parquet")), sorted(folder.glob("samples/seasons/*.parquet"))
    maps = folder / "ranking/maps"
    merged = ["--colour", maps / "region-colour.tif", "--uncertainty", maps / "region-uncertainty.tif"]
    merged += ["--preview", maps / "region.png", "--item", maps / "region.json", "--out", maps / "region.tif"]
    assert ended("mosaic", "--settings", "{}", "--scores", *scores, "--indices", *indices, *merged) == 0
    _write_documents(folder)
    return folder


def _write_granule(folder: Path, granule: str, origin_m: tuple[float, float], rng: np.random.Generator) -> None:
    usable = np.arange(36) != 35
    store = write_patch_store(
        folder / "samples/seasons", granule, pixels=rng.integers(1, 255, (48, 48, 3)).astype(np.uint8),
        origin_m=origin_m, usable=usable,
    )  # fmt: skip
    ids = read_geotable(index_of(store))["patch_id"]
    score = np.where(usable, rng.random(36), np.nan).astype(np.float32)
    frame = pd.DataFrame(
        {"patch_id": ids, "granule": granule, "score": score, "score_std": score / 4, "ensemble_std": score / 8}
    )
    write_table(folder / f"ranking/scores/{granule}.parquet", frame, {})
    value = pd.DataFrame({"patch_id": ids, "value": rng.random(36), "coverage": 1.0})
    write_table(folder / f"samples/references/seasons/night-lights/{granule}.parquet", value, {})
    statistics = pd.DataFrame({"patch_id": ids, "gradient": 0.1, "blue_green": 0.9, "brightness": 0.4})
    write_table(folder / f"samples/statistics/seasons/{granule}.parquet", statistics, {})
    maps, inputs = (
        folder / "ranking/maps",
        ["--scores", folder / f"ranking/scores/{granule}.parquet", "--index", index_of(store)],
    )
    outputs = ["--out", maps / f"{granule}.tif", "--patches", maps / f"{granule}-patches.tif"]
    assert ended("ranking", "rasterize", "--settings", "{}", *inputs, *outputs, "--item", maps / f"{granule}.json") == 0


def _write_documents(folder: Path) -> None:
    for name, document in DOCUMENTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(document))
    for name in (
        "report/index.html",
        "ranking/model/score.safetensors",
        "ranking/model/score.md",
        "ranking/model/score-curves.png",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    for granule, moments in SCENES.items():
        path = folder / f"scenes/seasons/{granule}/download.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"scenes": [{"datetime": moment} for moment in moments]}))
    learned = pd.DataFrame({"patch_id": [f"03TVF_{n // 6}_{n % 6}" for n in range(35)], "granule": "03TVF"})
    learned["category"], learned["cluster"] = "urban", np.arange(35, dtype=np.int32) % 3
    write_table(folder / "ranking/clusters/clusters.parquet", learned, {})
    places = learned[["patch_id", "granule"]].assign(role="fit", score=0.5, value=1.0, distinct=True)
    places = places.assign(gradient=0.1, blue_green=0.9, brightness=0.4)
    write_table(folder / "ranking/evaluation/night-lights.parquet", places, {})


@pytest.fixture
def run(_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run that the test may change."""
    return Path(shutil.copytree(_run, tmp_path / "island"))


@pytest.fixture
def with_more(run: Path) -> Path:
    """The same with districts, a change, a regression and a baseline model, by the contracts of their stages."""
    patches = read_geotable(run / "samples/seasons/03TVF.parquet").to_crs(4326)
    numbers = (
        "area_m2",
        "covered_fraction",
        "score",
        "score_std",
        "score_low",
        "score_high",
        "rank",
        "rank_low",
        "rank_high",
    )
    districts = patches[["geometry"]].iloc[:4].assign(**dict.fromkeys(numbers, 0.5), population=np.nan)
    districts = districts.assign(district=[*"abcd"], name="District", patches=3, houses_2010=[1, 2, 3, 4])
    _write_both(run / "ranking/districts/census.parquet", districts)
    numbers = ["score_before", "score_after", "change", "raw_change", "change_std", "p", "q"]
    change = patches[["patch_id", "granule", "geometry"]].assign(**dict.fromkeys(numbers, 0.5), place="03TVF")
    change = change.assign(before_patch_id="x", before_granule="y", significant=True, invariant=False)
    write_table(run / "ranking/change/2016--2021.parquet", gpd.GeoDataFrame(change), {})
    transform = rasterio.Affine(80, 0, 400_000, 0, -80, 4_500_000)
    profile = {"driver": "GTiff", "width": 6, "height": 6, "count": 2, "dtype": "float32", "crs": "EPSG:32603"}
    with rasterio.open(run / "ranking/change/2016--2021.tif", "w", transform=transform, **profile) as raster:
        raster.descriptions = ("change", "change_std")
    names = (
        "ranking/districts/census.json",
        "ranking/districts/census.png",
        "ranking/change/2016--2021.json",
        "ranking/change/2016--2021.qml",
        "ranking/change/2016--2021.png",
    )
    names += (
        "ranking/change/2016--2021-images/index.json",
        "ranking/regressions/paper.json",
        "ranking/regressions/paper.tex",
    )
    for name in names:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text("{}")
    pd.DataFrame({"column": ["distance"], "coefficient": [0.1]}).to_csv(
        run / "ranking/regressions/paper.csv", index=False
    )
    shutil.copytree(run / "ranking/scores", run / "ranking/baselines/lights-guided/scores")
    return run


def _write_both(path: Path, frame: gpd.GeoDataFrame) -> None:
    write_table(path, frame, {})
    frame.drop(columns="geometry").to_csv(path.with_suffix(".csv"), index=False)
