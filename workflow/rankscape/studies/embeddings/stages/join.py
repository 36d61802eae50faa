"""Join embeddings of others to the patches of a granule: tables, rasters or Zarr stores that are supplied."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.errors import TableError
from rankscape.foundation.files import write_array
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.samples.patches import read_index
from rankscape.samples.settings import SuppliedSettings
from rankscape.samples.supplied_embeddings import supplied_embeddings
from rankscape.stages.options import OneIndex, settings_of
from rankscape.studies.embeddings.artifacts import FEATURE_RECORD, JoinKeys


def join(
    *,
    settings: Annotated[str, settings_of(SuppliedSettings, path="embeddings.parquet")],
    name: Annotated[str, Parameter(help="Name of the embedding.")],
    index: OneIndex,
    out: Annotated[Path, Parameter(help="Features to write (.npy), a row a patch; a .json beside it describes them.")],
) -> None:
    """Join supplied embeddings to the patches of a granule; rows of patches without one are NaN."""
    chosen = SuppliedSettings.from_text(settings, f"embeddings.embedders.{name}")
    patches = read_index(index)
    if patches.crs is None or not len(patches):
        raise TableError(f"{index} has no footprints with a CRS: cut the patches again.")
    found = supplied_embeddings(chosen, patches)
    report, granule = found.report, str(patches["granule"].iloc[0])
    write_array(out, found.features)
    FEATURE_RECORD.write(
        out.with_suffix(".json"),
        {
            "granule": granule, "patches": report.patches, "usable": report.embedded, "dims": found.features.shape[1],
            "architecture": report.model or chosen.path,
            "joined": {key: getattr(report, key) for key in JoinKeys.model_fields},
        },
        provenance("embeddings join", chosen, {"index": index, **{f"rows/{file}": file for file in chosen.files()}}),
    )  # fmt: skip
    say(f"{name}, {granule}: {report}.")
