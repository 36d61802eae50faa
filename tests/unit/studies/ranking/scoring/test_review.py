"""Sheets of patches that people judge a score by."""

import json

import numpy as np
import pandas as pd
import pytest
from explaining import BANDS, auxiliary_model_of, model_of, network_of, noise
from PIL import Image
from rankscape.__main__ import main
from rankscape.foundation.errors import TableError
from rankscape.foundation.files import read_json, write_json
from rankscape.foundation.tables import write_table
from rankscape.samples.patches import open_patches
from rankscape.studies.ranking.explanations.inspection import contradictions, scored_patches, spectrum, uncertain
from rankscape.studies.ranking.scoring.model import write_model

TARGETS = {0: 1.0, 1: 0.5, 2: 0.0}


class Targets:
    def to_document(self):
        return {}


@pytest.fixture
def tables():
    """Scores of 30 patches, three of them without a cluster and one without a score."""
    generator = np.random.default_rng(0)
    ids = [f"a_{number}" for number in generator.permutation(30)]
    scores = pd.DataFrame({"patch_id": ids, "granule": "a", "score": generator.random(30)})
    scores["score_std"] = generator.random(30) / 10
    scores.loc[4, ["score", "score_std"]] = np.nan
    clusters = pd.DataFrame({"patch_id": ids[3:], "cluster": generator.integers(0, 3, 27)})
    return scores, clusters


def test_the_spectrum_rises_and_has_both_ends(tables):
    patches = scored_patches(*tables, TARGETS)
    assert len(patches) == 29
    shown = spectrum(patches, 7)
    scores = [patch.score for patch in shown]
    assert scores == sorted(scores)
    assert len(scores) == 7
    assert (scores[0], scores[-1]) == (patches.score.min(), patches.score.max())
    places = [patches.index[patches.patch_id == patch.patch_id][0] for patch in shown]
    assert np.ptp(np.diff(places)) <= 1, "evenly over quantiles"
    assert len(spectrum(patches, 100)) == 29


def test_the_uncertain_and_the_contradicting_come_worst_first(tables):
    patches = scored_patches(*tables, TARGETS)
    deviations = [patch.score_std for patch in uncertain(patches, 5)]
    assert deviations == sorted(tables[0].score_std.dropna(), reverse=True)[:5]
    wrong = contradictions(patches, 5)
    distances = [abs(patch.score - patch.target) for patch in wrong]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] == pytest.approx((patches.score - patches.target).abs().max())
    first = wrong[0]
    expected = f"cluster {first.cluster} (target {first.target:.2f}) scored {first.score:.2f} ± {first.score_std:.2f}"
    assert first.words == expected
    assert first.target == TARGETS[first.cluster]
    assert contradictions(patches, 0) == []


def test_one_network_and_no_cluster_leave_sheets_empty(tables):
    scores, clusters = tables
    patches = scored_patches(scores.assign(score_std=0.0), clusters[:0], TARGETS)
    assert uncertain(patches, 5) == contradictions(patches, 5) == []
    assert spectrum(patches, 2)[0].words.startswith("scored 0.")


def test_tables_that_do_not_fit_are_refused(tables):
    scores, clusters = tables
    with pytest.raises(TableError, match=r"clusters \[2\] have no target"):
        scored_patches(scores, clusters, {0: 1.0, 1: 0.0})
    with pytest.raises(TableError, match="No patch has a score"):
        scored_patches(scores.assign(score=np.nan), clusters, TARGETS)


@pytest.fixture
def region(tmp_path, patch_store):
    """Files that the stage reads; `write(architecture, input_px)` makes them."""

    def write(architecture="test_resnet", input_px=96, model=None):
        tiles = [patch_store(name, pixels=noise(1, 256, n)[0], patch_px=64, bands=BANDS) for n, name in enumerate("ab")]
        ids = [list(open_patches(path).index.patch_id) for path in tiles]
        generator = np.random.default_rng(1)
        scores = []
        for name, patches in zip("ab", ids, strict=True):
            table = pd.DataFrame({"patch_id": patches, "granule": name, "score": generator.random(16)})
            scores.append(tmp_path / f"scores-{name}.parquet")
            write_table(scores[-1], table.assign(score_std=generator.random(16) / 10), {})
        clusters = pd.DataFrame({"patch_id": ids[0], "granule": "a", "cluster": np.arange(16) % 3})
        write_table(tmp_path / "clusters.parquet", clusters, {})
        write_json(tmp_path / "score.json", {"seeds": [], "targets": {str(k): v for k, v in TARGETS.items()}})
        networks = [network_of(architecture, seed, 3.0) for seed in range(2)]
        chosen = model or model_of(networks, architecture, input_px=input_px)
        write_model(tmp_path / "model.safetensors", chosen, Targets(), {})
        words = [
            "ranking",
            "inspection-sheets",
            "--settings",
            json.dumps({"spectrum": 9, "uncertain": 4, "explained": 2}),
        ]
        words += ["--patches", *map(str, tiles), "--scores", *map(str, scores)]
        for option, name in (
            ("clusters", "clusters.parquet"),
            ("record", "score.json"),
            ("model", "model.safetensors"),
        ):
            words += [f"--{option}", str(tmp_path / name)]
        return [*words, "--out", str(tmp_path / "review")]

    return write


def run(words) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0)


def test_the_stage_draws_every_sheet_and_lists_its_patches(region, tmp_path):
    words = region()
    assert run(words) == 0
    first = {path.name: path.read_bytes() for path in (tmp_path / "review").iterdir()}
    assert sorted(first) == ["contradictions.png", "explained.png", "index.json", "spectrum.png", "uncertain.png"]
    document = read_json(tmp_path / "review/index.json")
    counts = {sheet["name"]: len(sheet["patches"]) for sheet in document["sheets"]}
    assert (counts["spectrum"], counts["uncertain"], counts["contradictions"]) == (9, 4, 12)
    assert 4 <= counts["explained"] <= 6
    listed = {sheet["name"]: [patch["patch_id"] for patch in sheet["patches"]] for sheet in document["sheets"]}
    assert listed["explained"][:2] == listed["contradictions"][:2]
    assert listed["explained"][2] in listed["uncertain"]
    assert listed["spectrum"][-1] in listed["explained"]
    assert document["provenance"]["stage"] == "ranking inspection-sheets"
    assert Image.open(tmp_path / "review/explained.png").width > 1000
    assert run(words) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "review").iterdir()} == first


def test_patches_are_explained_by_a_model_of_two_parts(region, tmp_path):
    assert run(region(model=auxiliary_model_of())) == 0
    (sheet,) = [s for s in read_json(tmp_path / "review/index.json")["sheets"] if s["name"] == "explained"]
    assert sheet["file"] == "explained.png"
    assert len(sheet["patches"]) >= 4


@pytest.mark.parametrize(
    ("architecture", "input_px", "reason"),
    [("test_vit", 160, "keeps no map of features by place"), ("test_resnet", 32, "sees each patch as one place")],
)
def test_a_model_that_cannot_say_where_says_why(region, tmp_path, architecture, input_px, reason):
    (tmp_path / "review").mkdir()
    (tmp_path / "review/explained.png").write_bytes(b"of an earlier run")
    assert run(region(architecture, input_px)) == 0
    (sheet,) = [s for s in read_json(tmp_path / "review/index.json")["sheets"] if s["name"] == "explained"]
    assert reason in sheet["reason"]
    assert sheet["file"] is None
    assert not (tmp_path / "review/explained.png").exists()


def test_a_patch_that_no_granule_has_is_named(region, tmp_path, capsys):
    words = region()
    table = pd.read_parquet(tmp_path / "scores-a.parquet")
    write_table(tmp_path / "scores-a.parquet", table.assign(patch_id=[f"elsewhere_{n}" for n in range(16)]), {})
    assert run(words) == 2
    assert "Patch elsewhere_" in capsys.readouterr().err
