"""What a cluster's partitions can give. SLURM takes some jobs that no node can ever run, and lets them wait."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SINFO = ("sinfo", "--noheader", "--exact", "--format=%P|%c|%m|%l|%D|%G")
"""Command whose output `read_nodes` takes: partition, cores, MB, time limit, number of nodes, generic resources."""

_TIME = re.compile(r"(?:(?:(?P<days>\d+)-)?(?P<hours>\d+):)?(?P<minutes>\d+):(?P<seconds>\d+)")
_GPUS = re.compile(r"\bgpu:(?:[^:,()]+:)?(\d+)")


@dataclass(frozen=True)
class Nodes:
    """Nodes of one partition that are alike."""

    partition: str
    default: bool
    """Whether jobs that name no partition go here."""
    cores: int
    """Of one node."""
    memory_mb: int
    """Of one node."""
    minutes: float
    """Longest job; infinite where there is no limit."""
    count: int
    gpus: int
    """Of one node."""


@dataclass(frozen=True)
class Request:
    """What a job asks for."""

    rules: tuple[str, ...]
    """Of a group, all of them: they are one job."""
    partitions: tuple[str, ...]
    """Any of these will do; empty for the cluster's default."""
    threads: int
    """Cores of a rank."""
    memory_mb: int
    """On every node."""
    minutes: int
    ranks: int
    """Processes that may stand on several nodes; 1 without MPI."""
    gpus: int


def read_nodes(text: str) -> list[Nodes]:
    """Read the output of `SINFO`; one entry a line."""
    return [_read_line(line) for line in text.splitlines() if line.count("|") == 5]


def why_never(request: Request, nodes: Sequence[Nodes]) -> str | None:
    """Say why a job would wait for ever.

    The limits are looked at one after the other, each among the nodes that passed those before it.

    Args:
        request: What the job asks for.
        nodes: What there is, idle, busy or down.

    Returns:
        One line with rule, value, limit and remedy; None if some partition can run the job.
    """
    names = dict.fromkeys(entry.partition for entry in nodes)
    asked = request.partitions or tuple(entry.partition for entry in nodes if entry.default)
    left = [entry for entry in nodes if entry.partition in asked]
    where = ", ".join(dict.fromkeys(asked)) or "by default"
    if not left:
        return f"{_who(request)}: there is no partition {where}. Set slurm_partition to one of {', '.join(names)}."
    for wanted, unit, limit, remedy in _limits(request):
        most = max(map(limit, left))
        if most < wanted:
            return _refusal(request, f"{wanted} {unit}", where, int(most), remedy)
        left = [entry for entry in left if limit(entry) >= wanted]
    room = _room(request.threads, left)
    if room < request.ranks:
        return _refusal(request, f"{request.ranks} MPI ranks", where, room, _set(request, "tasks"))
    return None


def _limits(request: Request) -> list[tuple[int, str, Callable[[Nodes], float], str]]:
    """Wanted, unit, what one node gives, and what to do."""
    runtime = _set(request, "runtime") if len(request.rules) == 1 else "take one of them out of groups"
    return [
        (request.minutes, "minutes", lambda entry: entry.minutes, runtime),
        (request.threads, "cores", lambda entry: entry.cores, "set max-threads: {most}"),
        (request.memory_mb, "MB of memory", lambda entry: entry.memory_mb, "set resources: {{mem_mb: {most}}}"),
        (request.gpus, "GPUs", lambda entry: entry.gpus, _set(request, "gpu")),
    ]


def _room(threads: int, nodes: Sequence[Nodes]) -> int:
    """Ranks that all nodes of the largest partition hold together."""
    ranks: Counter[str] = Counter()
    for entry in nodes:
        ranks[entry.partition] += entry.count * (entry.cores // max(threads, 1))
    return max(ranks.values())


def _set(request: Request, resource: str) -> str:
    return f"set set-resources: {{{{{request.rules[0]}: {{{{{resource}: {{most}}}}}}}}}}"


def _refusal(request: Request, wanted: str, where: str, most: int, remedy: str) -> str:
    return (
        f"{_who(request)}: {wanted} asked for, but partition {where} gives {most} at most, so that the job would wait"
        f" for ever. In the profile, {remedy.format(most=most)}, or set another slurm_partition."
    )


def _who(request: Request) -> str:
    return f"Rule {request.rules[0]}" if len(request.rules) == 1 else f"Group of {', '.join(request.rules)}"


def _read_line(line: str) -> Nodes:
    partition, cores, memory_mb, limit, count, generic = line.strip().split("|")
    return Nodes(
        partition=partition.removesuffix("*"),
        default=partition.endswith("*"),
        cores=int(cores.rstrip("+")),
        memory_mb=int(memory_mb.rstrip("+")),
        minutes=_minutes(limit),
        count=int(count),
        gpus=sum(map(int, _GPUS.findall(generic))),
    )


def _minutes(limit: str) -> float:
    """Minutes of SLURM's [[days-]hours:]minutes:seconds; infinite for what is no such time, such as `infinite`."""
    if (found := _TIME.fullmatch(limit)) is None:
        return float("inf")
    parts = {name: int(value or 0) for name, value in found.groupdict().items()}
    return parts["days"] * 1440 + parts["hours"] * 60 + parts["minutes"] + parts["seconds"] / 60
