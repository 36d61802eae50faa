"""Every row of "what reruns when", held against the real Snakefile."""

import os
import time

import pytest
import yaml
from workflow_copy import CONFIG

TABLE = "tabulate ranking/maps/patches.parquet"
PAGES = {"report report/index.html", "publish catalog.json"}
"""What shows everything that was made."""
REGION_AGGREGATES = PAGES | {
    "mosaic ranking/maps/region.tif",
    "district ranking/districts/counties.parquet",
    "regress ranking/regressions/distances.json",
    "inspection-sheets ranking/inspection",
    TABLE,
}
REFERENCES = ("truth", "lights", "population")
EVALUATIONS = {f"evaluate ranking/evaluation/{name}.json" for name in REFERENCES}
LEARNED = {
    "adapt",
    "embed",
    "categorize",
    "cluster",
    "contact-sheets",
    "sample",
    "rate",
    "rank",
    "ensemble",
    "train",
    "label",
}
SCORED = {
    "train", "predict", "inspection-sheets", "saliency", "rasterize", "mosaic", "evaluate", "district", "change",
    "regress", "tabulate", "report", "publish",
}  # fmt: skip
"""What follows from another order of the clusters."""
GRANULES = ("03TVG", "03TWG", "03TVF", "03TWF", "03TXG")


def verbs(jobs):
    return {job.split(" ", 1)[0] for job in jobs}


def baseline_jobs(baseline, *order):
    """What one baseline needs: the order that it learns from, its model, and its scores."""
    folder = f"ranking/baselines/{baseline}"
    return {
        *(f"{verb} {folder}/{file}" for verb, file in order),
        f"train {folder}/model/score.safetensors",
        *(f"predict {folder}/scores/{granule}.parquet" for granule in GRANULES),
    }


def own_jobs(granule):
    folder = f"scenes/sentinel-2/{granule}"
    return {
        f"search {folder}/candidates.json",
        f"fetch {folder}/download.json",
        f"compose {folder}/scene.tif",
        f"tile samples/sentinel-2/{granule}.npy",
        f"predict ranking/scores/{granule}.parquet",
        f"predict ranking/baselines/lights-order/scores/{granule}.parquet",
        f"saliency ranking/saliency/{granule}.json",
        f"rasterize ranking/maps/{granule}.tif",
        f"pixel-statistics samples/statistics/sentinel-2/{granule}.parquet",
        *(
            f"aggregate samples/references/sentinel-2/{name}/{granule}.parquet"
            for name in ("truth", "lights", "population")
        ),
    }


def test_finished_run_has_nothing_to_do_and_a_kill_leaves_no_lock(finished):
    locks = finished.folder / ".snakemake/locks"
    locks.mkdir(exist_ok=True)
    (locks / "0.output.lock").write_text("results/demo/report/index.html\n")

    run = finished.snakemake()

    assert "Removed the locks of a run that was killed" in run.stdout + run.stderr
    assert "Nothing to be done" in run.stdout + run.stderr
    assert not list(locks.glob("*"))


def test_finished_run_plans_nothing(finished):
    assert finished.planned() == set()


def test_new_apply_granule_runs_its_own_jobs_and_the_aggregates(finished):
    sheet = finished.folder / "config/granules/demo.tsv"
    sheet.write_text(sheet.read_text() + "03TXF\tapply\t2021-01-01\t2023-12-31\t60\t2022\n")

    assert finished.planned() == own_jobs("03TXF") | EVALUATIONS | REGION_AGGREGATES


def test_new_fit_granule_learns_everything_anew(finished):
    sheet = finished.folder / "config/granules/demo.tsv"
    sheet.write_text(sheet.read_text() + "03TXF\tfit\t2021-01-01\t2023-12-31\t60\t2022\n")

    jobs = finished.planned()

    assert own_jobs("03TXF") | {"embed ranking/features/03TXF.npy"} <= jobs
    assert verbs(jobs) >= LEARNED
    others = {
        job
        for job in jobs
        if job.split(" ")[0] in {"search", "fetch", "compose", "tile", "pixel-statistics", "aggregate"}
    }
    assert others < own_jobs("03TXF"), "no other granule is fetched or cut again"


def test_new_prompt_asks_its_own_rounds_only(finished):
    (finished.folder / "config/prompts/roads.md").write_text("How good are the roads?")
    finished.edit(CONFIG, "economics-student-en]", "economics-student-en, roads]")

    jobs = finished.planned()

    rounds = {f"rate ranking/rounds/stand-in/roads/{n}.json" for n in (1, 2, 3)}
    assert {job for job in jobs if job.startswith("rate ")} == rounds
    assert {job for job in jobs if job.startswith("rank ")} == {"rank ranking/orders/stand-in--roads--1.json"}
    assert verbs(jobs) == {"rate", "rank", "ensemble", "audit"} | SCORED


def test_new_judge_asks_its_own_rounds_only(finished):
    second = {"kind": "stand-in", "model": "stand-in", "temperature": 1.5}
    finished.configure(ranking={"judges": {"second": second}})

    jobs = finished.planned()

    asked = {job for job in jobs if job.startswith("rate ")}
    assert asked
    assert all("/second/" in job for job in asked)
    assert len(asked) == 12


def test_new_round_asks_that_round_only(finished):
    finished.configure(ranking={"rate": {"rounds": 4}})

    jobs = finished.planned()

    asked = {job for job in jobs if job.startswith("rate ")}
    assert len(asked) == 4
    assert all(job.endswith("/4.json") for job in asked)
    assert {job for job in jobs if job.startswith("sample ")} == {"sample ranking/samples/4.parquet"}


def test_changed_prompt_text_asks_that_prompt_only(finished):
    time.sleep(0.01)
    path = finished.folder / "config/prompts/local-resident-zh.md"
    path.write_text(path.read_text() + "\n并说明道路。\n")

    jobs = finished.planned()

    asked = {job for job in jobs if job.startswith("rate ")}
    assert asked == {f"rate ranking/rounds/stand-in/local-resident-zh/{n}.json" for n in (1, 2, 3)}
    assert not verbs(jobs) & {"search", "tile", "adapt", "embed", "cluster"}


def test_prompt_that_is_put_back_with_its_old_time_asks_that_prompt_only(finished):
    path = finished.folder / "config/prompts/local-resident-zh.md"
    path.write_text(f"{path.read_text()}\n并说明道路。\n")
    long_ago_s = time.time() - 400 * 86_400
    os.utime(path, (long_ago_s, long_ago_s))

    asked = {job for job in finished.planned() if job.startswith("rate ")}

    assert asked == {f"rate ranking/rounds/stand-in/local-resident-zh/{n}.json" for n in (1, 2, 3)}


def test_new_mode_of_a_prompt_asks_that_prompt_only(finished):
    time.sleep(0.01)
    path = finished.folder / "config/prompts/local-resident-zh.md"
    path.write_text(f"---\nmode: tiers\n---\n{path.read_text()}")

    asked = {job for job in finished.planned() if job.startswith("rate ")}

    assert asked == {f"rate ranking/rounds/stand-in/local-resident-zh/{n}.json" for n in (1, 2, 3)}


def test_changed_stand_in_asks_its_rounds_again_and_draws_nothing(finished):
    path = finished.folder / "workflow/rankscape/synthetic/stand_in.py"
    path.write_text(path.read_text() + "\n\nEXTRA = 1\n")

    jobs = finished.planned()

    assert len({job for job in jobs if job.startswith("rate ")}) == 12
    assert not verbs(jobs) & {"sample", "simulate", "cluster", "label"}


def test_changed_draw_asks_all_rounds_again_and_clusters_nothing(finished):
    finished.configure(ranking={"sample": {"images_per_cluster": 4}})

    jobs = finished.planned()

    assert {job for job in jobs if job.startswith("sample ")} == {
        f"sample ranking/samples/{n}.parquet" for n in (1, 2, 3)
    }
    assert len({job for job in jobs if job.startswith("rate ")}) == 12
    assert not verbs(jobs) & {"cluster", "tile", "contact-sheets"}


def test_comments_and_docstrings_rerun_nothing(finished):
    finished.edit("workflow/rankscape/samples/patches.py", '"""The patch store', '"""The store of patches')
    finished.edit("workflow/rankscape/stages/tile.py", "\nfrom cyclopts", "\n# A remark.\nfrom cyclopts")
    finished.edit(CONFIG, "region: demo", "# A remark.\nregion: demo")

    assert finished.planned() == set()


def test_log_lines_and_progress_bars_rerun_nothing(finished):
    path = finished.folder / "workflow/rankscape/foundation/progress.py"
    path.write_text(path.read_text() + "\n\nEXTRA = 1\n")
    finished.edit("workflow/rankscape/stages/tile.py", "} usable.", "} are usable.")

    assert finished.planned() == set()


def test_a_kernel_of_a_backend_that_no_setting_names_reruns_nothing(finished):
    path = finished.folder / "workflow/rankscape/products/maps/kernels/mosaic.cu"
    path.write_text(path.read_text() + "\n// Another kernel.\n")

    assert finished.planned() == set()
    finished.configure(ranking={"rasterize": {"backend": "cuda"}})
    assert verbs(finished.planned()) == {"rasterize", "publish"}


def test_a_changed_colour_ramp_draws_the_maps_again(finished):
    path = finished.folder / "resources/ramps/development.tsv"
    path.write_text(path.read_text() + "\n")

    jobs = finished.planned()

    assert {"rasterize", "mosaic", "district"} <= verbs(jobs)
    assert not verbs(jobs) & {"train", "predict", "evaluate", "cluster", "tile", "saliency"}


@pytest.mark.parametrize(
    "file", ["products/report/map.js", "products/report/page.css", "studies/ranking/page/trust.html.j2"]
)
def test_a_changed_script_style_or_template_writes_the_pages_again(finished, file):
    path = finished.folder / "workflow/rankscape" / file
    path.write_text(path.read_text() + "\n")

    assert finished.planned() == PAGES


def test_a_changed_model_card_trains_again(finished):
    path = finished.folder / "workflow/rankscape/studies/ranking/scoring/card.md.j2"
    path.write_text(path.read_text() + "\nMore words.\n")

    assert verbs(finished.planned()) == SCORED


def test_another_table_of_labels_fits_anew_and_cuts_nothing(finished):
    (finished.folder / "labels.csv").write_text("patch_id,urban,rural,highland,uninhabited\n")
    finished.configure(ranking={"label": {"file": "labels.csv"}})

    jobs = finished.planned()

    assert verbs(jobs) >= LEARNED | SCORED
    assert not verbs(jobs) & {"simulate", "search", "fetch", "compose", "tile", "aggregate", "pixel-statistics"}


def test_reordered_config_keys_rerun_nothing(finished):
    path = finished.folder / CONFIG
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    ordered = yaml.safe_dump(values, sort_keys=True, allow_unicode=True)
    assert list(yaml.safe_load(ordered)["references"]) != list(values["references"])
    path.write_text(ordered, encoding="utf-8")

    assert finished.planned() == set()


def test_fresh_clone_beside_old_results_reruns_nothing(finished):
    """`git clone` gives every file of the checkout a new time; results and their records are carried over."""
    now = time.time() + 5
    for name in ("rules", "workflow", "config", "envs", "Snakefile"):
        top = finished.folder / name
        for path in [top, *top.rglob("*")] if top.is_dir() else [top]:
            os.utime(path, (now, now))

    assert finished.planned() == set()


def test_limits_of_a_judge_ask_nothing_again(finished):
    finished.configure(ranking={"judges": {"stand-in": {"concurrency": 2, "attempts": 9}}})

    assert not verbs(finished.planned()) & {"rate"}


def test_other_checkpoints_train_nothing_again(finished):
    folder = finished.folder / "results/demo/ranking/model/training/0123456789abcdef"
    folder.mkdir(parents=True)
    (folder / "seed-0.safetensors").write_text("of another training")

    assert finished.planned("--set-resources", "ranking_train:mem_mb=16000") == set()


def test_changed_function_reruns_the_stages_that_use_it(finished):
    path = finished.folder / "workflow/rankscape/studies/ranking/scoring/score_targets.py"
    path.write_text(path.read_text() + "\n\nEXTRA = 1\n")

    jobs = finished.planned()

    assert verbs(jobs) == SCORED


def test_new_baselines_run_their_own_jobs_and_the_evaluations(finished):
    people, again = {"kind": "regression", "reference": "population"}, {"kind": "order", "reference": "lights"}
    finished.configure(ranking={"baselines": {"people": people, "again": again}})

    again = baseline_jobs("again", ("order-from-reference", "orders/data--lights.json"), ("ensemble", "order.json"))
    assert finished.planned() == baseline_jobs("people") | again | EVALUATIONS | {TABLE} | PAGES


def test_a_baseline_learns_anew_when_its_own_settings_change(finished):
    finished.configure(ranking={"baselines": {"lights-order": {"train": {"seeds": 2}}}})

    assert finished.planned() == baseline_jobs("lights-order") | EVALUATIONS | {TABLE} | PAGES


def test_a_baseline_of_another_kind_learns_anew(finished):
    finished.configure(ranking={"baselines": {"lights-order": {"kind": "regression"}}})

    assert finished.planned() == baseline_jobs("lights-order") | EVALUATIONS | {TABLE} | PAGES


def test_another_reference_raster_reruns_the_baselines_that_learned_from_it(finished):
    raster = finished.folder / "lamps.tif"
    raster.write_text("new")
    finished.configure(references={"lights": {"path": raster.name}})

    order = ("order-from-reference", "orders/data--lights.json"), ("ensemble", "order.json")
    values = {f"aggregate samples/references/sentinel-2/lights/{granule}.parquet" for granule in GRANULES}
    made = baseline_jobs("lights-order", *order) | values | EVALUATIONS
    assert finished.planned() == made | {TABLE} | PAGES


def test_a_new_reference_brings_its_own_values_and_evaluation_only(finished):
    (finished.folder / "schools.tif").write_text("new")
    finished.configure(references={"schools": {"path": "schools.tif", "title": "Schools"}})

    values = {f"aggregate samples/references/sentinel-2/schools/{granule}.parquet" for granule in GRANULES}
    assert finished.planned() == values | {"evaluate ranking/evaluation/schools.json", TABLE} | PAGES
