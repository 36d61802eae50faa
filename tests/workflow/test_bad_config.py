"""A wrong configuration or sheet ends the run before any job, in one clear line."""

import pytest


@pytest.mark.parametrize(
    ("file", "old", "new", "parts"),
    [
        ("config/config.yaml", "  patch_px: 32", "  patch_pixels: 32", ["tile.patch_pixels", "no known key", "32"]),
        ("config/config.yaml", "  patch_px: 32", "  patch_px: big", ["tile.patch_px", "'big'", "integer"]),
        ("config/config.yaml", "  patch_px: 32", "  patch_px: 4", ["tile.patch_px", "4", "greater than or equal to 8"]),
        ("config/config.yaml", "region: demo", "region: De mo", ["region", "'De mo'"]),
        ("config/config.yaml", "uninhabited: uninhabited", "uninhabited: sea", ["label", "sea", "urban"]),
        ("config/granules/demo.tsv", "03TXG\t", "48XXX\t", ["demo.tsv, line 6", "48XXX", "MGRS"]),
        ("config/granules/demo.tsv", "granule\trole", "granule\tcolour\trole", ["demo.tsv", "colour"]),
        ("config/granules/demo.tsv", "apply", "test", ["demo.tsv, line 6", "role", "'test'"]),
        ("config/granules/demo.tsv", "03TWF", "03TVG", ["demo.tsv", "03TVG", "twice"]),
        (
            "config/config.yaml",
            "granules: config/granules/demo.tsv",
            "granules: nowhere.tsv",
            ["nowhere.tsv", "does not exist"],
        ),
    ],
)
def test_one_clear_line_and_no_job(fresh, file, old, new, parts):
    fresh.edit(file, old, new)

    run = fresh.snakemake("--dry-run", check=False)

    output = run.stdout + run.stderr
    assert run.returncode != 0
    assert any(all(part in line for part in parts) for line in output.splitlines()), output
    assert "Traceback" not in output
    assert not (fresh.folder / "results").exists()


def test_unknown_prompt_is_named(fresh):
    fresh.edit("config/config.yaml", "economics-student-en]", "economics-student-en, poetry]")

    run = fresh.snakemake("--dry-run", check=False)

    assert run.returncode != 0
    assert "config/prompts/poetry.md" in run.stdout + run.stderr


def people(project, *files):
    """Let people rank the clusters, too, with these files."""
    folder = project.folder / "config/orders/demo"
    folder.mkdir(parents=True)
    for name in files:
        (folder / name).touch()
    project.edit("config/config.yaml", "ensemble:\n", "people:\n  folder: config/orders/demo\nensemble:\n")


@pytest.mark.parametrize(
    ("files", "parts"),
    [
        (["anna.json", "anna.txt"], ["anna.json and ", "anna.txt are orders of one annotator, anna"]),
        (["anna lee.json"], ["anna lee.json: 'anna lee' cannot be an annotator's name"]),
        ([".anna.draft.json"], ["holds no .txt or .json file", "only unfinished annotations of anna"]),
    ],
)
def test_files_of_people_that_the_workflow_does_not_take(fresh, files, parts):
    people(fresh, *files)

    run = fresh.snakemake("--dry-run", check=False)

    output = run.stdout + run.stderr
    assert run.returncode != 0
    assert any(all(part in line for part in parts) for line in output.splitlines()), output
    assert "Traceback" not in output


def test_annotations_and_texts_are_taken_and_drafts_are_not(fresh):
    people(fresh, "anna.json", "ben.txt", ".carl.draft.json", ".anna.secret")

    orders = {job for job in fresh.planned() if job.startswith("transcribe ")}

    assert orders == {f"transcribe ranking/orders/person--{name}.json" for name in ("anna", "ben")}
