"""The audit: what each judge with each prompt did, and how far judges, people and data agree."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from rankscape.studies.ranking.judges.round_records import RoundRecord
from rankscape.studies.ranking.orders.ballots import completed_ranks, kendall_w, mean_tau, tau_matrix
from rankscape.studies.ranking.orders.judge_measures import consistency, drift, place_bias, position_bias, spread
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.orders.settings import AuditSettings

BIN_POINTS = 5
"""Width of the bins of the distribution of scores."""
_BINS = np.arange(0, 100 + BIN_POINTS, BIN_POINTS)


def group_of(source: str, facts: Mapping[str, Any]) -> str:
    """Return the group of a source: the rounds of one judge with one prompt are one, all others stand alone."""
    return f"{facts['judge']}--{facts['prompt']}" if facts.get("kind") == "round" else source


def judge_rows(
    rounds: Sequence[RoundRecord], own_taus: Mapping[str, float | None], settings: AuditSettings
) -> list[dict[str, Any]]:
    """Describe every judge with every prompt.

    Args:
        rounds: All rounds.
        own_taus: Mean tau-b between the orders of each group's own rounds.
        settings: Confidence, draws and seed of the intervals.

    Returns:
        One document a judge and prompt, sorted by these names.
    """
    asked: dict[tuple[str, str], list[RoundRecord]] = defaultdict(list)
    for one in sorted(rounds, key=lambda one: (one.judge, one.prompt, one.round)):
        asked[one.judge, one.prompt].append(one)
    return [_judge_row(own, own_taus.get(f"{judge}--{prompt}"), settings) for (judge, prompt), own in asked.items()]


def _judge_row(rounds: Sequence[RoundRecord], own_tau: float | None, settings: AuditSettings) -> dict[str, Any]:
    last = rounds[-1]
    return {
        "judge": last.judge,
        "prompt": last.prompt,
        "model": last.model,
        "stand_in": last.stand_in,
        "mode": last.mode,
        "language": last.language,
        "rounds": len(rounds),
        **_counts(rounds),
        "missing": _reasons(rounds),
        "position_bias": _document(position_bias(rounds, settings.confidence)),
        "place_bias": _document(place_bias(rounds, settings.confidence)),
        "consistency": _document(consistency(rounds, settings.confidence)),
        "drift": _document(drift(rounds, settings.draws, settings.confidence, settings.seed)),
        "tau_between_rounds": own_tau,
        "spread": _document(spread(rounds)),
        "distribution": _distribution(rounds),
    }


def round_rows(rounds: Iterable[RoundRecord]) -> list[dict[str, Any]]:
    """Return what every round took: replies, tokens, seconds, cost."""
    ordered = sorted(rounds, key=lambda one: (one.judge, one.prompt, one.round))
    return [{"judge": one.judge, "prompt": one.prompt, "round": one.round, **_counts([one])} for one in ordered]


def _counts(rounds: Sequence[RoundRecord]) -> dict[str, Any]:
    replies = [reply for one in rounds for reply in one.replies]
    usable = sum(reply.usable for reply in replies)
    return {
        "questions": sum(len(one.questions) for one in rounds),
        "replies": len(replies),
        "usable": usable,
        "usable_share": usable / len(replies) if replies else None,
        "repaired": sum(reply.repairs > 0 for reply in replies),
        "prompt_tokens": sum(one.usage.prompt_tokens for one in rounds),
        "completion_tokens": sum(one.usage.completion_tokens for one in rounds),
        "seconds": _total([one.usage.seconds for one in rounds]),
        "cost": _total([one.usage.cost for one in rounds]),
        "currency": next((one.usage.currency for one in rounds if one.usage.currency), None),
    }


def _total(values: Sequence[float | None]) -> float | None:
    """Sum; None where a part is not known, since a sum of the rest would be too low."""
    known = [value for value in values if value is not None]
    return float(sum(known)) if known and len(known) == len(values) else None


def _reasons(rounds: Iterable[RoundRecord]) -> dict[str, int]:
    lost = (reply.missing or "no reason given" for one in rounds for reply in one.replies if not reply.usable)
    return dict(sorted(Counter(lost).items(), key=lambda item: (-item[1], item[0])))


def _distribution(rounds: Sequence[RoundRecord]) -> dict[str, Any]:
    """Counts of scores in bins: of replies where these are scores, else of clusters by round."""
    replies = [reply.answer for one in rounds for reply in one.replies if isinstance(reply.answer, float)]
    clusters = [score for one in rounds for score in one.scores.values() if score is not None]
    counts, _ = np.histogram(replies or clusters, bins=_BINS)
    return {"of": "replies" if replies else "clusters", "bin_points": BIN_POINTS, "counts": counts.tolist()}


def _document(measure: Any) -> dict[str, Any] | None:
    return None if measure is None else asdict(measure)


def group_taus(groups: Sequence[str], tau: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Average Kendall's tau-b of every two orders over their groups.

    Args:
        groups: Group of each order.
        tau: Tau-b of every two orders, shape (orders, orders); NaN where there is none.

    Returns:
        Names of the groups in the order in which they first come, and the means, shape (groups, groups); on the
        diagonal the mean between different orders of the group. NaN where no two orders have a tau.
    """
    names = list(dict.fromkeys(groups))
    places = [np.flatnonzero(np.array(groups) == name) for name in names]
    others = np.where(np.eye(len(groups), dtype=bool), np.nan, tau)
    return names, np.array([[_mean(others[np.ix_(one, other)]) for other in places] for one in places])


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def agreement_document(
    orders: Mapping[str, PartialOrder], facts: Mapping[str, Mapping[str, Any]], merged: Mapping[str, Any]
) -> dict[str, Any]:
    """Describe how far the sources agree.

    Args:
        orders: Orders of the same clusters by source.
        facts: What kind of source each is.
        merged: The merged order's document.

    Returns:
        Keys `sources`, `groups`, `tau`, `kendall_w`, `mean_tau`, `pairs`, as the audit's file holds them.
    """
    sources = sorted(orders)
    members = [orders[source] for source in sources]
    tau = tau_matrix(members)
    names, between = group_taus([group_of(source, facts[source]) for source in sources], tau)
    np.fill_diagonal(tau, np.nan)
    rows = [
        _source(source, facts[source], orders[source], others, merged)
        for source, others in zip(sources, tau, strict=True)
    ]
    return {
        "sources": rows,
        "groups": [_group(name, [row for row in rows if row["group"] == name]) for name in names],
        "tau": {"groups": names, "matrix": _with_null(between)},
        "mean_tau": mean_tau(tau),
        "kendall_w": {"all": kendall_w(completed_ranks(members)), **_w_by_kind(rows, members)},
        "effective_judges": merged.get("effective_judges"),
        "pairs": _pairs(members),
    }


def _source(
    source: str, facts: Mapping[str, Any], order: PartialOrder, others: np.ndarray, merged: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "source": source,
        "group": group_of(source, facts),
        "kind": str(facts.get("kind")),
        "weight": (merged.get("weights") or {}).get(source),
        "mean_tau": _or_null(_mean(others)),
        "tau_to_rest": _tau_to_rest(order, (merged.get("leave_one_out") or {}).get(source)),
    }


def _group(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    known = {key: [row[key] for row in rows if row[key] is not None] for key in ("weight", "mean_tau", "tau_to_rest")}
    return {
        "group": name,
        "kind": rows[0]["kind"],
        "orders": len(rows),
        "weight": sum(known["weight"]) if known["weight"] else None,
        "mean_tau": float(np.mean(known["mean_tau"])) if known["mean_tau"] else None,
        "tau_to_rest": float(np.mean(known["tau_to_rest"])) if known["tau_to_rest"] else None,
    }


def _tau_to_rest(order: PartialOrder, ranks: Mapping[str, float] | None) -> float | None:
    """Tau-b of an order with what the others merge to without it."""
    if ranks is None or any(str(cluster) not in ranks for cluster in order.clusters):
        return None
    others = np.array([ranks[str(cluster)] for cluster in order.clusters])
    upper = np.triu_indices(len(others), k=1)
    own = (order.higher.astype(np.int8) - order.higher.T)[upper]
    signs = np.sign(others[None, :] - others[:, None])[upper]
    scale = float(np.sqrt((own**2).sum() * (signs**2).sum()))
    return float((own * signs).sum() / scale) if scale else None


def _w_by_kind(rows: Sequence[Mapping[str, Any]], members: Sequence[PartialOrder]) -> dict[str, float | None]:
    kinds = [row["kind"] for row in rows]
    own = {
        kind: [order for order, name in zip(members, kinds, strict=True) if name == kind] for kind in sorted(set(kinds))
    }
    return {kind: kendall_w(completed_ranks(orders)) for kind, orders in own.items()}


def _pairs(orders: Sequence[PartialOrder]) -> dict[str, Any]:
    """For every pair the share of orders that put the row's cluster above the column's, ties half.

    Null where no order compares the two; these pairs also stand under `nobody`.
    """
    clusters = orders[0].clusters
    above = sum(order.higher + 0.5 * order.equal for order in orders)
    compared = np.array(sum((~order.incomparable()).astype(float) for order in orders))
    np.fill_diagonal(compared, 0.0)
    share = np.divide(above, compared, out=np.full(compared.shape, np.nan), where=compared > 0)
    nobody = np.argwhere(np.triu(compared == 0, k=1))
    return {
        "clusters": list(clusters),
        "above": _with_null(np.round(share, 6)),
        "nobody": [[clusters[a], clusters[b]] for a, b in nobody],
    }


def _with_null(matrix: np.ndarray) -> list[list[float | None]]:
    return [[_or_null(value) for value in row] for row in matrix.tolist()]


def _or_null(value: float) -> float | None:
    return value if np.isfinite(value) else None
