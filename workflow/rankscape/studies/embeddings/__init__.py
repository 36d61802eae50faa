"""How well do image embeddings predict labels, and what do they add to other data?"""

from rankscape.foundation.studies import Study

_VERBS = (
    "fit", "split", "train", "tile2vec", "embed", "join", "label", "downstream", "contrast", "curve", "regress",
    "predict", "localize", "units", "infer",
)  # fmt: skip

STUDY = Study(
    name="embeddings",
    title="Embeddings",
    question="How well do image embeddings predict labels?",
    verbs={verb: f"rankscape.studies.embeddings.stages.{verb}" for verb in _VERBS},
    settings="rankscape.studies.embeddings.settings:EmbeddingsSettings",
    sections="rankscape.studies.embeddings.page.contents",
    artifacts="rankscape.studies.embeddings.artifacts",
)
