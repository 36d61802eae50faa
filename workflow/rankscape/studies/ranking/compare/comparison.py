"""Everything that was found between two runs, as a document, as rows, and as a page."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rankscape.foundation.errors import InputError
from rankscape.products.report.palette import ramp_css
from rankscape.products.report.templates import page_styles, template
from rankscape.studies.ranking.compare import drawing
from rankscape.studies.ranking.compare.differences import (
    Difference,
    scene_differences,
    settings_differences,
    version_differences,
)
from rankscape.studies.ranking.compare.groups import Grouping, Weight, compare_groups, compare_weights
from rankscape.studies.ranking.compare.matching import matched_patches
from rankscape.studies.ranking.compare.measures import (
    Scores,
    Yardstick,
    compare_evaluations,
    compare_scores,
    score_table,
)
from rankscape.studies.ranking.compare.runs import Run

_FOLDER = Path(__file__).parent
_VALIDATION = ("share_within", "mean_absolute_error", "kendall_tau_b")


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs."""

    a: str
    b: str
    settings: list[Difference]
    scenes: list[Difference]
    groups: Grouping
    weights: list[Weight]
    training: dict[str, tuple[float | None, float | None]]
    """Metrics on the held-out patches of each run, by name."""
    scores: Scores
    evaluations: list[Yardstick]
    versions: list[Difference]


def compare_runs(a: Run, b: Run, movers: int) -> tuple[Comparison, pd.DataFrame]:
    """Compare two runs.

    Args:
        a: One run.
        b: Another.
        movers: How many of the largest differences of the score to name.

    Returns:
        What differs, and the scores at the common places (columns of `score_table`).

    Raises:
        InputError: If patches have other sizes, or no patch was scored by both.
    """
    pairs = matched_patches(a, b)
    both = score_table(a, b, pairs)
    if both.empty:
        raise InputError(f"no patch was scored in both {a.folder} and {b.folder}: compare runs of one region.")
    comparison = Comparison(
        str(a.folder),
        str(b.folder),
        settings_differences(a, b),
        scene_differences(a, b),
        compare_groups(a, b, pairs),
        compare_weights(a, b),
        {name: (a.training.validation.get(name), b.training.validation.get(name)) for name in _VALIDATION},
        compare_scores(a, b, both, movers),
        compare_evaluations(a, b),
        version_differences(a, b),
    )
    return comparison, both[both["distinct"]].reset_index(drop=True)


def document_of(comparison: Comparison, record: dict[str, Any]) -> dict[str, Any]:
    """Return the comparison as a JSON document."""
    return {**_finite(asdict(comparison)), "provenance": record}


def _finite(value: Any) -> Any:
    """NaN is no JSON: it becomes null."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def rows_of(comparison: Comparison) -> pd.DataFrame:
    """Return the comparison as one row a thing compared: columns section, item, a, b, difference."""
    groups, scores = comparison.groups, comparison.scores
    rows: list[tuple[str, str, Any, Any, Any]] = []
    for section in ("settings", "scenes", "versions"):
        found: Sequence[Difference] = getattr(comparison, section)
        rows += [(section, one.name, one.a, one.b, None) for one in found]
    rows += [("clusters", "adjusted Rand index", None, None, groups.rand_index)]
    rows += [("order", "Kendall tau-b of patches", None, None, groups.tau_patches)]
    rows += [("order", "Kendall tau-b of clusters", None, None, groups.tau_clusters)]
    rows += [("order", "pairs of clusters that turned", groups.compared, groups.flipped, None)]
    rows += [("ranks", f"{pair.a} and {pair.b}", *_minus(pair.rank_a, pair.rank_b)) for pair in groups.pairs]
    rows += [("weights", one.source, *_minus(one.a, one.b)) for one in comparison.weights]
    rows += [("training", name, *_minus(*values)) for name, values in comparison.training.items()]
    for name in ("n", "spearman", "pearson", "mean_difference", "mean_absolute_difference", "largest", "beyond"):
        rows.append(("score", name, None, None, getattr(scores, name)))
    rows += [("movers", mover.patch_a, mover.a, mover.b, mover.difference) for mover in scores.movers]
    rows += [
        ("evaluation", f"{one.reference} {one.part} {one.measure}", one.a, one.b, one.difference)
        for one in comparison.evaluations
    ]
    return pd.DataFrame(rows, columns=["section", "item", "a", "b", "difference"])


def _minus(a: float | None, b: float | None) -> tuple[float | None, float | None, float | None]:
    return a, b, None if a is None or b is None else b - a


def render(a: Run, b: Run, comparison: Comparison, both: pd.DataFrame, record: dict[str, Any]) -> str:
    """Write the comparison as an HTML page that carries its pictures and needs neither network nor scripts.

    Args:
        a: One run.
        b: Another.
        comparison: What differs.
        both: Scores at the common places, each once.
        record: Provenance of the page.

    Returns:
        HTML; the same inputs give the same text.
    """
    page: str = template(_FOLDER, "compare.html.j2").render(
        css=page_styles(),
        ramp=ramp_css(),
        record=json.dumps(record, ensure_ascii=False, sort_keys=True),
        found=comparison,
        patches={
            side: sum(len(granule.index) for granule in run.granules.values()) for side, run in (("a", a), ("b", b))
        },
        map=drawing.difference_map(a, both),
        plots=[drawing.score_scatter(both), drawing.difference_histogram(both)],
        moved=drawing.moved_patches(a, b, comparison.scores.movers),
    )
    return page
