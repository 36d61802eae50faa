"""Jobs that no node can ever run are refused before anything is submitted, by one line that says what to set."""

import pytest
from slurm_cluster import Cluster
from slurm_region import Start
from workflow_copy import PATIENCE_S, Project

URGENT = ("--default-resources", "slurm_partition=urgent")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--forcerun", "ranking_train", "--max-threads", "8"),
            "Rule ranking_train: 8 cores asked for, but partition main gives 1 at",
        ),
        (
            ("--forcerun", "ranking_train", *URGENT),
            "Rule ranking_train: 600 minutes asked for, but partition urgent gives 60 at most",
        ),
        (("--forcerun", "search", *URGENT), "Group of compose, fetch, search: 110 minutes asked for, but partition"),
        (
            ("--forcerun", "ranking_train", "--default-resources", "slurm_partition=fast"),
            "Rule ranking_train: there is no partition fast. Set slurm_partition to one of main, urgent.",
        ),
    ],
)
def test_what_would_wait_for_ever_is_refused(
    cluster: Cluster, start: Start, copied: Project, arguments: tuple[str, ...], said: str
) -> None:
    run = start(copied, *arguments)

    assert run.wait(timeout=PATIENCE_S) != 0
    lines = (copied.folder / "run.log").read_text().splitlines()
    assert any(line.startswith(said) for line in lines), lines
    assert cluster.waiting_or_running() == []


def test_second_try_that_would_wait_for_ever_is_a_warning(cluster: Cluster, start: Start, copied: Project) -> None:
    start(copied, "--forcerun", "ranking_label", "--until", "ranking_label", *URGENT)

    log = copied.folder / "run.log"
    said = "If it fails once: Rule ranking_label: 120 minutes asked for, but partition urgent gives 60 at most"
    cluster.wait_for(lambda: "submitted with SLURM jobid" in log.read_text(), "submission")
    assert said in log.read_text()
