"""The plan of a region with radar beside reflectance, both by season."""

from collections import Counter


def test_each_stage_of_two_sensors_and_four_seasons_is_one_job_a_granule(fresh):
    optical = {"product": "reflectance", "bands": ["B04", "B03", "B02"], "seasons": "four", "beside": "radar"}
    fresh.configure(
        acquisitions={"default": optical, "radar": {"sensor": "sentinel-1", "seasons": "four"}},
        ranking={"acquisition": "default"},
    )
    run = fresh.snakemake("--dry-run", "--printshellcmds", "--until", "tile")
    lines = (run.stdout + run.stderr).splitlines()
    commands = [line for line in lines if "python -m rankscape " in line]
    jobs = Counter(line.partition("python -m rankscape ")[2].split(" ")[0] for line in commands)
    assert jobs["search"] == jobs["fetch"] == jobs["compose"] == 2 * jobs["tile"] > 0
    cut = [line for line in commands if "rankscape tile" in line]
    assert all("--beside results/demo/scenes/radar/" in line for line in cut)
    assert all("/radar/" not in line.partition("--out ")[2] for line in cut)
