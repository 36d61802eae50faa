"""Rankscape: scenes in, development map out. Config, shared names, rules in the order in which data flows, targets."""

from snakemake.utils import min_version

min_version("9.22")


if not workflow.configfiles:  # a region's own file stands alone: nothing of the demo is mixed into it

    configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/scaling.smk"
include: "rules/rivals.smk"
include: "rules/leaves.smk"
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
include: "rules/regressions.smk"
include: "rules/baselines.smk"
include: "rules/districts.smk"
include: "rules/change.smk"
include: "rules/saliency.smk"
include: "rules/report.smk"
include: "rules/outputs.smk"
include: "rules/slurm.smk"


report: "workflow/report/workflow.rst"


rule all:
    default_target: True
    input:
        [] if SHARD else rules.report.output.page,
        [rules.merge.output.raster, rules.publish.output.catalogue] if MAPPED and not SHARD else [],
        expand(rules.predict.output.scores, granule=own(GRANULES)),
        expand(rules.mosaic.output.raster, granule=own(LOCATED)),
        expand(rules.saliency.output.record, granule=own(EXPLAINED)),
        expand(rules.dense.output.raster, granule=own(LOCATED) if CONFIG.dense.enabled else []),
        expand(rules.baseline.output.baselines, granule=own(MAPPED) if REFERENCES else []),
        expand(rules.aggregate.output.values, granule=own(MAPPED), reference=REFERENCES),
        expand(rules.change.output.table, change=CHANGES),
        [] if SHARD else expand(rules.regress.output.document, regression=list(CONFIG.regressions)),
        expand(rules.predict_rival.output.scores, granule=own(MAPPED), baseline=BASELINES),
        [] if SHARD else expand(rules.district.output, districts=DISTRICTS),
