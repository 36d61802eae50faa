"""Measure how reliable judges, people and data are.

Usable replies, position bias, consistency, drift, spread, tokens, cost and time of every judge with every prompt; how
far all sources of orders agree; and which pairs of clusters nobody ordered.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from cyclopts import Parameter

from rankscape.foundation.errors import OrderError
from rankscape.foundation.files import read_json
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.stages.options import Summary, settings_of
from rankscape.studies.ranking.judges.artifacts import ROUND, TIMES
from rankscape.studies.ranking.judges.round_records import RoundRecord, TimesRecord
from rankscape.studies.ranking.orders.artifacts import AUDIT, ORDER
from rankscape.studies.ranking.orders.audit_rows import agreement_document, judge_rows, round_rows
from rankscape.studies.ranking.orders.order_files import Ranked, read_ranked
from rankscape.studies.ranking.orders.partial_orders import PartialOrder, check_clusters
from rankscape.studies.ranking.orders.settings import AuditSettings

_Record = TypeVar("_Record", RoundRecord, TimesRecord)


def audit(
    *,
    settings: Annotated[str, settings_of(AuditSettings)],
    order: Annotated[Path, Parameter(help="The merged order: order.json.")],
    orders: Annotated[list[Path], Parameter(help="Orders of rounds, people and data (JSON).")],
    summary: Summary,
    out: Annotated[Path, Parameter(help="Document to write (JSON).")],
    rounds: Annotated[list[Path] | None, Parameter(help="Rounds (JSON).")] = None,
    times: Annotated[list[Path] | None, Parameter(help="How long the replies of rounds took (JSON).")] = None,
) -> None:
    """Measure how reliable judges, people and data are."""
    chosen, ranked = AuditSettings.from_text(settings, "ranking.audit"), read_ranked(summary)
    took = _seconds([_checked(TIMES.read(path), ranked, path) for path in times or ()])
    heard = [_checked(ROUND.read(path), ranked, path) for path in rounds or ()]
    heard = [one.timed(took.get((one.judge, one.prompt, one.round))) for one in heard]
    facts, votes = _read_orders(orders, ranked)
    merged = ORDER.read(order).model_dump(mode="json")
    ranked.check_fingerprint(merged, order)
    agreement = agreement_document(votes, facts, merged)
    own_taus = {
        name: row[place]
        for place, (name, row) in enumerate(zip(agreement["tau"]["groups"], agreement["tau"]["matrix"], strict=True))
    }
    AUDIT.write(
        out,
        {
            "confidence": chosen.confidence,
            "judges": judge_rows(heard, own_taus, chosen),
            "rounds": round_rows(heard),
            **agreement,
            "fingerprint": ranked.fingerprint,
        },
        provenance(
            "ranking audit", chosen, _inputs(order, orders, rounds or (), times or (), summary), seed=chosen.seed
        ),
    )
    say(f"Audit of {len(heard)} rounds and {len(votes)} orders: {out}")


def _checked(found: _Record, ranked: Ranked, path: Path) -> _Record:
    ranked.check_fingerprint({"fingerprint": found.fingerprint}, path)
    return found


def _seconds(times: Sequence[TimesRecord]) -> dict[tuple[str, str, int], float]:
    return {(one.judge, one.prompt, one.round): one.seconds for one in times}


def _read_orders(paths: Sequence[Path], ranked: Ranked) -> tuple[dict[str, dict[str, Any]], dict[str, PartialOrder]]:
    """What each source is, and its order; an order that leaves clusters out compares them with none."""
    facts: dict[str, dict[str, Any]] = {}
    votes: dict[str, PartialOrder] = {}
    for path in paths:
        if path.stem in votes:
            raise OrderError(f"Two orders are named {path.stem}: each source votes once; rename or drop {path}.")
        document = read_json(path)
        ranked.check_fingerprint(document, path)
        order = PartialOrder.from_document(document, str(path))
        check_clusters(order.clusters, ranked.clusters, str(path), all_needed=False)
        facts[path.stem], votes[path.stem] = dict(document.get("source") or {}), order.extended(ranked.clusters)
    return facts, votes


def _inputs(
    order: Path, orders: Sequence[Path], rounds: Sequence[Path], times: Sequence[Path], summary: Path
) -> dict[str, Path]:
    of_rounds = [("rounds", path) for path in rounds] + [("times", path) for path in times]
    named = {f"{role}/{'--'.join((*path.parts[-3:-1], path.stem))}": path for role, path in of_rounds}
    return {"order": order, "summary": summary, **{f"orders/{path.stem}": path for path in orders}, **named}
