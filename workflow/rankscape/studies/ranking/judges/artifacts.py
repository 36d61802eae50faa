"""Files of judges: what a round shows, what is asked, and what was heard."""

from rankscape.artifacts import Column, Document, File, Table
from rankscape.samples.artifacts import PATCH_ID
from rankscape.studies.ranking.judges.round_records import RoundRecord, TimesRecord

_ROUND = "{judge}/{prompt}/{round}"

SAMPLE = Table(
    "ranking/samples/{round}.parquet", "ranking sample", "The patches that a round shows",
    row="one patch that a round shows",
    columns=(
        Column("cluster", "integer", "", "Cluster that the patch is of"), PATCH_ID,
        Column("image", "image", "", "What the judges are shown (PNG)"),
    ),
)  # fmt: skip
REQUESTS = Document(
    "ranking/requests/{judge}/{prompt}.json", "ranking build-requests", "What a judge that the workflow starts is asked"
)
SERVICE = Document("ranking/services/{judge}.json", "ranking serve", "Address of a judge that the workflow starts")
COLLECTED = Document(
    "ranking/collected/{judge}.json", "ranking collect-replies",
    "Which replies of a judge that the workflow starts are there",
)  # fmt: skip
ROUND = Document(
    f"ranking/rounds/{_ROUND}.json", "ranking rate", "A judge's questions and replies of one round", model=RoundRecord
)
TIMES = Document(f"ranking/times/{_ROUND}.json", "ranking rate", "How long the replies took", model=TimesRecord)
REPLIES = File(
    "ranking/replies", "ranking rate", "Folder of replies: it only grows, and what is in it is not asked again"
)
