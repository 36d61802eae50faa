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
        (
            "config/config.yaml",
            "economics-student-en]",
            "economics-student-en, poetry]",
            ["config/prompts/poetry.md does not exist: write the prompt there, or take its name from `prompts`."],
        ),
        (
            "config/config.yaml",
            "    source: file",
            "    source: judge\n    judge: anna",
            ["label.judge = 'anna' is none of judges ['stand-in']"],
        ),
        (
            "config/config.yaml",
            "      kind: stand-in # measures pixels, is no vision model",
            "      command: vllm serve m",
            ["judges.stand-in", "command = 'vllm serve m' has no {port}: the workflow chooses a free one"],
        ),
        (
            "config/config.yaml",
            "      temperature: 0.7",
            "      budget: 5",
            ["judges.stand-in", "budget = 5 cannot be kept without price_in and price_out"],
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


def test_an_empty_prompt_is_named(fresh):
    (fresh.folder / "config/prompts/local-resident-zh.md").write_text(" \n")

    run = fresh.snakemake("--dry-run", check=False)

    assert run.returncode != 0
    line = "config/prompts/local-resident-zh.md is empty: write the question that judges are to answer."
    assert line in run.stdout + run.stderr
