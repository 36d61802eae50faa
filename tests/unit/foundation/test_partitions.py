"""Which jobs no node can ever run."""

import dataclasses
import math

import pytest
from rankscape.foundation.partitions import Nodes, Request, read_nodes, why_never

SINFO = """\
main*|16|64000|1-00:00:00|10|(null)
main*|32|256000|1-00:00:00|2|gpu:a100:4(S:0-1)
short|16|64000|30:00|2|(null)
endless|1|1000+|infinite|2|gpu:1,craynetwork:4
"""
NODES = read_nodes(SINFO)
JOB = Request(("train",), ("main",), threads=8, memory_mb=8000, minutes=600, ranks=1, gpus=0)


def test_nodes_are_read_as_sinfo_writes_them() -> None:
    assert [
        Nodes("main", True, 16, 64000, 1440, 10, 0),
        Nodes("main", True, 32, 256000, 1440, 2, 4),
        Nodes("short", False, 16, 64000, 30, 2, 0),
        Nodes("endless", False, 1, 1000, math.inf, 2, 1),
    ] == NODES


@pytest.mark.parametrize(
    ("limit", "minutes"), [("1:00:00", 60), ("05:00", 5), ("2-12:30:00", 3630), ("00:30", 0.5), ("n/a", math.inf)]
)
def test_time_limits_are_minutes(limit: str, minutes: float) -> None:
    assert read_nodes(f"main*|1|1|{limit}|1|(null)")[0].minutes == minutes


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"partitions": ()},
        {"partitions": ("short", "main")},
        {"threads": 32, "memory_mb": 256000, "gpus": 4, "minutes": 1440},
        {"threads": 16, "ranks": 14},
        {"partitions": ("endless",), "threads": 1, "memory_mb": 1000, "minutes": 10**6, "ranks": 2},
    ],
)
def test_job_that_some_partition_can_run_is_let_through(changed: dict[str, object]) -> None:
    assert why_never(dataclasses.replace(JOB, **changed), NODES) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"minutes": 1441}, "Rule train: 1441 minutes asked for, but partition main gives 1440 at most"),
        ({"minutes": 1441}, "In the profile, set set-resources: {train: {runtime: 1440}}, or set another"),
        ({"partitions": ("short",)}, "600 minutes asked for, but partition short gives 30"),
        (
            {"threads": 33},
            "33 cores asked for, but partition main gives 32 at most, so that the job would wait",
        ),
        ({"threads": 33}, "set max-threads: 32,"),
        ({"threads": 32, "partitions": ("short", "main"), "minutes": 5}, None),
        ({"memory_mb": 300000}, "set resources: {mem_mb: 256000},"),
        ({"gpus": 5}, "set set-resources: {train: {gpu: 4}},"),
        ({"memory_mb": 100000, "ranks": 9}, "9 MPI ranks asked for, but partition main gives 8"),
        ({"rules": ("rank", "rate"), "minutes": 1500}, "Group of rank, rate: 1500 minutes asked for"),
        ({"rules": ("rank", "rate"), "minutes": 1500}, "take one of them out of groups"),
        (
            {"partitions": ("fast",)},
            "Rule train: there is no partition fast. Set slurm_partition to one of main,",
        ),
    ],
)
def test_job_that_would_wait_for_ever_is_named(changed: dict[str, object], said: str | None) -> None:
    line = why_never(dataclasses.replace(JOB, **changed), NODES)  # type: ignore[arg-type]

    assert line is None if said is None else said in (line or "")


def test_cluster_without_a_default_wants_a_partition_named() -> None:
    line = why_never(dataclasses.replace(JOB, partitions=()), [n for n in NODES if not n.default])

    assert line == "Rule train: there is no partition by default. Set slurm_partition to one of short, endless."
