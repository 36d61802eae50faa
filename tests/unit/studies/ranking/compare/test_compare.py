"""Two runs compared: what differs is found, what does not is not, and runs that cannot be compared are refused."""

import json
import re
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from rankscape.foundation.files import read_json, write_json
from rankscape.foundation.tables import read_metadata, read_table, write_table
from rankscape.products.compare.differences import open_runs
from rankscape.samples.patches import NOWHERE, index_of, read_grid, read_index, write_index
from rankscape.studies.ranking.compare.groups import compare_groups, tau_b
from rankscape.studies.ranking.compare.matching import matched_patches
from rankscape.studies.ranking.compare.runs import read_runs
from scipy.stats import kendalltau, spearmanr
from sklearn.metrics import adjusted_rand_score

LAYOUT = {"tiles": "samples/seasons"} | {
    name: f"ranking/{name}" for name in ("clusters", "model", "scores", "evaluation", "maps")
}
"""Where a run has what the page is given by its path."""


@pytest.fixture
def two(region, tmp_path, tmp_path_factory):
    """Folders of an invented run and of its copy."""
    made = region(judges={"seer": False, "mimic": True})
    for old, new in LAYOUT.items():
        if (made.folder / old).is_dir():
            shutil.move(made.folder / old, made.folder / new)
    for granule in ("03TUF", "03TVF", "03TWF"):
        scenes = {"scenes": [{"item_id": f"S2A_{granule}_1"}, {"item_id": f"S2B_{granule}_2"}]}
        write_json(made.folder / f"scenes/seasons/{granule}/download.json", scenes)
    copy = tmp_path_factory.mktemp("other") / "run"
    shutil.copytree(made.folder, copy)
    return made.folder, copy


@pytest.fixture
def compared(two, run, tmp_path_factory):
    """Compare the two runs; return the document, the rows and the page."""

    def compare(*extra):
        out = tmp_path_factory.mktemp("out")
        status, line = run(["compare", *map(str, two), "--out", str(out), *extra])
        assert status == 0, line
        return read_json(out / "compare.json"), pd.read_csv(out / "compare.csv"), (out / "index.html").read_text()

    return compare


def files_of(granule):
    return (f"samples/seasons/{granule}.npy", f"samples/seasons/{granule}.parquet", f"ranking/scores/{granule}.parquet")


def opened(folders):
    return read_runs(open_runs(folders, []))


def change_table(path, change):
    """Rewrite a Parquet table, keeping its record."""
    write_table(path, change(read_table(path)), {"rankscape": read_metadata(path, "rankscape")})


def change_json(path, **values):
    write_json(path, {**read_json(path), **values})


def test_a_run_and_its_copy_are_the_same(compared):
    document, rows, page = compared()

    assert not document["settings"] + document["scenes"] + document["versions"]
    assert document["ranking"]["groups"]["same"] is True
    assert document["ranking"]["groups"]["rand_index"] == 1
    assert document["ranking"]["groups"]["tau_patches"] == pytest.approx(1)
    assert document["ranking"]["groups"]["flipped"] == 0
    assert document["ranking"]["scores"]["spearman"] == pytest.approx(1)
    assert document["ranking"]["scores"]["largest"] == 0
    assert document["ranking"]["scores"]["only_a"] == document["ranking"]["scores"]["only_b"] == 0
    assert not document["ranking"]["scores"]["movers"]
    assert {one["difference"] for one in document["ranking"]["evaluations"]} == {0}
    assert not set(rows["section"]) & {"settings", "scenes", "versions", "movers"}
    assert "No setting\n  differs" in page
    assert "No score differs" in page


def test_the_page_needs_nothing_from_outside(compared):
    _, _, page = compared()

    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "default-src 'none'" in page
    assert page.count("<svg") == 2


def test_the_same_runs_give_the_same_bytes(compared):
    (document, _, page), (again, _, page_again) = compared(), compared()

    assert document == again
    assert page == page_again


def test_settings_scenes_prompts_and_versions_that_differ(two, compared):
    other = two[1]
    for path in sorted((other / "ranking/scores").glob("*.parquet")):
        record = read_metadata(path, "rankscape")
        record |= {"settings": {"views": 4, "href": "https://me:secret@host/x"}, "code": "fedc"}
        write_table(path, read_table(path), {"rankscape": record})
    asked = other / "ranking/rounds/seer/expert/2.json"
    change_json(asked, temperature=0.25, prompt_sha256="b" * 64)
    write_json(other / "scenes/seasons/03TVF/download.json", {"scenes": [{"item_id": "S2C_3"}]})

    document, rows, page = compared()

    found = {one["name"]: (one["a"], one["b"]) for one in document["settings"]}
    assert found["predict.views"] == (None, "4")
    assert found["predict.predict_key"] == ("1", None)
    assert found["judges.seer.temperature"][1].startswith("0.25 or ")
    assert "bbbbbbbbbbbb" in found["prompts.expert"][1]
    assert document["scenes"] == [{"name": "03TVF", "a": "S2A_03TVF_1, S2B_03TVF_2", "b": "S2C_3"}]
    assert [one["name"] for one in document["versions"]] == ["predict"]
    assert "secret" not in json.dumps(document) + page
    assert rows[rows["section"] == "versions"]["item"].tolist() == ["predict"]


def test_scores_that_moved(two, compared):
    path = two[1] / "ranking/scores/03TVF.parquet"
    before = read_table(path)

    def raise_some(table):
        score = table["score"].to_numpy().copy()
        score[7], score[8] = 0.99, 0.5
        return table.assign(score=score)

    change_table(path, raise_some)

    document, _, page = compared("--movers", "2")

    scores = document["ranking"]["scores"]
    movers = {mover["patch_a"]: mover["difference"] for mover in scores["movers"]}
    expected = {before["patch_id"][7]: 0.99 - before["score"][7], before["patch_id"][8]: 0.5 - before["score"][8]}
    assert movers == pytest.approx(expected, abs=1e-6)
    assert scores["mean_difference"] == pytest.approx(sum(expected.values()) / scores["n"], abs=1e-6)
    assert scores["mean_absolute_difference"] == pytest.approx(sum(map(abs, expected.values())) / scores["n"], abs=1e-6)
    assert scores["beyond"] > 0
    assert f"Patch {before['patch_id'][7]}" in page


def test_spearman_over_common_places(two, compared):
    chance = np.random.default_rng(0)
    frames = []
    for path in sorted((two[1] / "ranking/scores").glob("*.parquet")):
        before = read_table(path)
        noise = pd.Series(chance.normal(0, 0.2, len(before)))
        change_table(path, lambda table, noise=noise: table.assign(score=(table["score"] + noise).astype("float32")))
        frames.append(before.assign(b=read_table(path)["score"]))
    both = pd.concat(frames).dropna()

    document, _, _ = compared()

    assert document["ranking"]["scores"]["spearman"] == pytest.approx(spearmanr(both["score"], both["b"]).statistic)
    assert document["ranking"]["scores"]["n"] == len(both)


def test_a_granule_that_one_run_lacks(two, compared):
    for path in ("samples/seasons/03TWF.npy", "samples/seasons/03TWF.parquet", "ranking/scores/03TWF.parquet"):
        (two[1] / path).unlink()

    document, _, page = compared()

    assert document["scenes"] == [{"name": "03TWF", "a": "S2A_03TWF_1, S2B_03TWF_2", "b": None}]
    assert document["ranking"]["scores"]["only_a"] == 36
    assert "36 by A only" in page


def test_evaluations_and_weights_side_by_side(two, compared):
    path = two[1] / "ranking/evaluation/lights.json"
    document = read_json(path)
    for part in ("pooled", "fit"):
        document["predictors"]["score"][part]["spearman"] = {"value": 0.61, "low": 0.55, "high": 0.67}
    write_json(path, document)
    order = read_json(two[1] / "ranking/order.json")
    weights = order["weights"] | {"newcomer--expert--1": 0.2}
    del weights["seer--expert--1"]
    change_json(two[1] / "ranking/order.json", weights=weights)

    found, rows, page = compared()

    pooled = found["ranking"]["evaluations"][0]
    assert (pooled["reference"], pooled["part"], pooled["measure"]) == ("lights", "pooled", "spearman")
    assert pooled["difference"] == pytest.approx(0.61 - pooled["a"])
    assert pooled["interval_b"] == [0.55, 0.67]
    assert pooled["apart"] is True
    shown = {one["source"]: (one["a"], one["b"]) for one in found["ranking"]["weights"]}
    assert shown["newcomer--expert--1"] == (None, 0.2)
    assert shown["seer--expert--1"][1] is None
    assert rows[rows["item"] == "lights pooled spearman"]["b"].astype(float).tolist() == [0.61]
    assert "newcomer--expert--1" in page


def test_a_reference_of_one_run_only(two, compared):
    (two[1] / "ranking/evaluation/lights.json").unlink()

    document, _, _ = compared()

    assert document["ranking"]["evaluations"][0]["b"] is None
    assert document["ranking"]["evaluations"][0]["difference"] is None


def test_pairs_that_turned(two, compared):
    path = two[1] / "ranking/order.json"
    ranks = read_json(path)["ranks"]
    best, worst = sorted((c for c in ranks if c != "6"), key=ranks.get)[:: len(ranks) - 2]
    swapped = ranks | {best: ranks[worst], worst: ranks[best]}
    change_json(path, ranks=swapped)

    document, _, _ = compared()

    groups = document["ranking"]["groups"]
    clusters = sorted(ranks)
    expected = kendalltau([ranks[c] for c in clusters], [swapped[c] for c in clusters]).statistic
    assert groups["tau_clusters"] == pytest.approx(expected)
    first = groups["flips"][0]
    assert (first["better_a"], first["worse_a"]) == (int(best), int(worst))
    assert first["gap_a"] == first["gap_b"] == ranks[worst] - ranks[best]
    assert groups["flipped"] >= len(groups["flips"]) > 1


def test_clusters_are_paired_by_their_patches(two):
    names = {cluster: (cluster + 2) % 7 for cluster in range(7)}
    chance = np.random.default_rng(1)

    def rename(table):
        moved = chance.random(len(table)) < 0.15
        cluster = np.where(moved, chance.integers(0, 7, len(table)), table["cluster"])
        return table.assign(cluster=[names[int(c)] for c in cluster])

    before = read_table(two[0] / "ranking/clusters/clusters.parquet")
    change_table(two[1] / "ranking/clusters/clusters.parquet", rename)
    change_json(two[1] / "ranking/clusters/clusters.json", fingerprint="a" * 64)
    after = read_table(two[1] / "ranking/clusters/clusters.parquet")

    a, b = opened(two)
    groups = compare_groups(a, b, matched_patches(a, b))

    assert not groups.same
    assert groups.rand_index == pytest.approx(adjusted_rand_score(before["cluster"], after["cluster"]))
    assert {pair.a: pair.b for pair in groups.pairs} == names
    for pair in groups.pairs:
        one, other = before["cluster"] == pair.a, after["cluster"] == pair.b
        assert pair.overlap == pytest.approx((one & other).sum() / (one | other).sum())


def test_tau_of_ranks_that_are_missing():
    assert tau_b(np.array([1.0, 2, np.nan]), np.array([2.0, 1, 3])) == -1
    assert tau_b(np.array([1.0, np.nan]), np.array([1.0, 2])) is None
    assert tau_b(np.array([1.0, 1]), np.array([1.0, 2])) is None


def moved_run(two, patch_store, shift_m, patch_px=8):
    """Cut run B's first granule anew, its corner moved to the east."""
    store = partial(patch_store.func, two[1] / "samples/seasons")
    pixels = np.full((6 * 8, 6 * 8, 3), 90, np.uint8)
    path = store("03TUF", pixels=pixels, patch_px=patch_px, origin_m=(400_000.0 + shift_m, 4_500_000.0))
    change_table(
        two[1] / "ranking/scores/03TUF.parquet",
        lambda table: table.iloc[: (48 // patch_px) ** 2].assign(patch_id=read_table(index_of(path))["patch_id"]),
    )


def test_patches_of_a_moved_grid_are_matched_by_overlap(two, patch_store):
    moved_run(two, patch_store, -30.0)

    pairs = matched_patches(*opened(two)).set_index("patch_a")

    # 30 of 80 m to the west: 50 of 80 m are shared with the patch of the same place, the last column with a neighbour.
    assert pairs.loc["03TUF_2_3", "patch_b"] == "03TUF_2_3"
    assert pairs.loc["03TUF_2_3", "share"] == pytest.approx(50 / 80)
    assert pairs.loc["03TVF_1_1", "share"] == 1
    assert pairs.index.is_unique


def test_a_grid_moved_by_more_than_half_a_patch(two, patch_store):
    moved_run(two, patch_store, -50.0)

    pairs = matched_patches(*opened(two)).set_index("patch_a")

    assert pairs.loc["03TUF_2_3", "patch_b"] == "03TUF_2_4"
    assert pairs.loc["03TUF_2_3", "share"] == pytest.approx(50 / 80)


def test_runs_of_other_patches_are_refused(two, patch_store, run, tmp_path):
    for granule in ("03TVF", "03TWF"):
        for path in (
            f"samples/seasons/{granule}.npy",
            f"samples/seasons/{granule}.parquet",
            f"ranking/scores/{granule}.parquet",
        ):
            (two[1] / path).unlink()
    moved_run(two, patch_store, 0.0, patch_px=16)

    status, line = run(["compare", *map(str, two), "--out", str(tmp_path / "out")])

    assert status == 2
    assert "has patches of 8 px (80 m)" in line
    assert "of 16 px (160 m): runs of other patches (tile.patch_px) cannot be compared" in line


def test_runs_of_other_land_are_refused(two, patch_store, run, tmp_path):
    for granule in ("03TVF", "03TWF"):
        for path in (
            f"samples/seasons/{granule}.npy",
            f"samples/seasons/{granule}.parquet",
            f"ranking/scores/{granule}.parquet",
        ):
            (two[1] / path).unlink()
    moved_run(two, patch_store, 50_000.0)

    status, line = run(["compare", *map(str, two), "--out", str(tmp_path / "out")])

    assert status == 2
    assert "show no land in common (03TUF, 03TVF, 03TWF; 03TUF)" in line


def test_what_incomplete_runs_lack_is_said_in_one_line(two, run, tmp_path):
    (two[0] / "ranking/order.json").unlink()
    (two[1] / "ranking/scores/03TVF.parquet").unlink()
    shutil.rmtree(two[1] / "ranking/model")

    status, line = run(["compare", *map(str, two), "--out", str(tmp_path / "out")])

    assert status == 2
    assert f"{two[0]} lacks ranking/order.json (`rankscape ranking ensemble`)" in line
    assert f"{two[1]} lacks ranking/model/score.json (`rankscape ranking train`), scores of 03TVF (`rankscape" in line
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_none(two, run, tmp_path):
    status, line = run(["compare", str(two[0]), str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")])

    assert status == 2
    assert "nowhere is no folder (give results/<region>)" in line


def test_one_folder_twice(two, run, tmp_path):
    status, line = run(["compare", str(two[0]), f"{two[0]}/.", "--out", str(tmp_path / "out")])

    assert status == 2
    assert "are one folder: give two runs" in line


def test_runs_whose_patches_were_dropped_have_no_pictures(two, compared):
    for folder in two:
        for path in folder.glob("samples/seasons/*.npy"):
            path.unlink()
    change_table(two[1] / "ranking/scores/03TVF.parquet", lambda table: table.assign(score=0.5))

    document, _, page = compared()

    assert document["ranking"]["scores"]["movers"]
    assert 'class="crisp"' not in page


def test_both_pictures_are_shown_where_the_scenes_differ(two, compared):
    array = np.load(two[1] / "samples/seasons/03TVF.npy")
    np.save(two[1] / "samples/seasons/03TVF.npy", 255 - array)
    for granule in ("03TUF", "03TVF"):
        path = two[1] / f"ranking/scores/{granule}.parquet"
        score = read_table(path)["score"].fillna(0).to_numpy().copy()
        score[9] = 1 - score[9]
        change_table(path, lambda table, score=score: table.assign(score=score))

    _, _, page = compared()

    assert page.count('alt="Patch 03TVF_1_3, run A"') == page.count('alt="Patch 03TVF_1_3, run B"') == 1
    assert page.count('alt="Patch 03TUF_1_3, run A"') == 1
    assert 'alt="Patch 03TUF_1_3, run B"' not in page


def test_pictures_without_coordinates_are_matched_by_name(two, compared):
    for folder, names in zip(
        two, ([f"p{n}.png" for n in range(36)], [f"p{n + 6}.png" for n in range(36)]), strict=True
    ):
        for granule in ("03TUF", "03TVF", "03TWF"):
            path = folder / f"samples/seasons/{granule}.parquet"
            index = read_index(path).set_crs(NOWHERE, allow_override=True).assign(image=names)
            write_index(path, index, replace(read_grid(path), crs=NOWHERE), read_metadata(path, "rankscape"))

    pairs = matched_patches(*opened(two)).set_index("patch_a")
    _, _, page = compared()

    assert len(pairs) == 90
    assert pairs.loc["03TUF_1_2", "patch_b"] == "03TUF_0_2"
    assert "Map of the differences" not in page


def test_many_sources_are_folded(two, compared):
    change_json(two[1] / "ranking/order.json", weights={f"judge--p--{n}": 0.04 for n in range(25)})

    assert "<summary>Weights of " in compared()[2]
