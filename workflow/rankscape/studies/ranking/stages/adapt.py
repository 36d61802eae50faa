"""Fit the backbone and a land-category head to the soft labels.

Without labels, or with 0 epochs, the backbone stays as it came and gets no head.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.errors import WeightsError
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.foundation.tables import read_metadata
from rankscape.learning.adapted import save_adapted
from rankscape.learning.adapting import adapt_backbone
from rankscape.learning.labels import select_labelled
from rankscape.learning.processes import use_device
from rankscape.learning.selection import open_stores
from rankscape.learning.settings import SELF_SUPERVISED, AdaptSettings
from rankscape.models.backbones import find_weights
from rankscape.samples.patches import index_of
from rankscape.stages.options import Gpus, MaybeFile, PatchArrays, Threads, only, settings_of
from rankscape.studies.ranking.clusters.artifacts import LABELS
from rankscape.studies.ranking.scoring.artifacts import BACKBONE_RECORD


def adapt(
    *,
    settings: Annotated[str, settings_of(AdaptSettings)],
    labels: Annotated[Path, Parameter(help="Soft labels: labels.parquet; an empty table fits nothing.")],
    patches: PatchArrays,
    out: Annotated[Path, Parameter(help="Backbone and head to write (.safetensors).")],
    record: Annotated[Path, Parameter(help="Record of the fit to write (.json).")],
    pretrained: Annotated[
        MaybeFile, Parameter(help="What pretrain made; for weights `self_supervised`, and for no others.")
    ] = (),
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Fit the backbone and a land-category head to the soft labels.

    The file of the backbone also contains how images are prepared for it, so that all later stages prepare them alike.
    """
    chosen = AdaptSettings.from_text(settings, "ranking.adapt")
    device = use_device(gpus, threads)
    start = _start(chosen.weights, only(pretrained))
    weights = find_weights(chosen.architecture, start)
    about, table = read_metadata(labels, "label"), LABELS.read(labels)
    stores = open_stores(patches)
    selected = select_labelled(stores, table, about["categories"], str(labels))
    say(f"{len(selected)} usable labelled patches of {len(table)} labelled ones.")
    adapted, found = adapt_backbone(chosen, selected, about["categories"], about["uninhabited"], device, start)
    inputs = {"labels": labels} | ({"weights": weights} if weights is not None else {})
    for path in patches:
        inputs |= {f"patches/{path.stem}": path, f"index/{path.stem}": index_of(path)}
    origin = provenance("ranking adapt", chosen, inputs, seed=chosen.seed, backend=device.type)
    save_adapted(out, adapted, origin)
    BACKBONE_RECORD.write(record, found, origin)


def _start(weights: str, pretrained: Path | None) -> str:
    """Return what the backbone starts from: the settings' weights, or the file that pre-training made."""
    if (weights == SELF_SUPERVISED) != (pretrained is not None):
        raise WeightsError(
            f"adapt.weights = {weights!r} and --pretrained = {pretrained}: `{SELF_SUPERVISED}` needs the file that"
            " pretrain made, and no other weights take one."
        )
    return weights if pretrained is None else str(pretrained)
