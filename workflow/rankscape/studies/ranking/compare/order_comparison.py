"""What the study finds between two runs: groups, order, judges, scores, agreement with references."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pandas as pd
from markupsafe import Markup

from rankscape.foundation.errors import InputError
from rankscape.foundation.package_files import assets
from rankscape.products.compare.comparison import ComparedSection, ComparedStudy, Row
from rankscape.products.compare.differences import ComparedRun, differences, text_of, values_of
from rankscape.products.report.templates import template
from rankscape.products.report.wording import count, number, percent
from rankscape.studies.ranking.compare import drawing
from rankscape.studies.ranking.compare.groups import Grouping, compare_groups, compare_weights
from rankscape.studies.ranking.compare.matching import matched_patches
from rankscape.studies.ranking.compare.measures import Scores, compare_evaluations, compare_scores, score_table
from rankscape.studies.ranking.compare.runs import RankingRun, read_runs

ASSETS = assets(__file__, "ranking.html.j2")
_VALIDATION = ("share_within", "mean_absolute_error", "kendall_tau_b")
_SECTIONS = {"score": "Score", "order": "Clusters and order", "judges": "Judges", "evaluation": "Evaluation"}


def compare_study(one: ComparedRun, other: ComparedRun, movers: int) -> ComparedStudy:
    """Compare two runs.

    Args:
        one: One run.
        other: Another.
        movers: How many of the largest differences of the score to name.

    Raises:
        InputError: If a run is not finished, patches have other sizes, or no patch was scored by both.
    """
    a, b = read_runs([one, other])
    pairs = matched_patches(a, b)
    both = score_table(a, b, pairs)
    if both.empty:
        raise InputError(f"no patch was scored in both {a.folder} and {b.folder}: compare runs of one region.")
    found: dict[str, Any] = {
        "groups": compare_groups(a, b, pairs),
        "weights": compare_weights(a, b),
        "training": {name: tuple(run.training.validation.get(name) for run in (a, b)) for name in _VALIDATION},
        "scores": compare_scores(a, b, both, movers),
        "evaluations": compare_evaluations(a, b),
    }
    return ComparedStudy(
        "ranking", _lead(found["scores"]), list(_figures(found["groups"], found["scores"])),
        _sections(a, b, found, both[both["distinct"]].reset_index(drop=True)),
        differences(*(_asked(run) for run in (a, b))), _as_document(found), list(_rows(found)),
    )  # fmt: skip


def _asked(run: RankingRun) -> dict[str, str]:
    """How judges were asked: model, temperature and so on of each, its rounds, and the hash of each prompt."""
    found = []
    for one in run.rounds:
        facts = {name: value for name, value in one.items() if name not in {"judge", "prompt", "prompt_sha256"}}
        found += [(f"judges.{one['judge']}.{name}", text_of(value)) for name, value in facts.items()]
        found.append((f"prompts.{one['prompt']}", str(one["prompt_sha256"])[:12]))
    return values_of(found)


def _lead(scores: Scores) -> str:
    alike = "" if scores.spearman is None else f", and their Spearman correlation is {number(scores.spearman, 3)}"
    return (
        f"Both runs scored {count(scores.n, 'place')}; their scores differ by "
        f"{number(scores.mean_absolute_difference, 3)} in the mean{alike}."
    )


def _figures(groups: Grouping, scores: Scores) -> Iterator[tuple[str, str, str]]:
    common = count(groups.patches, "common patch", "common patches")
    yield "Scores, Spearman correlation", number(scores.spearman, 3), "1: the same order of places"
    largest = f"largest {number(scores.largest, 3)}"
    yield "Mean absolute difference of scores", number(scores.mean_absolute_difference, 3), largest
    beyond = "of places, twice the standard deviation"
    yield "Differences beyond the scores' uncertainty", percent(scores.beyond), beyond
    yield "Order, Kendall's tau-b", number(groups.tau_patches, 3), f"over {common} learned from"
    yield "Pairs of clusters that turned", str(groups.flipped), f"of {groups.compared} that both orders tell apart"
    same = "the very same clusters" if groups.same else "1: the same groups, 0: chance"
    yield "Clusters, adjusted Rand index", number(groups.rand_index, 3), same


def _sections(a: RankingRun, b: RankingRun, found: dict[str, Any], both: pd.DataFrame) -> list[ComparedSection]:
    shown = {
        "found": found,
        "patches": {
            side: sum(len(granule.index) for granule in run.granules.values()) for side, run in (("a", a), ("b", b))
        },
        "map": drawing.difference_map(a, both),
        "plots": [drawing.score_scatter(both), drawing.difference_histogram(both)],
        "moved": drawing.moved_patches(a, b, found["scores"].movers),
    }
    page = template(ASSETS, "ranking.html.j2")
    return [
        ComparedSection(name, title, Markup(page.render(section=name, **shown))) for name, title in _SECTIONS.items()
    ]


def _as_document(found: dict[str, Any]) -> dict[str, Any]:
    listed = {name: [asdict(one) for one in found[name]] for name in ("weights", "evaluations")}
    return {**found, **listed, "groups": asdict(found["groups"]), "scores": asdict(found["scores"])}


def _rows(found: dict[str, Any]) -> Iterator[Row]:
    groups, scores = found["groups"], found["scores"]
    yield "clusters", "adjusted Rand index", None, None, groups.rand_index
    yield "order", "Kendall tau-b of patches", None, None, groups.tau_patches
    yield "order", "Kendall tau-b of clusters", None, None, groups.tau_clusters
    yield "order", "pairs of clusters that turned", groups.compared, groups.flipped, None
    yield from (("ranks", f"{pair.a} and {pair.b}", *_minus(pair.rank_a, pair.rank_b)) for pair in groups.pairs)
    yield from (("weights", one.source, *_minus(one.a, one.b)) for one in found["weights"])
    yield from (("training", name, *_minus(*values)) for name, values in found["training"].items())
    for name in ("n", "spearman", "pearson", "mean_difference", "mean_absolute_difference", "largest", "beyond"):
        yield "score", name, None, None, getattr(scores, name)
    yield from (("movers", mover.patch_a, mover.a, mover.b, mover.difference) for mover in scores.movers)
    for one in found["evaluations"]:
        yield "evaluation", f"{one.reference} {one.part} {one.measure}", one.a, one.b, one.difference


def _minus(a: float | None, b: float | None) -> tuple[float | None, float | None, float | None]:
    known = a is not None and b is not None and not math.isnan(a) and not math.isnan(b)
    return a, b, b - a if known and a is not None and b is not None else None
