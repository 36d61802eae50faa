"""Before a run on SLURM: refuses jobs that would wait for ever, and names those whose second try would.

SLURM itself refuses only some of them, and Snakemake does not say why a job is waiting.
"""

import subprocess

from snakemake.logging import logger

from rankscape.foundation.partitions import SINFO, Request, read_nodes, why_never


def request(job):
    """What a job, or a group of jobs, asks SLURM for."""
    asked = job.resources.get
    return Request(
        tuple(sorted(job.rules)) if job.is_group() else (job.rule.name,),
        partitions=tuple(str(asked("slurm_partition") or "").replace(",", " ").split()),
        threads=max(job.threads, 1),
        memory_mb=asked("mem_mb") or 0,
        minutes=asked("runtime") or 0,
        ranks=(asked("tasks") or 1) if asked("mpi") else 1,
        gpus=asked("gpu") or 0,
    )


def submitted():
    """Jobs and groups of jobs that this run submits, each once.

    Snakemake tells nobody before the first is submitted: the plan of a run is only in its private graph of jobs.
    """
    jobs = (job for job in workflow.dag.needrun_jobs() if not job.is_local)
    return {id(unit): unit for unit in (workflow.dag.get_job_group(job) or job for job in jobs)}.values()


def waiting(nodes, last=False):
    """A line for every rule or group with a job that would wait for ever, at its first try or at its last."""
    lines = set()
    for job in submitted():
        job.attempt = 1 + job.restart_times if last else 1
        lines.add(why_never(request(job), nodes))
        job.attempt = 1
    return sorted(lines - {None})


def check_partitions():
    """Compare every job with what the cluster's partitions give."""
    found = subprocess.run(SINFO, capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise WorkflowError(f"sinfo does not answer, so no job can be submitted: {found.stderr.strip()}")
    nodes = read_nodes(found.stdout)
    if lines := waiting(nodes):
        raise WorkflowError("\n".join(lines))
    for line in waiting(nodes, last=True):
        logger.warning(f"If it fails once: {line}")


onstart:
    if workflow.executor_plugin.name == "slurm":
        check_partitions()
