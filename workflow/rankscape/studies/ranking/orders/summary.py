"""Which clusters there are to rank, from the clusters' summary."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rankscape.foundation.errors import OrderError
from rankscape.foundation.files import read_json


@dataclass(frozen=True)
class Ranked:
    """The clusters that are ranked, and those facts of them that orders depend on."""

    clusters: tuple[int, ...]
    """Clusters in ascending order, without the uninhabited one."""
    uninhabited: int | None
    """Cluster of land without people: the lowest by definition, shown to nobody."""
    fingerprint: str
    """Hash of which patch is in which cluster; it differs when clusters were made anew."""

    def check_fingerprint(self, document: dict[str, Any], path: Path) -> None:
        """Refuse a document about other clusters.

        Raises:
            OrderError: If the document was made for clusters that have been made anew since.
        """
        if document.get("fingerprint") != self.fingerprint:
            raise OrderError(
                f"{path} was made for other clusters (fingerprint {str(document.get('fingerprint'))[:12]}, now "
                f"{self.fingerprint[:12]}): the numbers no longer mean the same; make it again."
            )


def read_ranked(path: Path) -> Ranked:
    """Read the clusters to rank from `clusters.json`.

    Raises:
        OrderError: If the file is no summary of clusters, or leaves no cluster to rank.
    """
    document = read_json(path)
    try:
        numbers = [int(entry["cluster"]) for entry in document["clusters"]]
        uninhabited, fingerprint = document["uninhabited"], str(document["fingerprint"])
    except (KeyError, TypeError, ValueError) as error:
        raise OrderError(f"{path} is no summary of clusters ({error!r}): make it again with `cluster`.") from None
    clusters = tuple(sorted(number for number in numbers if number != uninhabited))
    if not clusters:
        raise OrderError(f"{path} has no cluster to rank: all land is uninhabited.")
    return Ranked(clusters, uninhabited, fingerprint)
