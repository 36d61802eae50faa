"""What a run cost: processor time, memory, bytes, and an estimate of the energy.

Time and memory come from the benchmark files that the workflow writes beside each job, bytes from what lies in the
region's folder and from the records of downloads.
"""

import csv
import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import read_json
from rankscape.foundation.visible_files import has_suffix, visible_below

CORE_W = 12.0
"""Power of a busy core, a usual server's: Lannelongue, Grealey & Inouye, Green Algorithms, Advanced Science 2021."""
MEMORY_W_GB = 0.3725
"""Power of memory for each GB held, from the same source."""
OVERHEAD = (1.0, 1.67)
"""Energy that a building uses for each unit that its computers use: a computer at home, an average data centre."""
_NOT_OF_THE_RUN = {"report", "logs", "benchmarks"}


@dataclass(frozen=True)
class RuleCost:
    """What the jobs of one rule took."""

    rule: str
    jobs: int
    processor_s: float
    """Time of all cores."""
    elapsed_s: float
    """Wall-clock time, added up over jobs."""
    memory_mb: float
    """Largest resident memory of a job."""
    memory_gb_h: float
    """Memory held over time: an upper bound, since each job counts with its largest."""


@dataclass(frozen=True)
class RunCost:
    """What a run took."""

    rules: tuple[RuleCost, ...]
    """The most processor time first."""
    disk_bytes: int
    """Files in the region's folder without pages, logs and benchmarks."""
    downloaded_bytes: int
    """Assets that the records of downloads name; 0 where there is none."""

    @property
    def processor_h(self) -> float:
        """Processor hours of all jobs."""
        return sum(rule.processor_s for rule in self.rules) / 3600

    @property
    def memory_mb(self) -> float:
        """Largest resident memory of a job."""
        return max((rule.memory_mb for rule in self.rules), default=0.0)

    @property
    def energy_kwh(self) -> tuple[float, float]:
        """Estimated energy, without and with the overhead of a data centre; GPUs, screens and networks not counted."""
        memory_w_h = MEMORY_W_GB * sum(rule.memory_gb_h for rule in self.rules)
        low, high = ((CORE_W * self.processor_h + memory_w_h) / 1000 * share for share in OVERHEAD)
        return low, high


def cost_of(folder: Path) -> RunCost:
    """Add up what a run took.

    Args:
        folder: `results/<region>`; a job without a benchmark file is not counted.
    """
    jobs: dict[str, list[dict[str, float]]] = defaultdict(list)
    for path in sorted(file for file in visible_below(folder / "benchmarks") if has_suffix(file, ".tsv")):
        rule = path.relative_to(folder / "benchmarks").parts[0].removesuffix(".tsv")
        # The page's own job is not over yet: what lies there is that of an earlier page.
        if rule not in ("report", "publish"):
            jobs[rule] += list(_rows(path))
    rules = [_rule_cost(rule, rows) for rule, rows in jobs.items() if rows]
    return RunCost(tuple(sorted(rules, key=lambda one: (-one.processor_s, one.rule))), _disk(folder), _fetched(folder))


def _rows(path: Path) -> Iterator[dict[str, float]]:
    """Numbers of a benchmark file, a job or a repetition each; what was not measured counts as 0."""
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            yield {name: _number(row.get(name)) for name in ("s", "cpu_time", "max_rss")}


def _number(text: Any) -> float:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return 0.0
    return value if math.isfinite(value) else 0.0


def _rule_cost(rule: str, rows: list[dict[str, float]]) -> RuleCost:
    held = sum(row["max_rss"] / 1024 * row["s"] / 3600 for row in rows)
    return RuleCost(
        rule, len(rows), sum(row["cpu_time"] for row in rows), sum(row["s"] for row in rows),
        max(row["max_rss"] for row in rows), held,
    )  # fmt: skip


def _disk(folder: Path) -> int:
    files = (path for path in folder.rglob("*") if path.relative_to(folder).parts[0] not in _NOT_OF_THE_RUN)
    return sum(path.stat().st_size for path in files if path.is_file() and not path.is_symlink())


def _fetched(folder: Path) -> int:
    """Size of all assets that were downloaded, each counted once."""
    sizes: dict[str, int] = {}
    for path in sorted(file for file in visible_below(folder / "scenes") if file.name == "download.json"):
        with suppress(InputError, KeyError, TypeError, AttributeError):
            assets = [asset for scene in read_json(path)["scenes"] for asset in scene["assets"].values()]
            sizes |= {str(asset["href"]): int(asset["bytes"]) for asset in assets}
    return sum(sizes.values())
