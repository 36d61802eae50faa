"""Jobs that no node can ever run are refused before anything is submitted, by one line that says what to set."""

import pytest
from slurm_cluster import Cluster
from slurm_region import Start
from workflow_copy import Project

TRAIN = ("--forcerun", "train", "--until", "train")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--max-threads", "8"), "Rule train: 8 cores asked for, but partition main gives 1 at most"),
        (("--default-resources", "slurm_partition=urgent"), "Rule train: 600 minutes asked for, but partition urgent"),
        (
            ("--default-resources", "slurm_partition=fast"),
            "Rule train: there is no partition fast. Set",
        ),
    ],
)
def test_what_would_wait_for_ever_is_refused(
    cluster: Cluster, start: Start, copied: Project, arguments: tuple[str, ...], said: str
) -> None:
    run = start(copied, *TRAIN, *arguments)

    assert run.wait(timeout=60) != 0
    lines = (copied.folder / "run.log").read_text().splitlines()
    assert any(line.startswith(said) for line in lines), lines
    assert cluster.waiting_or_running() == []
