"""Train the backbone further within each land category by DeepCluster, and compute features with it.

Only a configuration with `cluster.method: deepcluster` asks for it.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import write_array
from rankscape.foundation.provenance import provenance
from rankscape.foundation.tables import read_metadata
from rankscape.learning.adapted import load_adapted
from rankscape.learning.processes import use_device
from rankscape.learning.selection import open_stores
from rankscape.samples.patches import index_of
from rankscape.stages.options import Gpus, PatchArrays, Threads, settings_of
from rankscape.studies.ranking.clusters.artifacts import CATEGORIES, REFINED
from rankscape.studies.ranking.clusters.deepcluster import check_trainable, refine_features
from rankscape.studies.ranking.clusters.granule_features import open_features
from rankscape.studies.ranking.clusters.settings import RefineSettings


def refine(
    *,
    settings: Annotated[str, settings_of(RefineSettings)],
    patches: PatchArrays,
    features: Annotated[list[Path], Parameter(help="Features by the backbone (.npy), a granule each.")],
    categories: Annotated[Path, Parameter(help="Land category of every patch: categories.parquet.")],
    backbone: Annotated[Path, Parameter(help="Backbone to start from: backbone.safetensors.")],
    out: Annotated[list[Path], Parameter(help="Features to write (.npy), one for each granule, of its name.")],
    record: Annotated[Path, Parameter(help="What is known of the trainings, to write (.json).")],
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Train the backbone further within each land category by DeepCluster, and compute features with it."""
    chosen = RefineSettings.from_text(settings, "ranking.refine")
    arrays, outputs = sorted(patches, key=lambda path: path.stem), {path.stem: path for path in out}
    if sorted(outputs) != [path.stem for path in arrays]:
        raise InputError(f"--out names {sorted(outputs)}, --patches {[path.stem for path in arrays]}: name the same.")
    device = use_device(gpus, threads)
    adapted = load_adapted(backbone)
    check_trainable(adapted, str(backbone))
    stores = open_stores(arrays)
    granules = open_features(features, [index_of(path) for path in arrays])
    names = read_metadata(categories, "label")["categories"]
    table = CATEGORIES.read(categories, "patch_id", "category")
    refined, known = refine_features(adapted, stores, granules, table, names, chosen, device)
    inputs = {"categories": categories, "backbone": backbone}
    for path in arrays:
        inputs |= {f"patches/{path.stem}": path, f"index/{path.stem}": index_of(path)}
    inputs |= {f"features/{path.stem}": path for path in features}
    origin = provenance("ranking refine", chosen, inputs, seed=chosen.seed, backend=device.type)
    for path, values in zip(arrays, refined, strict=True):
        write_array(outputs[path.stem], values)
    REFINED.write(record, {"networks": known, "dims": adapted.dims}, origin)
