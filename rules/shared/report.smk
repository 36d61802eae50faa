# In: what the sections of the studies' pages read (docs/reference/report.md). Out: a page a study, and one over all studies; each is one
# file that opens from disk. A new section needs no change here.

from rankscape.products.report.section_registry import files_read, page_code

PAGES = [name for name in CONFIG.studies if find_study(name).sections]


# Benchmarks and records of downloads are read where they are: they are no inputs, since they change no other result, or may have
# been removed.
rule report:
    input:
        page_files,
    output:
        page=report(
            "<results>/report/index.html",
            caption="../../workflow/report/page.rst",
            category="Report",
        ),
        pages=report(
            expand("<results>/report/{study}.html", study=PAGES),
            caption="../../workflow/report/page.rst",
            category="Report",
        ),
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    conda:
        "../../envs/geo.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(20),
    params:
        settings=settings("report"),
        folder=lambda wildcards, output: os.path.dirname(os.path.dirname(output.page)),
        studies=PAGES,
        names=lambda wildcards: [
            json.dumps({study: {key: names}}) for study in PAGES for key, names in PAGE_NAMES.get(study, {}).items()
        ],
        code=[page_code(find_study(name), ROOT / "workflow", NOTES) for name in PAGES],
    message:
        "Writing the report"
    shell:
        "python -m rankscape report --settings {params.settings:q} --region-folder {params.folder:q}"
        " --studies {params.studies:q} --names {params.names:q} --out {output.page:q} > {log:q} 2>&1"


TARGETS += [] if SHARD else [rules.report.output.page]
