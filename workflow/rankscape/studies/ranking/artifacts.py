"""All files of the study; each is declared beside its producer."""

from rankscape.artifacts import declared_in
from rankscape.studies.ranking import product_files
from rankscape.studies.ranking.clusters import artifacts as clusters
from rankscape.studies.ranking.judges import artifacts as judges
from rankscape.studies.ranking.orders import artifacts as orders
from rankscape.studies.ranking.scoring import artifacts as scoring

ARTIFACTS = declared_in(product_files, orders, judges, clusters, scoring)
