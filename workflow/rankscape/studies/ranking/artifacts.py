"""All files of the study, each declared beside its producer, and what is said of them where they travel."""

from pathlib import Path

from rankscape.artifacts import Credits, Words, declared_in
from rankscape.studies.ranking import product_files
from rankscape.studies.ranking.clusters import artifacts as clusters
from rankscape.studies.ranking.judges import artifacts as judges
from rankscape.studies.ranking.orders import artifacts as orders
from rankscape.studies.ranking.scoring import artifacts as scoring

ARTIFACTS = declared_in(product_files, orders, judges, clusters, scoring)


def _credits(region: Path) -> Credits:
    """Titles of the references that the score was compared with, and the models of the judges."""
    evaluations = [product_files.EVALUATION.read(path) for _, path in product_files.EVALUATION.found(region)]
    judges_ = orders.AUDIT.read(orders.AUDIT.of(region)).judges
    return Credits(
        {one.reference: one.title for one in evaluations}, tuple(sorted({one.model for one in judges_ if one.model}))
    )


WORDS = Words(
    abstract=(
        "Development scores of {region} from 0 (least) to 1 (most developed) with score_std, the uncertainty of the "
        "score (one standard deviation), learned from satellite imagery by a network that respects a partial order of "
        "clusters of patches."
    ),
    caution=(
        "The score compares places of this run with each other. It is no income, no poverty line and no ground truth.\n"
        "Scores of two runs are not on one scale unless one model made both. Look at score_std before you compare two\n"
        "places."
    ),
    first=(
        (product_files.REGION_MAP.path, "the map for QGIS, which colours it by itself (region.qml)"),
        (product_files.REGION_COLOUR.path, "the same in colours that any program shows"),
        (product_files.PATCHES_TEXT.path, "all places as a table"),
    ),
    credits=_credits,
)
