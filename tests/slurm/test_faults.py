"""What a cluster does to jobs: a job that matters more pushes one aside, a node dies, somebody cancels."""

import re
from collections.abc import Callable

import pytest
from slurm_cluster import Cluster
from slurm_region import Start
from workflow_copy import PATIENCE_S, Project

MODEL = "results/demo/ranking/model/score.safetensors"
SUBMITTED = re.compile(r"submitted with SLURM jobid (\d+)")


def preempt(cluster: Cluster, job: str) -> None:
    """Let a job that matters more want both nodes."""
    cluster.run("sbatch", "--partition=urgent", "--nodes=2", "--output=/dev/null", "--wrap=sleep 1")
    cluster.wait_for(lambda: cluster.running_on(job) == "", "preemption")


def let_node_die(cluster: Cluster, job: str) -> None:
    """Cut the power of the node that the job runs on; it comes back when the job has left it."""
    node = cluster.running_on(job)
    cluster.kill_node(node, job)
    cluster.wait_for(lambda: cluster.running_on(job) != node, "notice of the dead node")
    cluster.start_node(node)


def cancel(cluster: Cluster, job: str) -> None:
    """End the job for good; Snakemake has to submit another."""
    cluster.run("scancel", "--signal=KILL", "--full", job)
    cluster.run("scancel", job)


@pytest.mark.timeout(PATIENCE_S)
@pytest.mark.parametrize(
    ("fault", "submissions"),
    [(preempt, 1), (let_node_die, 1), (cancel, 2)],
    ids=["preempted", "node-died", "cancelled"],
)
def test_training_that_was_cut_off_ends_with_the_same_model(
    cluster: Cluster, start: Start, copied: Project, fault: Callable[[Cluster, str], None], submissions: int
) -> None:
    model, log = copied.folder / MODEL, copied.folder / "run.log"
    expected = model.read_bytes()
    model.unlink()
    stage_log = copied.folder / "results/demo/logs/ranking_train.log"
    stage_log.unlink()
    run = start(copied, MODEL, "--slurm-init-seconds-before-status-checks", "1")
    cluster.wait_for(stage_log.exists, "training under way")
    (job,) = SUBMITTED.findall(log.read_text())

    fault(cluster, job)

    assert run.wait(timeout=PATIENCE_S) == 0, log.read_text()
    assert model.read_bytes() == expected
    jobs = SUBMITTED.findall(log.read_text())
    assert len(jobs) == submissions
    assert cluster.described(jobs[-1])["JobState"] == "COMPLETED"
    assert cluster.described(job)["Restarts"] == str(2 - submissions)
