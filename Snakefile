"""Rankscape: scenes in, development map out. Config, shared names, rules in the order in which data flows, targets."""

from snakemake.utils import min_version

min_version("9.22")


if not workflow.configfiles:  # a region's own file stands alone: nothing of the demo is mixed into it

    configfile: "config/config.yaml"


include: "rules/shared/common.smk"
include: "rules/shared/scaling.smk"
include: "rules/ranking/rivals.smk"
include: "rules/shared/leaves.smk"
include: "rules/shared/synthetic.smk"
include: "rules/shared/scenes.smk"
include: "rules/shared/samples.smk"
include: "rules/ranking/learning.smk"
include: "rules/ranking/clusters.smk"
include: "rules/ranking/judges.smk"
include: "rules/ranking/orders.smk"
include: "rules/ranking/scoring.smk"
include: "rules/ranking/maps.smk"
include: "rules/ranking/evaluation.smk"
include: "rules/ranking/regressions.smk"
include: "rules/ranking/baselines.smk"
include: "rules/ranking/districts.smk"
include: "rules/ranking/change.smk"
include: "rules/ranking/saliency.smk"
include: "rules/shared/report.smk"
include: "rules/shared/outputs.smk"
include: "rules/shared/slurm.smk"


report: "workflow/report/workflow.rst"


rule all:
    default_target: True
    input:
        [] if SHARD else rules.report.output.page,
        [rules.mosaic.output.raster, rules.publish.output.catalogue] if MAPPED and not SHARD else [],
        expand(rules.ranking_predict.output.scores, granule=own(GRANULES)),
        expand(rules.ranking_rasterize.output.raster, granule=own(LOCATED)),
        expand(rules.ranking_saliency.output.record, granule=own(EXPLAINED)),
        expand(rules.ranking_dense.output.raster, granule=own(LOCATED) if CONFIG.dense.enabled else []),
        expand(rules.pixel_statistics.output.baselines, granule=own(MAPPED) if REFERENCES else []),
        expand(rules.aggregate.output.values, granule=own(MAPPED), reference=REFERENCES),
        expand(rules.ranking_change.output.table, change=CHANGES),
        [] if SHARD else expand(rules.ranking_regress.output.document, regression=list(CONFIG.regressions)),
        expand(rules.ranking_predict_baseline.output.scores, granule=own(MAPPED), baseline=BASELINES),
        [] if SHARD else expand(rules.ranking_district.output, districts=DISTRICTS),
