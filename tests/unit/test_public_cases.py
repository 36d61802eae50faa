"""Inputs that failed in other software, each with its right value; skipped where the folder of cases is not there."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rankscape.__main__ import main

DISTRICTS = {"title": "t", "id": "code", "correlation_range_m": 0, "draws": 100}
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def case(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Copy a case and go there: `case(name)`."""

    def copy(name: str) -> Path:
        if not (shared / "data/cases" / name).is_dir():
            pytest.skip(f"no case {name}")
        folder = tmp_path / name
        shutil.copytree(shared / "data/cases" / name, folder, copy_function=shutil.copyfile)
        monkeypatch.chdir(folder)
        return folder

    return copy


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line; returns exit status and what was logged."""

    def start(*words: str, settings: dict[str, Any]) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stopped:
            main([*words, "--settings", json.dumps(settings)])
        return int(stopped.value.code or 0), capsys.readouterr().err

    return start


def district(run: Run, path: str, **settings: Any) -> tuple[int, str]:
    words = "ranking district --name d --scores scores.parquet --indices city.parquet --out d.parquet --table d.csv"
    return run(
        *words.split(), "--document", "d.json", "--image", "d.png", settings={**DISTRICTS, "path": path, **settings}
    )


@pytest.mark.parametrize("name", ["r_namibia.json", "r_fips.json"])
def test_keys_of_joins_are_text(case, run, name):
    settings = json.loads((case("join-keys") / name).read_text())
    assert run("ranking", "regress", "--name", "r", "--out", "o.json", settings=settings)[0] == 0
    found = json.loads(Path("o.json").read_text())
    assert [model["n"] for model in found["models"]] == [240]
    assert not [note for note in found["notes"] if "not in" in note]


def test_a_geopackage_of_several_layers_asks_for_one(case, run):
    case("gadm-layers")
    status, said = district(run, "gadm41_XXX.gpkg")
    assert status == 2
    assert "ADM_ADM_0, ADM_ADM_1, ADM_ADM_2" in said
    assert not Path("d.csv").exists()
    assert district(run, "gadm41_XXX.gpkg", layer="ADM_ADM_2")[0] == 0
    assert len(pd.read_csv("d.csv")) == 16


def test_names_in_gbk_are_refused_or_right(case, run):
    case("fonts-encoding")
    status, said = district(run, "gbk.shp", name="name")
    assert (status, "set `encoding`" in said) == (2, True)
    assert district(run, "gbk.shp", name="name", encoding="gbk")[0] == 0
    assert pd.read_csv("d.csv")["name"].tolist() == ["成都市", "绵阳市", "德阳市", "眉山市"]


def test_a_footprint_across_180_degrees_is_no_strip_around_the_earth(case, run):
    case("antimeridian")
    settings = {"path": "lights_global.tif", "title": "t"}
    assert run("aggregate", "--index", "fiji.parquet", "--out", "v.parquet", settings=settings)[0] == 0
    found = pd.read_parquet("v.parquet")
    assert found["value"].tolist() == pytest.approx([10.0] * 100)
    assert found["coverage"].tolist() == pytest.approx([1.0] * 100)


def test_transparent_images_are_empty_and_palettes_are_what_they_show(case):
    case("pictures")
    words = ["ranking", "score", "p_rgba", "--model", "rgbmodel.safetensors", "--out", "s.csv"]
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert not stopped.value.code
    scores = pd.read_csv("s.csv").set_index("file")["score"]
    assert scores[["transparent_white.png", "most_transparent.png"]].isna().all()
    assert scores[["opaque.png", "palette.png"]].notna().all()


def test_colours_of_16_bits_are_refused(case, capsys):
    case("pictures")
    with pytest.raises(SystemExit) as stopped:
        main(["ranking", "score", "p_16", "--model", "rgbmodel.safetensors", "--out", "s.csv"])
    assert stopped.value.code == 2
    assert "8-bit images are needed" in capsys.readouterr().err
    assert not Path("s.csv").exists()


def test_a_mark_for_unknown_that_the_file_does_not_declare_is_named(case, run):
    case("fill-values")
    words = ("aggregate", "--index", "city.parquet", "--out", "v.parquet")
    settings = {"path": "und9999.tif", "title": "t"}
    said = run(*words, settings=settings)[1]
    assert "values from -9999 (lowest, in 30 patches)" in said
    assert "set nodata: -9999" in said
    assert run(*words, settings={**settings, "nodata": -9999})[0] == 0
    found = pd.read_parquet("v.parquet")["value"]
    assert (found.notna().sum(), found.isna().sum()) == (80, 20)
    assert found.between(0, 50).sum() == 80
