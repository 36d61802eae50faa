"""Turn a round's scores into a partial order of the clusters.

Clusters whose scores differ by no more than a margin are tied; the settings name the rule that makes ties an order.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import read_json
from rankscape.foundation.provenance import provenance
from rankscape.stages.options import Summary, settings_of
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
    ranked, document = read_ranked(summary), read_json(evidence)
    ranked.check_fingerprint(document, evidence)
    try:
        scores = {int(cluster): score for cluster, score in document["scores"].items()}
        source = {key: document[key] for key in ("judge", "prompt", "round", "model", "stand_in")}
    except (KeyError, ValueError, AttributeError) as error:
        raise InputError(f"{evidence} is no round ({error!r}): make it again with `rate`.") from None
    check_clusters(scores, ranked.clusters, str(evidence))
    order = order_of_scores(scores, chosen.margin, chosen.ties)
    ROUND_ORDER.write(
        out,
        {
            "source": {"kind": "round", **source},
            **order.to_document(),
            "scores": document["scores"],
            "fingerprint": ranked.fingerprint,
        },
        provenance("ranking rank", chosen, {"evidence": evidence, "summary": summary}),
    )
