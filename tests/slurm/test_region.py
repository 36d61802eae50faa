"""The whole workflow on two nodes with the repository's profile, and MPI over both."""

import re
import sys
from pathlib import Path

import pytest
from slurm_cluster import Cluster
from slurm_region import APPLY, FIT, MOST_MB, Start, two_granules
from small_region import results
from workflow_copy import PATIENCE_S, Project

SUBMITTED = re.compile(r"SLURM jobid (\d+) \(log: \S+/slurm_logs/([^/]+)/")
WHERE = """
import os
from mpi4py import MPI
print(MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size, os.environ["SLURMD_NODENAME"])
"""


@pytest.mark.timeout(PATIENCE_S)
def test_region_on_the_cluster_is_the_one_made_without(
    cluster: Cluster, start: Start, made: Project, tmp_path: Path
) -> None:
    project = two_granules(tmp_path / "project")

    run = start(project)

    status, log = run.wait(timeout=PATIENCE_S), (project.folder / "run.log").read_text()
    assert status == 0, log
    assert results(project) == results(made)
    assert (project.folder / "results/demo/report/index.html").exists()
    jobs = [(rule, cluster.described(job)) for job, rule in SUBMITTED.findall(log)]
    assert [job["MinMemoryNode"] for rule, job in jobs if rule == "rule_ranking_train"] == [f"{MOST_MB}M"]
    assert [job["NodeList"] for rule, job in jobs if rule == "rule_tile"] == ["n[1-2]"] * 2
    assert {job["NodeList"] for rule, job in jobs if rule != "rule_tile"} == {"n1", "n2"}
    for granule in (FIT, APPLY):
        assert "64 patches" in (project.folder / f"results/demo/logs/tile/sentinel-2/{granule}.log").read_text()


def test_ranks_of_one_communicator_stand_on_both_nodes(cluster: Cluster) -> None:
    srun = str(cluster.folder / "bin/srun")

    said = cluster.run(srun, "--mpi=pmi2", "--ntasks=2", sys.executable, "-c", WHERE)

    assert sorted(said.splitlines()) == ["0 2 n1", "1 2 n2"]
