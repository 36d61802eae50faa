"""Rankscape: scenes in, development map out. Config, shared names, rules in the order in which data flows, targets."""

from snakemake.utils import min_version

min_version("9.22")


if not workflow.configfiles:  # a region's own file stands alone: nothing of the demo is mixed into it

    configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/demo.smk"
include: "rules/scenes.smk"
include: "rules/tiles.smk"
include: "rules/vision.smk"
include: "rules/clusters.smk"
include: "rules/judges.smk"
include: "rules/ranking.smk"
include: "rules/scoring.smk"
include: "rules/mapping.smk"
include: "rules/evaluation.smk"
include: "rules/report.smk"
include: "rules/slurm.smk"


report: "workflow/report/workflow.rst"


rule all:
    default_target: True
    input:
        rules.report.output.page,
        expand(rules.mosaic.output.raster, granule=LOCATED),
        [rules.merge.output.raster] if LOCATED else [],
        expand(rules.dense.output.raster, granule=LOCATED if CONFIG.dense.enabled else []),
