"""Turn a round's scores into a partial order of the clusters.

Clusters whose scores differ by no more than a margin are tied; the settings name the rule that makes ties an order.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.provenance import provenance
from rankscape.stages.options import Summary, settings_of
from rankscape.studies.ranking.judges.artifacts import ROUND
from rankscape.studies.ranking.orders.artifacts import ROUND_ORDER
from rankscape.studies.ranking.orders.order_files import read_ranked
from rankscape.studies.ranking.orders.order_from_values import order_of_scores
from rankscape.studies.ranking.orders.partial_orders import check_clusters
from rankscape.studies.ranking.orders.settings import RankSettings


def rank(
    *,
    settings: Annotated[str, settings_of(RankSettings)],
    evidence: Annotated[Path, Parameter(help="Round that gave the scores (JSON).")],
    summary: Summary,
    out: Annotated[Path, Parameter(help="Order to write (JSON).")],
) -> None:
    """Turn a round's scores into a partial order of the clusters."""
    chosen = RankSettings.from_text(settings, "ranking.rank")
    ranked, heard = read_ranked(summary), ROUND.read(evidence)
    ranked.check_fingerprint({"fingerprint": heard.fingerprint}, evidence)
    scores = heard.scores
    source = heard.model_dump(include={"judge", "prompt", "round", "model", "stand_in"})
    check_clusters(scores, ranked.clusters, str(evidence))
    order = order_of_scores(scores, chosen.margin, chosen.ties)
    ROUND_ORDER.write(
        out,
        {
            "source": {"kind": "round", **source},
            **order.to_document(),
            "scores": {str(cluster): score for cluster, score in scores.items()},
            "fingerprint": ranked.fingerprint,
        },
        provenance("ranking rank", chosen, {"evidence": evidence, "summary": summary}),
    )
