"""Turn the scores of rounds into partial orders of the clusters.

Clusters whose scores differ by no more than a margin are tied; the settings name the rule that makes ties an order.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.errors import InputError
from rankscape.foundation.provenance import provenance
from rankscape.stages.options import Summary, settings_of
from rankscape.studies.ranking.judges.artifacts import ROUND
from rankscape.studies.ranking.orders.artifacts import ROUND_ORDER
from rankscape.studies.ranking.orders.order_files import Ranked, read_ranked
from rankscape.studies.ranking.orders.order_from_values import order_of_scores
from rankscape.studies.ranking.orders.partial_orders import check_clusters
from rankscape.studies.ranking.orders.settings import RankSettings


def rank(
    *,
    settings: Annotated[str, settings_of(RankSettings)],
    evidence: Annotated[list[Path], Parameter(help="Rounds that gave the scores (JSON).")],
    summary: Summary,
    out: Annotated[list[Path], Parameter(help="Orders to write (JSON), one for each round, in the same order.")],
) -> None:
    """Turn the scores of rounds into partial orders of the clusters."""
    chosen, ranked = RankSettings.from_text(settings, "ranking.rank"), read_ranked(summary)
    if len(evidence) != len(out):
        raise InputError(f"--evidence names {len(evidence)} rounds, --out {len(out)} orders: name as many.")
    orders = [_order_of_round(path, ranked, chosen) for path in evidence]
    for path, order, source in zip(out, orders, evidence, strict=True):
        ROUND_ORDER.write(path, order, provenance("ranking rank", chosen, {"evidence": source, "summary": summary}))


def _order_of_round(evidence: Path, ranked: Ranked, chosen: RankSettings) -> dict[str, object]:
    heard = ROUND.read(evidence)
    ranked.check_fingerprint({"fingerprint": heard.fingerprint}, evidence)
    check_clusters(heard.scores, ranked.clusters, str(evidence))
    source = heard.model_dump(include={"judge", "prompt", "round", "model", "stand_in"})
    return {
        "source": {"kind": "round", **source},
        **order_of_scores(heard.scores, chosen.margin, chosen.ties).to_document(),
        "scores": {str(cluster): score for cluster, score in heard.scores.items()},
        "fingerprint": ranked.fingerprint,
    }
