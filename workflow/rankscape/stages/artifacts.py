"""All files of a region: those that its studies share, and those of each study."""

from collections.abc import Iterable

from rankscape.artifacts import Artifact, declared_in
from rankscape.foundation.studies import Study, load
from rankscape.products import artifacts as products
from rankscape.samples import artifacts as samples
from rankscape.scenes import artifacts as scenes
from rankscape.synthetic import artifacts as synthetic


def artifacts_of(studies: Iterable[Study]) -> tuple[Artifact, ...]:
    """Return what a region with these studies may hold, what people open first before what it is made of."""
    own = [load(study.artifacts) for study in studies if study.artifacts]
    return declared_in(products, *own, samples, scenes, synthetic)
