"""Plans of the shipped configurations, without a network and without an earlier run."""

import re
import subprocess
import sys
from pathlib import Path

import yaml
from rankscape.__main__ import command_line, commands
from rankscape.foundation.code_version import code_version, stage_module

ROOT = Path(__file__).parents[2]
RULE = re.compile(r"^rule (\w+):", re.MULTILINE)
UNMEASURED = {"ranking_serve"}
"""A service is ended by Snakemake, and has no time of its own."""


def command_of(rule):
    """Words of the command that a rule runs: `ranking_train` runs `rankscape ranking train`.

    A rule of a study may run a shared command: `ranking_mosaic` runs `rankscape mosaic`.
    """
    verb = rule.replace("_", "-")
    words = [verb, verb.replace("-", " ", 1), verb.partition("-")[2]]
    return next(word for word in words if word in commands())


def test_rules_name_the_settings_that_choose_implementations_of_their_stage():
    """Without them no implementation would count for the rule's code."""
    for file in sorted((ROOT / "rules").rglob("*.smk")):
        for stage in re.findall(r'\bcode\("([\w -]+)"\)', file.read_text()):
            module = stage_module(stage)
            assert code_version(module, names=frozenset()) == code_version(module), f"{stage} in {file.name}"


def test_sichuan_plans_under_a_thousand_jobs(fresh):
    run = fresh.snakemake("--dry-run", "--configfile", "config/sichuan.yaml")

    total = re.search(r"^total\s+(\d+)", run.stdout + run.stderr, re.MULTILINE)

    assert total
    assert 600 < int(total[1]) < 1000


def test_catalogue_entry_plans_the_same(fresh, plain):
    assert len(plain) > 80
    assert fresh.planned("--snakefile", "workflow/Snakefile") == plain


def test_braces_in_a_users_texts_are_no_wildcards(fresh):
    fresh.configure(report={"title": "Where {people} live { well }"}, publish={"title": "Growth {2016}"})

    assert "report report/index.html" in fresh.planned()


def test_every_rule_has_a_stage_a_verb_and_a_log_of_its_name():
    for file in sorted((ROOT / "rules").rglob("*.smk")):
        text = file.read_text()
        assert len(text.splitlines()) <= 200, f"{file.name} is too long"
        for rule, body in zip(RULE.findall(text), RULE.split(text)[2::2], strict=True):
            assert f"python -m rankscape {command_of(rule)} " in body
            assert f'"<logs>/{rule}' in body
            assert rule in UNMEASURED or f'"<benchmarks>/{rule}' in body
            for directive in ("message:", "conda:", "threads:", "mem_mb=memory(", "runtime=minutes("):
                assert directive in body, f"{rule} has no {directive}"


def test_conda_files_pin_what_the_constraints_pin():
    lines = (ROOT / "envs/constraints.txt").read_text().splitlines()
    pins = dict(line.lower().split("==") for line in lines if "==" in line and not line.startswith("#"))
    for file in sorted((ROOT / "envs").glob("*.yaml")):
        for entry in yaml.safe_load(file.read_text())["dependencies"]:
            for pin in entry["pip"] if isinstance(entry, dict) else [entry]:
                name, _, version = pin.replace("==", "=").partition("=")
                if name not in {"python", "pip"}:
                    assert pins[name] == version, f"{file.name}: {pin}"


def test_all_help_pages_open():
    run = subprocess.run([sys.executable, "-m", "rankscape", "--help"], text=True, capture_output=True, check=True)

    assert "search" in run.stdout
    assert "mosaic" in run.stdout


def test_rules_give_every_option_that_their_stage_needs_and_no_other():
    app = command_line(listed=False)
    for file in sorted((ROOT / "rules").rglob("*.smk")):
        text = file.read_text()
        for rule, body in zip(RULE.findall(text), RULE.split(text)[2::2], strict=True):
            given = set(re.findall(r"--[a-z][a-z-]*", body[body.index("shell:") :]))
            command = app
            for word in command_of(rule).split():
                command = command[word]
            options = command.assemble_argument_collection()
            needed = {option.name for option in options if option.required}
            known = {name for option in options for name in option.names}
            assert needed <= given <= known, f"{rule}: missing {needed - given}, unknown {given - known}"


def test_finer_maps_are_planned_only_where_they_are_asked_for(fresh, plain):
    fresh.configure(ranking={"dense": {"enabled": True}})
    more = fresh.planned() - plain

    assert not [job for job in plain if job.startswith("dense ")]
    assert {job.split()[0] for job in more} == {"dense"}
    assert "dense ranking/maps/dense/03TVF.tif" in more


def test_pre_training_is_planned_only_where_the_settings_ask_for_it(fresh, plain):
    assert not [job for job in plain if job.startswith("pretrain ")]
    fresh.configure(ranking={"adapt": {"weights": "self_supervised"}})

    run = fresh.snakemake("--dry-run", "--printshellcmds", "--set-resources", "ranking_pretrain:gpu=1")

    text = run.stdout + run.stderr
    model = r"results/demo/ranking/model/pretrained\.safetensors"
    asked = r'--network \'{"architecture": "[a-z0-9]+", "colour": "[a-z]+", "normalisation": "[a-z]+"}\''
    assert re.search(rf"rankscape ranking pretrain --settings .* {asked} --patches .* --out {model} .* --gpus 1 ", text)
    assert re.search(rf"rankscape ranking adapt .* --pretrained {model} --out ", text)


def test_a_baseline_learns_from_its_own_reference(fresh):
    people = {"kind": "regression", "reference": "population", "train": {"objective": "ridge"}}
    fresh.configure(ranking={"baselines": {"people": people}})

    run = fresh.snakemake("--dry-run", "--printshellcmds")

    lines = [line for line in (run.stdout + run.stderr).splitlines() if "python -m rankscape" in line]
    training = [line for line in lines if "rankscape ranking train " in line]
    taught = {re.search(r"--out (\S+)", line)[1].removeprefix("results/demo/ranking/"): line for line in training}
    assert "--order results/demo/ranking/order.json" in taught["model/score.safetensors"]
    own = "--order results/demo/ranking/baselines/lights-order/order.json"
    assert own in taught["baselines/lights-order/model/score.safetensors"]
    regression = taught["baselines/people/model/score.safetensors"]
    assert "--order  --values" in regression
    assert len(re.findall(r" results/demo/\S+/population/\w+\.parquet", regression)) == 4
    assert '"objective":"ridge"' in regression


def test_baselines_are_compared_under_their_own_names_with_what_they_were_trained_on(fresh):
    fresh.configure(ranking={"baselines": {"people": {"kind": "regression", "reference": "population"}}})

    run = fresh.snakemake("--dry-run", "--printshellcmds")

    evaluations = [line for line in (run.stdout + run.stderr).splitlines() if "rankscape ranking evaluate " in line]
    assert len(evaluations) == 3
    for line in evaluations:
        models = re.findall(r" ([a-z-]+)=results/demo/ranking/baselines/([a-z-]+)/scores/(\w+)\.parquet", line)
        assert all(name == folder for name, folder, _ in models)
        assert len(set(models)) == len(models) == 10
        trained = line.partition(" --trained-on ")[2].partition(" --")[0].split()
        assert sorted(trained) == ["lights-order=lights", "people=population"]


def test_regressions_are_planned_where_the_configuration_names_them(fresh, plain):
    own = {"regress ranking/regressions/distances.json", "regress ranking/regressions/growth.json"}
    assert {job for job in plain if job.startswith("regress ")} == own
    (fresh.folder / "roads.csv").write_text("place,road_m\n")
    roads = {
        "title": "Roads",
        "tables": [{"path": "roads.csv", "key": "place", "match": "patch_id"}],
        "outcomes": [{"column": "score"}],
        "explanatory": [{"column": "road_m", "transform": "km"}],
    }
    fresh.configure(ranking={"regressions": {"roads": roads}})

    run = fresh.snakemake("--dry-run", "--printshellcmds")

    command = re.search(r"rankscape ranking regress --settings .*--name roads .*", run.stdout + run.stderr)
    assert command
    assert "03TXG_2016" not in command[0]
    assert "results/demo/ranking/scores/03TVF.parquet" in command[0]
    assert "03TXG.parquet" in command[0]
    assert " --out results/demo/ranking/regressions/roads.json " in command[0]

    fresh.configure(ranking={"regressions": {"roads": {"places": "2016--2022"}}})
    change = fresh.folder / "results/demo/ranking/change/2016--2022.parquet"
    change.parent.mkdir(parents=True)
    change.touch()

    run = fresh.snakemake("results/demo/ranking/regressions/roads.json", "--dry-run", "--printshellcmds")

    command = re.search(r"rankscape ranking regress --settings .*", run.stdout + run.stderr)
    assert command
    assert "--change results/demo/ranking/change/2016--2022.parquet --out " in command[0]
    assert "--scores  --indices  --change" in command[0]
