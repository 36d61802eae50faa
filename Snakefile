"""Rankscape: scenes in, development map out. Config, shared names, rules in the order in which data flows, targets."""

from snakemake.utils import min_version

min_version("9.22")


if not workflow.configfiles:  # a region's own file stands alone: nothing of the demo is mixed into it

    configfile: "config/config.yaml"


include: "rules/shared/common.smk"
include: "rules/shared/inputs.smk"
include: "rules/shared/synthetic.smk"
include: "rules/shared/scenes.smk"
include: "rules/shared/samples.smk"


for study in CONFIG.studies:

    include: find_study(study).rules(ROOT)


include: "rules/shared/report.smk"
include: "rules/shared/outputs.smk"
include: "rules/shared/slurm.smk"


report: "workflow/report/workflow.rst"


rule all:
    default_target: True
    input:
        TARGETS,
