"""Presets as a user gives them: after a region's own file."""


def test_the_papers_preset_adds_one_stage_whose_features_are_clustered(fresh, plain):
    preset = ["--configfile", "config/config.yaml", "config/presets/ahn-2023.yaml"]
    planned = fresh.planned(*preset)

    assert {job.split(" ")[0] for job in planned} - {job.split(" ")[0] for job in plain} == {"refine"}
    assert len(planned) == len(plain) + 1
    run = fresh.snakemake("--dry-run", "--printshellcmds", *preset)
    command = next(line for line in (run.stdout + run.stderr).splitlines() if " rankscape ranking cluster " in line)
    assert "--features results/demo/ranking/clusters/refined/" in command
    assert "results/demo/ranking/features/" not in command


def test_the_reports_preset_plans_the_same_stages(fresh):
    planned = fresh.planned("--configfile", "config/config.yaml", "config/presets/gong-2024.yaml")

    assert {f"sample ranking/samples/{n}.parquet" for n in range(1, 11)} <= planned
    assert not any(job.startswith("refine ") for job in planned)


def test_a_preset_alone_ends_the_run_before_any_job(fresh):
    run = fresh.snakemake("--dry-run", "--configfile", "config/presets/ahn-2023.yaml", check=False)

    output = run.stdout + run.stderr
    assert run.returncode != 0
    assert "config/presets/ahn-2023.yaml names no region and no granules" in output
    assert "--configfile config/mine.yaml config/presets/ahn-2023.yaml" in output
    assert "Traceback" not in output


def test_another_method_clusters_again_and_fits_no_backbone(finished):
    settings = ["--configfile", "config/config.yaml", "deep.yaml"]
    (finished.folder / "deep.yaml").write_text("ranking: {cluster: {method: deepcluster}}\n")

    planned = finished.planned(*settings)

    verbs = {job.split(" ")[0] for job in planned}
    assert {"refine", "cluster", "contact-sheets", "sample"} <= verbs
    assert not verbs & {"adapt", "embed", "categorize", "tile", "label"}
