"""The cluster of these tests leaves nothing behind, whatever happens on it."""

from pathlib import Path

import pytest
from slurm_cluster import Cluster, processes_of, running


class BrokenError(Exception):
    """Stands for a test that fails."""


def test_nothing_is_left_when_a_test_fails(cluster: Cluster, tmp_path: Path) -> None:
    before = processes_of(cluster.folder)

    with pytest.raises(BrokenError), running(tmp_path) as other:  # noqa: PT012
        job = other.run("sbatch", "--parsable", "--output=/dev/null", "--wrap=trap '' TERM; sleep 600 & wait").strip()
        other.wait_for(lambda: other.running_on(job) != "", "running job")
        assert len(processes_of(tmp_path)) > 4
        raise BrokenError

    assert processes_of(tmp_path) == []
    assert processes_of(cluster.folder) == before
