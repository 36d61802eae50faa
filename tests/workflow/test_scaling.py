"""Regions of thousands of granules: shards that plan a part each, and large files that are dropped."""

from workflow_copy import Project

ALL = ["assets", "scenes", "tiles", "features"]
LARGE = ("scenes/*/*/download.json", "scenes/*/*/*.tif", "samples/*/*.npy", "ranking/features/*.npy")


def shard(text: str) -> tuple[str, str]:
    return "--config", f"shard={text}"


def granules_of(jobs: set[str], verb: str) -> set[str]:
    return {job.rsplit("/", 1)[1].partition(".")[0] for job in jobs if job.startswith(f"{verb} ")}


def test_shards_and_their_joining_plan_what_one_run_plans(fresh: Project, plain: set[str]) -> None:
    whole = plain
    shards = [fresh.planned(*shard(text)) for text in ("1/2", "2/2")]

    aggregates = {
        "mosaic",
        "evaluate",
        "district",
        "change",
        "regress",
        "inspection-sheets",
        "audit",
        "report",
        "tabulate",
        "publish",
        "contact-sheets",
    }
    of_region = {job for job in whole if job.split()[0] in aggregates}
    assert shards[0] | shards[1] == whole - of_region
    mapped = [granules_of(jobs, "rasterize") for jobs in shards]
    assert not mapped[0] & mapped[1]
    assert [granules_of(jobs, "predict") for jobs in shards] == mapped
    earlier = {"03TXG_2016"}  # compared with its later date, and nowhere evaluated
    assert [granules_of(jobs, "pixel-statistics") for jobs in shards] == [granules - earlier for granules in mapped]


def test_shards_are_joined_without_a_look_behind_their_files(finished: Project) -> None:
    assert finished.planned(*shard("join")) == set()
    results = finished.folder / "results/demo"
    for path in (
        *results.glob("scenes/*/*/*.tif"),
        *results.glob("scenes/*/*/*.json"),
        results / "ranking/maps/region.tif",
    ):
        path.unlink()

    assert finished.planned(*shard("join")) == {
        "mosaic ranking/maps/region.tif",
        "report report/index.html",
        "publish catalog.json",
    }


def test_a_shard_that_is_missing_is_named_when_shards_are_joined(fresh: Project) -> None:
    run = fresh.snakemake("--dry-run", *shard("join"), check=False)

    assert run.returncode != 0
    assert "MissingInputException" in run.stdout + run.stderr
    assert "results/demo/ranking/scores/03TVG.parquet" in run.stdout + run.stderr


def test_a_new_granule_is_planned_by_its_own_shard_alone(finished: Project) -> None:
    sheet = finished.folder / "config/granules/demo.tsv"
    sheet.write_text(sheet.read_text() + "03TXF\tapply\t2021-01-01\t2023-12-31\t60\t2022\n")

    assert finished.planned(*shard("1/2")) == set()
    assert granules_of(finished.planned(*shard("2/2")), "predict") == {"03TXF"}


def test_dropping_reruns_nothing_and_what_is_gone_stays_gone(finished: Project) -> None:
    finished.configure(storage={"drop": ALL})
    assert finished.planned() == set()
    for path in (path for pattern in LARGE for path in (finished.folder / "results/demo").glob(pattern)):
        path.unlink()

    assert finished.planned() == set()


def test_a_dropped_file_is_made_again_for_a_job_that_needs_it_and_goes_with_it(finished: Project) -> None:
    finished.configure(storage={"drop": [name for name in ALL if name != "tiles"]})
    results = finished.folder / "results/demo"
    for path in (*(results / "scenes/sentinel-2/03TVG").iterdir(), results / "samples/sentinel-2/03TVG.npy"):
        if path.is_file() and path.name != "candidates.json":
            path.unlink()

    finished.pretend("results/demo/samples/sentinel-2/03TVG.npy")

    assert (results / "samples/sentinel-2/03TVG.npy").is_file()
    assert [path.name for path in sorted((results / "scenes/sentinel-2/03TVG").iterdir())] == ["candidates.json"]
